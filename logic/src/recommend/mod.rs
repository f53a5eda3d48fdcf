//! The recommender: what items users choose near one another, learned event by event, and recommended at once.
//!
//! For each event of a user, the item is paired with the user's newest items, by e^(-distance / 12). The score of an item is
//! the sum over the user's newest items of what it has in common with each, damped for frequent ones, plus a share of what is
//! trending. docs/recommendations.md has the formulas and measured quality.
//!
//! Pure: time and seed are arguments, and equal inputs give equal outputs. Everything is bounded ([`RecommendSettings`]).
//! Models of instances whose users are disjoint are shared by [`Delta`]s, which add up to what one model would have learned.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are kept as f64 and scored as f32; slots are below 2^31 by the bounds of the settings"
)]

mod board;
mod boosts;
mod bounds;
mod codec;
mod delta;
mod delta_bytes;
pub mod evaluation;
mod interaction;
mod items;
mod learn;
mod memory;
mod names;
mod row;
mod score;
mod settings;
mod similar;
mod snapshot;
#[cfg(test)]
mod tests;
mod user;

pub use codec::CodecError;
pub use delta::{Delta, DeltaItem};
pub use interaction::{ID_BYTES_MAX, Interaction, Learned, id_text, is_id};
pub use memory::Memory;
pub use score::{Reason, Recommendation, Request, Scratch};
pub use settings::{RecommendSettings, SettingsError};
pub use similar::Similar;
pub use snapshot::RestoreError;

use delta::Pending;
use items::Items;
use names::{Names, Slot};
use user::User;

/// All that was learned.
#[derive(Clone)]
pub struct Model {
    settings: RecommendSettings,
    items: Items,
    user_names: Names,
    users: Vec<User>,
    /// What was learned since the last delta; `None` if deltas are not asked for.
    pending: Option<Pending>,
    /// e^(-d / `learn_decay`) by distance.
    learn_decay: Vec<f32>,
    /// e^(-d / `score_decay`) by distance.
    score_decay: Vec<f32>,
    /// Pairs of one event, kept for its allocation.
    pairs: Vec<(Slot, f32)>,
}

/// How much a model knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// Items known.
    pub items: usize,
    /// Users known.
    pub users: usize,
    /// Neighbours kept, over all items.
    pub pairs: usize,
    /// Events learned, repeated items not counted.
    pub events: f64,
}

impl Model {
    /// An empty one. The seed only protects its tables from ids made to collide; no result depends on it.
    ///
    /// # Errors
    /// A setting is outside its range.
    pub fn new(settings: RecommendSettings, seed: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        let table = |decay: f64| -> Vec<f32> {
            (0..=settings.history_max.max(settings.scored_max))
                .map(|distance| (-(distance as f64) / decay).exp() as f32)
                .collect()
        };
        Ok(Self {
            items: Items::new(&settings, seed),
            user_names: Names::new(seed),
            users: Vec::new(),
            pending: None,
            learn_decay: table(settings.learn_decay),
            score_decay: table(settings.score_decay),
            pairs: Vec::new(),
            settings,
        })
    }

    /// The settings in force.
    pub const fn settings(&self) -> &RecommendSettings {
        &self.settings
    }

    /// How much is known.
    pub fn size(&self) -> Size {
        Size {
            items: self.items.names.len(),
            users: self.user_names.len(),
            pairs: self.items.pairs,
            events: self.items.events,
        }
    }

    /// Whether the user has seen the item, or does not want it.
    pub fn knows(&self, user: &str, item: &str) -> bool {
        let item = self.items.names.find(item);
        item.is_some_and(|item| {
            self.user(user)
                .is_some_and(|user| user.known().any(|(known, _)| known == item))
        })
    }

    /// Forgets a user: history, what was seen, boosts, and the user's place among those compared. What the user's events
    /// added to the counts of items stays; it names no user.
    pub fn forget(&mut self, user: &str) -> bool {
        let Some(slot) = self.user_names.find(user) else {
            return false;
        };
        if let Some(user) = self.users.get_mut(slot as usize) {
            for (item, _) in std::mem::take(user).known() {
                self.items.let_go(item, slot);
            }
        }
        self.user_names.remove(slot);
        true
    }

    fn user(&self, name: &str) -> Option<&User> {
        let slot = self.user_names.find(name)?;
        self.users.get(slot as usize)
    }
}
