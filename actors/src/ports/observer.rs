//! The observer port: what actors report to the metrics. One call per fact, cheap, never failing.

use std::time::Duration;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::change::Change;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};

/// What became of a consumed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consumed {
    /// Its proposal is in the ledger.
    Settled,
    /// Put into the dead-letter topic, with its bytes.
    DeadLettered,
    /// A sample of a stream: checked and counted, nothing is decided.
    Observed,
    /// Written by the service itself: not considered.
    Skipped,
}

impl Consumed {
    /// Every outcome.
    pub const ALL: [Self; 4] = [
        Self::Settled,
        Self::DeadLettered,
        Self::Observed,
        Self::Skipped,
    ];

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::DeadLettered => "dead_lettered",
            Self::Observed => "observed",
            Self::Skipped => "skipped",
        }
    }
}

/// Hears what happens.
pub trait Observer: Send + Sync + 'static {
    /// Records of a topic were settled.
    fn consumed(&self, topic: &'static str, outcome: Consumed, records: u64);

    /// A record was rejected; the label is one of [`crate::dead_letters::reasons`].
    fn rejected(&self, topic: &'static str, reason: &'static str);

    /// The fold changed after start-up; not called for what is only read again.
    fn changed(&self, change: &Change, fold: &Fold, now: Millis);

    /// An attempt over a connection of this kind was answered.
    fn answered(&self, action: Action, kind: &'static str, outcome: FinishOutcome, took: Duration);
}

/// Hears nothing; for tests and benches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Observer for Deaf {
    fn consumed(&self, _: &'static str, _: Consumed, _: u64) {}
    fn rejected(&self, _: &'static str, _: &'static str) {}
    fn changed(&self, _: &Change, _: &Fold, _: Millis) {}
    fn answered(&self, _: Action, _: &str, _: FinishOutcome, _: Duration) {}
}
