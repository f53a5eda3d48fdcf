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
    let mut examined: Vec<Examined> = Vec::new();
    for (connection, action, own, binding) in connections.iter() {
        if connection != name {
            continue;
        }
        let named = own.or(target).cloned();
        let is_named = named.is_some();
        let Some(target) = named.or_else(|| usual(action, rules)) else {
            continue;
        };
        let order = sample(action, target.clone(), rules, now);
        let mut findings = asked(binding, order).await;
        if !is_named {
            findings = findings
                .into_iter()
                .map(|finding| of_no_one(finding, &target))
                .collect();
        }
        examined.push(Examined {
            action,
            target,
            findings,
        });
    }
    without_twins(examined)
}

/// A table of a target names no kind, so that it counts for a model and for a service of that name. Where one of them works, the
/// other one is not meant.
fn without_twins(examined: Vec<Examined>) -> Vec<Examined> {
    let twin = |one: &Examined, other: &Examined| {
        let named = one.target.name == other.target.name && one.target != other.target;
        named && one.action == other.action
    };
    let is_meant = |one: &Examined| {
        let works = |other: &Examined| twin(one, other) && !other.fails();
        !one.fails() || !examined.iter().any(works)
    };
    let meant: Vec<bool> = examined.iter().map(is_meant).collect();
    let all = examined.into_iter().zip(meant);
    all.filter_map(|(one, meant)| meant.then_some(one))
        .collect()
}

impl Examined {
    fn fails(&self) -> bool {
        let wrong = |finding: &Finding| matches!(finding, Finding::Wrong { .. });
        self.findings.iter().any(wrong)
    }
}

/// That the target of events without a name does not exist is no fault of the connection: no person named it.
fn of_no_one(finding: Finding, target: &Target) -> Finding {
    let Finding::Wrong { problem, remedy } = finding else {
        return finding;
    };
    let names = [target.name.clone(), target.name.replace('_', "-")];
    let missing = ["404", "not found", "there is no"];
    let is_missing = names.iter().any(|name| problem.contains(name))
        && missing.iter().any(|word| problem.contains(word));
    if is_missing {
        Finding::Unsure(format!(
            "{problem}; it was tried with {target}, because none was named: write --target {}/NAME",
            target.kind.name()
        ))
    } else {
        Finding::Wrong { problem, remedy }
    }
}

async fn asked(binding: &Binding, order: Order) -> Vec<Finding> {
    let asked = tokio::time::timeout(REQUEST_LIMIT + Duration::from_secs(1), async {
        binding.connector.examine(order).await
    });
    match asked.await {
        Ok(findings) if findings.is_empty() => {
            vec![Finding::Unsure("this kind cannot be examined".to_owned())]
        }
        Ok(findings) => once_each(findings),
        Err(_) => vec![Finding::wrong(
            "no answer within the time limit",
            "check url and network",
        )],
    }
}

/// One cause is said once, such as a token that every question was refused with.
fn once_each(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    kept
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
        as_of: now,
        dry_run: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(target: Target, findings: Vec<Finding>) -> Examined {
        let action = Action::Rollback;
        Examined {
            action,
            target,
            findings,
        }
    }

    #[test]
    fn a_twin_that_fails_is_left_out_where_the_other_one_works() {
        let fine = || vec![Finding::Fine("MLflow 3".to_owned())];
        let wrong = || vec![Finding::wrong("no such model", "check it")];
        let (model, service) = (|| Target::model("mlf"), || Target::service("mlf"));
        let table = [
            (fine(), wrong(), vec![model()]),
            (wrong(), fine(), vec![service()]),
            (fine(), fine(), vec![model(), service()]),
            (wrong(), wrong(), vec![model(), service()]),
        ];
        for (of_model, of_service, expected) in table {
            let all = vec![examined(model(), of_model), examined(service(), of_service)];
            let kept = without_twins(all).into_iter().map(|one| one.target);
            assert_eq!(kept.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn only_that_a_target_of_no_one_is_missing_is_no_problem() {
        let target = Target::model("movie_recommender");
        let table = [
            (
                "404 Not Found: Registered Model with name=movie_recommender not found",
                true,
            ),
            ("there is no Deployment movie-recommender", true),
            ("401 Unauthorized", false),
            ("403 Forbidden: movie_recommender", false),
            ("404 Not Found: no such DAG", false),
        ];
        for (problem, is_missing) in table {
            let found = of_no_one(Finding::wrong(problem, "check it"), &target);
            assert_eq!(matches!(found, Finding::Unsure(_)), is_missing, "{problem}");
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let wrong = || Finding::wrong("401", "check the token");
        let fine = Finding::Fine("version 3".to_owned());
        assert_eq!(
            once_each(vec![wrong(), fine.clone(), wrong()]),
            [wrong(), fine]
        );
    }
}
