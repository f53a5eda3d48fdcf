//! What the methods have in common: what they are asked, and what they answer.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::LIST;
use super::dataset::Event;

/// Items of a ranking: one more than the list shows whether scores are equal across its end.
pub(super) const RANKED: usize = LIST + 1;

/// Items with scores, best first.
pub(super) type Ranking = Vec<(u32, f32)>;

/// Items that users have.
#[derive(Default)]
pub(super) struct Seen(Vec<HashSet<u32, FixedState>>);

impl Seen {
    pub(super) fn new(users: usize) -> Self {
        Self(vec![HashSet::default(); users])
    }

    pub(super) fn has(&self, user: u32, item: u32) -> bool {
        self.0
            .get(user as usize)
            .is_some_and(|items| items.contains(&item))
    }

    pub(super) fn add(&mut self, user: u32, item: u32) -> bool {
        self.0
            .get_mut(user as usize)
            .is_some_and(|items| items.insert(item))
    }

    pub(super) fn len(&self, user: u32) -> usize {
        self.0.get(user as usize).map_or(0, HashSet::len)
    }
}

/// For which event items are recommended.
pub(super) struct Asked<'a> {
    pub(super) event: &'a Event,
    /// Only history before it counts.
    pub(super) before_ms: Option<i64>,
    pub(super) seen: &'a Seen,
    pub(super) recommend_seen: bool,
}

impl Asked<'_> {
    pub(super) fn allows(&self, item: u32) -> bool {
        self.recommend_seen || !self.seen.has(self.event.user, item)
    }
}

/// A method under way.
pub(super) trait Recommender {
    /// Puts up to [`RANKED`] items into the empty ranking.
    fn recommend(&mut self, asked: &Asked<'_>, ranking: &mut Ranking);

    /// Learns from an event.
    fn learn(&mut self, event: &Event);
}
