//! Profiles page by page: `SCAN` on one master after the other, and the values of the keys that it finds.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use homeostat_actors::ports::user_store::{Entry, Key, Profiles, StoreError, Stored, check_user};
use redis::{Value, cmd};

use super::Shared;
use super::commands::bytes;

/// Keys looked at for one page, at least and at most: `SCAN` occupies Redis for so long.
const COUNT_MIN: usize = 100;
const COUNT_MAX: usize = 10_000;
/// Keys of a user, of which one is the profile.
const KEYS_OF_A_USER: usize = 2;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    /// Hash of the masters, by which a change of them is noticed.
    masters: u64,
    /// Which of them.
    index: usize,
    /// The cursor there.
    cursor: u64,
}

impl Mark {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mark = Self {
            masters: parts.next()?.parse().ok()?,
            index: parts.next()?.parse().ok()?,
            cursor: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(mark)
    }

    fn written(&self) -> String {
        format!("{}-{}-{}", self.masters, self.index, self.cursor)
    }
}

impl Shared {
    /// One page.
    pub(super) async fn profiles(
        &self,
        page: Option<String>,
        max: usize,
    ) -> Result<Profiles, StoreError> {
        let masters = self.link.masters().await?;
        let mut hasher = DefaultHasher::new();
        masters.hash(&mut hasher);
        let (hash, slots) = (
            hasher.finish(),
            masters.map_or_else(
                || vec![0],
                |masters| masters.iter().map(|master| master.slot).collect::<Vec<_>>(),
            ),
        );
        let mark = match &page {
            None => Mark {
                masters: hash,
                index: 0,
                cursor: 0,
            },
            Some(text) => Mark::read(text)
                .ok_or_else(|| StoreError::Refused(format!("`{text}` is no page")))?,
        };
        let slot = slots.get(mark.index).copied();
        let Some(slot) = slot.filter(|_| mark.masters == hash) else {
            return Err(StoreError::Unavailable(
                "the masters of the cluster changed while profiles were read; begin with the first page".to_owned(),
            ));
        };
        let (cursor, users) = self.scan(slot, mark.cursor, max).await?;
        let next = Mark {
            index: mark.index + usize::from(cursor == 0),
            cursor,
            ..mark
        };
        let is_last = next.index >= slots.len();
        Ok(Profiles {
            users: self.values(users).await?,
            next: (!is_last).then(|| next.written()),
        })
    }

    /// Users whose profiles are on one master, and the next cursor there, 0 behind the last one.
    async fn scan(
        &self,
        slot: u16,
        cursor: u64,
        max: usize,
    ) -> Result<(u64, Vec<String>), StoreError> {
        let start = self.keys.name(format_args!("{}:", Entry::Profile.name()));
        let count = max
            .saturating_mul(KEYS_OF_A_USER)
            .clamp(COUNT_MIN, COUNT_MAX);
        let mut scan = cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(format!("{start}*"))
            .arg("COUNT")
            .arg(count);
        let answer = self.link.run_on(&scan, slot).await?;
        let odd = || StoreError::Unavailable("Redis answered SCAN with something else".to_owned());
        let Value::Array(parts) = answer else {
            return Err(odd());
        };
        let mut parts = parts.into_iter();
        let (Some(next), Some(Value::Array(keys))) = (parts.next(), parts.next()) else {
            return Err(odd());
        };
        let text = |value| bytes(value).and_then(|bytes| String::from_utf8(bytes).ok());
        let next = text(next)
            .and_then(|text| text.parse().ok())
            .ok_or_else(odd)?;
        let mut users: Vec<String> = keys
            .into_iter()
            .filter_map(text)
            .filter_map(|key| Some(key.strip_prefix(&start)?.to_owned()))
            .collect();
        users.sort_unstable();
        users.dedup();
        Ok((next, users))
    }

    /// The profiles of users; without those that were removed since.
    async fn values(&self, users: Vec<String>) -> Result<Vec<(String, Stored)>, StoreError> {
        let keys: Vec<Key> = users
            .into_iter()
            .filter(|user| check_user(user).is_ok())
            .map(|user| Key::new(Entry::Profile, user))
            .collect();
        let values = self.read(keys.clone()).await?;
        let found = keys.into_iter().zip(values);
        Ok(found
            .filter_map(|(key, value)| Some((key.user, value?)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is() {
        let mark = Mark {
            masters: u64::MAX,
            index: 2,
            cursor: 77,
        };
        assert_eq!(Mark::read(&mark.written()), Some(mark));
        for text in ["", "1", "1-2", "1-2-x", "1-2-3-4", "-1-2-3"] {
            assert_eq!(Mark::read(text), None, "{text}");
        }
    }
}
