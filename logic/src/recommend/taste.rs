//! What is known of one user, by ids: to be kept elsewhere, and brought back into a model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Model;
use super::interaction::{is_id, seconds};
use super::names::Slot;
use super::user::{Boost, Recent, User};

/// What is known of a user. As JSON it is compact: each id is there once, times are small numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taste {
    /// Ids, which the other fields name by place: those seen or unwanted, in the order first seen, then others.
    pub items: Vec<String>,
    /// How many of the items were seen or are unwanted.
    pub seen: u32,
    /// Those that are unwanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwanted: Vec<u32>,
    /// Second since 1970 of the newest choice; 0 without one.
    #[serde(default)]
    pub newest: u32,
    /// Newest choices in order: item, seconds before the newest one, weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<(u32, u32, f32)>,
    /// Items that count more: item, second since 1970, what the factor exceeded 1 by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boosts: Vec<(u32, u32, f32)>,
}

impl Taste {
    /// The newest choices, the newest first, each item once.
    pub fn newest_items(&self, count: usize) -> Vec<String> {
        let mut newest: Vec<String> = Vec::new();
        for (place, _, _) in self.recent.iter().rev() {
            if newest.len() == count {
                break;
            }
            if let Some(item) = self.items.get(*place as usize)
                && !newest.contains(item)
            {
                newest.push(item.clone());
            }
        }
        newest
    }
}

impl Taste {
    /// The same as if these items were chosen at this time, the newest of all: for one answer, and not to be kept. They are not
    /// among those seen.
    #[must_use]
    pub fn looking_at(mut self, items: &[String], now_ms: i64) -> Self {
        if items.is_empty() {
            return self;
        }
        let now = seconds(now_ms).max(self.newest);
        for (_, age, _) in &mut self.recent {
            *age = age.saturating_add(now - self.newest);
        }
        self.newest = now;
        for item in items.iter().filter(|item| is_id(item)) {
            let known = self.items.iter().position(|one| one == item);
            let place = known.unwrap_or_else(|| {
                self.items.push(item.clone());
                self.items.len() - 1
            }) as u32;
            self.recent.retain(|(one, ..)| *one != place);
            self.recent.push((place, 0, 1.0));
        }
        self
    }
}

/// Why a taste cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TasteError {
    /// The user's id.
    #[error("the user's id is empty or longer than 256 bytes")]
    User,
    /// A part of it.
    #[error("the taste of user {user} is damaged: {what}")]
    Damaged {
        /// Id of the user.
        user: String,
        /// What cannot be.
        what: &'static str,
    },
}

impl Model {
    /// What is known of a user; `None` for one who is unknown.
    pub fn export_user(&self, user: &str) -> Option<Taste> {
        let user = self.user(user)?;
        let mut slots: Vec<Slot> = Vec::new();
        let mut taste = Taste::default();
        for (place, (item, unwanted)) in (0..).zip(user.known()) {
            slots.push(item);
            if unwanted {
                taste.unwanted.push(place);
            }
        }
        taste.seen = slots.len() as u32;
        let mut place = |item: Slot| {
            let known = slots.iter().rposition(|slot| *slot == item);
            known.unwrap_or_else(|| {
                slots.push(item);
                slots.len() - 1
            }) as u32
        };
        taste.newest = user.recent.last().map_or(0, |recent| recent.at);
        for recent in &user.recent {
            let age = taste.newest.saturating_sub(recent.at);
            taste.recent.push((place(recent.item), age, recent.weight));
        }
        for boost in &user.boosts {
            let part = (place(boost.item), boost.at, boost.excess);
            taste.boosts.push(part);
        }
        let name = |slot: &Slot| self.items.names.name(*slot).to_owned();
        taste.items = slots.iter().map(name).collect();
        Some(taste)
    }

    /// Takes what is known of a user from elsewhere, instead of what is known here. The counts of items do not change: the
    /// user's choices are among them since they were learned. Beyond the bounds of the settings the oldest are left out.
    ///
    /// # Errors
    /// The id or the taste cannot be; what was known of the user stays.
    pub fn import_user(&mut self, user: &str, taste: &Taste) -> Result<(), TasteError> {
        if !is_id(user) {
            return Err(TasteError::User);
        }
        taste.check(user)?;
        // None where no room is left for items that no delta named yet.
        let slots: Vec<Option<Slot>> = taste
            .items
            .iter()
            .map(|item| self.named_item(item))
            .collect();
        let new = self.user_of(taste, &slots);
        self.replace_user(user, new);
        Ok(())
    }

    /// A user of this taste; `slots` are those of its items, where they have one.
    pub(super) fn user_of(&self, taste: &Taste, slots: &[Option<Slot>]) -> User {
        let slot = |place: &u32| slots.get(*place as usize).copied().flatten();
        let mut new = User::default();
        let seen = taste.seen as usize;
        for place in seen.saturating_sub(self.settings.seen_max)..seen {
            let place = place as u32;
            if let Some(item) = slot(&place) {
                new.remember(item, taste.unwanted.binary_search(&place).is_ok());
            }
        }
        let over = taste.recent.len().saturating_sub(self.settings.history_max);
        new.recent.extend(
            taste
                .recent
                .iter()
                .skip(over)
                .filter_map(|(place, age, weight)| {
                    Some(Recent {
                        item: slot(place)?,
                        at: taste.newest - age,
                        weight: *weight,
                    })
                }),
        );
        let boosts = taste.boosts.iter().take(self.settings.boosts_max);
        new.boosts.extend(boosts.filter_map(|(place, at, excess)| {
            Some(Boost {
                item: slot(place)?,
                at: *at,
                excess: *excess,
            })
        }));
        new
    }

    fn replace_user(&mut self, name: &str, mut new: User) {
        let Some(slot) = self.touch_user(name) else {
            return;
        };
        let Some(user) = self.users.get_mut(slot as usize) else {
            return;
        };
        new.touched = user.touched;
        let before = std::mem::replace(user, new);
        for (item, _) in before.known() {
            self.items.let_go(item, slot);
        }
        for (item, _) in user.known() {
            self.items.hold(item, slot);
        }
    }
}

impl Taste {
    /// Leaves out the older half of the items that were only seen; when none is left, the older half of the others. `false`: there
    /// is none at all.
    pub fn forget_older_half(&mut self) -> bool {
        let named = self.recent.iter().chain(&self.boosts);
        let named: BTreeSet<u32> = named.map(|(place, ..)| *place).collect();
        let places = || 0..u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        let mut leaving: Vec<u32> = places().filter(|place| !named.contains(place)).collect();
        if leaving.is_empty() {
            leaving.extend(places());
        }
        leaving.truncate(leaving.len().div_ceil(2));
        let stays = |place: u32| leaving.binary_search(&place).is_err();
        // Where an item is once those before it have left.
        let moved = |place: u32| place - leaving.partition_point(|gone| *gone < place) as u32;
        let parts = |all: &[(u32, u32, f32)]| -> Vec<(u32, u32, f32)> {
            let staying = all.iter().filter(|(place, ..)| stays(*place));
            staying
                .map(|(place, at, number)| (moved(*place), *at, *number))
                .collect()
        };
        (self.recent, self.boosts) = (parts(&self.recent), parts(&self.boosts));
        let unwanted = self.unwanted.iter().filter(|place| stays(**place));
        self.unwanted = unwanted.map(|place| moved(*place)).collect();
        self.seen = moved(self.seen);
        let mut place = 0;
        self.items.retain(|_| {
            place += 1;
            stays(place - 1)
        });
        !leaving.is_empty()
    }

    /// Whether it can be what is known of this user.
    pub(super) fn check(&self, user: &str) -> Result<(), TasteError> {
        check(self).map_err(|what| TasteError::Damaged {
            user: user.to_owned(),
            what,
        })
    }
}

/// What cannot be, if anything.
fn check(taste: &Taste) -> Result<(), &'static str> {
    let many = taste.items.len();
    let mut ids: Vec<&str> = taste.items.iter().map(String::as_str).collect();
    ids.sort_unstable();
    if ids.iter().any(|id| !is_id(id)) || ids.windows(2).any(|two| two.first() == two.last()) {
        return Err("an item's id is empty, too long or there twice");
    }
    if taste.seen as usize > many || taste.unwanted.iter().any(|place| *place >= taste.seen) {
        return Err("it has seen more items than there are");
    }
    if !taste.unwanted.is_sorted() {
        return Err("what is unwanted is not in order");
    }
    let parts = taste.recent.iter().chain(&taste.boosts);
    if parts.clone().any(|(place, ..)| *place as usize >= many) {
        return Err("it names an item that is not there");
    }
    if parts
        .clone()
        .any(|(.., number)| !(0.0..=1e6).contains(number))
    {
        return Err("a weight is not between zero and a million");
    }
    let ages = || taste.recent.iter().map(|(_, age, _)| *age);
    if !ages().rev().is_sorted() || ages().any(|age| age > taste.newest) {
        return Err("its choices are not in order of time");
    }
    Ok(())
}
