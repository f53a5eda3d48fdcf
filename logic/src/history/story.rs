//! The stories themselves: how the fold's words become the API's.

use std::sync::Arc;

use super::{Attempt, DecisionStory, DecisionSummary, Outcome};
use crate::clock_text::format_time;
use crate::ledger::change::{Derived, Entered, Judged};
use crate::ledger::listing::GateVerdict;
use crate::ledger::phase::Phase;
use crate::ledger::record::{EventBody, Id, Millis, RawJson, Step, Window};
use crate::ledger::state::ActionState;
use crate::params::Params;

/// The story of a decision as it was judged; `None` when the change names what the proposal does not hold.
pub(super) fn of_decision(entered: &Entered, changed: i64, time: Millis) -> Option<DecisionStory> {
    let propose = &entered.propose;
    let decision = propose.decisions.get(entered.decision)?;
    let step = decision.ladder.get(entered.step)?;
    let windows: Vec<Window> = step.start.windows().copied().collect();
    let mut reasons = decision.reasons.clone();
    reasons.extend(refusals(&entered.gates));
    reasons.extend(approval_awaited(entered.phase, propose.not_after));
    Some(DecisionStory {
        summary: DecisionSummary {
            id: entered.action,
            time,
            event_id: propose.event_id.clone(),
            event_type: propose.event_type.clone(),
            topic: propose.src.topic.clone(),
            partition: propose.src.partition,
            offset: propose.src.offset,
            target: propose.target.name.clone(),
            target_kind: propose.target.kind,
            severity: decision.severity,
            severity_reason: decision.severity_reason.clone(),
            rule: decision.rule.clone(),
            proposed_action: decision.proposed_action,
            action: step.action,
            outcome: Outcome::of(entered.phase, step.action),
            phase: entered.phase.name(),
            changed,
            ended: (!entered.phase.is_open()).then_some(time),
            acknowledged: false,
            reasons,
            escalation_of: None,
        },
        event: propose.event.clone(),
        connector: step.connector.clone(),
        params: step.params.clone(),
        policy: step.policy,
        max_attempts: step.max_attempts,
        not_after: propose.not_after,
        cooldown_ms: step.cooldown_ms,
        next_attempt: next_attempt(entered.phase, &windows),
        windows,
        gates: entered.gates.clone(),
        attempts: Vec::new(),
        escalation: None,
        rule_rev: propose.rule_rev.clone(),
    })
}

/// The story of an action made by the fold; `event` is its parent's, if that is still known.
pub(super) fn of_derived(
    derived: &Derived,
    changed: i64,
    time: Millis,
    event: Option<EventBody>,
    why: &str,
) -> DecisionStory {
    let (subject, step) = (&derived.subject, &derived.step);
    DecisionStory {
        summary: DecisionSummary {
            id: derived.action,
            time,
            event_id: subject.event_id.clone(),
            event_type: subject.event_type.clone(),
            topic: subject.src.topic.clone(),
            partition: subject.src.partition,
            offset: subject.src.offset,
            target: subject.target.name.clone(),
            target_kind: subject.target.kind,
            severity: subject.severity,
            severity_reason: subject.severity_reason.clone(),
            rule: subject.rule.clone(),
            proposed_action: step.action,
            action: step.action,
            outcome: Outcome::of(derived.phase, step.action),
            phase: derived.phase.name(),
            changed,
            ended: (!derived.phase.is_open()).then_some(time),
            acknowledged: false,
            reasons: vec![format!(
                "{} of {}: {why}",
                derived.kind.name(),
                derived.parent
            )],
            escalation_of: Some(derived.parent),
        },
        // The parent's story may have left the ring already; its event is still in the ledger.
        event: event.unwrap_or_else(|| EventBody::Inline(RawJson(Box::default()))),
        connector: step.connector.clone(),
        params: step.params.clone(),
        policy: step.policy,
        max_attempts: step.max_attempts,
        not_after: derived.not_after,
        cooldown_ms: step.cooldown_ms,
        windows: Vec::new(),
        gates: Vec::new(),
        attempts: Vec::new(),
        next_attempt: next_attempt(derived.phase, &[]),
        escalation: None,
        rule_rev: subject.rule_rev.clone(),
    }
}

/// The story of an action as far as the fold still knows it: without its event, its gates, and what came of its attempts.
pub fn of_state(id: Id, state: &ActionState) -> DecisionStory {
    let (subject, step) = (&state.subject, &state.step);
    let src = &subject.src;
    let mut reasons = vec![format!(
        "the story up to here is no longer in memory; the event is at offset {} of {}/{}",
        src.offset, src.topic, src.partition
    )];
    reasons.extend(approval_awaited(state.phase, state.not_after));
    let attempts = state.winners.iter().map(|(attempt, winner)| Attempt {
        attempt: *attempt,
        started: winner.at,
        owner: "not in memory".to_owned(),
        finished: None,
        outcome: None,
        detail: None,
    });
    let windows: Vec<Window> = step.start.windows().copied().collect();
    DecisionStory {
        summary: DecisionSummary {
            id,
            time: state.accepted_at,
            event_id: subject.event_id.clone(),
            event_type: subject.event_type.clone(),
            topic: src.topic.clone(),
            partition: src.partition,
            offset: src.offset,
            target: subject.target.name.clone(),
            target_kind: subject.target.kind,
            severity: subject.severity,
            severity_reason: subject.severity_reason.clone(),
            rule: subject.rule.clone(),
            proposed_action: step.action,
            action: step.action,
            outcome: Outcome::of(state.phase, step.action),
            phase: state.phase.name(),
            changed: state.changed,
            ended: state.end,
            acknowledged: state.acknowledged,
            reasons,
            escalation_of: state.derived_from.map(|(parent, _)| parent),
        },
        event: EventBody::Inline(RawJson(Box::default())),
        connector: step.connector.clone(),
        params: state
            .resolved
            .clone()
            .map_or_else(|| step.params.clone(), Params::from),
        policy: step.policy,
        max_attempts: step.max_attempts,
        not_after: state.not_after,
        cooldown_ms: step.cooldown_ms,
        next_attempt: next_attempt(state.phase, &windows),
        windows,
        gates: Vec::new(),
        attempts: attempts.collect(),
        escalation: state.derived.values().last().copied(),
        rule_rev: subject.rule_rev.clone(),
    }
}

/// The ladder was judged again: perhaps another step, certainly other counters.
pub(super) fn judged_again(story: &mut DecisionStory, judged: &Judged) {
    let step: &Arc<Step> = &judged.step;
    story.summary.action = step.action;
    story.connector.clone_from(&step.connector);
    story.params = step.params.clone();
    story.policy = step.policy;
    story.max_attempts = step.max_attempts;
    story.cooldown_ms = step.cooldown_ms;
    story.windows = step.start.windows().copied().collect();
    story.summary.reasons.extend(refusals(&judged.gates));
    story.gates.clone_from(&judged.gates);
}

/// Log time from which an action may be sent next, if it waits for nothing but time.
pub(super) fn next_attempt(phase: Phase, windows: &[Window]) -> Option<Millis> {
    match phase {
        Phase::Ready { from, .. } => Some(from),
        Phase::Waiting { window } => windows.get(window).map(|window| window.from),
        _ => None,
    }
}

/// What people are asked for when an action waits for them.
pub(super) fn approval_awaited(phase: Phase, not_after: Millis) -> Option<String> {
    (phase == Phase::Approval)
        .then(|| format!("waits for an approval until {}", format_time(not_after)))
}

/// A sentence for each gate that did not let its step pass.
fn refusals(gates: &[GateVerdict]) -> impl Iterator<Item = String> {
    gates.iter().filter(|gate| !gate.passed).map(|gate| {
        let GateVerdict {
            action,
            gate,
            scope,
            detail,
            ..
        } = gate;
        // A hold is of the whole partition and counts nothing.
        if scope.is_empty() {
            return format!("{action}: {gate}: {detail}");
        }
        format!("{action}: {gate} `{scope}`: {detail}")
    })
}
