//! The latest update of each user who was pushed one lately, for a client that connects or comes back.
//!
//! Bounds: users, bytes of their updates, and age. At a bound the update that is oldest leaves; its user then gets the next one
//! when it is pushed, and until then what `GET …/recommendations` answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::update::Update;
use crate::ledger::record::Millis;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Users.
    pub users: usize,
    /// Bytes of ids and updates together.
    pub bytes: usize,
    /// Age of an update in milliseconds; as long as the recommendations themselves are kept (SPEC §5).
    pub age: Millis,
}

impl Keep {
    /// 100,000 users, 128 MiB, 30 minutes.
    pub const DEFAULT: Self = Self {
        users: 100_000,
        bytes: 128 * 1_024 * 1_024,
        age: 30 * 60 * 1_000,
    };
}

/// The latest updates.
#[derive(Debug)]
pub struct Latest {
    keep: Keep,
    users: BTreeMap<Arc<str>, Kept>,
    /// Users by the turn at which they got their update: the first is the oldest.
    turns: BTreeMap<u64, Arc<str>>,
    turn: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    turn: u64,
    at: Millis,
    update: Update,
}

impl Latest {
    /// Nothing yet.
    pub const fn new(keep: Keep) -> Self {
        Self {
            keep,
            users: BTreeMap::new(),
            turns: BTreeMap::new(),
            turn: 0,
            bytes: 0,
        }
    }

    /// An update of this time replaces the one before.
    pub fn put(&mut self, user: &str, at: Millis, update: Update) {
        self.forget(user);
        let user: Arc<str> = user.into();
        self.bytes += size(&user, &update);
        self.turn += 1;
        let turn = self.turn;
        self.turns.insert(turn, Arc::clone(&user));
        self.users.insert(user, Kept { turn, at, update });
        while self.is_beyond(at) {
            let Some((_, oldest)) = self.turns.first_key_value() else {
                break;
            };
            let oldest = Arc::clone(oldest);
            self.forget(&oldest);
        }
    }

    /// The user's latest update, unless it is too old by now.
    pub fn get(&self, user: &str, now: Millis) -> Option<&Update> {
        let kept = self.users.get(user)?;
        (now.saturating_sub(kept.at) <= self.keep.age).then_some(&kept.update)
    }

    /// Nothing is kept of this user.
    pub fn forget(&mut self, user: &str) {
        if let Some((user, kept)) = self.users.remove_entry(user) {
            self.turns.remove(&kept.turn);
            self.bytes = self.bytes.saturating_sub(size(&user, &kept.update));
        }
    }

    /// Users of whom something is kept.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether the oldest has to leave.
    fn is_beyond(&self, now: Millis) -> bool {
        let oldest = self.turns.first_key_value();
        let oldest = oldest.and_then(|(_, user)| self.users.get(user));
        let is_old = oldest.is_some_and(|kept| now.saturating_sub(kept.at) > self.keep.age);
        is_old || self.users.len() > self.keep.users || self.bytes > self.keep.bytes
    }
}

fn size(user: &str, update: &Update) -> usize {
    user.len() + update.id.len() + update.body.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn update(number: usize) -> Update {
        Update {
            id: format!("0-{number}"),
            body: "{}".into(),
        }
    }

    fn keep(users: usize, bytes: usize, age: Millis) -> Latest {
        Latest::new(Keep { users, bytes, age })
    }

    #[test]
    fn the_oldest_leaves_at_each_bound() {
        // Each entry has 1 + 3 + 2 bytes.
        for mut latest in [keep(2, 1_000, 1_000), keep(9, 12, 1_000)] {
            latest.put("a", 1, update(1));
            latest.put("b", 2, update(2));
            // A newer one of `a`: now `b` is the oldest.
            latest.put("a", 3, update(3));
            latest.put("c", 4, update(4));
            assert_eq!(latest.get("b", 4), None);
            assert_eq!(latest.get("a", 4), Some(&update(3)));
            assert_eq!(latest.get("c", 4), Some(&update(4)));
            assert_eq!(latest.len(), 2);
        }
    }

    #[test]
    fn an_update_is_handed_out_up_to_its_age_and_leaves_with_the_next() {
        let mut latest = keep(9, 1_000, 10);
        latest.put("a", 100, update(1));
        assert_eq!(latest.get("a", 110), Some(&update(1)));
        assert_eq!(latest.get("a", 111), None);
        // A clock that was set back.
        assert_eq!(latest.get("a", 50), Some(&update(1)));
        latest.put("b", 111, update(2));
        assert_eq!(latest.len(), 1);
    }

    #[test]
    fn one_that_is_larger_than_everything_is_not_kept() {
        let mut latest = keep(9, 5, 10);
        latest.put("a", 1, update(1));
        assert!(latest.is_empty());
        assert_eq!(latest.bytes, 0);
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_the_newest_of_each_user_is_what_is_kept(
            steps in proptest::collection::vec((0_u8..12, any::<bool>()), 0..200),
        ) {
            let mut latest = keep(5, 40, 30);
            let mut newest = BTreeMap::new();
            for (number, (user, forgets)) in steps.into_iter().enumerate() {
                let (user, at) = (user.to_string(), i64::try_from(number).unwrap());
                if forgets {
                    latest.forget(&user);
                    newest.remove(&user);
                } else {
                    latest.put(&user, at, update(number));
                    newest.insert(user, update(number));
                }
                prop_assert!(latest.len() <= 5 && latest.bytes <= 40);
                prop_assert_eq!(latest.turns.len(), latest.len());
                let bytes = latest.users.iter().map(|(user, kept)| size(user, &kept.update));
                prop_assert_eq!(bytes.sum::<usize>(), latest.bytes);
                for (user, kept) in &latest.users {
                    prop_assert_eq!(newest.get(&**user), Some(&kept.update));
                }
            }
        }
    }
}
