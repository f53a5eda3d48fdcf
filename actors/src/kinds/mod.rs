//! The closed list of actor kinds that read topics. A kind is a file here that implements [`Feed`](crate::feed::Feed); its line in [`all`] is
//! what starts it.

pub mod activity;
pub mod gather;
pub mod ingest;
pub mod left_to_ingest;
pub mod observe;
pub mod responder;

use std::sync::Arc;

use homeostat_logic::topic::{TOPICS, Topic};

use self::activity::UserMeans;
use crate::model::ModelContext;
use crate::ports::clock::Clock;
use crate::ports::translator::Source;
pub use crate::routing::Kind;
pub use crate::starter::{Means, Starter};

/// What the kinds about users work with.
#[derive(Clone)]
pub struct UserKinds {
    /// Of the actors of users.
    pub means: UserMeans,
    /// Of the actor that follows the model.
    pub model: ModelContext,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Every kind, as the service runs them, with topics that are read through translators, and with users unless recommendations are
/// switched off.
pub fn all_with(sources: &Arc<[Source]>, users: Option<&UserKinds>) -> Vec<Kind> {
    let left = left_to_ingest::LeftToIngest::of(sources);
    let judge: Arc<dyn responder::Judge> = Arc::new(responder::ByRules);
    let ingest = ingest::Ingest::of(Arc::clone(sources), Arc::clone(&judge));
    let mut kinds = vec![
        Kind::of(responder::Decide::by(judge).leaving(left.clone())),
        Kind::of(observe::Observe {
            left: left.clone(),
            users: users.is_none(),
        }),
        Kind::of(ingest),
    ];
    if let Some(UserKinds {
        means,
        model,
        clock,
    }) = users
    {
        kinds.push(Kind::of(gather::Gather {
            left,
            clock: Arc::clone(clock),
            store: Arc::clone(&means.store),
            generation: means.generation,
            partitions: means.partitions,
        }));
        kinds.push(Kind::of(activity::Activity {
            users: means.clone(),
            model: model.clone(),
        }));
    }
    kinds
}

/// Every kind that reads the platform's topics, without users.
pub fn all() -> Vec<Kind> {
    all_with(&Arc::default(), None)
}

/// Topics that one of these kinds reads.
pub fn topics_read(kinds: &[Kind]) -> Vec<&'static Topic> {
    let read = |topic: &&Topic| kinds.iter().any(|kind| kind.reads(topic));
    let further = kinds.iter().flat_map(Kind::further_topics);
    TOPICS.iter().filter(read).chain(further).collect()
}
