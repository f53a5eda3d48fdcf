//! What is known of a connection's traffic, for people: the API, the metrics and the readiness read it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::ledger::execution::Answer;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use homeostat_logic::traffic::{Health, Limits};

use super::{Line, Traffic, UNKNOWN};
use crate::ports::connector::Connections;

/// A connection at one moment. Times are wall times, in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionTraffic {
    /// Its name.
    pub connection: String,
    /// What it may take.
    pub limits: Limits,
    /// What its gate shows; its times are those below.
    pub health: Health,
    /// Since when it is in this state.
    pub since: Millis,
    /// When the next request is tried, while nothing goes through.
    pub next_try: Option<Millis>,
    /// Attempts that ended since this process started, by every outcome's name.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// The latest of them.
    pub last: Option<LastOutcome>,
    /// The latest failure of its service, also one to a question.
    pub failure: Option<LastFailure>,
}

/// What a service failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// When that was known.
    pub at: Millis,
    /// Request and answer in words, without secrets.
    pub detail: String,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastOutcome {
    /// Its class.
    pub outcome: FinishOutcome,
    /// When it came.
    pub at: Millis,
    /// Request and answer in words, without secrets.
    pub detail: String,
}

impl LastOutcome {
    pub(super) fn new(answer: &Answer, at: Millis) -> Self {
        Self {
            outcome: answer.outcome,
            at,
            detail: answer.detail.clone(),
        }
    }
}

impl Traffic {
    /// The configured connections, by name; also those that carried nothing yet.
    pub fn snapshot(&self, connections: &Connections) -> Vec<ConnectionTraffic> {
        let (boot, wall) = (self.clock.boot(), self.clock.now());
        let lines = self.lines.lock();
        let unused = Line::new(Arc::from(UNKNOWN), boot);
        let shown = connections.names().map(|(name, limits)| {
            let line = lines.get(name).unwrap_or(&unused);
            let health = line.gate.health(boot);
            ConnectionTraffic {
                connection: name.to_owned(),
                limits,
                health,
                since: wall_time(health.since, boot, wall),
                next_try: health.next_try.map(|at| wall_time(at, boot, wall)),
                outcomes: line.outcomes.clone(),
                last: line.last.clone(),
                failure: line.failure.clone(),
            }
        });
        shown.collect()
    }
}

/// A time of the boot clock as wall time.
fn wall_time(at: Duration, boot: Duration, wall: Millis) -> Millis {
    let millis = |time: Duration| Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX);
    wall.saturating_sub(millis(boot)).saturating_add(millis(at))
}
