//! What only the embedded store promises: one process, one folder, and everything acknowledged after a kill.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use homeostat::store::{OpenError, embedded, open};
use homeostat_actors::ports::user_store::{Entry, StoreError};

use crate::world::{World, configured, opened, position, put};

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
