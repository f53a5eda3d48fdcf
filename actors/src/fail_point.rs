//! Named places at which tests end the process, as a power failure there would: `tests/chaos` arms one by the environment
//! variable `FAILPOINTS` (crate `fail`), e.g. `executor::before_send=7*off->return` for the eighth pass.
//!
//! Without the feature `failpoints` nothing of it is compiled in and [`pass`] is empty.

/// A place where a crash separates two states of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// Events are judged, their proposals not yet on their way.
    BeforePropose,
    /// Proposals are acknowledged, their events not yet settled.
    AfterPropose,
    /// Events are settled; the log has not committed that yet.
    AfterSettle,
    /// A bid is due and not yet on its way.
    BeforeStart,
    /// A bid is acknowledged; the executor does not know that yet.
    AfterStart,
    /// A bid won; no byte of the request has left.
    BeforeSend,
    /// The target answered; that is not written down yet.
    AfterSend,
    /// The outcome is acknowledged.
    AfterFinish,
    /// Records of the ledger were read and not folded.
    BeforeFold,
    /// A dead letter is not yet on its way.
    BeforeDeadLetter,
    /// A dead letter is acknowledged, its record not yet settled.
    AfterDeadLetter,
    /// The client has the offsets to commit and has not committed them.
    BeforeCommit,
    /// Events of users are applied; nothing of that is on its way.
    BeforeLearned,
    /// What the model learned is acknowledged; users are not written yet.
    AfterLearned,
    /// Users are written; which records came already is not.
    AfterUsers,
    /// Partitions are being taken away; nothing of them is drained.
    Revoking,
    /// Revoked partitions are drained and stored, and not committed.
    BeforeRevokedCommit,
}

impl Point {
    /// Every place.
    pub const ALL: [Self; 17] = [
        Self::BeforePropose,
        Self::AfterPropose,
        Self::AfterSettle,
        Self::BeforeStart,
        Self::AfterStart,
        Self::BeforeSend,
        Self::AfterSend,
        Self::AfterFinish,
        Self::BeforeFold,
        Self::BeforeDeadLetter,
        Self::AfterDeadLetter,
        Self::BeforeCommit,
        Self::BeforeLearned,
        Self::AfterLearned,
        Self::AfterUsers,
        Self::Revoking,
        Self::BeforeRevokedCommit,
    ];

    /// The name by which it is armed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforePropose => "responder::before_propose",
            Self::AfterPropose => "responder::after_propose",
            Self::AfterSettle => "responder::after_settle",
            Self::BeforeStart => "executor::before_start",
            Self::AfterStart => "executor::after_start",
            Self::BeforeSend => "executor::before_send",
            Self::AfterSend => "executor::after_send",
            Self::AfterFinish => "executor::after_finish",
            Self::BeforeFold => "cooldown::before_fold",
            Self::BeforeDeadLetter => "dead_letters::before_append",
            Self::AfterDeadLetter => "dead_letters::after_append",
            Self::BeforeCommit => "kafka::before_commit",
            Self::BeforeLearned => "activity::before_learned",
            Self::AfterLearned => "activity::after_learned",
            Self::AfterUsers => "activity::after_users",
            Self::Revoking => "kafka::revoking",
            Self::BeforeRevokedCommit => "kafka::before_revoked_commit",
        }
    }
}

/// Reads which places are armed, for the rest of the process.
#[cfg(feature = "failpoints")]
pub fn arm() {
    // Its end would disarm them.
    std::mem::forget(fail::FailScenario::setup());
}

/// Reads which places are armed: none can be.
#[cfg(not(feature = "failpoints"))]
pub const fn arm() {}

/// The process is at this place; if it is armed, it ends here.
#[cfg(feature = "failpoints")]
pub fn pass(point: Point) {
    fail::eval(point.name(), |_| -> () { std::process::abort() });
}

/// The process is at this place.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn pass(_: Point) {}
