//! The users of one partition of `homeostat.users`, and what each of their events changes.

use super::event::{Did, Interaction, UserEvent};
use super::origin::Origins;
use super::stored::{StoredProfile, StoredStream, StoredUser};
use super::stream::{Activity, Vocabulary};
use super::tally::Tally;
pub use super::users::PARTS;
use super::users::{User, Users};
use crate::catalog::Catalog;
use crate::clock_text::format_time;
use crate::experiments::Impression;
use crate::ledger::record::Millis;
use crate::recommend::{self, Model, Taste, TasteError};

/// Interactions after which recommendations are computed at once (SPEC §5).
const REFRESHING: [&str; 4] = ["like", "click", "purchase", "add_to_cart"];
/// Interactions that similar users hear of (SPEC §5).
const SHARED: [&str; 2] = ["purchase", "high_rating"];

/// Bounds of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSettings {
    /// How long a stream is kept after its last activity.
    pub stream_ttl_ms: Millis,
    /// Users held in memory. At the bound the eighth that is quiet for longest leaves; they are loaded again from the store.
    pub users_max: usize,
}

/// The users of one partition that are in memory.
#[derive(Clone, Debug)]
pub struct Shard {
    settings: ShardSettings,
    users: Users,
    words: Vocabulary,
    /// The records that came already.
    pub origins: Origins,
    /// What was shown and clicked.
    pub tally: Tally,
}

/// What follows from an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Recommendations are to be computed at once.
    pub refresh: bool,
    /// Cached recommendations no longer hold.
    pub invalidate: bool,
    /// Everything that is kept of the user is to be removed.
    pub erase: bool,
    /// Items that count more for the user from now on, because they are similar to this one.
    pub boosted: Option<(String, Vec<String>)>,
    /// Users for whom the items of the event count more from now on.
    pub kin: Vec<String>,
}

/// Everything that an event is applied to, beside the shard.
pub struct Around<'a> {
    /// The model, which knows the users of all shards of this instance.
    pub model: &'a mut Model,
    /// Items with their genres.
    pub catalog: &'a Catalog,
    /// The time of the clock.
    pub now: Millis,
}

impl Shard {
    /// A shard without users. The seed only protects its tables from ids made to collide.
    pub fn new(settings: ShardSettings, seed: u64) -> Self {
        Self {
            settings,
            users: Users::new(seed),
            words: Vocabulary::new(seed),
            origins: Origins::default(),
            tally: Tally::default(),
        }
    }

    /// Whether the user has to be put in before an event is applied.
    pub fn lacks(&self, user: &str, model: &Model) -> bool {
        self.users.get(user).is_none() || !model.has_user(user)
    }

    /// Whether the user is in, erased or not.
    pub fn has(&self, user: &str) -> bool {
        self.users.get(user).is_some()
    }

    /// Puts a user in as the store has it. `now` is the log's time of the event that the user is needed for.
    ///
    /// # Errors
    /// What the model knew of the user cannot be read; nothing is put in.
    pub fn put(
        &mut self,
        name: &str,
        stored: StoredUser,
        model: &mut Model,
        now: Millis,
    ) -> Result<(), TasteError> {
        let StoredUser { stream, profile } = stored;
        let profile = profile.unwrap_or_else(StoredProfile::none);
        let nothing = Taste::default();
        model.import_user(name, profile.taste.as_ref().unwrap_or(&nothing))?;
        self.users.remove(name, &mut self.words);
        let user = User::of(&profile, stream.as_ref(), now, &mut self.words);
        self.users.put(name, user);
        Ok(())
    }

    /// Applies an event at its position in the partition. `None`: it was applied before.
    ///
    /// The user has to be in ([`Self::lacks`]). `logged` is the log's time of the event.
    pub fn apply(
        &mut self,
        event: &UserEvent,
        position: i64,
        logged: Millis,
        around: &mut Around<'_>,
    ) -> Option<Change> {
        let is_new = event.origin.as_ref();
        if !is_new.is_none_or(|origin| self.origins.note(origin)) {
            return None;
        }
        let user = self.users.get_mut(&event.user)?;
        let is_new = user.profile_position < position;
        if user.stream_position < position {
            user.stream_position = position;
            user.stream(event, logged, self.settings.stream_ttl_ms, &mut self.words);
        }
        if matches!(event.did, Did::Interact(_) | Did::Click(_)) {
            user.touched = user.touched.max(logged);
        }
        // The stream alone was missing.
        if !is_new {
            return None;
        }
        user.profile_position = position;
        Some(self.learn(event, position, around))
    }

    /// What the event says about the user, beside that it happened.
    fn learn(&mut self, event: &UserEvent, position: i64, around: &mut Around<'_>) -> Change {
        let mut change = Change::default();
        self.count(event, position, around.now);
        match &event.did {
            Did::Interact(interaction) => {
                self.interact(event, interaction, around, &mut change);
            }
            Did::Click(interaction) => {
                self.interact(event, interaction, around, &mut change);
                change.boosted = boost_similar(&event.user, interaction, around);
            }
            Did::Kin { items } => {
                let factor = around.model.settings().similar_user_boost;
                let items = items.iter().map(String::as_str);
                let boosted = around.model.boost(&event.user, items, factor, around.now);
                change.invalidate = boosted > 0;
            }
            Did::Served(_) => {}
            Did::Erase => {
                around.model.forget(&event.user);
                if let Some(user) = self.users.get_mut(&event.user) {
                    user.erase(&mut self.words);
                }
                change.erase = true;
            }
        }
        change
    }

    /// What the event says about what was shown.
    fn count(&mut self, event: &UserEvent, position: i64, now: Millis) {
        let Some(user) = self.users.get_mut(&event.user) else {
            return;
        };
        match &event.did {
            Did::Interact(interaction) | Did::Click(interaction) => {
                let is_click = matches!(event.did, Did::Click(_));
                let tally = &mut self.tally;
                tally.interact(user, (event, position), interaction, is_click, now);
            }
            // Nothing is kept of a user who was erased until the next interaction.
            Did::Served(served) if !user.is_erased => {
                self.tally.served(user, (event.at, position), served, now);
            }
            Did::Served(_) | Did::Kin { .. } | Did::Erase => {}
        }
    }

    /// Counts a list that was pushed to a user because of the event at this position.
    pub fn pushed(&mut self, name: &str, position: i64, impression: Impression, now: Millis) {
        let user = self.users.get_mut(name);
        if let Some(user) = user.filter(|user| !user.is_erased) {
            self.tally.shown(user, position, impression, now);
        }
    }

    fn interact(
        &mut self,
        event: &UserEvent,
        interaction: &Interaction,
        around: &mut Around<'_>,
        change: &mut Change,
    ) {
        let Some(user) = self.users.get_mut(&event.user) else {
            return;
        };
        let kind = interaction.kind.as_str();
        let items: Vec<&str> = interaction.items.iter().map(String::as_str).collect();
        let weight = around.model.settings().weight(kind);
        for genre in items.iter().flat_map(|item| around.catalog.genres(item)) {
            user.profile.prefer(genre, weight, &mut self.words.ids);
        }
        user.profile.interactions += 1;
        user.is_erased = false;
        let learned = recommend::Interaction {
            user: &event.user,
            kind,
            weight: None,
            items: &items,
            time_ms: event.at,
        };
        around.model.learn_apart(&learned, around.now);
        change.refresh = REFRESHING.contains(&kind);
        change.invalidate = true;
        if SHARED.contains(&kind) {
            change.kin = kin(&event.user, around.model);
        }
    }

    /// A user as it is written to the store; `None` if it is not in.
    pub fn stored(&self, name: &str, model: &Model) -> Option<(StoredProfile, StoredStream)> {
        let user = self.users.get(name)?;
        let stream = StoredStream {
            position: user.stream_position,
            user_id: name.to_owned(),
            activities: user.stream.activities(&self.words),
        };
        let position = user.profile_position;
        let profile = if user.is_erased {
            StoredProfile {
                position,
                erased: true,
                ..StoredProfile::default()
            }
        } else {
            StoredProfile {
                position,
                user_id: name.to_owned(),
                preferences: user.profile.preferences(&self.words.ids),
                interactions: user.profile.interactions,
                updated_at: format_time(user.touched),
                taste: model.export_user(name),
                shown: user.viewer.clone(),
                ..StoredProfile::default()
            }
        };
        Some((profile, stream))
    }

    /// The newest activities of a user that is in memory.
    pub fn activities(&self, name: &str) -> Option<Vec<Activity>> {
        let user = self.users.get(name)?;
        Some(user.stream.activities(&self.words))
    }

    /// Lets a part of the users go that were quiet for longer than a stream is kept, and at the bound those that are quiet for
    /// longest. Users of whom the store does not have all stay: `is_unkept` says so. None is lost, as the store has the others.
    pub fn sweep(&mut self, now: Millis, is_unkept: impl Fn(&str) -> bool) {
        let since = now.saturating_sub(self.settings.stream_ttl_ms);
        self.users.sweep(since, &is_unkept, &mut self.words);
        self.users
            .make_room(self.settings.users_max, &is_unkept, &mut self.words);
    }

    /// Names of the users in memory of one of [`PARTS`] parts.
    pub fn names_of(&self, part: usize) -> Vec<String> {
        self.users.names_of(part)
    }

    /// Users in memory.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on the heap, about: without what the allocator adds.
    pub fn bytes(&self) -> usize {
        self.users.bytes() + self.words.ids.bytes()
    }
}

/// Boosts items that are similar to the one clicked (SPEC §5).
fn boost_similar(
    user: &str,
    interaction: &Interaction,
    around: &mut Around<'_>,
) -> Option<(String, Vec<String>)> {
    let clicked = interaction.items.first()?;
    let settings = around.model.settings();
    let (least, most) = (settings.similar_items_min, settings.similar_items_max);
    let factor = settings.click_boost;
    let similar = around.model.similar_items(clicked, least, most);
    let similar: Vec<String> = similar.into_iter().map(|one| one.id.to_owned()).collect();
    let items = similar.iter().map(String::as_str);
    around.model.boost(user, items, factor, around.now);
    Some((clicked.clone(), similar))
}

/// Users who are similar enough to hear of a choice (SPEC §5).
fn kin(user: &str, model: &Model) -> Vec<String> {
    let settings = model.settings();
    let similar = model.similar_users(user, settings.similar_users_min, settings.similar_users_max);
    similar.into_iter().map(|one| one.id.to_owned()).collect()
}
