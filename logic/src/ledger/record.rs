//! The records of `homeostat.ledger` (ledger-protocol §3). Every duration, limit and time that decides is in the
//! record, because fold and executor must not read configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::id::Id;
use super::times::HORIZON_MS;
use super::version::FIRST_VERSION;
use crate::params::Params;

pub use super::times::Millis;
use crate::actions::Action;
pub use crate::raw_json::RawJson;
use crate::severity::Severity;
use crate::target::Target;

pub use super::when::{When, Window, Windows};

/// A record of the ledger. On the wire a schema version byte precedes its JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// Which installation the partition belongs to: the first record of each partition (ledger-protocol §13.2).
    Genesis(Genesis),
    /// What ought to be done about one event, for one target.
    Propose(Box<Propose>),
    /// A bid to send one attempt of an action.
    Start(Start),
    /// What came of a sent attempt.
    Finish(Finish),
    /// A person's order (ledger-protocol §9).
    Override(Box<Override>),
    /// Whether a done action helped.
    Observe(Observe),
    /// Only lets log time pass.
    Tick,
    /// A part of the fold's whole state, to start from where older records are gone (ledger-protocol §8).
    Checkpoint(Checkpoint),
    /// From here on the ledger is folded by the rules of this version (ledger-protocol §8).
    Upgrade(Upgrade),
}

/// The identity of the installation, which is part of every action's id, so that two installations never give two events
/// one idempotency key. The first one in a partition counts; later ones are void (issue 13, row 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// 128 random bits.
    pub installation: Id,
    /// Version of the rules by which the partition is folded from here on. A ledger that was begun before this was written
    /// is folded by the first ones, until an [`Upgrade`].
    #[serde(default = "first_version")]
    pub fold_version: u32,
}

const fn first_version() -> u32 {
    FIRST_VERSION
}

/// Where an event is in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// Topic name.
    pub topic: String,
    /// Configured generation of the topic's name: raised by an operator who deletes and re-creates a topic, whose
    /// offsets then repeat.
    pub generation: u32,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The log's time of the record; one more than five minutes ahead of the proposer's clock is written as its now.
    pub ts: Millis,
}

/// One record per (event, target): all of its decisions or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Propose {
    /// Identity of the source position; never of the rule (ledger-protocol V5).
    pub event_key: Id,
    /// What the decisions are about; also the key of the record.
    pub target: Target,
    /// Where the event is.
    pub src: Source,
    /// The event's own id, or one derived from its position.
    pub event_id: String,
    /// Set when the producer named the event itself: hash(source, id). A second event of the same name is a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_identity: Option<Id>,
    /// The event type as decided on.
    pub event_type: String,
    /// The event as received, or only its hash if it is too large for the record.
    pub event: EventBody,
    /// Revision (content hash) of the rules that decided.
    pub rule_rev: String,
    /// After this time it is not acted on.
    pub not_after: Millis,
    /// One to eight decisions.
    pub decisions: Vec<Decision>,
}

/// The event inside a proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventBody {
    /// The event's JSON, byte for byte.
    Inline(RawJson),
    /// Too large for the record: its SHA-256 and size; the bytes stand at the source position.
    Hashed {
        /// SHA-256 of the bytes, hex.
        sha256: String,
        /// Their number.
        bytes: u64,
    },
}

/// What the rules concluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The rule that decided, e.g. `matrix.data_drift_detected.high` or `action_required`.
    pub rule: String,
    /// Severity after context.
    pub severity: Severity,
    /// Why it is that severity.
    pub severity_reason: String,
    /// What the matrix or the event asked for, before any gate.
    pub proposed_action: Action,
    /// Why the first step of the ladder is what it is: one sentence per gate judged by the proposer.
    pub reasons: Vec<String>,
    /// One to five steps, the strongest first.
    pub ladder: Vec<Step>,
    /// What happens when the action fails, stays unknown or expires.
    pub escalation: Step,
}

/// How an attempt in doubt is treated (ledger-protocol §1, §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Send again with the same key.
    Idempotent,
    /// Ask the target first.
    Verify,
    /// Never send twice; a person decides.
    AtMostOnce,
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// Through which connector.
    pub connector: String,
    /// Parameters of the action.
    pub params: Params,
    /// Two actions of one key are never open together and keep the cooldown between them.
    pub cooldown_key: String,
    /// Cooldown counted from the action's end.
    pub cooldown_ms: Millis,
    /// Budgets that must have room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Budgets that the action takes a slot of when it is activated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<String>,
    /// What an attempt in doubt means.
    pub policy: Policy,
    /// Attempts at most, 1 to 10.
    pub max_attempts: u32,
    /// Pause between attempts.
    pub backoff: Backoff,
    /// How long an attempt may stay unanswered in log time.
    pub lease_ms: Millis,
    /// How long an attempt in doubt is asked about.
    pub probe_for_ms: Millis,
    /// When it may start for the first time. Always written: a record without it cannot be decoded.
    pub start: When,
    /// Waits for a person's approval before it may start (ledger-protocol §9 `approve`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approval: bool,
    /// How to see that it worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Box<Verify>>,
}

/// A sliding budget: fewer than `cap` activations within `window_ms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What is counted.
    pub scope: String,
    /// Length of the sliding window.
    pub window_ms: Millis,
    /// Activations allowed in it.
    pub cap: u32,
}

/// Pause before attempt n + 1: min(max, first * factor^(n-1)), lengthened by up to a quarter (by hash, not by chance).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Backoff {
    /// Pause before the second attempt, in milliseconds.
    #[schemars(range(min = 0, max = HORIZON_MS))]
    pub first_ms: Millis,
    /// Growth of the pause with each further attempt.
    #[schemars(range(min = 1, max = 100))]
    pub factor: u32,
    /// Longest pause between two attempts, in milliseconds.
    #[schemars(range(min = 0, max = HORIZON_MS))]
    pub max_ms: Millis,
}

/// The signal that shows an action worked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// Name of the signal.
    pub signal: String,
    /// Time it has to show.
    pub within_ms: Millis,
    /// What to do without it; the escalation if none.
    pub next: Option<Step>,
}

/// A bid to send an attempt (ledger-protocol §2): the fold decides which bid wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The action.
    pub action_id: Id,
    /// Counted from 1.
    pub attempt: u32,
    /// Fresh random bits for every append of a Start (V1, V2); those of a dry run can be known again ([`super::rehearsal`]).
    pub start_id: Id,
    /// Who bids; informs only.
    pub owner: String,
    /// Absolute parameters resolved at the first Start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_params: Option<serde_json::Value>,
    /// Evidence that the attempt in doubt had no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<AbsentProbe>,
}

/// The target was asked and showed no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentProbe {
    /// What the target answered.
    pub evidence: String,
}

/// What came of an attempt; accepted from the winner at any time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// The action.
    pub action_id: Id,
    /// The attempt.
    pub attempt: u32,
    /// The winner's identity.
    pub start_id: Id,
    /// Class of the outcome.
    pub outcome: FinishOutcome,
    /// How it is known.
    pub via: Via,
    /// Request and answer, in words.
    pub detail: String,
    /// The target asked for this pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<Millis>,
    /// A failure that no repetition can mend (a 400, a refused parameter): the fold closes instead of retrying.
    /// An addition to the protocol: it only removes sends, so every promise holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
}

/// Classes of outcomes (ledger-protocol §3).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantNames,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FinishOutcome {
    /// The target confirmed.
    Done,
    /// Certainly no effect.
    Failed,
    /// No byte of the request left.
    NotSent,
    /// Anything else.
    Unknown,
}

/// How an outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The answer to the request.
    Response,
    /// A later question to the target.
    Probe,
    /// A person's word.
    Operator,
}

/// A person's order. Answered to the caller only after it was read back (ledger-protocol §9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// From the caller's Idempotency-Key: the same one again is answered with the first result.
    pub override_id: Id,
    /// What is ordered.
    pub order: OverrideOrder,
    /// Who ordered it.
    pub who: String,
    /// Why.
    pub reason: String,
}

/// What a person orders. `expect` is the fold's `changed` offset of the action as the person saw it: a compare-and-set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideOrder {
    /// Withdraw an action that is not being sent.
    Cancel {
        /// The action.
        action_id: Id,
        /// Compare-and-set.
        expect: i64,
    },
    /// Send an action once more that failed, or whose outcome is unknown.
    Refire {
        /// The action.
        action_id: Id,
        /// Compare-and-set.
        expect: i64,
    },
    /// Say what came of an action whose outcome is unknown or in doubt.
    Resolve {
        /// The action.
        action_id: Id,
        /// Compare-and-set.
        expect: i64,
        /// A person's word.
        outcome: Resolution,
    },
    /// Free the cooldown key of an action that ended last on it.
    ClearCooldown {
        /// The key's last action.
        action_id: Id,
        /// Compare-and-set.
        expect: i64,
    },
    /// Let an action start that waits for approval.
    Approve {
        /// The action.
        action_id: Id,
        /// Compare-and-set.
        expect: i64,
    },
    /// Say that people know of the bad end of an action. Nothing is sent and no phase changes (ledger-protocol §13.8).
    Acknowledge {
        /// The action.
        action_id: Id,
        /// Compare-and-set.
        expect: i64,
    },
    /// Hold proposals and bids back until a time.
    Silence {
        /// Log time of its end.
        until: Millis,
        /// The target that the person named. It informs only: the whole partition is held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Target>,
    },
    /// Hold proposals and bids back until `Resume`.
    Pause,
    /// End silence and pause.
    Resume,
    /// An action by a person's order: gates are skipped, charges are taken, an open action of the key still excludes it.
    Force(Box<Propose>),
}

impl OverrideOrder {
    /// The name used in the API and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::Refire { .. } => "refire",
            Self::Resolve { .. } => "resolve",
            Self::ClearCooldown { .. } => "clear_cooldown",
            Self::Approve { .. } => "approve",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Silence { .. } => "silence",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Force(_) => "force",
        }
    }
}

/// A person's word on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It had its effect.
    Done,
    /// It had none.
    Failed,
}

/// The signal that an action waits for showed, or did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observe {
    /// The done action.
    pub action_id: Id,
    /// Whether the trouble is over.
    pub recovered: bool,
    /// What was seen.
    pub evidence: String,
}

/// A part of the fold's state. Redundant with the records before it, hence harmless from any writer and twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Offset of the last record that the state includes.
    pub covers: i64,
    /// Version of the fold's rules that made it.
    pub fold_version: u32,
    /// Which part, from 0.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
    /// This part of the state's canonical encoding.
    pub state: String,
    /// SHA-256 of the whole encoding, hex.
    pub hash: String,
    /// Set in a checkpoint that an operator orders to begin at the empty state; it holds no other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_start: Option<EmptyStart>,
}

/// An ordered start at the empty state. It names the installation, so that the start neither loses nor changes it without
/// a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmptyStart {
    /// Who ordered it.
    pub ordered_by: String,
    /// The installation from here on.
    pub installation: Id,
}

/// The version of the fold's rules from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The version.
    pub fold_version: u32,
}
