//! Redis that is killed, full, read only, or busy: what callers are answered meanwhile, and that all goes on afterwards.

use std::time::{Duration, Instant};

use homeostat_actors::ports::user_store::{Entry, StoreError, UserStore};

use crate::server::Server;
use crate::world::{World, opened, position, put, until};

async fn unavailable(store: &dyn UserStore, user: &str) -> String {
    match store.change(vec![put(Entry::Profile, user, 1)]).await {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_and_calls_meanwhile_say_that_it_is_away() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let world = World::of(&format!("redis_url = \"{}\"", server.url()), None);
    let store = world.store();
    let mut acknowledged = -1;
    let writing = tokio::spawn({
        let store = world.store();
        async move {
            let mut last = -1;
            while store
                .change(vec![put(Entry::Profile, "w", last + 1)])
                .await
                .is_ok()
            {
                last += 1;
            }
            last
        }
    });
    while acknowledged < 20 {
        acknowledged = position(&*store, Entry::Profile, "w").await.unwrap_or(-1);
    }
    server.kill();
    let acknowledged = writing.await.unwrap();
    // Many calls while it is away: none waits for a time limit.
    let begun = Instant::now();
    for _ in 0..200 {
        let why = unavailable(&*store, "w").await;
        assert!(
            why.contains(&format!("127.0.0.1:{}", server.port())),
            "{why}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let trouble = store.trouble().unwrap();
    assert!(trouble.contains("Redis 127.0.0.1"), "{trouble}");
    server.restart(&[]);
    until(|| store.change(vec![put(Entry::Profile, "after", 1)])).await;
    assert_eq!(store.trouble(), None);
    let found = position(&*store, Entry::Profile, "w").await;
    // The one under way may be there too.
    assert!(
        found >= Some(acknowledged) && found <= Some(acknowledged + 1),
        "{found:?} {acknowledged}"
    );
}

#[tokio::test]
async fn a_store_is_opened_while_redis_is_away_and_connects_by_itself() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    server.kill();
    let world = World::of(&format!("redis_url = \"{}\"", server.url()), None);
    let store = world.store();
    unavailable(&*store, "u").await;
    server.restart(&[]);
    // Without any call.
    let begun = Instant::now();
    while store.trouble().is_some() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{:?}",
            store.trouble()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(|| store.change(vec![put(Entry::Profile, "u", 1)])).await;
}

#[tokio::test]
async fn a_full_redis_takes_no_changes_says_so_and_is_read_all_the_same() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let world = World::of(&format!("redis_url = \"{}\"", server.url()), None);
    let store = world.store();
    store
        .change(vec![put(Entry::Profile, "u", 1)])
        .await
        .unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1000000"]);
    for entry in [Entry::Profile, Entry::Realtime] {
        let full = store.change(vec![put(entry, "u", 2)]).await.unwrap_err();
        assert!(matches!(full, StoreError::Unavailable(_)), "{full}");
        assert!(full.to_string().contains("maxmemory"), "{full}");
    }
    assert_eq!(position(&*store, Entry::Profile, "u").await, Some(1));
    assert!(
        store.trouble().unwrap().contains("OOM"),
        "reading does not end it"
    );
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    store
        .change(vec![put(Entry::Profile, "u", 2)])
        .await
        .unwrap();
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn a_redis_that_became_a_replica_is_left_and_taken_again() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let Some(other) = Server::start(&[]) else {
        return;
    };
    let world = World::of(&format!("redis_url = \"{}\"", server.url()), None);
    let store = world.store();
    store
        .change(vec![put(Entry::Profile, "u", 1)])
        .await
        .unwrap();
    server.cli(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let why = unavailable(&*store, "v").await;
    assert!(why.contains("READONLY") && why.contains("primary"), "{why}");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    until(|| store.change(vec![put(Entry::Profile, "v", 2)])).await;
    assert_eq!(store.trouble(), None);
    // Of a list, the one that is no replica is taken.
    other.cli(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    let folder = tempfile::tempdir().unwrap();
    let section = format!("redis_url = \"{},{}\"", other.url(), server.url());
    let both = opened(&section, folder.path(), &[]);
    both.change(vec![put(Entry::Profile, "x", 1)])
        .await
        .unwrap();
    assert_eq!(position(&*store, Entry::Profile, "x").await, Some(1));
}

#[tokio::test]
async fn a_redis_that_does_not_answer_in_time_is_given_up_and_taken_again() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let section = format!(
        "redis_url = \"{}\"\nresponse_timeout_ms = 200",
        server.url()
    );
    let world = World::of(&section, None);
    let store = world.store();
    store
        .change(vec![put(Entry::Profile, "u", 1)])
        .await
        .unwrap();
    server.cli(&["CLIENT", "PAUSE", "1500", "ALL"]);
    let why = unavailable(&*store, "v").await;
    assert!(why.contains("store.response_timeout_ms"), "{why}");
    until(|| store.change(vec![put(Entry::Profile, "v", 1)])).await;
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn a_redis_that_reads_its_data_is_waited_for() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let world = World::of(&format!("redis_url = \"{}\"", server.url()), None);
    let store = world.store();
    let users = (0..3_000).map(|user| put(Entry::Profile, &user.to_string(), 1));
    store.change(users.collect()).await.unwrap();
    // A file of keys is read with the pause below for each of them.
    server.cli(&["BGREWRITEAOF"]);
    let is_written = || {
        let info = server.cli(&["INFO", "persistence"]);
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    };
    while !is_written() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
    server.restart(&[
        "--key-load-delay",
        "500",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let mut loading = false;
    for _ in 0..200 {
        match store.change(vec![put(Entry::Profile, "0", 2)]).await {
            Ok(()) => break,
            Err(StoreError::Refused(why)) => panic!("{why}"),
            Err(StoreError::Unavailable(why)) => loading |= why.contains("LOADING"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(loading, "it was read too fast to be seen");
    until(|| store.change(vec![put(Entry::Profile, "0", 2)])).await;
    assert_eq!(position(&*store, Entry::Profile, "2999").await, Some(1));
}
