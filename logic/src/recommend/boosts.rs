//! Factors on single items for single users: set by events, halved with time, and bounded in number and size.

use super::Model;
use super::interaction::seconds;
use super::names::Slot;
use super::user::{Boost, User};

impl Model {
    /// Multiplies what these items count for a user by a factor above 1. Says how many items are boosted: none for a user or
    /// items that are unknown, or for items that the user does not want. Boosts of one item multiply, up to `boost_max`.
    pub fn boost<'a>(
        &mut self,
        user: &str,
        items: impl IntoIterator<Item = &'a str>,
        factor: f64,
        now_ms: i64,
    ) -> usize {
        let now = seconds(now_ms);
        let half_life = self.boost_half_life();
        let slots: Vec<Slot> = items
            .into_iter()
            .filter_map(|item| self.items.names.find(item))
            .collect();
        let most = self.settings.boost_max - 1.0;
        let Some(user) = self.user_names.find(user) else {
            return 0;
        };
        let Some(user) = self.users.get_mut(user as usize) else {
            return 0;
        };
        let mut boosted = 0;
        if factor <= 1.0 || factor.is_nan() {
            return 0;
        }
        for item in slots {
            if user.known().any(|known| known == (item, true)) {
                continue;
            }
            let present = user.boosts.iter().position(|boost| boost.item == item);
            let before = present.map_or(0.0, |place| {
                let boost = user.boosts.swap_remove(place);
                left(&boost, now, half_life)
            });
            let excess = ((1.0 + before) * factor - 1.0).min(most);
            user.boosts.push(Boost {
                item,
                at: now,
                excess: excess as f32,
            });
            boosted += 1;
        }
        user.boosts.sort_by(|one, other| {
            let left = |boost| left(boost, now, half_life);
            left(other)
                .total_cmp(&left(one))
                .then(one.item.cmp(&other.item))
        });
        user.boosts.truncate(self.settings.boosts_max);
        boosted
    }

    /// The factor on an item now, 1 for most.
    pub(super) fn boost_of(&self, user: &User, item: Slot, now: u32) -> f32 {
        user.boosts
            .iter()
            .find(|boost| boost.item == item)
            .map_or(1.0, |boost| {
                1.0 + left(boost, now, self.boost_half_life()) as f32
            })
    }

    fn boost_half_life(&self) -> f64 {
        self.settings.boost_half_life_hours * 3_600.0
    }
}

/// What is left of a boost.
fn left(boost: &Boost, now: u32, half_life: f64) -> f64 {
    let age = f64::from(now.saturating_sub(boost.at));
    f64::from(boost.excess) * (-age / half_life).exp2()
}
