//! What the actor of one partition holds.

use std::collections::VecDeque;
use std::sync::Arc;

use homeostat_logic::activity::{Shard, UserEvent};
use homeostat_logic::recommend::Scratch;

use super::unkept::{Keeping, Unkept, unkept_users_max};
use super::{GENERATION_BITS, UserMeans};
use crate::flight::Flight;
use crate::kinds::Means;
use crate::work::Work;

/// The actor.
pub(super) struct ActivityActor {
    /// Of the partition.
    pub(super) number: usize,
    pub(super) users: UserMeans,
    pub(super) means: Means,
    pub(super) shard: Shard,
    /// Of the partition; `None` until it is taken over.
    pub(super) owned: Option<Owned>,
    pub(super) scratch: Scratch,
    /// What batches changed and is not written yet.
    pub(super) unkept: Unkept,
    /// Users with unwritten changes at which further events wait.
    pub(super) unkept_users_max: usize,
    /// The write that is under way.
    pub(super) keeping: Option<Keeping>,
    /// Batches of records that are being published.
    pub(super) publishing: usize,
    /// Batches that wait. Bound: the records in flight.
    pub(super) waiting: VecDeque<Work<UserEvent>>,
    /// Whether the store lost what was written, and gets it again as soon as nothing is unkept.
    pub(super) restore_due: bool,
}

/// The partition is this actor's.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) flight: Arc<Flight>,
    /// Of the claim.
    pub(super) token: u64,
    /// Position of the last event whose delta counts.
    pub(super) counted_to: i64,
    /// Position of the last event that is settled, as the store has it; `None`: of none.
    pub(super) kept_to: Option<i64>,
    /// Of `homeostat.users`, as it is read now.
    pub(super) generation: u32,
}

impl ActivityActor {
    pub(super) fn new(number: usize, users: UserMeans, means: Means) -> Self {
        let seed = (users.fresh_token)();
        let users_max = users.model.read().model().settings().users_max;
        Self {
            number,
            shard: Shard::new(users.shard, seed),
            unkept_users_max: unkept_users_max(users_max, users.partitions),
            users,
            means,
            owned: None,
            scratch: Scratch::default(),
            unkept: Unkept::default(),
            keeping: None,
            publishing: 0,
            waiting: VecDeque::new(),
            restore_due: false,
        }
    }

    /// The number that the model knows the partition by.
    pub(super) fn shard_number(&self) -> u32 {
        u32::try_from(self.number).unwrap_or(u32::MAX)
    }

    /// Of `homeostat.users`.
    pub(super) fn generation(&self) -> u32 {
        let owned = self.owned.as_ref();
        owned.map_or(self.users.generation, |owned| owned.generation)
    }

    /// Positions of one user's events grow, also when the topic is created again in another generation.
    pub(super) fn position(&self, offset: i64) -> i64 {
        (i64::from(self.generation()) << GENERATION_BITS).saturating_add(offset)
    }
}
