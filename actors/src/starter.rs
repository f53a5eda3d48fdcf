//! What kinds of actors work with, and how they start their actors.

use std::sync::Arc;

use actix_rt::ArbiterHandle;

use crate::in_force::Live;
use crate::ports::clock::Clock;
use crate::ports::log::EventLog;
use crate::ports::observer::Observer;
use crate::roster_settings::{RosterSettings, child};
use crate::supervision::{Address, StartError, Supervisor, Worker};

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
    /// Threads of actors that compute for long.
    pub(crate) busy: &'a [ArbiterHandle],
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

    /// The same for an actor that computes for long, on a thread that decisions do not wait for.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn busy_actor<W: Worker>(
        &self,
        name: impl Into<String>,
        kind: &'static str,
        factory: impl Fn() -> W + Send + 'static,
    ) -> Result<Address<W>, StartError> {
        let name = name.into();
        let turn = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let place = turn.checked_rem(self.busy.len()).unwrap_or_default();
        let arbiter = self.busy.get(place).unwrap_or(self.arbiter);
        let spec = child(name, kind, self.settings, arbiter, factory);
        self.group.start(spec)
    }
}
