//! What no caller sees: that what is over is removed, slice by slice, and what is not stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::user_store::{Change, Entry, Key, Lifetimes, UserStore as _};
use homeostat_logic::ledger::record::Millis;

use super::EmbeddedStore;
use super::sweep::Sweep;

/// A clock that a test moves.
#[derive(Clone, Default)]
struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn put(entry: Entry, user: usize) -> Change {
    Change::Put {
        key: Key::new(entry, user.to_string()),
        position: 1,
        value: r#"{"position":1}"#.to_owned(),
    }
}

#[tokio::test]
async fn what_is_over_is_removed_slice_by_slice_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Moved::default();
    let lifetimes = Lifetimes::default();
    let store =
        EmbeddedStore::with_clock(folder.path(), lifetimes, Box::new(clock.clone())).unwrap();
    let kept = || {
        let read = store.shared.database.read(|opened| opened.ending.len());
        read.unwrap()
    };
    let first = (0..20_000).map(|user| put(Entry::Stream, user));
    store.change(first.collect()).await.unwrap();
    clock.0.store(60 * 60_000 - 1, Ordering::SeqCst);
    // Of these, 1000 are there already, at the same position: they are not written again.
    let second = (19_000..21_000).map(|user| put(Entry::Stream, user));
    store.change(second.collect()).await.unwrap();
    store
        .change(vec![put(Entry::Profile, 1), put(Entry::Realtime, 1)])
        .await
        .unwrap();
    assert_eq!(kept(), 21_001);
    clock.0.store(60 * 60_000, Ordering::SeqCst);
    let read = |user: usize| store.read(vec![Key::new(Entry::Stream, user.to_string())]);
    assert_eq!(read(1).await.unwrap(), [None], "before any sweep");
    let mut sweep = Sweep::default();
    let before = kept();
    sweep.slice(&store.shared);
    assert!(kept() < before && kept() > 1_001, "a slice is bounded");
    for _ in 0..12 {
        sweep.slice(&store.shared);
    }
    assert_eq!(kept(), 1_001);
    assert!(read(20_500).await.unwrap()[0].is_some());
    let profiles = store.profiles(None, 10).await.unwrap();
    assert_eq!(profiles.users.len(), 1);
}
