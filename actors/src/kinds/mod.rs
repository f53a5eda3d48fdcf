//! The closed list of actor kinds that read topics. A kind is a file here that implements [`Feed`](crate::feed::Feed); its line in [`all`] is
//! what starts it.

pub mod observe;
pub mod responder;

use homeostat_logic::topic::{TOPICS, Topic};

pub use crate::routing::Kind;
pub use crate::starter::{Means, Starter};

/// Every kind, as the service runs them.
pub fn all() -> Vec<Kind> {
    vec![
        Kind::of(responder::Decide::default()),
        Kind::of(observe::Observe),
    ]
}

/// Topics that one of these kinds reads.
pub fn topics_read(kinds: &[Kind]) -> Vec<&'static Topic> {
    let read = |topic: &&Topic| kinds.iter().any(|kind| kind.reads(topic));
    TOPICS.iter().filter(read).collect()
}
