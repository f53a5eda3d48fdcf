//! What every user store promises.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use homeostat_actors::ports::user_store::{
    Change, Entry, Key, StoreError, Stored, USER_BYTES_MAX, VALUE_BYTES_MAX,
};

use crate::world::{World, position, put, read, remove, value};

pub(crate) async fn values_come_in_the_order_of_their_keys(world: &World) {
    let store = world.store();
    let users: Vec<String> = (0..1_500).map(|user| user.to_string()).collect();
    let changes = users.iter().zip(0..).flat_map(|(user, position)| {
        Entry::ALL.map(|entry| put(entry, user, position * 5 + entry as i64))
    });
    store.change(changes.collect()).await.unwrap();
    let keys: Vec<Key> = users
        .iter()
        .rev()
        .flat_map(|user| [Entry::Realtime, Entry::Profile].map(|entry| Key::new(entry, user)))
        .chain([
            Key::new(Entry::Profile, "nobody"),
            Key::new(Entry::Stream, "3"),
        ])
        .collect();
    let read = store.read(keys.clone()).await.unwrap();
    assert_eq!(read.len(), keys.len());
    for (key, stored) in keys.iter().zip(read) {
        let expected = key
            .user
            .parse::<i64>()
            .ok()
            .map(|user| user * 5 + key.entry as i64);
        assert_eq!(stored.map(|stored| stored.position), expected, "{key}");
    }
    assert_eq!(store.read(Vec::new()).await.unwrap(), []);
    store.change(Vec::new()).await.unwrap();
}

pub(crate) async fn any_text_comes_back_as_it_was_written(world: &World) {
    let store = world.store();
    let long = "ü".repeat(USER_BYTES_MAX / 2);
    let users = [
        "7",
        "a b",
        "{7}",
        "a{b",
        "*",
        "?[a]",
        "\"",
        "사용자",
        "a\nb",
        "a:b",
        "\0",
        &long,
    ];
    let large = format!(
        "{{\"position\":5,\"x\":\"{}\"}}",
        "y".repeat(VALUE_BYTES_MAX - 24)
    );
    let values = [
        value(5),
        "{\"position\":5,\"genres\":{\"드라마\":0.5},\"line\":\"a\\nb\u{7f}\"}".to_owned(),
        "{\"position\":5}".to_owned(),
        large,
        value(5),
    ];
    assert_eq!(values.len(), Entry::ALL.len());
    for user in users {
        for (entry, value) in Entry::ALL.into_iter().zip(&values) {
            let change = Change::Put {
                key: Key::new(entry, user),
                position: 5,
                value: value.clone(),
            };
            store.change(vec![change]).await.unwrap();
            let stored = read(&*store, entry, user).await.unwrap();
            assert_eq!(&stored.value, value, "{user:?}");
            assert_eq!(stored.position, 5);
        }
    }
    // A cache need not have a position.
    let free = Change::Put {
        key: Key::new(Entry::Recommendations, "free"),
        position: 0,
        value: "[]".to_owned(),
    };
    store.change(vec![free]).await.unwrap();
    let stored = read(&*store, Entry::Recommendations, "free").await.unwrap();
    assert_eq!(
        (stored.position, stored.value.as_str()),
        (Stored::WITHOUT, "[]")
    );
}

pub(crate) async fn a_write_that_is_not_newer_changes_nothing(world: &World) {
    let store = world.store();
    let largest = i64::MAX;
    for (entry, is_versioned) in [
        (Entry::Stream, true),
        (Entry::Profile, true),
        (Entry::Shard, true),
        (Entry::Recommendations, false),
        (Entry::Realtime, false),
    ] {
        assert_eq!(entry.is_versioned(), is_versioned);
        let mut newest = None;
        // Positions of other lengths, and beyond what a double holds exactly.
        for tried in [
            9,
            10,
            9,
            10,
            0,
            99,
            100,
            20,
            largest - 2,
            largest - 1,
            largest - 2,
            1 << 53,
            largest,
        ] {
            store.change(vec![put(entry, "u", tried)]).await.unwrap();
            newest = if is_versioned {
                newest.max(Some(tried))
            } else {
                Some(tried)
            };
            assert_eq!(
                position(&*store, entry, "u").await,
                newest,
                "{entry:?} {tried}"
            );
        }
    }
}

pub(crate) async fn changes_of_one_key_are_made_in_their_order(world: &World) {
    let store = world.store();
    let entry = Entry::Profile;
    for (changes, left) in [
        (
            vec![put(entry, "u", 3), put(entry, "u", 5), put(entry, "u", 4)],
            Some(5),
        ),
        (vec![put(entry, "u", 9), remove(entry, "u")], None),
        (
            vec![put(entry, "u", 9), remove(entry, "u"), put(entry, "u", 2)],
            Some(2),
        ),
        (
            vec![remove(entry, "u"), put(entry, "u", 1), put(entry, "u", 0)],
            Some(1),
        ),
        (vec![remove(entry, "u"), remove(entry, "u")], None),
        (vec![remove(entry, "never")], None),
    ] {
        store.change(changes.clone()).await.unwrap();
        assert_eq!(position(&*store, entry, "u").await, left, "{changes:?}");
    }
}

pub(crate) async fn entries_end_and_profiles_do_not(world: &World) {
    // 600 ms; an entry has its own.
    world.reopen_with("stream_minutes = 0.01\nrealtime_minutes = 0.01");
    let store = world.store();
    let changes = Entry::ALL.map(|entry| put(entry, "u", 8));
    store.change(changes.to_vec()).await.unwrap();
    let begun = std::time::Instant::now();
    while position(&*store, Entry::Stream, "u").await.is_some()
        || position(&*store, Entry::Realtime, "u").await.is_some()
    {
        assert!(begun.elapsed() < Duration::from_mins(1), "they do not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        position(&*store, Entry::Recommendations, "u").await,
        Some(8)
    );
    assert_eq!(position(&*store, Entry::Profile, "u").await, Some(8));
    // What ended is no longer compared with.
    store
        .change(vec![put(Entry::Stream, "u", 1)])
        .await
        .unwrap();
    assert_eq!(position(&*store, Entry::Stream, "u").await, Some(1));
}

pub(crate) async fn a_write_begins_the_time_of_an_entry_anew(world: &World) {
    world.reopen_with("stream_minutes = 0.05");
    let store = world.store();
    // Twice as long as an entry lives.
    let begun = std::time::Instant::now();
    let mut tried = 0;
    while begun.elapsed() < Duration::from_secs(6) {
        store
            .change(vec![put(Entry::Stream, "u", tried)])
            .await
            .unwrap();
        assert_eq!(position(&*store, Entry::Stream, "u").await, Some(tried));
        tried += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) async fn what_can_never_be_made_is_refused_and_the_rest_is_made(world: &World) {
    let store = world.store();
    let of = |user: &str, position, value: &str| Change::Put {
        key: Key::new(Entry::Profile, user),
        position,
        value: value.to_owned(),
    };
    let large = format!(
        "{{\"position\":1,\"x\":\"{}\"}}",
        "y".repeat(VALUE_BYTES_MAX)
    );
    for (number, bad) in [
        of("", 1, &value(1)),
        of(&"u".repeat(USER_BYTES_MAX + 1), 1, &value(1)),
        of("u", 2, &value(1)),
        of("u", -1, "{\"position\":-1}"),
        of("u", 1, "{}"),
        of("u", 1, &large),
    ]
    .into_iter()
    .enumerate()
    {
        let (first, last) = (format!("first{number}"), format!("last{number}"));
        let changes = vec![
            put(Entry::Profile, &first, 1),
            bad,
            put(Entry::Profile, &last, 1),
        ];
        let refused = store.change(changes).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
        for user in [first, last] {
            assert_eq!(position(&*store, Entry::Profile, &user).await, Some(1));
        }
    }
    assert_eq!(position(&*store, Entry::Profile, "u").await, None);
    assert!(store.profiles(Some(String::new()), 10).await.is_err());
}

pub(crate) async fn ten_thousand_profiles_come_in_pages(world: &World) {
    let store = world.store();
    assert!(store.profiles(None, 100).await.unwrap().users.is_empty());
    let users: Vec<String> = (0..10_000).map(|user| format!("user {user}")).collect();
    for (number, chunk) in users.chunks(500).enumerate() {
        let changes = chunk.iter().flat_map(|user| {
            [Entry::Profile, Entry::Stream, Entry::Shard]
                .map(|entry| put(entry, user, i64::try_from(number).unwrap()))
        });
        store.change(changes.collect()).await.unwrap();
    }
    store
        .change(vec![remove(Entry::Profile, "user 17")])
        .await
        .unwrap();
    for max in [100, 1_000] {
        let (mut found, mut page, mut pages) = (BTreeMap::new(), None, 0);
        loop {
            let profiles = store.profiles(page, max).await.unwrap();
            assert!(profiles.users.len() <= max * 20, "{}", profiles.users.len());
            pages += 1;
            for (user, stored) in profiles.users {
                found.insert(user, stored.position);
            }
            page = profiles.next;
            if page.is_none() {
                break;
            }
        }
        assert!(pages > 5, "{pages}");
        assert_eq!(found.len(), users.len() - 1);
        for (number, user) in users.iter().enumerate().filter(|(number, _)| *number != 17) {
            assert_eq!(found[user], i64::try_from(number / 500).unwrap(), "{user}");
        }
    }
}

pub(crate) async fn of_many_writers_of_one_key_the_newest_position_wins(world: &World) {
    let store = world.store();
    let writers = (0..64_i64).map(|writer| {
        let store = world.store();
        async move {
            for round in 0..20 {
                // Each writer's positions lie between those of the others.
                let position = round * 64 + (writer * 37 + round * 11) % 64;
                store
                    .change(vec![put(Entry::Profile, "one", position)])
                    .await
                    .unwrap();
            }
        }
    });
    join_all(writers).await;
    assert_eq!(
        position(&*store, Entry::Profile, "one").await,
        Some(20 * 64 - 1)
    );
}

pub(crate) async fn many_calls_at_once_are_all_answered(world: &World) {
    let store = world.store();
    let calls = (0..500_i64).map(|number| {
        let store = world.store();
        async move {
            let user = format!("u{number}");
            store
                .change(vec![put(Entry::Stream, &user, number)])
                .await
                .unwrap();
            assert_eq!(position(&*store, Entry::Stream, &user).await, Some(number));
        }
    });
    join_all(calls).await;
    assert_eq!(store.trouble(), None);
}

pub(crate) async fn a_blob_of_tens_of_megabytes_is_replaced_as_a_whole(world: &World) {
    let store = world.store();
    assert_eq!(store.blob("model").await.unwrap(), None);
    let blob = |seed: u64, size: usize| {
        let mut random = fastrand::Rng::with_seed(seed);
        std::iter::repeat_with(move || random.u8(..))
            .take(size)
            .collect::<Vec<u8>>()
    };
    for (seed, size) in [(1, 30_000_001), (2, 1_048_576), (3, 0), (4, 12_345)] {
        store.put_blob("model", blob(seed, size)).await.unwrap();
        assert!(
            store.blob("model").await.unwrap() == Some(blob(seed, size)),
            "{size}"
        );
    }
    assert_eq!(store.blob("other").await.unwrap(), None);
    // A reader beside a writer sees one of both.
    let (first, second) = (blob(5, 5_000_000), blob(6, 5_000_000));
    store.put_blob("model", first.clone()).await.unwrap();
    let writing = store.put_blob("model", second.clone());
    let (written, seen) = futures_util::future::join(writing, store.blob("model")).await;
    written.unwrap();
    let seen = seen.unwrap().unwrap();
    assert!(seen == first || seen == second);
    assert!(store.blob("model").await.unwrap() == Some(second));
}

pub(crate) async fn a_store_that_is_opened_again_has_everything(world: &World) {
    let (kind, identity) = (world.store().kind(), world.store().identity());
    assert_eq!(world.store().is_shared(), kind == "redis");
    let changes = Entry::ALL.map(|entry| put(entry, "u", 3));
    world.store().change(changes.to_vec()).await.unwrap();
    world.store().put_blob("model", vec![7; 100]).await.unwrap();
    for _ in 0..3 {
        world.reopen();
        let store = world.store();
        assert_eq!(store.identity(), identity);
        for entry in Entry::ALL {
            assert_eq!(position(&*store, entry, "u").await, Some(3));
        }
        assert_eq!(store.blob("model").await.unwrap(), Some(vec![7; 100]));
    }
}
