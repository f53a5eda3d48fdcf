//! What a scrape sees of an actor: the shape of `GET /api/v1/actors`.

use serde::Serialize;

/// The state of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    /// Its first incarnation is being built.
    Starting,
    /// Handles messages.
    Running,
    /// Failed, and waits for its restart; the mailbox is held.
    BackingOff,
    /// Takes no more messages, handles what it has.
    Draining,
    /// Made no progress for too long although it had work (watchdog).
    Stuck,
    /// Ended as wanted.
    Stopped,
    /// Failed for good.
    GaveUp,
}

impl ActorState {
    /// Whether it has ended for good.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::GaveUp)
    }

    /// The name used in the API and in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
            Self::Draining => "draining",
            Self::Stuck => "stuck",
            Self::Stopped => "stopped",
            Self::GaveUp => "gave_up",
        }
    }
}

/// One actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActorSnapshot {
    /// Names from the root down, joined by `/`.
    pub path: String,
    /// Its role; from a closed set, so usable as a metric label.
    pub kind: String,
    /// Its state.
    pub state: ActorState,
    /// Incarnations after the first.
    pub restarts: u64,
    /// Why it last failed.
    pub last_failure: Option<String>,
    /// Its mailbox.
    pub mailbox: MailboxSnapshot,
}

/// A mailbox. At rest, `enqueued = handled + lost + depth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailboxSnapshot {
    /// Messages waiting or being handled.
    pub depth: u64,
    /// Highest depth so far.
    pub high_water: u64,
    /// Depth at which senders are refused.
    pub capacity: u64,
    /// Messages admitted.
    pub enqueued: u64,
    /// Messages given to the worker, including those it failed on.
    pub handled: u64,
    /// Messages refused because the mailbox was full.
    pub rejected: u64,
    /// Messages that ended with the mailbox, never given to the worker.
    pub lost: u64,
    /// Median time from sending to handling, microseconds, to a power of two; from samples, like the next three.
    pub wait_p50_us: u64,
    /// 99th percentile of the same.
    pub wait_p99_us: u64,
    /// Median time in the handler.
    pub handling_p50_us: u64,
    /// 99th percentile of the same.
    pub handling_p99_us: u64,
}
