//! The traffic of all connections of this process: one gate per connection, shared by the executors of all ledger partitions. The
//! rules are `homeostat_logic::traffic`.
//!
//! A place is held from the bid to the outcome of its request, or for as long as a question is asked. It is a `Permit`,
//! and comes back when that is dropped, for whatever reason. Limits are those in force when a place is taken; the
//! state of a connection outlives a reload that keeps its name.
//!
//! Bounds: one state per configured connection, and one for all names that records know and the configuration does not. A state
//! of an earlier configuration goes when nothing of it is under way.

mod permit;
mod places;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use homeostat_logic::traffic::{Claim, Gate, Limits, Pass, Signal, Wait};
use parking_lot::Mutex;
use strum::VariantNames as _;

pub(crate) use self::permit::Permit;
pub(crate) use self::places::Places;
pub use self::snapshot::{ConnectionTraffic, LastFailure, LastOutcome};
use crate::ports::clock::Clock;
use crate::ports::connector::{Connections, Heard};

/// The state of names that the configuration does not have: no connection can have this name.
const UNKNOWN: &str = "";
/// Nothing is reached over them, so nothing of it opens or pauses.
const UNKNOWN_LIMITS: Limits = Limits {
    pause_max: Duration::ZERO,
    breaker: None,
    ..Limits::DEFAULT
};

/// Every connection's traffic.
pub struct Traffic {
    clock: Arc<dyn Clock>,
    lines: Mutex<BTreeMap<Arc<str>, Line>>,
}

/// One connection.
struct Line {
    name: Arc<str>,
    gate: Gate,
    /// Attempts that ended, by outcome.
    outcomes: BTreeMap<&'static str, u64>,
    last: Option<LastOutcome>,
    /// The latest request, question or call that its service failed.
    failure: Option<LastFailure>,
}

impl Line {
    fn new(name: Arc<str>, now: Duration) -> Self {
        Self {
            name,
            gate: Gate::new(now),
            outcomes: FinishOutcome::VARIANTS
                .iter()
                .map(|one| (*one, 0))
                .collect(),
            last: None,
            failure: None,
        }
    }
}

impl Traffic {
    /// Nothing is under way.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let lines = Mutex::default();
        Arc::new(Self { clock, lines })
    }

    /// Takes a place for an action that is due since `due`, or says what it waits for.
    fn enter(
        self: &Arc<Self>,
        connections: &Connections,
        connection: &str,
        partition: i32,
        due: Millis,
    ) -> Result<Permit, Wait> {
        let now = self.clock.boot();
        let (name, limits) = known(connections, connection);
        let mut lines = self.lines.lock();
        if !lines.contains_key(name) {
            lines.retain(|name, line| {
                connections.limits(name).is_some() || !line.gate.is_idle() || &**name == UNKNOWN
            });
            let name: Arc<str> = Arc::from(name);
            lines.insert(Arc::clone(&name), Line::new(name, now));
        }
        let line = lines.get_mut(name).ok_or(Wait::Concurrency)?;
        let pass = line.gate.enter(&limits, partition, due, now)?;
        Ok(Permit::new(
            Arc::clone(self),
            Arc::clone(&line.name),
            limits,
            pass,
        ))
    }

    /// What of a partition waits for a connection from now on.
    fn claim(&self, connection: &str, partition: i32, claim: Option<Claim>) {
        let now = self.clock.boot();
        self.with(connection, |line| line.gate.claim(partition, claim, now));
    }

    fn charge(&self, connection: &str, limits: &Limits) {
        let now = self.clock.boot();
        self.with(connection, |line| line.gate.charge(limits, now));
    }

    fn hear(&self, connection: &str, pass: &mut Pass, heard: &Heard, limits: &Limits) {
        let (now, at) = (self.clock.boot(), self.clock.now());
        self.with(connection, |line| {
            line.gate.hear(pass, heard.signal, limits, now);
            if heard.signal == Signal::Failed {
                let detail = heard.detail.clone();
                line.failure = Some(LastFailure { at, detail });
            }
        });
    }

    fn leave(&self, connection: &str, pass: Pass) {
        self.with(connection, |line| line.gate.leave(pass));
    }

    fn ended(&self, connection: &str, last: LastOutcome) {
        self.with(connection, |line| {
            *line.outcomes.entry(last.outcome.into()).or_default() += 1;
            line.last = Some(last);
        });
    }

    fn with(&self, connection: &str, change: impl FnOnce(&mut Line)) {
        if let Some(line) = self.lines.lock().get_mut(connection) {
            change(line);
        }
    }
}

/// The name of the state that a connection has, and its limits.
fn known<'a>(connections: &Connections, connection: &'a str) -> (&'a str, Limits) {
    connections
        .limits(connection)
        .map_or((UNKNOWN, UNKNOWN_LIMITS), |limits| (connection, limits))
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Traffic").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
