//! Learning from one interaction.
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
use super::names::Slot;
use super::user::{Recent, User, with_distance};

/// Largest weight of one interaction; a larger one counts as this.
const WEIGHT_MAX: f64 = 100.0;

impl Model {
    /// Learns from an interaction; `now_ms` is the time at which it arrived.
    pub fn learn(&mut self, interaction: &Interaction<'_>, now_ms: i64) -> Learned {
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
            if !is_new || !is_id(item) || !self.learn_one(interaction.user, item, weight, at) {
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
    fn learn_one(&mut self, user: &str, item: &str, weight: f32, at: u32) -> bool {
        let Some(user_slot) = self.intern_user(user) else {
            return false;
        };
        let Some(item) = self.intern_item(item) else {
            return false;
        };
        let Some(user) = self.users.get_mut(user_slot as usize) else {
            return false;
        };
        user.last = user.last.max(at);
        know(
            &mut self.items,
            self.settings.seen_max,
            user,
            user_slot,
            item,
            weight < 0.0,
            &mut self.pending,
        );
        if weight < 0.0 {
            user.take(item);
            user.boosts.retain(|boost| boost.item != item);
        }
        if weight <= 0.0 {
            return true;
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
            self.count(item, gain, at, before.is_none());
        }
        true
    }

    /// Adds an event to the counts, with the pairs collected.
    fn count(&mut self, item: Slot, gain: f32, at: u32, is_first: bool) {
        for (other, by) in &self.pairs {
            self.items.pair(item, *other, *by);
        }
        let first = if is_first { 1.0 } else { 0.0 };
        self.items.events += first;
        let unit = self.items.trend_unit(at);
        let gain = f64::from(gain);
        self.items.increase(item, gain, gain * unit, at);
        if let Some(pending) = &mut self.pending {
            pending.event(item, gain, at, first, &self.pairs);
        }
    }
}

/// Marks an item as seen or unwanted.
fn know(
    items: &mut super::items::Items,
    seen_max: usize,
    user: &mut User,
    user_slot: Slot,
    item: Slot,
    unwanted: bool,
    pending: &mut Option<super::delta::Pending>,
) {
    if !user.know(item, unwanted) {
        return;
    }
    items.hold(item, user_slot);
    if let Some(pending) = pending {
        pending.holder(item);
    }
    for gone in user.make_room(seen_max + 1) {
        items.let_go(gone, user_slot);
    }
}
