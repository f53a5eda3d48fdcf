//! Users: one actor for each partition of `homeostat.users`, in which all events of a user meet in order. It keeps streams and
//! profiles, learns, and computes recommendations at once when a user acts (SPEC §5).
//!
//! For each batch of events, an actor
//! 1. takes the partition over, if it is newly assigned (`takeover`): a claim on `homeostat.model` makes an earlier owner's deltas
//!    count no more;
//! 2. loads the users that are not in memory from the store;
//! 3. applies the events (`apply`), and computes what users have to see (`refresh`);
//! 4. writes (`write`): the delta of the model and what is pushed, then the users, then which records came already;
//! 5. settles the events.
//!
//! Nothing is settled before it is durable, each of these steps changes nothing when it is repeated, and what fails is repeated
//! until it succeeds or the partition is taken away. So a crash anywhere loses nothing and counts nothing twice.

mod actor;
mod apply;
mod keep;
pub(crate) mod load;
mod losses;
mod refresh;
mod restore;
mod state;
mod takeover;
#[cfg(test)]
mod tests;
mod unkept;
mod warm_up;
mod write;

use std::sync::Arc;

use homeostat_logic::activity::event::partition_of_user;
use homeostat_logic::activity::{ShardSettings, UserEvent};
use homeostat_logic::catalog::Catalog;
use homeostat_logic::event::Reject;
use homeostat_logic::topic::{Topic, USERS, USERS_TOPIC};
use parking_lot::RwLock;

use super::Starter;
use crate::feed::{Feed, Incoming, Taken};
use crate::model::{Model, ModelContext, ModelNow};
use crate::ports::user_store::UserStore;
use crate::serving::Servings;
use crate::supervision::{Recipient, StartError};
use crate::work::Work;

pub use self::losses::{Losses, StoreLosses};
use self::state::ActivityActor;
pub use self::warm_up::WarmUp;
pub use crate::generations::GENERATION_BITS;

/// The catalog in force, which all actors share.
pub type CatalogNow = Arc<RwLock<Catalog>>;

/// What the actors of users work with.
#[derive(Clone)]
pub struct UserMeans {
    /// Where users are kept.
    pub store: Arc<dyn UserStore>,
    /// The model.
    pub model: Arc<ModelNow>,
    /// Items.
    pub catalog: CatalogNow,
    /// What makes the lists.
    pub servings: Servings,
    /// Partitions of `homeostat.users`, fixed for its life.
    pub partitions: usize,
    /// Bounds of one partition.
    pub shard: ShardSettings,
    /// Users who are brought into the model after a start.
    pub warm_up: Arc<WarmUp>,
    /// Recommendations that are cached for a user.
    pub cached_max: usize,
    /// Of those, how many are pushed.
    pub pushed_max: usize,
    /// A number that is never drawn twice.
    pub fresh_token: fn() -> u64,
    /// An id for an event.
    pub fresh_event_id: fn() -> String,
    /// How often the store lost what was written.
    pub losses: Arc<StoreLosses>,
    /// The least generation of topics, which is added to offsets, so that they never repeat.
    pub generation: u32,
}

/// The kind.
pub struct Activity {
    /// What its actors work with.
    pub users: UserMeans,
    /// What the actor that follows the model works with.
    pub model: ModelContext,
}

impl Feed for Activity {
    type Item = UserEvent;

    fn name(&self) -> &'static str {
        "activity"
    }

    fn reads(&self, topic: &Topic) -> bool {
        topic.name == USERS
    }

    fn further_topics(&self) -> Vec<&'static Topic> {
        vec![&USERS_TOPIC]
    }

    fn take(&self, incoming: &mut Incoming<'_>) -> Result<Taken<UserEvent>, Reject> {
        let value = incoming.record.value.ok_or(Reject::NoValue)?;
        let event = UserEvent::from_json(value);
        let event = event.map_err(|error| Reject::NotAnObject(error.to_string()))?;
        Ok(Taken::Item(event))
    }

    fn route(&self, event: &UserEvent) -> usize {
        let partition = partition_of_user(&event.user, self.users.partitions);
        usize::try_from(partition).unwrap_or_default()
    }

    fn start(&self, starter: &Starter<'_>) -> Result<Vec<Recipient<Work<UserEvent>>>, StartError> {
        let model = self.model.clone();
        starter.busy_actor("model", "model", move || Model::new(model.clone()))?;
        let users = self.users.clone();
        starter.busy_actor("warm-up", "warm-up", move || warm_up::Reader(users.clone()))?;
        let actors = (0..self.users.partitions).map(|number| {
            let (users, means) = (self.users.clone(), starter.means.clone());
            let factory = move || ActivityActor::new(number, users.clone(), means.clone());
            let actor = starter.busy_actor(format!("activity-{number}"), "activity", factory)?;
            Ok(actor.recipient())
        });
        actors.collect()
    }
}
