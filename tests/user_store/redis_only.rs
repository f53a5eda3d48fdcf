//! What is in Redis: names, times to live, scripts, and what of other programs is there.

use homeostat_actors::ports::user_store::{Change, Entry, Key, StoreError, Stored};

use crate::server::Server;
use crate::world::{World, opened, position, put, read};

/// A server and a store on it.
fn world(section: &str) -> Option<(Server, World)> {
    let server = Server::start(&[])?;
    let section = format!("redis_url = \"{}\"\n{section}", server.url());
    Some((server, World::of(&section, None)))
}

#[tokio::test]
async fn keys_and_times_to_live_are_those_of_the_specification() {
    let Some((server, world)) = world("") else {
        return;
    };
    let store = world.store();
    let changes = Entry::ALL.map(|entry| put(entry, "7", 1));
    store.change(changes.to_vec()).await.unwrap();
    // A newer write, by the script, has the time of its own.
    store
        .change(vec![put(Entry::Stream, "7", 2)])
        .await
        .unwrap();
    for (key, seconds) in [
        ("user_activity_stream:7", 3_600),
        ("recommendations:7", 1_800),
        ("realtime_recommendations:7", 1_800),
        ("user_profile:7", -1),
        ("homeostat_shard:7", -1),
    ] {
        let left: i64 = server.cli(&["TTL", key]).parse().unwrap();
        assert!(left <= seconds && left > seconds - 60, "{key}: {left}");
        assert!(server.cli(&["GET", key]).starts_with("{\"position\":"));
    }
    assert_eq!(server.cli(&["DBSIZE"]), "5");
}

#[tokio::test]
async fn a_prefix_keeps_programs_apart() {
    let Some((server, world)) = world("key_prefix = \"shop:\"") else {
        return;
    };
    server.cli(&["SET", "user_profile:7", "theirs"]);
    let store = world.store();
    assert_eq!(read(&*store, Entry::Profile, "7").await, None);
    store
        .change(vec![put(Entry::Profile, "7", 1)])
        .await
        .unwrap();
    store.put_blob("model", vec![1; 10]).await.unwrap();
    assert_eq!(server.cli(&["GET", "user_profile:7"]), "theirs");
    let profiles = store.profiles(None, 10).await.unwrap();
    assert_eq!(profiles.users.len(), 1);
    assert_eq!(profiles.users[0].0, "7");
    let keys = server.cli(&["KEYS", "*"]);
    let own = keys.lines().filter(|key| key.starts_with("shop:"));
    assert_eq!(own.count(), 3, "{keys}");
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again_and_an_emptied_redis_is_a_new_one() {
    let Some((server, world)) = world("") else {
        return;
    };
    let store = world.store();
    let all = |position| -> Vec<Change> {
        (0..600)
            .map(|user| put(Entry::Profile, &user.to_string(), position))
            .collect()
    };
    store.change(all(5)).await.unwrap();
    server.cli(&["SCRIPT", "FLUSH"]);
    store.change(all(4)).await.unwrap();
    assert_eq!(position(&*store, Entry::Profile, "599").await, Some(5));
    server.cli(&["SCRIPT", "FLUSH"]);
    server.cli(&["FLUSHALL"]);
    assert_eq!(position(&*store, Entry::Profile, "599").await, None);
    assert!(store.profiles(None, 100).await.unwrap().users.is_empty());
    assert_eq!(store.blob("model").await.unwrap(), None);
    store.change(all(3)).await.unwrap();
    assert_eq!(position(&*store, Entry::Profile, "0").await, Some(3));
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn what_another_program_wrote_is_refused_or_replaced_and_named() {
    let Some((server, world)) = world("") else {
        return;
    };
    let store = world.store();
    server.cli(&["LPUSH", "user_profile:list", "x"]);
    server.cli(&["SET", "user_profile:text", "theirs"]);
    for (user, text) in [("list", ""), ("text", "theirs")] {
        let stored = read(&*store, Entry::Profile, user).await.unwrap();
        assert_eq!(
            (stored.position, stored.value.as_str()),
            (Stored::WITHOUT, text)
        );
    }
    let changes = ["a", "list", "text", "z"].map(|user| put(Entry::Profile, user, 1));
    let refused = store.change(changes.to_vec()).await.unwrap_err();
    let StoreError::Refused(why) = refused else {
        panic!("{refused}");
    };
    assert!(
        why.contains("user_profile:list") && why.contains("WRONGTYPE"),
        "{why}"
    );
    for user in ["a", "text", "z"] {
        assert_eq!(position(&*store, Entry::Profile, user).await, Some(1));
    }
    assert_eq!(store.trouble(), None, "which concerns one key");
    // A cache is replaced whatever it was.
    server.cli(&["LPUSH", "recommendations:list", "x"]);
    store
        .change(vec![put(Entry::Recommendations, "list", 1)])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_damaged_blob_is_refused_and_chunks_of_a_replaced_one_end() {
    let Some((server, world)) = world("") else {
        return;
    };
    let store = world.store();
    let chunks = || -> Vec<String> {
        let keys = server.cli(&["KEYS", "homeostat_blob:model:*"]);
        keys.lines().map(str::to_owned).collect()
    };
    store.put_blob("model", vec![1; 2_500_000]).await.unwrap();
    let first = chunks();
    assert_eq!(first.len(), 3);
    store.put_blob("model", vec![2; 1_500_000]).await.unwrap();
    for chunk in chunks() {
        let left: i64 = server.cli(&["TTL", &chunk]).parse().unwrap();
        let is_replaced = first.contains(&chunk);
        assert_eq!(left == -1, !is_replaced, "{chunk}: {left}");
        assert!(left <= 60, "{chunk}: {left}");
    }
    let last = chunks()
        .into_iter()
        .find(|chunk| !first.contains(chunk))
        .unwrap();
    server.cli(&["SET", &last, "short"]);
    let refused = store.blob("model").await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
    assert!(
        refused.to_string().contains("homeostat_blob:model"),
        "{refused}"
    );
    server.cli(&["DEL", &last]);
    assert!(matches!(
        store.blob("model").await,
        Err(StoreError::Refused(_))
    ));
    store.put_blob("model", vec![3; 10]).await.unwrap();
    assert_eq!(store.blob("model").await.unwrap(), Some(vec![3; 10]));
}

#[tokio::test]
async fn two_instances_see_the_same_and_the_later_owner_wins() {
    let Some((server, world)) = world("") else {
        return;
    };
    let (first, folder) = (world.store(), tempfile::tempdir().unwrap());
    let section = format!("redis_url = \"{}\"", server.url());
    let second = opened(&section, folder.path(), &[]);
    first
        .change(vec![put(Entry::Stream, "7", 10)])
        .await
        .unwrap();
    second
        .change(vec![put(Entry::Stream, "7", 11)])
        .await
        .unwrap();
    first
        .change(vec![put(Entry::Stream, "7", 10)])
        .await
        .unwrap();
    for store in [&first, &second] {
        assert_eq!(position(&**store, Entry::Stream, "7").await, Some(11));
    }
    assert_eq!(first.identity(), second.identity());
}

#[tokio::test]
async fn a_list_of_servers_is_tried_in_its_order() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let away = crate::server::free_port();
    let folder = tempfile::tempdir().unwrap();
    let section = format!("redis_url = \"redis://127.0.0.1:{away},{}\"", server.url());
    let store = opened(&section, folder.path(), &[]);
    let key = Key::new(Entry::Profile, "7");
    assert_eq!(store.read(vec![key]).await.unwrap(), [None]);
}
