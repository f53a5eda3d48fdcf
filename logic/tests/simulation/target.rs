//! The targets' twin: counts what reaches them and what takes effect, and answers as badly as targets do.

use homeostat_logic::ledger::execution::{Answer, Dispatch};
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use homeostat_logic::ledger::times::TARGET_LATENESS_MS;

use crate::dice::Dice;
use crate::profile::SECOND;

/// T of ledger-protocol §7, in ms.
pub(crate) const T: Millis = 10 * SECOND;

#[derive(Default)]
pub(crate) struct Targets {
    /// Nobody answers until then.
    pub(crate) out_until: Millis,
}

/// What becomes of one request: its effect after some time, if any, and its answer.
pub(crate) struct Plan {
    pub(crate) effect: Option<Millis>,
    pub(crate) answer_after: Millis,
    pub(crate) answer: Answer,
}

pub(crate) fn answer(outcome: FinishOutcome) -> Answer {
    Answer {
        outcome,
        detail: String::new(),
        retry_after_ms: None,
        permanent: false,
    }
}

pub(crate) fn done(dice: &mut Dice) -> Plan {
    let took = dice.between(1, 3_000);
    Plan {
        effect: Some(took),
        answer_after: took + dice.roll(500),
        answer: answer(FinishOutcome::Done),
    }
}

pub(crate) fn refused() -> Plan {
    let refused = Answer {
        permanent: true,
        ..answer(FinishOutcome::Failed)
    };
    Plan {
        effect: None,
        answer_after: 50,
        answer: refused,
    }
}

pub(crate) fn hangs() -> Plan {
    Plan {
        effect: None,
        answer_after: T,
        answer: answer(FinishOutcome::Unknown),
    }
}

/// Any answer a target may give; an effect comes at most E after the request was closed (A3).
pub(crate) fn trouble(dice: &mut Dice, _: &Dispatch) -> Plan {
    let took = dice.between(1, 2_000);
    match dice.roll(8) {
        0 => refused(),
        1 => {
            let wish = Some(dice.between(1, 90) * SECOND);
            let busy = Answer {
                retry_after_ms: wish,
                ..answer(FinishOutcome::Failed)
            };
            Plan {
                effect: None,
                answer_after: took,
                answer: busy,
            }
        }
        2 => hangs(),
        // It hangs, and takes effect when nobody listens any more.
        3 => Plan {
            effect: Some(T + dice.roll(TARGET_LATENESS_MS)),
            ..hangs()
        },
        4 => Plan {
            effect: Some(dice.roll(T)),
            ..hangs()
        },
        // Closed behind the effect.
        5 => Plan {
            effect: Some(took),
            answer_after: took,
            answer: answer(FinishOutcome::Unknown),
        },
        // 5xx, and the effect comes all the same.
        6 => Plan {
            effect: Some(took + dice.roll(TARGET_LATENESS_MS)),
            answer_after: took,
            answer: answer(FinishOutcome::Unknown),
        },
        _ => Plan {
            effect: None,
            answer_after: took,
            answer: answer(FinishOutcome::Unknown),
        },
    }
}
