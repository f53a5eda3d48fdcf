//! The closed list of actor kinds that read topics. A kind is a file here that implements [`Feed`](crate::feed::Feed); its line in [`all`] is
//! what starts it.

pub mod ingest;
pub mod left_to_ingest;
pub mod observe;
pub mod responder;

use std::sync::Arc;

use homeostat_logic::topic::{TOPICS, Topic};

use crate::ports::translator::Source;
pub use crate::routing::Kind;
pub use crate::starter::{Means, Starter};

/// Every kind, as the service runs them, with topics that are read through translators.
pub fn all_with(sources: &Arc<[Source]>) -> Vec<Kind> {
    let left = left_to_ingest::LeftToIngest::of(sources);
    let judge: Arc<dyn responder::Judge> = Arc::new(responder::ByRules);
    let ingest = ingest::Ingest::of(Arc::clone(sources), Arc::clone(&judge));
    vec![
        Kind::of(responder::Decide::by(judge).leaving(left.clone())),
        Kind::of(observe::Observe(left)),
        Kind::of(ingest),
    ]
}

/// Every kind that reads the platform's topics.
pub fn all() -> Vec<Kind> {
    all_with(&Arc::default())
}

/// Topics that one of these kinds reads.
pub fn topics_read(kinds: &[Kind]) -> Vec<&'static Topic> {
    let read = |topic: &&Topic| kinds.iter().any(|kind| kind.reads(topic));
    let further = kinds.iter().flat_map(Kind::further_topics);
    TOPICS.iter().filter(read).chain(further).collect()
}
