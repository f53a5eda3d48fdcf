//! Erasing a user: an event among the user's others, so that it has its place in their order, and a tombstone that stays.

use std::time::Duration;

use homeostat_actors::kinds::gather::record_of;
use homeostat_actors::ports::user_store::{Entry, Key, Stored};
use homeostat_logic::activity::stored::StoredProfile;
use homeostat_logic::activity::{Did, UserEvent};

use super::{UserError, Users};

/// Pause between two looks at whether the user is erased.
const LOOK: Duration = Duration::from_millis(20);

/// What became of an order to erase a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Nothing is left in the store but the tombstone.
    Done,
    /// The order is durable, and will be carried out when the partition's actor gets to it.
    Ordered,
}

/// Where the order is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasing {
    /// Partition of `homeostat.users`.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// Position of the user's profile before the order; -1 without one.
    before: i64,
}

impl Users {
    /// Orders a user to be erased.
    ///
    /// # Errors
    /// The log does not take the order now.
    pub async fn order_erasure(&self, user: &str) -> Result<Erasing, UserError> {
        let key = Key::new(Entry::Profile, user);
        let before = self.store.read(vec![key]).await?.pop().flatten();
        let before = before.map_or(Stored::WITHOUT, |profile| profile.position);
        let event = UserEvent {
            user: user.to_owned(),
            at: self.clock.now(),
            origin: None,
            did: Did::Erase,
        };
        let record = record_of(&event, self.partitions)?;
        let answer = self.log.append(vec![record]).await.pop();
        match answer {
            Some(Ok(appended)) => Ok(Erasing {
                partition: appended.partition,
                offset: appended.offset,
                before,
            }),
            Some(Err(error)) => Err(UserError::Unavailable(error.to_string())),
            None => Err(UserError::Unavailable(
                "the event log gave no answer".to_owned(),
            )),
        }
    }

    /// Waits until the tombstone of this order is in the store, at most for `limit`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn erased(
        &self,
        user: &str,
        erasing: Erasing,
        limit: Duration,
    ) -> Result<Erased, UserError> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let key = Key::new(Entry::Profile, user);
            let found = self.store.read(vec![key]).await?.pop().flatten();
            // One that cannot be read is not erased yet.
            let profile: Option<StoredProfile> =
                found.and_then(|found| serde_json::from_str(&found.value).ok());
            // Offsets alone say nothing: they begin again in another generation of the topic.
            let is_done = profile.is_some_and(|profile| {
                profile.position > erasing.before
                    && (profile.erased || offset_of(profile.position) >= erasing.offset)
            });
            if is_done {
                return Ok(Erased::Done);
            }
            if tokio::time::Instant::now() >= end {
                return Ok(Erased::Ordered);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The offset in a position, which has the topic's generation above it.
const fn offset_of(position: i64) -> i64 {
    position & ((1 << homeostat_actors::kinds::activity::GENERATION_BITS) - 1)
}
