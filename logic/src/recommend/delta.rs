//! What one instance learned since its last delta. Deltas add up: a model that merges those of all instances knows what one
//! model would that had seen all events, as long as each user's events went to one instance and no bound was reached.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Model;
use super::items::Item;
use super::names::Slot;

/// Pairs that a delta holds at most. At the bound further pairs are left out of it: take it before ([`Model::delta_is_due`]).
const PAIRS_MAX: usize = 1_000_000;
/// Half-lives after which the trends of a delta get a later reference time.
const HALF_LIVES_MAX: f64 = 64.0;

/// What was learned, by names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Second to which the trends refer.
    pub reference: u32,
    /// First choices of an item by a user.
    pub events: f64,
    /// By id.
    pub items: Vec<DeltaItem>,
    /// Places of two items in `items`, the first one smaller, and what their pair grew by; in order.
    pub pairs: Vec<(u32, u32, f32)>,
}

/// What was learned of one item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeltaItem {
    /// Its id.
    pub id: String,
    /// What its weights grew by.
    pub count: f64,
    /// What its trend grew by, at the reference time.
    pub trend: f64,
    /// Users who have it since.
    pub holders: u32,
    /// Second of its newest event.
    pub last: u32,
}

/// A delta under way, by slots.
#[derive(Clone)]
pub(super) struct Pending {
    reference: Option<u32>,
    half_life: f64,
    events: f64,
    items: HashMap<Slot, Item, FixedState>,
    pairs: HashMap<(Slot, Slot), f32, FixedState>,
}

impl Pending {
    fn new(half_life: f64) -> Self {
        Self {
            reference: None,
            half_life,
            events: 0.0,
            items: HashMap::default(),
            pairs: HashMap::default(),
        }
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

    pub(super) fn event(
        &mut self,
        item: Slot,
        gain: f64,
        at: u32,
        first: f64,
        pairs: &[(Slot, f32)],
    ) {
        let trend = gain * self.trend_unit(at);
        self.events += first;
        let entry = self.items.entry(item).or_default();
        entry.count += gain;
        entry.trend += trend;
        entry.last = entry.last.max(at);
        for (other, by) in pairs {
            let pair = (item.min(*other), item.max(*other));
            if self.pairs.len() < PAIRS_MAX {
                *self.pairs.entry(pair).or_insert(0.0) += by;
            } else if let Some(count) = self.pairs.get_mut(&pair) {
                *count += by;
            }
        }
    }

    pub(super) fn holder(&mut self, item: Slot) {
        self.items.entry(item).or_default().holders += 1;
    }

    pub(super) fn remove(&mut self, gone: impl Fn(Slot) -> bool) {
        self.items.retain(|item, _| !gone(*item));
        self.pairs
            .retain(|(one, other), _| !gone(*one) && !gone(*other));
    }
}

impl Model {
    /// Collects deltas from here on.
    pub fn share(&mut self) {
        if self.pending.is_none() {
            self.pending = Some(Pending::new(self.items.half_life));
        }
    }

    /// Whether the delta under way is near its bound and has to be taken now.
    pub fn delta_is_due(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.pairs.len() >= PAIRS_MAX / 2)
    }

    /// What was learned since [`Model::share`] or the last call; `None` if nothing was.
    pub fn take_delta(&mut self) -> Option<Delta> {
        let pending = self.pending.as_mut()?;
        if pending.items.is_empty() && pending.pairs.is_empty() {
            return None;
        }
        let half_life = pending.half_life;
        let pending = std::mem::replace(pending, Pending::new(half_life));
        let mut slots: Vec<Slot> = pending.items.keys().copied().collect();
        slots.extend(pending.pairs.keys().flat_map(|(one, other)| [*one, *other]));
        let names = &self.items.names;
        slots.sort_unstable_by(|one, other| names.name(*one).cmp(names.name(*other)));
        slots.dedup();
        let place: HashMap<Slot, u32, FixedState> = slots.iter().copied().zip(0_u32..).collect();
        let items = slots.iter().map(|slot| {
            let item = pending.items.get(slot).copied().unwrap_or_default();
            DeltaItem {
                id: names.name(*slot).to_owned(),
                count: item.count,
                trend: item.trend,
                holders: item.holders,
                last: item.last,
            }
        });
        let pairs = pending.pairs.iter().filter_map(|((one, other), count)| {
            let (one, other) = (*place.get(one)?, *place.get(other)?);
            Some((one.min(other), one.max(other), *count))
        });
        let mut delta = Delta {
            reference: pending.reference.unwrap_or(0),
            events: pending.events,
            items: items.collect(),
            pairs: pairs.collect(),
        };
        delta
            .pairs
            .sort_unstable_by_key(|(one, other, _)| (*one, *other));
        Some(delta)
    }

    /// Adds what another instance learned. It does not become part of this model's own deltas.
    pub fn merge(&mut self, delta: &Delta) {
        let factor = if delta.items.iter().any(|item| item.trend > 0.0) {
            self.items.trend_unit(delta.reference)
        } else {
            1.0
        };
        self.items.events += delta.events;
        for item in &delta.items {
            let Some(slot) = self.intern_item(&item.id) else {
                continue;
            };
            self.items
                .increase(slot, item.count, item.trend * factor, item.last);
            if let Some(known) = self.items.all.get_mut(slot as usize) {
                known.holders = known.holders.saturating_add(item.holders);
            }
        }
        // Looked up again: at the bound on items, one of them can have left for another.
        let slots: Vec<Option<Slot>> = delta
            .items
            .iter()
            .map(|item| self.items.names.find(&item.id))
            .collect();
        let slot = |place: u32| slots.get(place as usize).copied().flatten();
        for (one, other, count) in &delta.pairs {
            if let Some((one, other)) = slot(*one).zip(slot(*other)) {
                self.items.pair(one, other, *count);
            }
        }
    }
}
