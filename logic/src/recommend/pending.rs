//! What was learned apart since the last delta, by slots.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::evidence::Evidence;
use super::names::Slot;

/// Pairs that are collected at most. At the bound further ones are left out; [`super::Model::delta_is_due`] comes long before.
const PAIRS_MAX: usize = 1_000_000;
/// Bytes at which a delta is due: records of a topic are at most 1 MB in most logs.
const BYTES_DUE: usize = 600_000;
/// Bytes that a pair takes in a delta, and an item beside its id.
const PAIR_BYTES: usize = 8;
const ITEM_BYTES: usize = 29;
/// Half-lives after which the trends get a later reference time.
const HALF_LIVES_MAX: f64 = 64.0;

/// What one item gained.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gain {
    pub(super) count: f64,
    pub(super) trend: f64,
    /// First choices by a user.
    pub(super) choices: u32,
    pub(super) holders: u32,
    pub(super) last: u32,
}

/// A delta under way.
#[derive(Clone)]
pub(super) struct Pending {
    /// Second to which the trends refer; `None` before the first event.
    pub(super) reference: Option<u32>,
    half_life: f64,
    pub(super) events: f64,
    pub(super) items: HashMap<Slot, Gain, FixedState>,
    /// The smaller slot first; a pair can occur several times.
    pub(super) pairs: Vec<(Slot, Slot, f32)>,
    pub(super) evidence: Evidence,
}

impl Pending {
    pub(super) fn new(half_life: f64) -> Self {
        Self {
            reference: None,
            half_life,
            events: 0.0,
            items: HashMap::default(),
            pairs: Vec::new(),
            evidence: Evidence::default(),
        }
    }

    /// All that was collected; what follows is another delta.
    pub(super) fn take(&mut self) -> Self {
        let next = Self::new(self.half_life);
        std::mem::replace(self, next)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.evidence.is_empty()
    }

    pub(super) fn is_due(&self) -> bool {
        self.pairs.len() * PAIR_BYTES + self.items.len() * ITEM_BYTES * 2 >= BYTES_DUE
    }

    fn trend_unit(&mut self, at: u32) -> f64 {
        let reference = *self.reference.get_or_insert(at);
        let half_lives = (f64::from(at) - f64::from(reference)) / self.half_life;
        if half_lives <= HALF_LIVES_MAX {
            return half_lives.exp2();
        }
        for item in self.items.values_mut() {
            item.trend *= (-half_lives).exp2();
        }
        self.reference = Some(at);
        1.0
    }

    /// An event of this weight, with its pairs.
    pub(super) fn event(
        &mut self,
        item: Slot,
        gain: f32,
        at: u32,
        first: u32,
        pairs: &[(Slot, f32)],
    ) {
        let unit = self.trend_unit(at);
        let gain = f64::from(gain);
        self.events += f64::from(first);
        let entry = self.items.entry(item).or_default();
        entry.count += gain;
        entry.trend += gain * unit;
        entry.choices += first;
        entry.last = entry.last.max(at);
        let room = PAIRS_MAX.saturating_sub(self.pairs.len());
        let pairs = pairs.iter().take(room);
        self.pairs
            .extend(pairs.map(|(other, by)| (item.min(*other), item.max(*other), *by)));
    }

    /// A user who has the item from now on.
    pub(super) fn holder(&mut self, item: Slot) {
        self.items.entry(item).or_default().holders += 1;
    }

    /// Every item that the delta will name: its slot must not be given to another one.
    pub(super) fn slots(&self) -> HashSet<Slot, FixedState> {
        let pairs = self.pairs.iter().flat_map(|(one, other, _)| [*one, *other]);
        self.items.keys().copied().chain(pairs).collect()
    }
}
