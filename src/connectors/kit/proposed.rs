//! The order that an event would lead to, by the rules in hand: for previews and for the trials of templates.

use std::sync::Arc;

use homeostat_actors::ports::connector::Order;
use homeostat_logic::actions::Action;
use homeostat_logic::decide::judge::{Verdict, judge};
use homeostat_logic::decide::propose::{Context, propose};
use homeostat_logic::envelope::decode_record;
use homeostat_logic::event::{Event, Names, Reject};
use homeostat_logic::language::Language;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Decision, Id, Millis, When};
use homeostat_logic::naming::Naming;
use homeostat_logic::rules::Rules;
use homeostat_logic::target::{Target, TargetKind};
use homeostat_logic::texts::{Failure, escalate};
use homeostat_logic::topic::Topic;
use homeostat_logic::view::EventView;

/// An event, and by what it is decided.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Where it comes.
    pub topic: &'static Topic,
    /// Its JSON, in an envelope or bare.
    pub text: &'a str,
    /// What it is about, in place of what it names.
    pub target: Option<&'a Target>,
    /// The alert about the failure of the action that the rules take, in place of that action.
    pub escalation: bool,
    /// The present.
    pub now: Millis,
    /// The rules.
    pub rules: &'a Rules,
}

/// An order, and the decision that it is a part of.
#[derive(Debug)]
pub struct Proposed {
    /// As a connector would get it, for a dry run.
    pub order: Order,
    /// The name of its connection.
    pub connection: String,
    /// What the rules decide about the event.
    pub decision: Decision,
    /// Whether the action is one of its steps. Otherwise the order is what the action would be if the rules asked for it.
    pub of_the_rules: bool,
}

/// The order of an action about an event.
///
/// # Errors
/// Why the event cannot be decided about.
pub(crate) fn order(given: &Given<'_>, action: Action) -> Result<Proposed, Reject> {
    let value = Some(given.text.as_bytes());
    let decoded = decode_record(value, &[], given.topic, &mut Names::default())?;
    let mut event = decoded.event;
    let text = decoded.text.as_deref().unwrap_or(given.text);
    let view = EventView::new(text);
    if let Some(target) = given.target {
        name(&mut event, target);
    }
    let mut verdict = judge(&event, &view, given.rules, given.now);
    if let Some(target) = given.target {
        verdict.target_kind = target.kind;
        verdict.target = Arc::from(target.name.as_str());
    }
    let decide = |verdict: &Verdict| {
        let context = Context {
            event: &event,
            view: &view,
            topic: given.topic.name,
            generation: 1,
            partition: 0,
            offset: 0,
            timestamp: given.now,
            replay: None,
            now: given.now,
            rules: given.rules,
        };
        propose(&context, verdict).propose
    };
    let proposal = decide(&verdict);
    let decision = proposal.decisions.first();
    let own = decision.and_then(|decision| {
        let ladder = decision.ladder.iter().filter(|_| !given.escalation);
        let steps = ladder.chain([&decision.escalation]);
        steps.into_iter().find(|step| step.action == action)
    });
    let of_the_rules = own.is_some();
    let forced;
    let step = if own.is_some() {
        own
    } else {
        forced = decide(&asked_for(&verdict, action));
        let decision = forced.decisions.first();
        decision.and_then(|decision| decision.ladder.first())
    };
    // A proposal has one decision, and a ladder at least one step.
    let (Some(decision), Some(step)) = (decision, step) else {
        return Err(Reject::NoValue);
    };
    let mut order = Order {
        action_id: Id::hash(&[b"preview", given.text.as_bytes(), action.name().as_bytes()]),
        attempt: 1,
        action,
        target: proposal.target.clone(),
        severity: decision.severity,
        event_type: proposal.event_type.clone(),
        event_id: proposal.event_id.clone(),
        params: step.params.clone(),
        reasons: vec![decision.rule.clone(), decision.severity_reason.clone()],
        now: given.now,
        as_of: given.now,
        dry_run: true,
    };
    if let Some(failed) = decision.ladder.first().filter(|_| given.escalation) {
        let id = order.action_id;
        let attempts = usize::try_from(failed.max_attempts).unwrap_or(usize::MAX);
        let failure = Failure {
            action: failed.action,
            target: &proposal.target,
            phase: &Phase::Failed,
            attempts,
            attempts_max: failed.max_attempts,
            id,
        };
        escalate(&mut order.params, &failure);
        order.reasons.push(failure.sentence(Language::En));
    }
    Ok(Proposed {
        order,
        connection: step.connector.clone(),
        decision: decision.clone(),
        of_the_rules,
    })
}

/// The verdict, had the rules asked for this action.
fn asked_for(verdict: &Verdict, action: Action) -> Verdict {
    Verdict {
        proposed: action,
        action,
        doubt: None,
        after_hours: None,
        start: When::Now,
        no_window: false,
        ..verdict.clone()
    }
}

fn name(event: &mut Event, target: &Target) {
    let name = Naming::Is {
        name: Arc::from(target.name.as_str()),
        version: None,
    };
    match target.kind {
        TargetKind::Model => event.model = name,
        TargetKind::Service => event.service = name,
    }
}
