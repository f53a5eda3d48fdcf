//! An action by a person's word: the proposal that the rules would write, with the person's action in place of theirs.

use std::sync::Arc;

use serde_json::json;

use super::judge::{RuleSource, SeverityReason, TargetOrigin, Verdict};
use super::propose::{Context, propose};
use crate::actions::Action;
use crate::event::{Declared, Event, OwnType};
use crate::events::kind_of;
use crate::ledger::identity;
use crate::ledger::record::{Id, Millis, Propose, When};
use crate::ledger::times::REFIRE_START_MS;
use crate::naming::{self, Naming, Resolved, TargetFields};
use crate::rules::Rules;
use crate::severity::Severity;
use crate::target::{Target, TargetKind};
use crate::topic::{LEDGER, Role};
use crate::view::EventView;

/// The type of the event of a forced action; rules may be written for it like for any other.
pub const EVENT_TYPE: &str = "operator_forced";

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Forced<'a> {
    /// The order.
    pub override_id: Id,
    /// What to do.
    pub action: Action,
    /// With what.
    pub target: Target,
    /// Parameters of the action; those that its target alone gives if none.
    pub params: Option<serde_json::Value>,
    /// How bad it is.
    pub severity: Severity,
    /// The event that the person has in mind; kept with the order and quoted to people.
    pub event: Option<serde_json::Map<String, serde_json::Value>>,
    /// Who asks.
    pub who: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Ledger partition of the order.
    pub partition: i32,
    /// The present.
    pub now: Millis,
    /// How the action is carried out.
    pub rules: &'a Rules,
}

/// Writes it down. Gates stay in the step for the record's reader; the fold skips them.
pub fn force(forced: &Forced<'_>) -> Propose {
    let raw = body(forced).to_string();
    let view = EventView::new(&raw);
    let event = event(&forced.target, &view);
    let context = Context {
        event: &event,
        view: &view,
        topic: LEDGER,
        generation: 1,
        partition: forced.partition,
        offset: -1,
        timestamp: forced.now,
        // As of a replay: its age counts from the order, whatever time the person's event is from.
        replay: Some(forced.override_id),
        now: forced.now,
        rules: forced.rules,
    };
    let mut propose = propose(&context, &verdict(forced)).propose;
    propose.event_key = identity::forced_key(forced.override_id);
    propose.event_id = propose.event_key.as_uuid();
    // A name in the person's event must not make the order a duplicate of that event.
    propose.event_identity = None;
    propose.not_after = forced.now.saturating_add(REFIRE_START_MS);
    for decision in &mut propose.decisions {
        "operator".clone_into(&mut decision.rule);
        "a person's order".clone_into(&mut decision.severity_reason);
        decision.reasons = vec![format!("forced by {}: {}", forced.who, forced.reason)];
        decision.ladder.truncate(1);
        for step in &mut decision.ladder {
            // Who orders it has approved it.
            step.approval = false;
            if let Some(params) = &forced.params {
                step.params = params.clone().into();
            }
        }
    }
    propose
}

/// The order as an event: everything the person asked for and nothing of the present, so that the same request has the
/// same bytes whenever it comes ([`identity::order_digest`]).
fn body(forced: &Forced<'_>) -> serde_json::Value {
    let mut body = forced.event.clone().unwrap_or_default();
    let own = [
        ("event_type", json!(EVENT_TYPE)),
        ("action", json!(forced.action)),
        ("target", json!(forced.target)),
        ("params", json!(forced.params)),
        ("severity", json!(forced.severity)),
        ("who", json!(forced.who)),
        ("reason", json!(forced.reason)),
    ];
    body.extend(own.map(|(name, value)| (name.to_owned(), value)));
    serde_json::Value::Object(body)
}

fn event(target: &Target, view: &EventView<'_>) -> Event {
    let named = |version| Naming::Is {
        name: target.name.as_str().into(),
        version,
    };
    let (model, service) = match target.kind {
        TargetKind::Model => (named(version_of(&target.name, view)), Naming::Absent),
        TargetKind::Service => (Naming::Absent, named(None)),
    };
    Event {
        event_type: EVENT_TYPE.into(),
        role: Role::Scaling,
        declared: Declared::Missing,
        resolved: false,
        model,
        service,
        own_type: OwnType::Same,
    }
}

/// The version that the person's event names, if it is about the model.
fn version_of(model: &str, view: &EventView<'_>) -> Option<Arc<str>> {
    let fields = TargetFields::of(view).model(kind_of(EVENT_TYPE).model_field());
    match naming::resolve_model(&fields) {
        Resolved::Target(found) if found.name == model => {
            found.version.map(|version| Arc::from(&*version))
        }
        _ => None,
    }
}

fn verdict(forced: &Forced<'_>) -> Verdict {
    Verdict {
        target_kind: forced.target.kind,
        target: forced.target.name.as_str().into(),
        origin: TargetOrigin::Event,
        severity: forced.severity,
        severity_reason: SeverityReason::Declared,
        rule: RuleSource::ActionRequired,
        proposed: forced.action,
        action: forced.action,
        doubt: None,
        after_hours: None,
        start: When::Now,
        muted: None,
        no_window: false,
    }
}
