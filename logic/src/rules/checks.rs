//! Settings that fit their types and still cannot be used.

use super::fault::RuleError;
use super::settings::{Defaults, FURTHER_BUDGETS_MAX, RuleSettings};
use crate::actions::Action;
use crate::model_reference;

/// Every setting that cannot be used, not only the first.
pub(super) fn faults(settings: &RuleSettings) -> Vec<RuleError> {
    [budgets(settings), defaults(settings), actions(settings)].concat()
}

fn budgets(settings: &RuleSettings) -> Vec<RuleError> {
    let further = &settings.budget.further;
    let many = (further.len() > FURTHER_BUDGETS_MAX).then(|| RuleError {
        key: "budget".into(),
        problem: format!(
            "there are {} tables; at most {FURTHER_BUDGETS_MAX} are allowed",
            further.len()
        ),
    });
    let overlays = settings
        .targets
        .iter()
        .flat_map(|(target, overlay)| overlay.budget.keys().map(move |name| (target, name)));
    let unknown = overlays
        .filter(|(_, name)| !further.contains_key(*name))
        .map(|(target, name)| RuleError {
            key: format!("targets.{target}.budget.{name}"),
            problem: format!("there is no table [budget.{name}]"),
        });
    many.into_iter().chain(unknown).collect()
}

/// A default is a name as events give it, or nothing at all.
fn defaults(settings: &RuleSettings) -> Vec<RuleError> {
    let Defaults { model, service } = &settings.defaults;
    let error = |key: &str, problem: &str| RuleError {
        key: key.into(),
        problem: problem.into(),
    };
    let is_name = model_reference::parse(model)
        .is_some_and(|read| read.name == model && read.version.is_none());
    let model = (!model.is_empty() && !is_name).then(|| {
        error(
            "defaults.model",
            "is not a model name; write the name alone, without version or scheme, or \"\" for no default",
        )
    });
    let is_name = service.trim() == service && model_reference::is_printable(service);
    let service = (!service.is_empty() && !is_name).then(|| {
        error(
            "defaults.service",
            "is not a service name; write it without blanks around it, or \"\" for no default",
        )
    });
    model.into_iter().chain(service).collect()
}

fn actions(settings: &RuleSettings) -> Vec<RuleError> {
    let targets = settings.targets.iter();
    let tables = targets.map(|(name, target)| (format!("targets.{name}.actions"), &target.actions));
    let tables = tables.chain([("actions".to_owned(), &settings.actions)]);
    let silent = tables
        .filter(|(_, actions)| {
            actions
                .get(&Action::Alert)
                .is_some_and(|alert| alert.approval)
        })
        .map(|(path, _)| RuleError {
            key: format!("{path}.alert.approval"),
            problem: "is true, but an alert is what asks people; write false".into(),
        });
    let table = Action::executed().filter(|action| !settings.actions.contains_key(action));
    let table = table.map(|action| RuleError {
        key: format!("actions.{action}"),
        problem: "the table is missing; say at least which connection carries it out".into(),
    });
    let cooldown = Action::executed().filter(|action| settings.cooldown.minutes(*action).is_none());
    let cooldown = cooldown.map(|action| RuleError {
        key: format!("cooldown.{}", action.cooldown_key()),
        problem: "is missing; write a number of minutes, 0 for no cooldown".into(),
    });
    table.chain(cooldown).chain(silent).collect()
}
