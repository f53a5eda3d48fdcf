//! Why the fold held something back, with the numbers behind it and a sentence for people.

use serde::{Deserialize, Serialize};

use super::limits::Breach;
use super::phase::in_words;
use super::record::{FinishOutcome, Id, Millis};
use crate::clock_text::format_time;

/// Why a decision leads to no action. The name of a variant is the gate that held it back, in the API and in metrics.
#[derive(
    Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Suppression {
    /// Too old when it was judged.
    #[error("not acted on after {}, and it is {}", format_time(*.not_after), format_time(*.now))]
    #[strum(serialize = "not_after")]
    Expired {
        /// The limit.
        not_after: Millis,
        /// Log time of the judgement.
        now: Millis,
    },
    /// People hold everything back.
    #[error("held back by an operator{}", until_in_words(*.until))]
    Held {
        /// End of the silence; none when paused until an operator resumes.
        until: Option<Millis>,
    },
    /// Another source position carried an event of the same name.
    #[error("duplicate of an event of the same source and id")]
    #[strum(serialize = "duplicate")]
    DuplicateEvent {
        /// hash(source, id).
        identity: Id,
    },
    /// The key has an open action.
    #[error("action {action} of the same key is in progress")]
    InProgress {
        /// That action.
        action: Id,
    },
    /// The key is cooling down.
    #[error("cooldown of {} s after action {action} lasts until {}", cooldown_ms / 1000, format_time(*.until))]
    Cooldown {
        /// The action that ended last.
        action: Id,
        /// The longer of both cooldowns.
        cooldown_ms: Millis,
        /// When it is over.
        until: Millis,
    },
    /// Every step of the ladder is over budget; the numbers are those of the last one.
    #[error("{used} of {cap} in {} s", window_ms / 1000)]
    Budget {
        /// What is counted.
        scope: String,
        /// Slots taken.
        used: u32,
        /// Slots there are.
        cap: u32,
        /// Length of the sliding window.
        window_ms: Millis,
    },
}

impl Suppression {
    /// The gate that held the decision back: one of [`strum::VariantNames::VARIANTS`].
    pub fn gate(&self) -> &'static str {
        self.into()
    }
}

/// Why an action changed its phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A bid won.
    #[error("attempt {attempt} started")]
    Won {
        /// The attempt.
        attempt: u32,
    },
    /// Its window opened and the gates let it pass again.
    #[error("window opened")]
    WindowOpened,
    /// Its window ended without a start.
    #[error("window ended at {} without a start", format_time(*.to))]
    WindowOver {
        /// End of the window.
        to: Millis,
    },
    /// A gate held it back when its window opened.
    #[error("held back when its window opened: {0}")]
    Suppressed(Suppression),
    /// An immediate action took its place.
    #[error("superseded by action {0}, which starts at once")]
    SupersededBy(Id),
    /// No answer within the lease, or one that left open what happened.
    #[error("attempt {attempt} had no clear outcome within {} s", lease_ms / 1000)]
    LeaseOver {
        /// The attempt.
        attempt: u32,
        /// The lease.
        lease_ms: Millis,
    },
    /// The target did not say within the time for asking.
    #[error("attempt {attempt} stayed in doubt for {} s", probe_for_ms / 1000)]
    ProbeOver {
        /// The attempt.
        attempt: u32,
        /// The time for asking.
        probe_for_ms: Millis,
    },
    /// Not started in time.
    #[error("not started before {}", format_time(*.not_after))]
    NotAfter {
        /// The limit.
        not_after: Millis,
    },
    /// An answer was recorded.
    #[error("attempt {attempt} {}: {detail}", outcome_in_words(*.outcome))]
    Finished {
        /// The attempt.
        attempt: u32,
        /// Class of the outcome.
        outcome: FinishOutcome,
        /// Request and answer in words.
        detail: String,
    },
    /// The parent turned out to be done, or is sent once more, before its alert was sent.
    #[error("withdrawn: action {0} is done or is sent once more")]
    Withdrawn(Id),
    /// A later alert reached people through the connector on which this one was lost.
    #[error("alert {alert} was delivered later through `{connector}`")]
    DeliveredLater {
        /// The later alert.
        alert: Id,
        /// The connector.
        connector: String,
    },
    /// A person ordered it.
    #[error("{order} by {who}: {why}")]
    Ordered {
        /// Name of the order.
        order: &'static str,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
}

fn until_in_words(until: Option<Millis>) -> String {
    until.map_or_else(String::new, |until| {
        format!(" until {}", format_time(until))
    })
}

/// Why a person's order has no effect (ledger-protocol §9); the caller gets it with the present state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such action, or forgotten.
    #[error("action {0} is not known; it may have ended more than eight days ago")]
    UnknownAction(Id),
    /// It changed since the person looked.
    #[error(
        "the action has changed since it was read: its last change is {changed}, the order expects {expect}; read it again, then repeat the order with the new value"
    )]
    Stale {
        /// Offset of its last change.
        changed: i64,
        /// As the person saw it.
        expect: i64,
    },
    /// An attempt is under way.
    #[error("attempt {attempt} is being sent; the order is valid once its outcome is known, which is at {} at the latest", format_time(*.until))]
    BeingSent {
        /// The attempt.
        attempt: u32,
        /// End of its lease.
        until: Millis,
    },
    /// The order does not fit the action's phase.
    #[error("{}", cannot(.order, .phase))]
    WrongPhase {
        /// Name of the phase.
        phase: String,
        /// Name of the order.
        order: String,
    },
    /// The last attempt may still be under way.
    #[error("the last attempt may still reach its target; the order is valid from {} on", format_time(*.until))]
    LeaseRunning {
        /// End of its lease.
        until: Millis,
    },
    /// Another action of the same key is open.
    #[error(
        "action {0} of the same key is in progress; the order is valid once that one has ended"
    )]
    KeyBusy(Id),
    /// The key cools down after another action.
    #[error("its key cools down after action {action}; the order is valid from {} on, or once `homeostat override clear-cooldown {action} --reason WHY` has freed the key", format_time(*.until))]
    KeyCooling {
        /// The action that ended last on the key.
        action: Id,
        /// End of the cooldown.
        until: Millis,
    },
    /// The action is not the one that the key cools down after.
    #[error(
        "its key is not cooling down after this action; the order is valid for the action that ended last on a key, as GET /api/v1/cooldowns lists it"
    )]
    NotCooling,
    /// A time in the past, or too far ahead.
    #[error("the time must lie within the next eight days of {}", format_time(*.now))]
    Time {
        /// Log time.
        now: Millis,
    },
    /// The forced proposal is not one.
    #[error("the forced action is not valid: {0}")]
    Invalid(String),
}

impl Refusal {
    /// When the order becomes valid if nothing else happens; `None` when time alone does not make it so.
    pub const fn valid_from(&self) -> Option<Millis> {
        match self {
            Self::LeaseRunning { until } | Self::KeyCooling { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Name for problems and metrics, from a closed set.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownAction(_) => "unknown_action",
            Self::Stale { .. } => "stale",
            Self::BeingSent { .. } => "being_sent",
            Self::WrongPhase { .. } => "wrong_phase",
            Self::LeaseRunning { .. } => "lease_running",
            Self::KeyBusy(_) => "key_busy",
            Self::KeyCooling { .. } => "key_cooling",
            Self::NotCooling => "not_cooling",
            Self::Time { .. } => "time",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Why an order about an action has no effect, what the order needs, and what else to do about an action in that phase.
fn cannot(order: &str, phase: &str) -> String {
    let name = order.replace('_', "-");
    let is = in_words(phase).unwrap_or("is in another phase");
    let needs = match order {
        "cancel" => "an action that is waiting, ready, in doubt or of unknown outcome",
        "refire" => "outcome failed or unknown, and a free key",
        "resolve" => "outcome unknown, or an action in doubt",
        "clear_cooldown" => "an action that has ended",
        "approve" => "an action that is waiting for approval",
        "acknowledge" => "outcome failed, unknown or expired, or a delivered alert",
        _ => "another phase",
    };
    let more = match (order, phase) {
        ("refire", "expired") => {
            "; it was never sent, and its event is too old to act on: say with `acknowledge` that you know, or order the same again with `force`"
        }
        ("approve", "expired") => ", whose last window is not over",
        _ => "",
    };
    format!("cannot {name}: the action {is}; {name} needs {needs}{more}")
}

/// The outcome as the end of a sentence.
pub(crate) const fn outcome_in_words(outcome: FinishOutcome) -> &'static str {
    match outcome {
        FinishOutcome::Done => "was done",
        FinishOutcome::Failed => "failed",
        FinishOutcome::NotSent => "was not sent",
        FinishOutcome::Unknown => "has an unknown outcome",
    }
}

/// Why a record has no effect.
#[derive(
    Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum VoidReason {
    /// Not readable.
    #[error("{0}")]
    Undecodable(String),
    /// The partition has its Genesis already.
    #[error(
        "installation {found}: the partition belongs to installation {installation}, whose Genesis was read first"
    )]
    LaterGenesis {
        /// As the record says.
        found: Id,
        /// As the first Genesis says.
        installation: Id,
    },
    /// Breaks a limit.
    #[error("{0}")]
    Breach(#[from] Breach),
    /// The source position was decided on before.
    #[error("event {event_key} is already decided; the first decision counts")]
    DuplicateProposal {
        /// The position's identity.
        event_key: Id,
    },
    /// Older than the fold remembers.
    #[error("offset {offset} of {partition} is not above {low}, which is older than the memory")]
    OlderThanMemory {
        /// Topic, generation and partition.
        partition: String,
        /// Its offset.
        offset: i64,
        /// Highest forgotten offset.
        low: i64,
        /// Of its source partition it is the first: an alert is sent once.
        first: bool,
    },
    /// People hold everything back.
    #[error("held back by an operator")]
    Held,
    /// The same order was read before; its first result counts.
    #[error("order {override_id} was read before; its first result counts")]
    DuplicateOverride {
        /// The order.
        override_id: Id,
    },
    /// A person's order that has no effect.
    #[error("{0}")]
    #[strum(serialize = "refused_override")]
    Refused(Refusal),
    /// The action waits for no signal.
    #[error("the action waits for no signal")]
    NotVerifying,
    /// A version that is in force already.
    #[error("version {found} is not newer than version {version}, which is in force")]
    OldVersion {
        /// As ordered.
        found: u32,
        /// In force.
        version: u32,
    },
    /// No such action, or forgotten.
    #[error("action {0} is not known")]
    UnknownAction(Id),
    /// The action is not in a phase that allows the bid.
    #[error("attempt {attempt} cannot start while the action is {phase}")]
    WrongPhase {
        /// The attempt bid for.
        attempt: u32,
        /// Name of the phase.
        phase: &'static str,
    },
    /// The bid is for another attempt than the one that is due.
    #[error("bid for attempt {found}, but attempt {due} is due")]
    WrongAttempt {
        /// The attempt bid for.
        found: u32,
        /// The attempt due.
        due: u32,
    },
    /// Before the pause between attempts is over.
    #[error("bid at {}, but not due before {}", format_time(*.now), format_time(*.from))]
    TooEarly {
        /// Log time of the bid.
        now: Millis,
        /// When it is due.
        from: Millis,
    },
    /// After `not_after`.
    #[error("bid at {}, but not to be started after {}", format_time(*.now), format_time(*.not_after))]
    TooLate {
        /// Log time of the bid.
        now: Millis,
        /// The limit.
        not_after: Millis,
    },
    /// Outside the window.
    #[error("bid at {}, outside its window", format_time(*.now))]
    WindowClosed {
        /// Log time of the bid.
        now: Millis,
    },
    /// In doubt, and no evidence that the attempt had no effect.
    #[error("attempt {attempt} is in doubt and the bid brings no evidence that it had no effect")]
    NoEvidence {
        /// The attempt in doubt.
        attempt: u32,
    },
    /// Every attempt is used.
    #[error("all {max_attempts} attempts are used")]
    NoAttemptLeft {
        /// Attempts allowed.
        max_attempts: u32,
    },
    /// The Finish does not come from the bid that won.
    #[error("start {start_id} did not win attempt {attempt}")]
    NotTheWinner {
        /// The attempt.
        attempt: u32,
        /// Who claims it.
        start_id: Id,
    },
}

impl VoidReason {
    /// Name for metrics: one of [`strum::VariantNames::VARIANTS`].
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Whether a person should look: the record itself is wrong. The others are the ordinary course of redeliveries and
    /// of instances that bid for the same action.
    pub const fn is_alarming(&self) -> bool {
        matches!(
            self,
            Self::Undecodable(_) | Self::Breach(_) | Self::OlderThanMemory { first: true, .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::phase::Phase;

    #[test]
    fn an_order_that_does_not_fit_the_phase_says_so_in_a_sentence() {
        let (attempt, at) = (1, 0);
        let phases = [
            Phase::Waiting { window: 0 },
            Phase::Approval,
            Phase::Ready {
                attempt,
                from: at,
                window: None,
            },
            Phase::Started {
                attempt,
                start_id: Id([1; 16]),
                at,
            },
            Phase::Doubt { attempt, since: at },
            Phase::Done,
            Phase::Failed,
            Phase::Unknown { attempt },
            Phase::Expired,
            Phase::Cancelled,
            Phase::Superseded,
            Phase::Suppressed,
        ];
        let orders = [
            "cancel",
            "refire",
            "resolve",
            "clear_cooldown",
            "approve",
            "acknowledge",
        ];
        for phase in phases.map(Phase::name) {
            let is = in_words(phase).unwrap();
            assert!(
                ["is ", "has ", "was "]
                    .iter()
                    .any(|verb| is.starts_with(verb))
            );
            for order in orders {
                let refusal = Refusal::WrongPhase {
                    phase: phase.to_owned(),
                    order: order.to_owned(),
                };
                let name = order.replace('_', "-");
                let begin = format!("cannot {name}: the action {is}; {name} needs ");
                assert!(refusal.to_string().starts_with(&begin), "{refusal}");
                assert!(!refusal.to_string().contains("another phase"), "{refusal}");
            }
        }
        let refusal = cannot("refire", "approval");
        assert_eq!(
            refusal,
            "cannot refire: the action is waiting for approval; refire needs outcome failed or unknown, and a free key"
        );
    }
}
