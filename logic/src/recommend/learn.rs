//! Learning from one interaction: in the model itself, or apart, so that items gain by merging the delta alone.
//!
//! Rules beyond the recipe:
//! - An interaction's weight scales all that it adds.
//! - A repeated item, one that is still among the user's newest, adds only what its weight exceeds the earlier one by, and
//!   becomes the newest. So a page loaded a thousand times counts once, and a purchase after a view counts as a purchase.
//! - A weight below zero means that the user does not want the item: it leaves the user's newest items, is not recommended
//!   to the user again, and adds nothing. What it added before stays. A later interaction with it makes it wanted again.
//! - A weight of zero only marks the item as seen.
//! - A late event takes its place in time and is paired with what came before it. A time ahead of now counts as now.

use super::Model;
use super::interaction::{Interaction, Learned, is_id, seconds};
use super::items::Items;
use super::names::Slot;
use super::pending::Gain;
use super::user::{Recent, with_distance};

/// Largest weight of one interaction; a larger one counts as this.
const WEIGHT_MAX: f64 = 100.0;

/// Where items gain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Into {
    Items,
    Delta,
}

impl Model {
    /// Learns from an interaction; `now_ms` is the time at which it arrived.
    pub fn learn(&mut self, interaction: &Interaction<'_>, now_ms: i64) -> Learned {
        self.learn_into(Into::Items, interaction, now_ms)
    }

    /// Learns from an interaction in what is known of the user alone. What its items gain goes to the delta under way
    /// ([`Model::take_delta`]), and is known here once that is merged, as in every other instance.
    ///
    /// New items that no delta has named yet are bounded: at the bound they are left out, until deltas are merged.
    pub fn learn_apart(&mut self, interaction: &Interaction<'_>, now_ms: i64) -> Learned {
        self.learn_into(Into::Delta, interaction, now_ms)
    }

    fn learn_into(&mut self, into: Into, interaction: &Interaction<'_>, now_ms: i64) -> Learned {
        let mut learned = Learned::default();
        if !is_id(interaction.user) {
            learned.left_out = interaction.items.len();
            return learned;
        }
        let weight = interaction.weight.filter(|weight| weight.is_finite());
        let weight = weight.unwrap_or_else(|| self.settings.weight(interaction.kind));
        let weight = weight.clamp(-WEIGHT_MAX, WEIGHT_MAX) as f32;
        let at = seconds(interaction.time_ms.min(now_ms));
        let mut done: Vec<&str> = Vec::new();
        for item in interaction.items {
            let is_new = done.len() < self.settings.items_per_event_max && !done.contains(item);
            if !is_new || !is_id(item) || !self.learn_one(into, interaction.user, item, weight, at)
            {
                learned.left_out += 1;
                continue;
            }
            learned.items += 1;
            if interaction.items.len() > 1 {
                done.push(item);
            }
        }
        learned
    }

    /// Learns from one item with a weight of its own, in the second `at` since 1970.
    fn learn_one(&mut self, into: Into, user: &str, item: &str, weight: f32, at: u32) -> bool {
        let item = match into {
            Into::Items => self.counted_item(item),
            Into::Delta => self.named_item(item),
        };
        let Some((item, user_slot)) = item.zip(self.touch_user(user)) else {
            return false;
        };
        let Some(user) = self.users.get_mut(user_slot as usize) else {
            return false;
        };
        if user.know(item, weight < 0.0) {
            self.items.hold(item, user_slot);
            match into {
                Into::Items => self.items.add_holders(item, 1),
                Into::Delta => self.pending.holder(item),
            }
            for gone in user.make_room(self.settings.seen_max + 1) {
                self.items.let_go(gone, user_slot);
            }
        }
        if weight < 0.0 {
            user.take(item);
            user.boosts.retain(|boost| boost.item != item);
        }
        if weight <= 0.0 {
            return true;
        }
        // The same item twice in a row is one choice: a page loaded a thousand times says nothing of what users do.
        if user.recent.last().is_none_or(|newest| newest.item != item) {
            let is_first = user.recent.iter().all(|recent| recent.item != item);
            let past = user.recent.get(..user.place(at)).unwrap_or_default();
            let found = self.items.test(past, item, at, is_first, &self.learn_decay);
            if let Some(found) = found {
                match into {
                    Into::Items => self.items.evidence.add(&found),
                    Into::Delta => self.pending.evidence.add(&found),
                }
            }
        }
        let before = user.take(item);
        let earlier = before.map_or(0.0, |before| before.weight);
        let gain = (weight - earlier).max(0.0);
        if gain > 0.0 {
            let place = user.place(at);
            self.pairs.clear();
            let past = user.recent.get(..place).unwrap_or_default();
            let decay = &self.learn_decay;
            self.pairs
                .extend(with_distance(past).map(|(other, distance)| {
                    (
                        other.item,
                        gain * decay.get(distance).copied().unwrap_or(0.0),
                    )
                }));
        }
        user.put(
            Recent {
                item,
                at: at.max(before.map_or(0, |before| before.at)),
                weight: weight.max(earlier),
            },
            self.settings.history_max,
        );
        if gain > 0.0 {
            let first = u32::from(before.is_none());
            match into {
                Into::Items => self.items.event(item, gain, at, first, &self.pairs),
                Into::Delta => self.pending.event(item, gain, at, first, &self.pairs),
            }
        }
        true
    }
}

impl Items {
    /// Adds an event to the counts, with its pairs.
    fn event(&mut self, item: Slot, gain: f32, at: u32, first: u32, pairs: &[(Slot, f32)]) {
        for (other, by) in pairs {
            self.pair(item, *other, *by);
        }
        self.events += f64::from(first);
        let count = f64::from(gain);
        let gain = Gain {
            count,
            trend: count * self.trend_unit(at),
            choices: first,
            holders: 0,
            last: at,
        };
        self.increase(item, &gain);
    }
}
