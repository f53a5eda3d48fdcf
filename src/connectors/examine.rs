//! Trying a connection without changing anything: what each action over it would find, for `homeostat connections test NAME`.

use std::time::Duration;

use homeostat_actors::ports::connector::{Binding, Connections, Finding, Order};
use homeostat_logic::actions::{Action, ActsOn};
use homeostat_logic::decide::force::{EVENT_TYPE, Forced, force};
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::ledger::times::REQUEST_LIMIT;
use homeostat_logic::rules::Rules;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;

/// One action over the connection.
#[derive(Debug)]
pub struct Examined {
    /// Which.
    pub action: Action,
    /// About what it was tried.
    pub target: Target,
    /// What was found; at least one.
    pub findings: Vec<Finding>,
}

/// Examines every action over a connection; empty where no action uses it. An action for all targets is tried with `target`, or
/// else with the model or service of events that name none.
pub async fn examine(
    connections: &Connections,
    rules: &Rules,
    name: &str,
    target: Option<&Target>,
    now: Millis,
) -> Vec<Examined> {
    let mut examined = Vec::new();
    for (connection, action, own, binding) in connections.iter() {
        if connection != name {
            continue;
        }
        let target = own.or(target).cloned();
        let Some(target) = target.or_else(|| usual(action, rules)) else {
            continue;
        };
        let order = sample(action, target.clone(), rules, now);
        let findings = asked(binding, order).await;
        examined.push(Examined {
            action,
            target,
            findings,
        });
    }
    examined
}

async fn asked(binding: &Binding, order: Order) -> Vec<Finding> {
    let asked = tokio::time::timeout(REQUEST_LIMIT + Duration::from_secs(1), async {
        binding.connector.examine(order).await
    });
    match asked.await {
        Ok(findings) if findings.is_empty() => {
            vec![Finding::Unsure("this kind cannot be examined".to_owned())]
        }
        Ok(findings) => findings,
        Err(_) => vec![Finding::wrong(
            "no answer within the time limit",
            "check url and network",
        )],
    }
}

/// What an action without a target of its own is about.
fn usual(action: Action, rules: &Rules) -> Option<Target> {
    let defaults = &rules.defaults;
    match action.kind().acts_on {
        ActsOn::Service if defaults.service.is_empty() => None,
        ActsOn::Service => Some(Target::service(&*defaults.service)),
        _ if defaults.model.is_empty() => None,
        _ => Some(Target::model(&*defaults.model)),
    }
}

/// An order as the rules would write it for an event with no more than its target.
pub(crate) fn sample(action: Action, target: Target, rules: &Rules, now: Millis) -> Order {
    let propose = force(&Forced {
        override_id: Id([0; 16]),
        action,
        target: target.clone(),
        params: None,
        severity: Severity::High,
        event: None,
        who: "homeostat",
        reason: "examination",
        partition: 0,
        now,
        rules,
    });
    let params = propose.decisions.into_iter().next();
    let params = params.and_then(|decision| decision.ladder.into_iter().next());
    Order {
        action_id: Id([0; 16]),
        attempt: 1,
        action,
        target,
        severity: Severity::High,
        event_type: EVENT_TYPE.to_owned(),
        event_id: propose.event_id,
        params: params.map(|step| step.params).unwrap_or_default(),
        reasons: vec!["examination of the connection".to_owned()],
        now,
        dry_run: true,
    }
}
