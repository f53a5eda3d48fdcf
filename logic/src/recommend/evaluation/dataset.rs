//! Interactions of the past, in order of time.

use super::super::RecommendSettings;
use super::super::interaction::is_id;
use super::super::names::{Names, Slot};
use super::random::Random;

/// Users, items, and kinds that are not the same in two rows.
const MANY_MAX: usize = 1 << 30;

/// One row as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Id of the user.
    pub user: &'a str,
    /// Id of the item.
    pub item: &'a str,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The type of interaction; empty without one.
    pub kind: &'a str,
    /// Its weight; `None`: that of its type, or 1 without one.
    pub weight: Option<f64>,
}

/// Why a row cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// No id.
    #[error("the {what} is empty or longer than 256 bytes")]
    Id {
        /// Of what.
        what: &'static str,
    },
    /// More than can be counted.
    #[error("there are more than a billion users or items")]
    TooMany,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) user: Slot,
    pub(super) item: Slot,
    pub(super) kind: u32,
    /// NaN: that of the kind.
    pub(super) weight: f32,
    pub(super) time_ms: i64,
}

/// All of them, by time; of one time, in the order they were read.
pub struct Dataset {
    pub(super) events: Vec<Event>,
    pub(super) users: Names,
    pub(super) items: Names,
    pub(super) kinds: Vec<String>,
}

/// Collects rows.
pub struct Builder(Dataset);

impl Default for Builder {
    fn default() -> Self {
        Self(Dataset {
            events: Vec::new(),
            users: Names::new(0),
            items: Names::new(0),
            kinds: vec![String::new()],
        })
    }
}

impl Builder {
    /// Adds a row.
    ///
    /// # Errors
    /// An id is empty or too long.
    pub fn add(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let data = &mut self.0;
        for (what, id) in [("user", row.user), ("item", row.item)] {
            if !is_id(id) {
                return Err(RowError::Id { what });
            }
        }
        let intern = |names: &mut Names, id: &str| -> Result<Slot, RowError> {
            if let Some(slot) = names.find(id) {
                return Ok(slot);
            }
            let room = names.len() < MANY_MAX;
            room.then(|| names.add(id))
                .flatten()
                .ok_or(RowError::TooMany)
        };
        let kind = match data.kinds.iter().position(|kind| kind == row.kind) {
            Some(place) => place,
            // All further types have the weight of other ones anyway.
            None if data.kinds.len() >= 1_000 => 1,
            None => {
                data.kinds.push(row.kind.to_owned());
                data.kinds.len() - 1
            }
        };
        data.events.push(Event {
            user: intern(&mut data.users, row.user)?,
            item: intern(&mut data.items, row.item)?,
            kind: kind as u32,
            weight: row.weight.map_or(f32::NAN, |weight| weight as f32),
            time_ms: row.time_ms,
        });
        Ok(())
    }

    /// All rows, in order of time.
    pub fn build(mut self) -> Dataset {
        self.0.events.sort_by_key(|event| event.time_ms);
        self.0
    }
}

impl Dataset {
    /// Events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Different users.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Different items.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// The first and the last time, in milliseconds since 1970.
    pub fn period(&self) -> Option<(i64, i64)> {
        let (first, last) = (self.events.first()?, self.events.last()?);
        Some((first.time_ms, last.time_ms))
    }

    /// Types of interactions, and how many there are of each; empty without types.
    pub fn kinds(&self) -> Vec<(&str, usize)> {
        let mut many = vec![0; self.kinds.len()];
        for event in &self.events {
            if let Some(many) = many.get_mut(event.kind as usize) {
                *many += 1;
            }
        }
        let kinds = self.kinds.iter().map(String::as_str).zip(many);
        kinds.filter(|(kind, _)| !kind.is_empty()).collect()
    }

    /// What an event counts under these settings.
    pub(super) fn weight(&self, event: &Event, settings: &RecommendSettings) -> f64 {
        if event.weight.is_finite() {
            return f64::from(event.weight);
        }
        match self.kinds.get(event.kind as usize).map(String::as_str) {
            // Without a type, every row counts in full.
            None | Some("") => 1.0,
            Some(kind) => settings.weight(kind),
        }
    }

    /// The same, with the order of items within each session of a user at random; times stay. A session ends with a pause of
    /// more than `pause_ms`.
    pub(super) fn shuffled(&self, pause_ms: i64, seed: u64) -> Vec<Event> {
        let mut by_user: Vec<Vec<usize>> = vec![Vec::new(); self.users.width()];
        for (place, event) in self.events.iter().enumerate() {
            if let Some(places) = by_user.get_mut(event.user as usize) {
                places.push(place);
            }
        }
        let mut random = Random::new(seed);
        let mut shuffled = self.events.clone();
        let time = |place: &usize| self.events.get(*place).map_or(0, |event| event.time_ms);
        for places in by_user {
            for session in places.chunk_by(|one, next| time(next) - time(one) <= pause_ms) {
                let mut from = session.to_vec();
                random.shuffle(&mut from);
                for (to, from) in session.iter().zip(from) {
                    if let (Some(target), Some(source)) =
                        (shuffled.get_mut(*to), self.events.get(from))
                    {
                        *target = Event {
                            time_ms: target.time_ms,
                            ..*source
                        };
                    }
                }
            }
        }
        shuffled
    }
}
