//! What folding a record changed: all that history, executor and metrics need, in order.

use std::sync::Arc;

use super::phase::{DerivedKind, Phase};
use super::reason::{Cause, VoidReason};
use super::record::{FinishOutcome, Id, Millis, Propose, Step, Via};
use super::state::{OverrideVerdict, Subject};
use crate::ledger::listing::GateVerdict;

/// One change of the fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Offset of the record that brought it.
    pub offset: i64,
    /// Log time at which it took effect: of a timer, when it was due.
    pub time: Millis,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// A decision was judged for the first time.
    Entered(Box<Entered>),
    /// The fold made a derived action.
    Derived(Box<Derived>),
    /// The window of an action opened and its ladder was judged again.
    Judged(Box<Judged>),
    /// A bid won; the phase change follows.
    BidWon {
        /// The action.
        action: Id,
        /// The attempt.
        attempt: u32,
        /// The bid.
        start_id: Id,
        /// Who bid.
        owner: String,
    },
    /// The winner reported the outcome of its attempt; a phase change may follow.
    Finished {
        /// The action.
        action: Id,
        /// The attempt.
        attempt: u32,
        /// Class of the outcome.
        outcome: FinishOutcome,
        /// How it is known.
        via: Via,
        /// Request and answer in words.
        detail: String,
    },
    /// An action moved to another phase.
    Moved {
        /// The action.
        action: Id,
        /// Where it is now.
        phase: Phase,
        /// Why.
        cause: Cause,
    },
    /// A person's order was read; phase changes may stand before it.
    Overridden {
        /// The order.
        override_id: Id,
        /// What became of it.
        verdict: OverrideVerdict,
    },
    /// People know of the bad end of an action. No phase changes.
    Acknowledged {
        /// The action.
        action: Id,
        /// How they know.
        cause: Cause,
    },
    /// It was seen whether a done action helped.
    Observed {
        /// The action.
        action: Id,
        /// Whether the trouble is over.
        recovered: bool,
        /// What was seen.
        evidence: String,
    },
    /// The state is at a boundary: its hash is remembered, and the owner writes it down now (ledger-protocol §8).
    Boundary,
    /// A checkpoint was read: whether it agrees with the state that this fold had there.
    CheckpointRead {
        /// Offset of the last record it includes.
        covers: i64,
        /// Whether it agrees.
        verdict: CheckpointVerdict,
    },
    /// The partition belongs to this installation from here on: its first Genesis was read.
    Founded {
        /// The installation.
        installation: Id,
    },
    /// A person ordered an empty start: everything before is forgotten.
    Emptied {
        /// Who.
        ordered_by: String,
        /// The installation from here on.
        installation: Id,
    },
    /// Another version of the rules is in force.
    Upgraded {
        /// The version.
        version: u32,
    },
    /// Nothing more is folded.
    Halted(Halt),
    /// The record has no effect.
    Void {
        /// What it was.
        record: VoidRecord,
        /// Why it has none.
        reason: VoidReason,
    },
}

/// Why a fold does not go on. Each instance stops at the same record, and nothing is lost: a program that may go on reads
/// the record again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The ledger goes on by rules that this program does not know.
    #[error(
        "the ledger continues with version {found} of the rules, this program knows up to {known}; run the newer program"
    )]
    NewerRules {
        /// In force from here on.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// A proposal is before the first Genesis, so the action has no id. The service proposes only behind one: the topic
    /// was created again under running instances, or another program wrote the record.
    #[error(
        "the proposal at offset {offset} comes before the Genesis record that names the installation: the ledger's topic was created again while instances ran, or another program writes to it. Stop every instance, remove the partition's records up to and including this one (kafka-delete-records.sh), run `homeostat ledger start-empty --yes` and start again; the partition forgets actions, cooldowns and budgets"
    )]
    NoGenesis {
        /// Offset of the proposal.
        offset: i64,
    },
}

/// What reading a checkpoint showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointVerdict {
    /// The same hash.
    Agrees,
    /// Another hash: two instances folded the same records to different states.
    Differs,
    /// This fold did not stand at that boundary, or long ago.
    NotCompared,
}

/// A decision as judged when its proposal was folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// The action.
    pub action: Id,
    /// The proposal, with the event.
    pub propose: Arc<Propose>,
    /// Which of its decisions.
    pub decision: usize,
    /// The step of the ladder that was chosen, or that was asked about last when the decision is suppressed.
    pub step: usize,
    /// Each gate asked, with its counters.
    pub gates: Vec<GateVerdict>,
    /// The state of the action: waiting, ready, done (nothing was to be done) or suppressed.
    pub phase: Phase,
}

/// An action made by the fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The action.
    pub action: Id,
    /// The action it comes from.
    pub parent: Id,
    /// Why.
    pub kind: DerivedKind,
    /// What to do.
    pub step: Arc<Step>,
    /// What it is about.
    pub subject: Arc<Subject>,
    /// After this time it is not started.
    pub not_after: Millis,
    /// Where it is.
    pub phase: Phase,
}

/// The ladder of a scheduled action, judged again when its window opened. A phase change follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The action.
    pub action: Id,
    /// The step chosen, or asked about last.
    pub step: Arc<Step>,
    /// Each gate asked, with its counters.
    pub gates: Vec<GateVerdict>,
}

/// Which record was void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidRecord {
    /// Not readable.
    Undecodable,
    /// A Genesis.
    Genesis,
    /// A proposal.
    Propose {
        /// Its source position.
        event_key: Id,
    },
    /// A bid.
    Start {
        /// The action.
        action: Id,
        /// The bid.
        start_id: Id,
    },
    /// An outcome.
    Finish {
        /// The action.
        action: Id,
        /// The bid it claims.
        start_id: Id,
    },
    /// A person's order.
    Override {
        /// The order.
        override_id: Id,
    },
    /// A signal.
    Observe {
        /// The action.
        action: Id,
    },
    /// A change of rules.
    Upgrade,
}
