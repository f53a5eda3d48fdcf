//! The user store: reads and changes a second in batches of 500 users, embedded beside a bare file with one fsync per batch and a map
//! in memory, Redis beside a loop of pipelined SET and GET over one connection.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench ends at the first surprise and prints its result"
)]

mod support;

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use homeostat::configuration::load;
use homeostat::store::open;
use homeostat_actors::ports::user_store::{Change, Entry, Key, UserStore};

use support::{compare, timed};

/// Users of a batch.
const BATCH: u64 = 500;
/// Users altogether.
const USERS: u64 = 20_000;
/// Bytes of a full stream.
const VALUE: usize = 2_300;

fn value(position: i64) -> String {
    format!(
        "{{\"position\":{position},\"events\":\"{}\"}}",
        "e".repeat(VALUE)
    )
}

/// Batch after batch of all users, at growing positions.
#[derive(Default)]
struct Batches {
    next: u64,
}

impl Batches {
    fn users(&mut self) -> Vec<u64> {
        let first = self.next;
        self.next += BATCH;
        (first..self.next).map(|user| user % USERS).collect()
    }

    fn changes(&mut self) -> Vec<Change> {
        let position = i64::try_from(self.next).unwrap();
        let value = value(position);
        let change = |user: u64| Change::Put {
            key: Key::new(Entry::Stream, user.to_string()),
            position,
            value: value.clone(),
        };
        self.users().into_iter().map(change).collect()
    }

    fn keys(&mut self) -> Vec<Key> {
        let key = |user: u64| Key::new(Entry::Stream, user.to_string());
        self.users().into_iter().map(key).collect()
    }
}

fn store(folder: &std::path::Path, section: &str) -> Arc<dyn UserStore> {
    let file = folder.join("bench.toml");
    let data = folder.join("data");
    let text = format!("data_dir = \"{}\"\n[store]\n{section}\n", data.display());
    std::fs::write(&file, text).unwrap();
    let settings = load(&[file], Vec::new()).unwrap().settings;
    open(&settings.user_store, &settings.data_dir).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Changes and reads of a store beside its floors.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    store: &Arc<dyn UserStore>,
    changed: (&str, &mut dyn FnMut() -> Duration),
    read: (&str, &mut dyn FnMut() -> Duration),
) {
    let runtime = runtime();
    let mut batches = Batches::default();
    for _ in 0..USERS / BATCH {
        runtime.block_on(store.change(batches.changes())).unwrap();
    }
    let ours = || {
        let changes = batches.changes();
        timed(|| runtime.block_on(store.change(changes)).unwrap())
    };
    compare(
        group,
        &format!("{name}: changes"),
        BATCH,
        ours,
        &mut [changed],
    );
    // Four batches at the same time, as four shards would send them.
    let mut batches = Batches::default();
    let ours = || {
        let calls: Vec<_> = (0..4).map(|_| store.change(batches.changes())).collect();
        timed(|| {
            let answers = runtime.block_on(futures_util::future::join_all(calls));
            assert!(answers.iter().all(Result::is_ok));
        })
    };
    compare(
        group,
        &format!("{name}: changes by four shards"),
        4 * BATCH,
        ours,
        &mut [],
    );
    let mut batches = Batches::default();
    let ours = || {
        let keys = batches.keys();
        timed(|| {
            let values = runtime.block_on(store.read(keys)).unwrap();
            assert!(values.iter().all(Option::is_some));
        })
    };
    compare(group, &format!("{name}: reads"), BATCH, ours, &mut [read]);
}

fn embedded(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = store(folder.path(), "");
    let mut file = std::fs::File::create(folder.path().join("floor")).unwrap();
    let bytes = value(1).repeat(usize::try_from(BATCH).unwrap());
    let mut written = || {
        timed(|| {
            file.write_all(bytes.as_bytes()).unwrap();
            file.sync_data().unwrap();
        })
    };
    let map: HashMap<String, String> = (0..USERS)
        .map(|user| (user.to_string(), value(1)))
        .collect();
    let mut batches = Batches::default();
    let mut read = || {
        let keys = batches.keys();
        timed(|| {
            let values: Vec<_> = keys.iter().map(|key| map.get(&key.user).cloned()).collect();
            assert!(values.iter().all(Option::is_some));
        })
    };
    measure(
        &mut group,
        "embedded store",
        &store,
        ("file and fsync", &mut written),
        ("map in memory", &mut read),
    );
    group.finish();
}

/// A Redis that keeps nothing, ended with the bench.
struct Server(Child);

impl Server {
    fn start(port: u16) -> Option<Self> {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn();
        Some(Self(child.ok()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn redis(criterion: &mut Criterion) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let Some(_server) = Server::start(port) else {
        eprintln!("not run: the store on Redis (Debian: redis-server)");
        return;
    };
    let url = format!("redis://127.0.0.1:{port}");
    let client = ::redis::Client::open(url.as_str()).unwrap();
    let begun = Instant::now();
    let mut connection = loop {
        match client.get_connection() {
            Ok(connection) => break connection,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut reading = client.get_connection().unwrap();
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = store(folder.path(), &format!("redis_url = \"{url}\""));
    let value = value(1);
    let mut batches = Batches::default();
    let mut written = || {
        let keys = batches.keys();
        timed(|| {
            let mut pipeline = ::redis::pipe();
            for key in &keys {
                let name = format!("floor:{}", key.user);
                pipeline
                    .cmd("SET")
                    .arg(name)
                    .arg(&value)
                    .arg("EX")
                    .arg(3_600)
                    .ignore();
            }
            pipeline.exec(&mut connection).unwrap();
        })
    };
    let mut batches = Batches::default();
    let mut read = || {
        let keys = batches.keys();
        timed(|| {
            let mut pipeline = ::redis::pipe();
            for key in &keys {
                pipeline.cmd("GET").arg(key.to_string());
            }
            let values: Vec<Option<String>> = pipeline.query(&mut reading).unwrap();
            assert!(values.iter().all(Option::is_some));
        })
    };
    measure(
        &mut group,
        "Redis store",
        &store,
        ("pipelined SET", &mut written),
        ("pipelined GET", &mut read),
    );
    group.finish();
}

criterion_group!(benches, embedded, redis);
criterion_main!(benches);
