//! Which model or service an event is about (issue 13, rows 6, 7 and 11).

mod readable;
mod unreadable;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::Decision;
use homeostat_logic::rules::Rules;

use crate::support::{noon, proposed};

const DRIFT: &str = "data.drift.detected";

const PERFORMANCE: &str = "model.performance.degraded";

/// Target, first action and everything that the decision says.
fn decided(topic: &str, raw: &str, rules: &Rules) -> (String, Action, Decision) {
    let propose = proposed(topic, raw, rules, noon()).propose;
    let decision = propose.decisions[0].clone();
    (
        propose.target.to_string(),
        decision.ladder[0].action,
        decision,
    )
}

fn says(decision: &Decision, part: &str) -> bool {
    decision.reasons.iter().any(|reason| reason.contains(part))
}
