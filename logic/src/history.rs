//! The decision history: what the API shows of the ledger, newest first: every open decision, and a bounded number of
//! closed ones.
//!
//! A projection of the fold's changes, rebuilt with it; it holds nothing that the ledger does not.

mod projection;
mod story;
#[cfg(test)]
mod tests;

pub use self::projection::{CAPACITY_DEFAULT, History};
pub use self::story::of_state;

use std::collections::BTreeMap;

use schemars::{JsonSchema, json_schema};
use serde::Serialize;
use serde::ser::SerializeMap as _;

use crate::actions::Action;
use crate::clock_text::{format_time, rfc3339, rfc3339_option};
use crate::ledger::limits::DETAIL_BYTES_MAX;
use crate::ledger::listing::GateVerdict;
use crate::ledger::phase::Phase;
use crate::ledger::record::{EventBody, FinishOutcome, Id, Millis, Policy, Window};
use crate::params::Params;
use crate::severity::Severity;
use crate::target::TargetKind;

/// What became of a decision.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accepted, not yet ended.
    Pending,
    /// Done, confirmed by the target.
    Executed,
    /// Ended without effect, after every attempt.
    Failed,
    /// A gate held it back, or a stronger action replaced it.
    Suppressed,
    /// Waits for its window.
    Scheduled,
    /// Sent, and the outcome is unknown.
    Unknown,
    /// The rules ask for nothing.
    Ignored,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Executed,
        Self::Failed,
        Self::Suppressed,
        Self::Scheduled,
        Self::Unknown,
        Self::Ignored,
    ];

    /// The outcome that a phase means for an action.
    pub const fn of(phase: Phase, action: Action) -> Self {
        match phase {
            Phase::Waiting { .. } => Self::Scheduled,
            Phase::Approval | Phase::Ready { .. } | Phase::Started { .. } | Phase::Doubt { .. } => {
                Self::Pending
            }
            Phase::Done if matches!(action, Action::Ignore) => Self::Ignored,
            Phase::Done => Self::Executed,
            Phase::Failed | Phase::Expired => Self::Failed,
            Phase::Unknown { .. } => Self::Unknown,
            Phase::Cancelled | Phase::Superseded | Phase::Suppressed => Self::Suppressed,
        }
    }

    /// The name used in the API and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Executed => "executed",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
            Self::Scheduled => "scheduled",
            Self::Unknown => "unknown",
            Self::Ignored => "ignored",
        }
    }
}

/// A decision as listed. `time` serialises as RFC 3339 with milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Decision")]
pub struct DecisionSummary {
    /// The action's id.
    pub id: Id,
    /// Log time of the decision.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Millis,
    /// Id of the event.
    pub event_id: String,
    /// Type of the event.
    pub event_type: String,
    /// Topic of the event.
    pub topic: String,
    /// Partition of the event.
    pub partition: i32,
    /// Offset of the event.
    pub offset: i64,
    /// Name of the target.
    pub target: String,
    /// Model or service.
    pub target_kind: TargetKind,
    /// Severity after context.
    pub severity: Severity,
    /// Why that severity.
    pub severity_reason: String,
    /// The rule that decided.
    pub rule: String,
    /// What the rule asked for.
    pub proposed_action: Action,
    /// What was chosen after the gates.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// The phase of its action, finer than the outcome: e.g. `approval` or `doubt`.
    pub phase: &'static str,
    /// Ledger offset of the action's last change: what an operator's order expects (a compare-and-set).
    pub changed: i64,
    /// Log time of its end; none while it is open.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "rfc3339_option"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub ended: Option<Millis>,
    /// People know of its bad end: by an order, or a later alert went out through the same connector.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("const" = true))]
    pub acknowledged: bool,
    /// One sentence per gate and per turn of fate, in order.
    pub reasons: Vec<String>,
    /// The action whose failure this one reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation_of: Option<Id>,
}

/// The whole story of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Story")]
pub struct DecisionStory {
    /// The fields of the listing.
    #[serde(flatten)]
    pub summary: DecisionSummary,
    /// The event as received; of one too large for the ledger, hash and size.
    #[serde(serialize_with = "event_itself")]
    #[schemars(schema_with = "any_object")]
    pub event: EventBody,
    /// Connector of the chosen step.
    pub connector: String,
    /// Parameters of the chosen step.
    #[schemars(schema_with = "any_object")]
    pub params: Params,
    /// What an attempt in doubt means for it.
    pub policy: Policy,
    /// Attempts at most.
    pub max_attempts: u32,
    /// After this time it is not started.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_after: Millis,
    /// Cooldown of the chosen step.
    pub cooldown_ms: Millis,
    /// Windows in which it may start, if it is scheduled.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "rfc3339_windows"
    )]
    #[schemars(with = "Vec<BTreeMap<String, String>>")]
    pub windows: Vec<Window>,
    /// Each gate judged by the fold, with its counters.
    pub gates: Vec<GateVerdict>,
    /// Each attempt.
    pub attempts: Vec<Attempt>,
    /// Log time from which the next attempt may start: the end of the pause after the last one, or the opening of its window.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "rfc3339_option"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub next_attempt: Option<Millis>,
    /// The action derived from its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Id>,
    /// Revision of the rules that decided.
    pub rule_rev: String,
}

/// One attempt of an action.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Attempt {
    /// Counted from 1.
    pub attempt: u32,
    /// Log time of the winning bid.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started: Millis,
    /// Who won it.
    pub owner: String,
    /// Log time of its end.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "rfc3339_option"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub finished: Option<Millis>,
    /// Class of its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<FinishOutcome>,
    /// Request and answer in words; behind it what was learned of them later, by asking the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Attempt {
    /// Adds what was learned to what is known. Behind a detail that is longer than one answer's, it stands alone.
    fn learn(&mut self, detail: &str) {
        let known = self
            .detail
            .take()
            .filter(|known| known.len() <= DETAIL_BYTES_MAX);
        self.detail = Some(match known {
            Some(known) if known != detail => format!("{known}; then {detail}"),
            _ => detail.to_owned(),
        });
    }
}

/// Which decisions are asked for; `None` = any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Event type, exact.
    pub event_type: Option<String>,
    /// Target: its name, or `kind/name`.
    pub target: Option<String>,
    /// Action after the gates.
    pub action: Option<Action>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// First hex digits of the id, in lower case.
    pub id_prefix: Option<String>,
    /// Only decisions at or after this time.
    pub since: Millis,
    /// Open decisions are listed however old they are.
    pub open_of_any_age: bool,
    /// Only decisions strictly older than this position of an earlier page.
    pub before: Option<Cursor>,
    /// At most this many.
    pub limit: usize,
}

/// Position in a listing: the last item seen. Written `time-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Time of the last item.
    pub time: Millis,
    /// Its id.
    pub id: Id,
}

impl Cursor {
    /// Reads `time-id`.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, id) = text.rsplit_once('-')?;
        Some(Self {
            time: time.parse().ok()?,
            id: Id::parse(id)?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.time, self.id)
    }
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Newest first.
    pub items: Vec<DecisionSummary>,
    /// Where the next page begins, if there is more.
    pub next: Option<Cursor>,
    /// Time of the newest decision that is kept, whatever the filter.
    pub newest: Option<Millis>,
    /// Time of the newest decision that was kept and is not any more: who looked before that has missed some.
    pub forgotten_until: Option<Millis>,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    json_schema!({"type": "object"})
}

fn event_itself<S: serde::Serializer>(event: &EventBody, serializer: S) -> Result<S::Ok, S::Error> {
    match event {
        EventBody::Inline(text) => text.serialize(serializer),
        EventBody::Hashed { sha256, bytes } => {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("sha256", sha256)?;
            map.serialize_entry("bytes", bytes)?;
            map.end()
        }
    }
}

fn rfc3339_windows<S: serde::Serializer>(
    windows: &[Window],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let written = |window: &Window| {
        BTreeMap::from([
            ("from", format_time(window.from)),
            ("to", format_time(window.to)),
        ])
    };
    serializer.collect_seq(windows.iter().map(written))
}
