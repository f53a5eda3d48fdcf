//! The limits of a proposal (ledger-protocol §3), checked by the proposer and again by the fold: a breach makes the
//! record void on every instance alike.

use super::record::{Millis, Propose, Step};
use super::times::{HORIZON_MS, LEASE_MS_MIN};

/// Decisions in one proposal at most.
pub const DECISIONS_MAX: usize = 8;
/// Steps of a ladder at most.
pub const LADDER_MAX: usize = 5;
/// Attempts of an action at most.
pub const ATTEMPTS_MAX: u32 = 10;
/// `verify.next` may be nested this deep. An addition: it bounds the recursion over a record.
pub const VERIFY_DEPTH_MAX: usize = LADDER_MAX;
/// Bytes of the detail of an answer at most: request and answer in words. The rest is cut off.
pub const DETAIL_BYTES_MAX: usize = 4_096;
/// Bytes of an encoded record at most. A larger event is stored as hash and source position.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// A limit that a proposal breaks. Reject: the same proposal can never become valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// None, or too many decisions.
    #[error("proposal has {found} decisions; 1 to {DECISIONS_MAX} are allowed")]
    Decisions {
        /// Their number.
        found: usize,
    },
    /// None, or too many steps.
    #[error("decision {decision} has a ladder of {found} steps; 1 to {LADDER_MAX} are allowed")]
    Ladder {
        /// Which decision, from 0.
        decision: usize,
        /// Steps of its ladder.
        found: usize,
    },
    /// The fold starts a derived step at once, so it cannot wait for a window or for a person.
    #[error(
        "step `{step}` is an escalation or a `verify.next` and has windows or needs approval; such a step starts at once"
    )]
    DerivedWaits {
        /// Action of the step.
        step: &'static str,
    },
    /// No attempt, or too many.
    #[error("step `{step}` allows {found} attempts; set `max_attempts` to 1 to {ATTEMPTS_MAX}")]
    Attempts {
        /// Action of the step.
        step: &'static str,
        /// Attempts it allows.
        found: u32,
    },
    /// A duration below zero or beyond the horizon.
    #[error("`{field}` of step `{step}` is {found} ms; 0 to {HORIZON_MS} ms (8 days) are allowed")]
    Duration {
        /// Action of the step.
        step: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        found: Millis,
    },
    /// A lease so short that two requests could be under way.
    #[error("`lease_ms` of step `{step}` is {found} ms; at least {LEASE_MS_MIN} ms are needed")]
    Lease {
        /// Action of the step.
        step: &'static str,
        /// Its lease.
        found: Millis,
    },
    /// Verification nested too deeply.
    #[error("`verify.next` of step `{step}` is nested more than {VERIFY_DEPTH_MAX} deep")]
    VerifyDepth {
        /// Action of the innermost step looked at.
        step: &'static str,
    },
}

/// Checks the limits of a proposal; the first breach is reported.
pub fn validate(propose: &Propose) -> Result<(), Breach> {
    if !(1..=DECISIONS_MAX).contains(&propose.decisions.len()) {
        return Err(Breach::Decisions {
            found: propose.decisions.len(),
        });
    }
    for (index, decision) in propose.decisions.iter().enumerate() {
        if !(1..=LADDER_MAX).contains(&decision.ladder.len()) {
            return Err(Breach::Ladder {
                decision: index,
                found: decision.ladder.len(),
            });
        }
        for step in &decision.ladder {
            validate_step(step, 0)?;
        }
        starts_at_once(&decision.escalation)?;
        validate_step(&decision.escalation, 0)?;
    }
    Ok(())
}

const fn starts_at_once(step: &Step) -> Result<(), Breach> {
    if step.start.is_now() && !step.approval {
        return Ok(());
    }
    let step = step.action.name();
    Err(Breach::DerivedWaits { step })
}

fn validate_step(step: &Step, depth: usize) -> Result<(), Breach> {
    let name = step.action.name();
    if depth > VERIFY_DEPTH_MAX {
        return Err(Breach::VerifyDepth { step: name });
    }
    if !(1..=ATTEMPTS_MAX).contains(&step.max_attempts) {
        return Err(Breach::Attempts {
            step: name,
            found: step.max_attempts,
        });
    }
    let durations = [
        ("cooldown_ms", step.cooldown_ms),
        ("backoff.first_ms", step.backoff.first_ms),
        ("backoff.max_ms", step.backoff.max_ms),
        ("lease_ms", step.lease_ms),
        ("probe_for_ms", step.probe_for_ms),
        (
            "verify.within_ms",
            step.verify.as_ref().map_or(0, |verify| verify.within_ms),
        ),
    ];
    let windows = step
        .gates
        .iter()
        .map(|gate| ("gates.window_ms", gate.window_ms));
    for (field, found) in durations.into_iter().chain(windows) {
        if !(0..=HORIZON_MS).contains(&found) {
            return Err(Breach::Duration {
                step: name,
                field,
                found,
            });
        }
    }
    if step.lease_ms < LEASE_MS_MIN {
        return Err(Breach::Lease {
            step: name,
            found: step.lease_ms,
        });
    }
    match step.verify.as_ref().and_then(|verify| verify.next.as_ref()) {
        Some(next) => {
            starts_at_once(next)?;
            validate_step(next, depth + 1)
        }
        None => Ok(()),
    }
}
