//! The user store port: what is kept of each user, outside the actors that own it.
//!
//! Two adapters (embedded, Redis) give the same semantics and pass one conformance suite:
//! - a write of a versioned entry ([`Entry::is_versioned`]) changes nothing unless its position is larger than the stored one, so
//!   that a redelivery and an owner that is late change nothing;
//! - what was acknowledged is kept: on the disk by the embedded store, as Redis is set up to keep it by Redis;
//! - an entry is there until its time is over ([`Lifetimes`]), or until it is removed;
//! - each key is on its own: a call that fails may have changed some of its keys, and may be repeated.

use std::time::Duration;

use futures_util::future::BoxFuture;

/// Bytes of a user's canonical id at most; it has one at least.
pub const USER_BYTES_MAX: usize = 256;
/// Bytes of a value at most.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a blob at most.
pub const BLOB_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

/// What is kept of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// The latest interactions. Versioned.
    Stream,
    /// Preferences and taste, or the tombstone of an erased user. Versioned, kept for ever.
    Profile,
    /// Recommendations that were computed on request.
    Recommendations,
    /// Recommendations that were computed because the user acted.
    Realtime,
    /// Which records of a shard of users came already; the shard's number is in the place of the user. Versioned, kept for ever.
    Shard,
}

impl Entry {
    /// Every entry.
    pub const ALL: [Self; 5] = [
        Self::Stream,
        Self::Profile,
        Self::Recommendations,
        Self::Realtime,
        Self::Shard,
    ];

    /// Its name, which is what stands before the user in a key: `user_activity_stream:7`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "user_activity_stream",
            Self::Profile => "user_profile",
            Self::Recommendations => "recommendations",
            Self::Realtime => "realtime_recommendations",
            Self::Shard => "homeostat_shard",
        }
    }

    /// Whether a write counts only if its position is larger than the stored one.
    pub const fn is_versioned(self) -> bool {
        matches!(self, Self::Stream | Self::Profile | Self::Shard)
    }
}

/// How long an entry is kept after it was last written. A profile is kept until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of [`Entry::Stream`].
    pub stream: Duration,
    /// Of [`Entry::Recommendations`].
    pub recommendations: Duration,
    /// Of [`Entry::Realtime`].
    pub realtime: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            stream: Duration::from_hours(1),
            recommendations: Duration::from_mins(30),
            realtime: Duration::from_mins(30),
        }
    }
}

impl Lifetimes {
    /// That of an entry; `None` = for ever.
    pub const fn of(&self, entry: Entry) -> Option<Duration> {
        match entry {
            Entry::Stream => Some(self.stream),
            Entry::Profile | Entry::Shard => None,
            Entry::Recommendations => Some(self.recommendations),
            Entry::Realtime => Some(self.realtime),
        }
    }
}

/// Where a value is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which of the user's entries.
    pub entry: Entry,
    /// Canonical id of the user, at most [`USER_BYTES_MAX`] bytes.
    pub user: String,
}

impl Key {
    /// The key of a user's entry.
    pub fn new(entry: Entry, user: impl Into<String>) -> Self {
        Self {
            entry,
            user: user.into(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.entry.name(), self.user)
    }
}

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Position of the last event in it, by [`position_of`]; [`Stored::WITHOUT`] where the value does not begin with one.
    pub position: i64,
    /// The value, a JSON object.
    pub value: String,
}

impl Stored {
    /// The position of a value without one. Any write replaces it.
    pub const WITHOUT: i64 = -1;

    /// A value with the position that it begins with.
    pub fn read(value: String) -> Self {
        Self {
            position: position_of(&value).unwrap_or(Self::WITHOUT),
            value,
        }
    }
}

/// The position that a value begins with: `{"position":N`, N from 0 on, without a space.
pub fn position_of(value: &str) -> Option<i64> {
    let digits = value.strip_prefix(r#"{"position":"#)?;
    let end = digits.find(|next: char| !next.is_ascii_digit())?;
    let (digits, rest) = digits.split_at_checked(end)?;
    let is_plain = digits == "0" || !digits.starts_with('0');
    (is_plain && rest.starts_with([',', '}'])).then(|| digits.parse().ok())?
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes a value. Where the entry is versioned, the value begins with its position ([`position_of`]), and nothing is changed
    /// unless that is larger than the stored one.
    Put {
        /// Where.
        key: Key,
        /// Position of the last event in the value, 0 or more; not looked at where the entry is not versioned.
        position: i64,
        /// The value, a JSON object of at most [`VALUE_BYTES_MAX`] bytes.
        value: String,
    },
    /// Removes a value, whatever its position.
    Remove {
        /// Where.
        key: Key,
    },
}

impl Change {
    /// The key that it changes.
    pub const fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Remove { key } => key,
        }
    }

    /// Why it can never be made, if it cannot.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub fn check(&self) -> Result<(), StoreError> {
        check_user(&self.key().user)?;
        let Self::Put {
            key,
            position,
            value,
        } = self
        else {
            return Ok(());
        };
        if value.len() > VALUE_BYTES_MAX {
            let size = value.len();
            return Err(StoreError::Refused(format!(
                "the value for {key} has {size} bytes, more than {VALUE_BYTES_MAX}"
            )));
        }
        if key.entry.is_versioned() && position_of(value) != Some(*position) {
            return Err(StoreError::Refused(format!(
                "the value for {key} does not begin with its position {position}"
            )));
        }
        Ok(())
    }
}

/// Why a user's id can never be part of a key, if it cannot.
///
/// # Errors
/// [`StoreError::Refused`].
pub fn check_user(user: &str) -> Result<(), StoreError> {
    match user.len() {
        0 => Err(StoreError::Refused("the id of a user is empty".to_owned())),
        1..=USER_BYTES_MAX => Ok(()),
        size => Err(StoreError::Refused(format!(
            "the id of a user has {size} bytes, more than {USER_BYTES_MAX}"
        ))),
    }
}

/// A page of profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles {
    /// Users with their profiles, in no order. A page may be empty, or have somewhat more than was asked for.
    pub users: Vec<(String, Stored)>,
    /// What to ask the next page with; `None` = this was the last one.
    pub next: Option<String>,
}

/// Why a call failed. Keys that it named may be changed or not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// For now: try again, with a pause.
    #[error("the user store is unavailable: {0}")]
    Unavailable(String),
    /// It would fail each time. The other changes of the call were made.
    #[error("refused by the user store: {0}")]
    Refused(String),
}

/// A call's answer.
pub type StoreFuture<T> = BoxFuture<'static, Result<T, StoreError>>;

/// Where users are kept. Calls may overlap; one caller's calls are made in their order only if it waits for each.
pub trait UserStore: Send + Sync + 'static {
    /// `embedded` or `redis`.
    fn kind(&self) -> &'static str;

    /// What distinguishes one store from another: the UUID kept in the folder of an embedded store; `redis` for Redis.
    fn identity(&self) -> String;

    /// Whether other instances use it as well.
    fn is_shared(&self) -> bool;

    /// Values by their keys, in the order of the keys; `None` = there is none, or its time is over.
    fn read(&self, keys: Vec<Key>) -> StoreFuture<Vec<Option<Stored>>>;

    /// Makes changes, those of one key in their order; they are durable when this resolves.
    fn change(&self, changes: Vec<Change>) -> StoreFuture<()>;

    /// Profiles, page by page: first with `None`, then with [`Profiles::next`]. What is there from the first page to the last is
    /// in some page, perhaps in two; what is written or removed meanwhile may be. `max` is about how many are wanted a page.
    /// Where a page cannot be the next one any more (the masters of a cluster changed), it is `Unavailable`: begin with the first.
    fn profiles(&self, page: Option<String>, max: usize) -> StoreFuture<Profiles>;

    /// Replaces a blob of at most [`BLOB_BYTES_MAX`] bytes, wholly or not at all. `name` is of `a` to `z` and `_`.
    fn put_blob(&self, name: &'static str, bytes: Vec<u8>) -> StoreFuture<()>;

    /// A blob as it was put; `None` = there is none. One that is damaged is refused.
    fn blob(&self, name: &'static str) -> StoreFuture<Option<Vec<u8>>>;

    /// Why it cannot be reached or written now, if so: a sentence for the log and the health page.
    fn trouble(&self) -> Option<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_at_the_beginning_and_nowhere_else() {
        for (value, position) in [
            (r#"{"position":0}"#, Some(0)),
            (r#"{"position":17,"genres":{}}"#, Some(17)),
            (r#"{"position":9223372036854775807}"#, Some(i64::MAX)),
            (r#"{"position":9223372036854775808}"#, None),
            (r#"{"position":-1}"#, None),
            (r#"{"position":007}"#, None),
            (r#"{"position":1.5}"#, None),
            (r#"{"position":1e3}"#, None),
            (r#"{"position":12"#, None),
            (r#"{"position":}"#, None),
            (r#"{ "position":1}"#, None),
            (r#"{"genres":{},"position":1}"#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(position_of(value), position, "{value}");
        }
    }

    #[test]
    fn a_change_that_cannot_be_made_is_refused() {
        let put = |entry, user: &str, position, value: &str| Change::Put {
            key: Key::new(entry, user),
            position,
            value: value.to_owned(),
        };
        let long = "u".repeat(USER_BYTES_MAX);
        let large = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX - 2));
        for (change, is_made) in [
            (put(Entry::Profile, "7", 3, r#"{"position":3}"#), true),
            (put(Entry::Stream, &long, 0, r#"{"position":0}"#), true),
            (put(Entry::Realtime, "7", 0, &large), true),
            (put(Entry::Profile, "7", 3, r#"{"position":4}"#), false),
            (put(Entry::Profile, "7", -1, r#"{"position":-1}"#), false),
            (put(Entry::Stream, "7", 3, "{}"), false),
            (put(Entry::Realtime, "", 0, "{}"), false),
            (put(Entry::Realtime, &format!("{long}u"), 0, "{}"), false),
            (put(Entry::Realtime, "7", 0, &format!("{large} ")), false),
            (
                Change::Remove {
                    key: Key::new(Entry::Profile, "7"),
                },
                true,
            ),
            (
                Change::Remove {
                    key: Key::new(Entry::Profile, ""),
                },
                false,
            ),
        ] {
            assert_eq!(change.check().is_ok(), is_made, "{:?}", change.key());
        }
    }
}
