//! Phases of an action (ledger-protocol §4).

use serde::{Deserialize, Serialize};

use super::record::{Id, Millis};

/// The phase of an action. Windows are indices into the windows of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Open: accepted, waits for a window.
    Waiting {
        /// The window.
        window: usize,
    },
    /// Open: accepted, waits for a person's approval.
    Approval,
    /// Open: an attempt may be bid for.
    Ready {
        /// The attempt, from 1.
        attempt: u32,
        /// Not before this log time.
        from: Millis,
        /// The window it must start in; retries and derived actions have none.
        window: Option<usize>,
    },
    /// Open: an instance won the bid and may send.
    Started {
        /// The attempt.
        attempt: u32,
        /// The winning bid.
        start_id: Id,
        /// Log time of the bid.
        at: Millis,
    },
    /// Open: the lease ended without an answer; the target has to be asked.
    Doubt {
        /// The attempt.
        attempt: u32,
        /// Since this log time.
        since: Millis,
    },
    /// Closed: the target confirmed, or nothing was to be done.
    Done,
    /// Closed: certainly without effect.
    Failed,
    /// Closed: the outcome is unknown.
    Unknown {
        /// The attempt that is unknown.
        attempt: u32,
    },
    /// Closed: never started in time.
    Expired,
    /// Closed: withdrawn.
    Cancelled,
    /// Closed: an immediate action of the same key took its place.
    Superseded,
    /// Closed: a gate held it back.
    Suppressed,
}

impl Phase {
    /// Whether the action can still lead to a send by itself.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Waiting { .. }
                | Self::Approval
                | Self::Ready { .. }
                | Self::Started { .. }
                | Self::Doubt { .. }
        )
    }

    /// The name used in messages and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Approval => "approval",
            Self::Ready { .. } => "ready",
            Self::Started { .. } => "started",
            Self::Doubt { .. } => "doubt",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown { .. } => "unknown",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Suppressed => "suppressed",
        }
    }
}

/// A phase in words, as the end of a sentence that begins with the action; `None` for a name that is not
/// known here.
pub fn in_words(phase: &str) -> Option<&'static str> {
    Some(match phase {
        "waiting" => "is waiting for its window",
        "approval" => "is waiting for approval",
        "ready" => "is ready",
        "started" => "is being sent",
        "doubt" => "is in doubt",
        "done" => "is done",
        "failed" => "has failed",
        "unknown" => "has an unknown outcome",
        "expired" => "has expired",
        "cancelled" => "was cancelled",
        "superseded" => "was superseded",
        "suppressed" => "was suppressed",
        _ => return None,
    })
}

/// Why the fold derived an action. At most one of a kind per parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DerivedKind {
    /// The parent failed, stayed unknown or expired: an alert is sent.
    Escalation,
    /// The parent was done and did not help: its `verify.next`.
    Next,
    /// The parent was done and did not help, and has no `verify.next`: an alert is sent. A separate kind, so that an
    /// earlier escalation that was withdrawn does not take its place.
    Unverified,
}

impl DerivedKind {
    /// The name that enters the derived identity.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Escalation => "escalation",
            Self::Next => "next",
            Self::Unverified => "unverified",
        }
    }
}
