//! The closed list of actor kinds that read topics. A kind is a file here that implements [`Feed`]; its line in [`all`] is
//! what starts it.

pub mod observe;
pub mod responder;

use std::sync::Arc;

use actix_rt::ArbiterHandle;
use homeostat_logic::topic::{TOPICS, Topic};

use crate::feed::Feed;
use crate::in_force::Live;
use crate::ports::clock::Clock;
use crate::ports::log::EventLog;
use crate::ports::observer::Observer;
use crate::roster::{RosterSettings, child};
use crate::routing::Startable;
use crate::supervision::{Address, StartError, Supervisor, Worker};

/// Every kind, as the service runs them.
pub fn all() -> Vec<Kind> {
    vec![
        Kind::of(responder::Decide::default()),
        Kind::of(observe::Observe),
    ]
}

/// Topics that one of these kinds reads.
pub fn topics_read(kinds: &[Kind]) -> Vec<&'static Topic> {
    let read = |topic: &&Topic| kinds.iter().any(|kind| kind.0.reads(topic));
    TOPICS.iter().filter(read).collect()
}

/// A [`Feed`], whatever its item.
pub struct Kind(pub(crate) Box<dyn Startable>);

impl Kind {
    /// The kind of this feed.
    pub fn of(feed: impl Feed) -> Self {
        Self(Box::new(feed))
    }
}

/// What every kind may use.
#[derive(Clone)]
pub struct Means {
    /// The rules in force, read once per batch.
    pub live: Live,
    /// Where records go.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
    /// Configured generation of source topics (ledger-protocol §3).
    pub topic_generation: u32,
    /// Partitions of the ledger, fixed for its life.
    pub ledger_partitions: usize,
}

/// Starts the actors of a kind, supervised and bounded as all are.
pub struct Starter<'a> {
    /// What they work with.
    pub means: &'a Means,
    pub(crate) group: &'a Supervisor,
    pub(crate) settings: &'a RosterSettings,
    pub(crate) arbiter: &'a ArbiterHandle,
}

impl Starter<'_> {
    /// Starts one actor. `name` is unique among all kinds; `kind` is what its metrics are labelled with.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn actor<W: Worker>(
        &self,
        name: impl Into<String>,
        kind: &'static str,
        factory: impl Fn() -> W + Send + 'static,
    ) -> Result<Address<W>, StartError> {
        let spec = child(name, kind, self.settings, self.arbiter, factory);
        self.group.start(spec)
    }
}
