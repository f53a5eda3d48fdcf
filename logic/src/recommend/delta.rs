//! What one instance learned apart. Deltas add up: a model that merges those of all instances knows what one model would that
//! had seen all events, as long as each user's events went to one instance and no bound was reached.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Model;
use super::evidence::Evidence;
use super::names::Slot;
use super::pending::Gain;

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
    /// How likely the events were before they were learned.
    pub evidence: Box<Evidence>,
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
    /// First choices of it by a user.
    pub choices: u32,
    /// Users who have it since.
    pub holders: u32,
    /// Second of its newest event.
    pub last: u32,
}

impl Model {
    /// Whether the delta under way is as large as a record of a topic can be, and has to be taken before more is learned.
    pub fn delta_is_due(&self) -> bool {
        self.pending.is_due()
    }

    /// What was learned apart since the last call; `None` if nothing was. It is counted nowhere until it is merged.
    pub fn take_delta(&mut self) -> Option<Delta> {
        if self.pending.is_empty() {
            return None;
        }
        let mut pending = self.pending.take();
        pending
            .pairs
            .sort_unstable_by_key(|(one, other, _)| (*one, *other));
        pending.pairs.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 += next.2;
            }
            same
        });
        let mut slots: Vec<Slot> = pending.slots().into_iter().collect();
        slots.sort_unstable();
        let place: HashMap<Slot, u32, FixedState> = slots.iter().copied().zip(0..).collect();
        let items = slots.iter().map(|slot| {
            let gain = pending.items.get(slot).copied().unwrap_or_default();
            DeltaItem {
                id: self.items.names.name(*slot).to_owned(),
                count: gain.count,
                trend: gain.trend,
                choices: gain.choices,
                holders: gain.holders,
                last: gain.last,
            }
        });
        let pairs = pending
            .pairs
            .iter()
            .filter_map(|(one, other, by)| Some((*place.get(one)?, *place.get(other)?, *by)));
        Some(Delta {
            reference: pending.reference.unwrap_or(0),
            events: pending.events,
            items: items.collect(),
            pairs: pairs.collect(),
            evidence: Box::new(pending.evidence),
        })
    }

    /// Adds what was learned, here or in another instance. Models that merge the same deltas in the same order know the same
    /// of items, whatever users they know.
    pub fn merge(&mut self, delta: &Delta) {
        let factor = if delta.items.iter().any(|item| item.trend > 0.0) {
            self.items.trend_unit(delta.reference)
        } else {
            1.0
        };
        self.items.events += delta.events;
        self.items.evidence.add(&delta.evidence);
        for item in &delta.items {
            let Some(slot) = self.counted_item(&item.id) else {
                continue;
            };
            let gain = Gain {
                count: item.count,
                trend: item.trend * factor,
                choices: item.choices,
                holders: item.holders,
                last: item.last,
            };
            self.items.increase(slot, &gain);
        }
        // Looked up again: at the bound on items, one of them can have left for another.
        let counted = |slot: &Slot| self.items.get(*slot).is_counted;
        let slots: Vec<Option<Slot>> = delta
            .items
            .iter()
            .map(|item| self.items.names.find(&item.id).filter(counted))
            .collect();
        let slot = |place: u32| slots.get(place as usize).copied().flatten();
        for (one, other, count) in &delta.pairs {
            if let Some((one, other)) = slot(*one).zip(slot(*other)) {
                self.items.pair(one, other, *count);
            }
        }
    }
}
