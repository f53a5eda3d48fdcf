//! What only the embedded store promises: one process, one folder, and everything acknowledged after a kill.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use homeostat::store::{OpenError, embedded, open, rewrite};
use homeostat_actors::ports::user_store::{Change, Entry, Key, StoreError};

use crate::world::{World, configured, opened, position, put, remove};

/// Where the child of a test keeps its store.
const CHILD: &str = "HOMEOSTAT_TEST_STORE_CHILD";
/// Writers of the child, which share its commits.
const WRITERS: usize = 8;

/// No test by itself: what the child of the next one does.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let store = opened("", folder.as_ref(), &[]);
    let writers = (0..WRITERS).map(|writer| {
        let store = &store;
        async move {
            for position in 0.. {
                let user = format!("w{writer}");
                let changes =
                    [Entry::Profile, Entry::Stream].map(|entry| put(entry, &user, position));
                store.change(changes.to_vec()).await.unwrap();
                println!("acknowledged {writer} {position}");
            }
        }
    });
    futures_util::future::join_all(writers).await;
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = [-1_i64; WRITERS];
    // On what the kill before left.
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "embedded_only::child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let mut note = |line: &str| {
            let mut words = line.split("acknowledged ").nth(1)?.split(' ');
            let writer: usize = words.next()?.parse().ok()?;
            let position: i64 = words.next()?.parse().ok()?;
            acknowledged[writer] = acknowledged[writer].max(position);
            Some(())
        };
        while seen < 100 * round {
            let line = lines.next().expect("the child ended").unwrap();
            seen += usize::from(note(&line).is_some());
        }
        child.kill().unwrap();
        // What it said before it was killed counts as well; its last line may be cut.
        for line in lines.map_while(Result::ok) {
            note(&line);
        }
        child.wait().unwrap();
        let store = opened("", folder.path(), &[]);
        for (writer, acknowledged) in acknowledged.iter().enumerate() {
            for entry in [Entry::Profile, Entry::Stream] {
                let found = position(&*store, entry, &format!("w{writer}")).await;
                assert!(
                    found >= Some(*acknowledged),
                    "{writer}: {found:?} {acknowledged}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_folder_is_open_once_and_its_identity_stays() {
    let world = World::embedded();
    let identity = world.store().identity();
    assert_eq!(
        uuid::Uuid::parse_str(&identity).unwrap().get_version_num(),
        4
    );
    assert_ne!(World::embedded().store().identity(), identity);
    let folder = tempfile::tempdir().unwrap();
    let settings = configured("", folder.path(), &[]).settings;
    let first = open(&settings.user_store, &settings.data_dir).unwrap();
    let Err(second) = open(&settings.user_store, &settings.data_dir) else {
        panic!("it is open twice");
    };
    assert!(
        matches!(
            second,
            OpenError::Embedded(embedded::OpenError::InUse { .. })
        ),
        "{second}"
    );
    assert!(second.to_string().contains("store.redis_url"), "{second}");
    drop(first);
    open(&settings.user_store, &settings.data_dir).unwrap();
}

#[tokio::test]
async fn a_store_whose_files_are_gone_or_anothers_is_damaged_and_a_new_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let settings = configured("", folder.path(), &[]).settings;
    let users = folder.path().join("users");
    open(&settings.user_store, &settings.data_dir)
        .unwrap()
        .change(vec![put(Entry::Profile, "u", 1)])
        .await
        .unwrap();
    // Stopped between the database and the file.
    std::fs::remove_file(users.join("identity")).unwrap();
    assert_eq!(
        position(
            &*open(&settings.user_store, &settings.data_dir).unwrap(),
            Entry::Profile,
            "u"
        )
        .await,
        Some(1)
    );
    let kept = std::fs::read_to_string(users.join("identity")).unwrap();
    std::fs::write(users.join("identity"), uuid::Uuid::new_v4().to_string()).unwrap();
    let Err(damaged) = open(&settings.user_store, &settings.data_dir) else {
        panic!("another store's file");
    };
    assert!(
        matches!(
            damaged,
            OpenError::Embedded(embedded::OpenError::Damaged { .. })
        ),
        "{damaged}"
    );
    std::fs::write(users.join("identity"), kept).unwrap();
    std::fs::remove_dir_all(users.join("database")).unwrap();
    let Err(damaged) = open(&settings.user_store, &settings.data_dir) else {
        panic!("the database is gone");
    };
    assert!(
        matches!(
            damaged,
            OpenError::Embedded(embedded::OpenError::Damaged { .. })
        ),
        "{damaged}"
    );
    std::fs::remove_dir_all(&users).unwrap();
    assert_eq!(
        position(
            &*open(&settings.user_store, &settings.data_dir).unwrap(),
            Entry::Profile,
            "u"
        )
        .await,
        None
    );
}

#[tokio::test]
async fn a_damaged_blob_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened("", folder.path(), &[]);
    let path = folder.path().join("users/blobs/model");
    for damage in [
        b"".as_slice(),
        b"homeostat blob 1\nshort",
        b"something else that is long enough to have a hash of its own",
    ] {
        store.put_blob("model", vec![1; 1_000]).await.unwrap();
        std::fs::write(&path, damage).unwrap();
        let refused = store.blob("model").await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
        assert!(
            refused.to_string().contains("users/blobs/model"),
            "{refused}"
        );
    }
    store.put_blob("model", vec![1; 1_000]).await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(
        store.blob("model").await,
        Err(StoreError::Refused(_))
    ));
}

#[test]
fn a_store_needs_no_runtime() {
    let world = World::embedded();
    let store = world.store();
    futures_executor_of_one_thread(async move {
        store
            .change(vec![put(Entry::Profile, "u", 1)])
            .await
            .unwrap();
        assert_eq!(position(&*store, Entry::Profile, "u").await, Some(1));
    });
}

/// Polls a future without tokio.
fn futures_executor_of_one_thread(future: impl Future<Output = ()>) {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    while future.as_mut().poll(&mut context).is_pending() {
        std::thread::yield_now();
    }
}

/// What was removed or replaced is in no file afterwards, wherever an earlier try was interrupted.
#[tokio::test]
async fn a_store_that_is_written_again_has_what_was_there_and_nothing_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = configured("", folder.path(), &[]).settings;
    let users = folder.path().join("users");
    let opened = || open(&settings.user_store, &settings.data_dir).unwrap();
    assert_eq!(
        rewrite(folder.path()).unwrap().profiles,
        0,
        "nothing is there"
    );
    let store = opened();
    let identity = store.identity();
    let marked = |position, mark: &str| Change::Put {
        key: Key::new(Entry::Profile, "u"),
        position,
        value: format!("{{\"position\":{position},\"of\":\"{mark}\"}}"),
    };
    store
        .change(vec![marked(1, "replaced-7c1f")])
        .await
        .unwrap();
    store
        .change(vec![put(Entry::Stream, "removed-41aa", 1)])
        .await
        .unwrap();
    let kept: Vec<Change> = (0..2_500)
        .map(|user| put(Entry::Profile, &format!("k{user}"), 3))
        .collect();
    store.change(kept).await.unwrap();
    store
        .change(vec![
            marked(2, "present"),
            remove(Entry::Stream, "removed-41aa"),
            put(Entry::Shard, "7", 5),
        ])
        .await
        .unwrap();
    assert!(matches!(
        rewrite(folder.path()),
        Err(embedded::OpenError::InUse { .. })
    ));
    drop(store);
    // Interrupted while it copied, between the two renames, and before the old one was removed.
    std::fs::create_dir_all(users.join("database.new/half")).unwrap();
    std::fs::rename(users.join("database"), users.join("database.old")).unwrap();
    assert_eq!(rewrite(folder.path()).unwrap().profiles, 2_501);
    std::fs::create_dir_all(users.join("database.old/left")).unwrap();
    assert_eq!(rewrite(folder.path()).unwrap().others, 1);
    assert!(!users.join("database.old").exists() && !users.join("database.new").exists());
    for gone in ["replaced-7c1f", "removed-41aa"] {
        assert!(!is_in_a_file(&users, gone), "{gone}");
    }
    assert!(is_in_a_file(&users, "k2499"));
    let store = opened();
    assert_eq!(store.identity(), identity);
    assert_eq!(position(&*store, Entry::Profile, "u").await, Some(2));
    assert_eq!(position(&*store, Entry::Profile, "k2499").await, Some(3));
    assert_eq!(position(&*store, Entry::Shard, "7").await, Some(5));
    assert_eq!(position(&*store, Entry::Stream, "removed-41aa").await, None);
}

fn is_in_a_file(folder: &std::path::Path, trace: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in_a_file(&path, trace);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes
            .windows(trace.len())
            .any(|window| window == trace.as_bytes())
    })
}
