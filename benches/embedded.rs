//! The embedded log: how long from an event to its decision in the fold, end to end through the real actors; and how many
//! durable appends a second, alone and in batches, beside a bare file with one fsync per batch.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench ends at the first surprise and prints its result"
)]

#[path = "support/actors.rs"]
mod actors;
mod support;

use std::io::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_rt::System;
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::assignment::Assignments;
use homeostat_actors::ports::log::{EventLog, GroupSettings, NewRecord, TopicSettings};
use homeostat_actors::ports::observer::{Consumed, Observer};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::codec::encode;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{FinishOutcome, Genesis, Id, Millis, Record};
use homeostat_logic::topic::LEDGER;

use support::events::{drift, rules};
use support::{compare, note, timed};

const TOPIC: &str = "data.drift.detected";
const LEDGER_PARTITIONS: i32 = 4;
/// Longest wait for one decision.
const LIMIT: Duration = Duration::from_secs(30);

fn open(directory: &std::path::Path) -> Arc<dyn EventLog> {
    let log: Arc<dyn EventLog> =
        Arc::new(EmbeddedLog::open(EmbeddedSettings::new(directory)).unwrap());
    let topic = |name: &str, partitions, append_time| TopicSettings {
        name: name.to_owned(),
        partitions,
        replication_factor: 1,
        retention: None,
        append_time,
        compacted: false,
    };
    let topics = vec![
        topic(TOPIC, 2, false),
        topic("system.alerts", 2, false),
        topic(LEDGER, LEDGER_PARTITIONS, true),
    ];
    runtime().block_on(log.ensure_topics(topics)).unwrap();
    log
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn record(number: u64) -> NewRecord {
    NewRecord {
        topic: TOPIC.to_owned(),
        key: Some(format!("model_{}", number % 50).into_bytes()),
        value: Some(drift(number).into_bytes()),
        ..NewRecord::default()
    }
}

/// Durable appends beside a bare file.
fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("embedded");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (log, runtime) = (open(&directory.path().join("log")), runtime());
    let mut file = std::fs::File::create(directory.path().join("floor")).unwrap();
    for (name, batch) in [
        ("append one by one", 1),
        ("append in batches of 16", 16),
        ("append in batches of 256", 256),
    ] {
        let rounds = (512 / batch).max(8);
        let records: Vec<NewRecord> = (0..batch).map(record).collect();
        let bytes = records
            .iter()
            .flat_map(|record| record.value.clone().unwrap());
        let bytes: Vec<u8> = bytes.collect();
        let mut floor = || {
            timed(|| {
                for _ in 0..rounds {
                    file.write_all(&bytes).unwrap();
                    file.sync_data().unwrap();
                }
            })
        };
        let ours = || {
            timed(|| {
                for _ in 0..rounds {
                    let answers = runtime.block_on(log.append(records.clone()));
                    assert!(answers.iter().all(Result::is_ok), "every record is durable");
                }
            })
        };
        let floors: &mut [(&str, &mut dyn FnMut() -> Duration)] =
            &mut [("file and fsync", &mut floor)];
        compare(&mut group, name, batch * rounds, ours, floors);
    }
    group.finish();
    log.close();
}

/// Tells of each decision when the fold has it.
struct Decided(Mutex<SyncSender<Instant>>);

impl Observer for Decided {
    fn consumed(&self, _: &'static str, _: Consumed, _: u64) {}

    fn rejected(&self, _: &'static str, reason: &'static str) {
        assert_eq!(reason, "", "no event is rejected");
    }

    fn changed(&self, change: &Change, _: &Fold, _: Millis) {
        if matches!(change.kind, ChangeKind::Entered(_)) {
            // Nobody listens at the end.
            self.0
                .lock()
                .unwrap()
                .try_send(Instant::now())
                .unwrap_or_default();
        }
    }

    fn answered(&self, _: Action, _: &str, _: FinishOutcome, _: Duration) {}
}

/// The Genesis of each partition, as the service appends it before it proposes anything.
fn found(log: &dyn EventLog) {
    let genesis = encode(&Record::Genesis(Genesis::new(Id([1; 16])))).unwrap();
    let record = |partition| NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(partition),
        value: Some(genesis.clone()),
        ..NewRecord::default()
    };
    let records = (0..LEDGER_PARTITIONS).map(record).collect();
    let answers = runtime().block_on(log.append(records));
    assert!(answers.iter().all(Result::is_ok), "the ledger is founded");
}

/// One event at a time: append it, wait until its decision is in the fold.
fn latency(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = open(directory.path());
    found(&*log);
    let (sender, decided) = sync_channel(1_024);
    let observer: Arc<dyn Observer> = Arc::new(Decided(Mutex::new(sender)));
    let (ready, is_ready) = sync_channel(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = {
        let log = Arc::clone(&log);
        std::thread::spawn(move || {
            System::new().block_on(async {
                let roster = actors::start(&log, rules(""), &observer, LEDGER_PARTITIONS);
                let group = GroupSettings {
                    group: "bench".to_owned(),
                    topics: vec![TOPIC.to_owned()],
                    drain: Duration::from_secs(1),
                };
                let handler = Assignments(Arc::clone(roster.partitions()));
                let subscription = log.subscribe(group, Box::new(handler)).unwrap();
                roster.partitions().subscribed(&subscription);
                ready.send(()).unwrap();
                // Ends when the bench does, whichever way.
                stopped.await.unwrap_or_default();
                let closing = tokio::task::spawn_blocking(move || subscription.close(LIMIT));
                closing.await.unwrap();
                roster.shutdown(LIMIT).await;
            });
        })
    };
    is_ready.recv().unwrap();
    let (runtime, mut number, mut all) = (runtime(), 0, Vec::new());
    let mut once = || {
        number += 1;
        let spent = decide(&*log, &runtime, &decided, number);
        all.push(spent);
        spent
    };
    once();
    let mut group = criterion.benchmark_group("embedded");
    group.sample_size(50).sampling_mode(SamplingMode::Flat);
    group.bench_function("event to decision", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| once()).sum());
    });
    group.finish();
    all.sort_unstable();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    note(&format!(
        "| event to decision, embedded log ({} events) | p50 {:.1} ms, p99 {:.1} ms | - | - |",
        all.len(),
        at(50),
        at(99)
    ));
    drop(stop);
    service.join().unwrap();
    log.close();
}

fn decide(
    log: &dyn EventLog,
    runtime: &tokio::runtime::Runtime,
    decided: &Receiver<Instant>,
    number: u64,
) -> Duration {
    let began = Instant::now();
    let answers = runtime.block_on(log.append(vec![record(number)]));
    assert!(answers[0].is_ok());
    decided.recv_timeout(LIMIT).unwrap().duration_since(began)
}

criterion_group!(benches, appends, latency);
criterion_main!(benches);
