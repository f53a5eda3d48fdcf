//! The users of a shard that are in memory, in parts, so that looking through all of them takes no long pause.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::event::{Did, UserEvent};
use super::profile::Profile;
use super::stored::{StoredProfile, StoredStream};
use super::stream::{Stream, Vocabulary};
use crate::experiments::Viewer;
use crate::ledger::record::Millis;

/// Parts of a shard; one is looked through at a time.
pub const PARTS: usize = 64;

/// What is known of a user beside what the model knows.
#[derive(Clone, Debug, Default)]
pub(super) struct User {
    /// Of the last event in the profile.
    pub(super) profile_position: i64,
    /// Of the last event in the stream. A crash can leave one of both behind.
    pub(super) stream_position: i64,
    pub(super) is_erased: bool,
    /// Log time of the last event.
    pub(super) touched: Millis,
    pub(super) stream: Stream,
    pub(super) profile: Profile,
    /// What was shown and clicked lately.
    pub(super) viewer: Option<Box<Viewer>>,
}

impl User {
    pub(super) fn of(
        profile: &StoredProfile,
        stream: Option<&StoredStream>,
        now: Millis,
        words: &mut Vocabulary,
    ) -> Self {
        // An owner that was late could have written it after the user was erased.
        let stream = stream.filter(|stream| !profile.erased || stream.position > profile.position);
        let mut user = Self {
            profile_position: profile.position,
            // It is written before the profile: one that is missing is over.
            stream_position: stream.map_or(profile.position, |stream| stream.position),
            is_erased: profile.erased,
            touched: chrono::DateTime::parse_from_rfc3339(&profile.updated_at)
                .map_or(now, |at| at.timestamp_millis()),
            stream: Stream::default(),
            profile: Profile::of(&profile.preferences, profile.interactions, &mut words.ids),
            viewer: profile.shown.clone(),
        };
        for activity in stream.into_iter().flat_map(|stream| &stream.activities) {
            user.stream.append(activity, words);
        }
        user
    }

    /// Appends an event to the stream, which begins again after a pause of `ttl`.
    pub(super) fn stream(
        &mut self,
        event: &UserEvent,
        logged: Millis,
        ttl: Millis,
        words: &mut Vocabulary,
    ) {
        match &event.did {
            Did::Interact(interaction) | Did::Click(interaction) => {
                if logged.saturating_sub(self.touched) >= ttl {
                    self.stream.clear(&mut words.ids);
                }
                let items = interaction.items.iter().map(String::as_str);
                let context = interaction.context.as_deref();
                self.stream
                    .push(event.at, &interaction.kind, items, context, words);
            }
            Did::Erase => self.stream.clear(&mut words.ids),
            Did::Kin { .. } | Did::Served(_) => {}
        }
    }

    /// Forgets all but the positions.
    pub(super) fn erase(&mut self, words: &mut Vocabulary) {
        self.stream.clear(&mut words.ids);
        self.profile.release(&mut words.ids);
        (self.profile, self.is_erased) = (Profile::default(), true);
        self.viewer = None;
    }
}

/// Users by name.
#[derive(Clone, Debug)]
pub(super) struct Users {
    parts: Vec<HashMap<Box<str>, User, FixedState>>,
    hasher: FixedState,
    /// The part that is looked through next.
    next: usize,
}

impl Users {
    pub(super) fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        let part = || HashMap::with_hasher(FixedState::with_seed(seed.rotate_left(32)));
        Self {
            parts: std::iter::repeat_with(part).take(PARTS).collect(),
            hasher,
            next: 0,
        }
    }

    fn part(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name) % PARTS as u64).unwrap_or(0)
    }

    pub(super) fn get(&self, name: &str) -> Option<&User> {
        self.parts.get(self.part(name))?.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut User> {
        let part = self.part(name);
        self.parts.get_mut(part)?.get_mut(name)
    }

    pub(super) fn put(&mut self, name: &str, user: User) {
        let part = self.part(name);
        if let Some(part) = self.parts.get_mut(part) {
            part.insert(name.into(), user);
        }
    }

    pub(super) fn remove(&mut self, name: &str, words: &mut Vocabulary) {
        let part = self.part(name);
        let user = self.parts.get_mut(part).and_then(|part| part.remove(name));
        if let Some(mut user) = user {
            user.erase(words);
        }
    }

    /// Lets the users of the next part go that were touched before `since`.
    pub(super) fn sweep(
        &mut self,
        since: Millis,
        is_unkept: impl Fn(&str) -> bool,
        words: &mut Vocabulary,
    ) {
        self.next = (self.next + 1) % PARTS;
        let Some(part) = self.parts.get_mut(self.next) else {
            return;
        };
        for (_, mut user) in part.extract_if(|name, user| user.touched <= since && !is_unkept(name))
        {
            user.erase(words);
        }
        if part.len() * 4 < part.capacity() {
            part.shrink_to_fit();
        }
    }

    /// Above the bound, the eighth that was touched first leaves.
    pub(super) fn make_room(
        &mut self,
        max: usize,
        is_unkept: impl Fn(&str) -> bool,
        words: &mut Vocabulary,
    ) {
        let over = self.len().saturating_sub(max);
        if over == 0 {
            return;
        }
        let leaving = over.max(max / 8);
        let others = self.all().filter(|(name, _)| !is_unkept(name));
        let mut touched: Vec<Millis> = others.map(|(_, user)| user.touched).collect();
        let Some(place) = leaving.min(touched.len()).checked_sub(1) else {
            return;
        };
        let since = *touched.select_nth_unstable(place).1;
        let mut left = leaving;
        for part in &mut self.parts {
            let mut leaves = |name: &str, user: &User| {
                let leaves = left > 0 && user.touched <= since && !is_unkept(name);
                left -= usize::from(leaves);
                leaves
            };
            for (_, mut user) in part.extract_if(|name, user| leaves(name, user)) {
                user.erase(words);
            }
        }
    }

    /// Names of the users of a part.
    pub(super) fn names_of(&self, part: usize) -> Vec<String> {
        let names = self.parts.get(part).into_iter().flat_map(HashMap::keys);
        names.map(|name| (**name).to_owned()).collect()
    }

    fn all(&self) -> impl Iterator<Item = (&str, &User)> {
        let parts = self.parts.iter().flatten();
        parts.map(|(name, user)| (&**name, user))
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashMap::len).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        let users = self.all().map(|(name, user)| {
            let viewer = user.viewer.as_ref().map_or(0, |viewer| viewer.bytes());
            name.len() + user.stream.bytes() + user.profile.bytes() + viewer
        });
        users.sum::<usize>()
            + self
                .parts
                .iter()
                .map(HashMap::allocation_size)
                .sum::<usize>()
    }
}
