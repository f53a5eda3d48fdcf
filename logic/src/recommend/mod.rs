//! The recommender: what items users choose near one another, learned event by event, and recommended at once.
//!
//! For each event of a user, the item is paired with the user's newest items, by e^(-distance / 12). The score of an item is
//! the sum over the user's newest items of what it has in common with each, damped for frequent ones, plus a share of what is
//! trending. docs/recommendations.md has the formulas and measured quality.
//!
//! Pure: time and seed are arguments, and equal inputs give equal outputs. Everything is bounded ([`RecommendSettings`]).
//! Instances whose users are disjoint share what items gain by [`Delta`]s, which add up to what one model would have learned;
//! [`SharedModel`] applies those of a common log, in order.

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
mod evidence;
mod interaction;
mod items;
mod learn;
mod memory;
pub(crate) mod names;
mod pending;
mod popular;
mod record;
mod row;
mod score;
mod scoring;
mod settings;
mod shared;
mod similar;
mod snapshot;
mod taste;
#[cfg(test)]
mod tests;
mod trial;
mod user;

pub use codec::CodecError;
pub use delta::{Delta, DeltaItem};
pub use evidence::Evidence;
pub use interaction::{ID_BYTES_MAX, Interaction, Learned, id_text, is_id};
pub use memory::Memory;
pub use record::ModelRecord;
pub use score::{Reason, Recommendation, Request, Scratch};
pub use scoring::{SCORING_NAMES, Scoring};
pub use settings::{RecommendSettings, SettingsError};
pub use shared::{Outcome, Progress, SharedModel};
pub use similar::Similar;
pub use snapshot::RestoreError;
pub use taste::{Taste, TasteError};

use items::Items;
use names::{Names, Slot};
use pending::Pending;
use user::User;

/// All that was learned.
#[derive(Clone)]
pub struct Model {
    settings: RecommendSettings,
    items: Items,
    user_names: Names,
    users: Vec<User>,
    /// Learned of and imported users so far.
    touches: u64,
    /// What was learned apart since the last delta.
    pending: Pending,
    /// e^(-d / `learn_decay`) by distance.
    learn_decay: Vec<f32>,
    /// Constants of scores, unless a request has its own.
    scoring: Scoring,
    /// Pairs of one event, kept for its allocation.
    pairs: Vec<(Slot, f32)>,
}

/// How much a model knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// Items that were learned or merged.
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
        Ok(Self {
            items: Items::new(&settings, seed),
            user_names: Names::new(seed),
            users: Vec::new(),
            touches: 0,
            pending: Pending::new(settings.trend_half_life_hours * 3_600.0),
            learn_decay: scoring::decays(settings.learn_decay, &settings),
            scoring: Scoring::of(&settings),
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
            items: self.items.counted,
            users: self.user_names.len(),
            pairs: self.items.pairs,
            events: self.items.events,
        }
    }

    /// Whether the user is known here.
    pub fn has_user(&self, user: &str) -> bool {
        self.user_names.find(user).is_some()
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
