//! The rules that the tests run by: the shipped ones, with one policy for every action, and some over a connection of their own.

use homeostat_logic::rules::schema::executed_actions;
use homeostat_logic::rules::{RuleSettings, Rules};

/// An action and the connection that carries it out.
pub(crate) type Over = (&'static str, &'static str);

/// The rules of the default configuration, with this policy for attempts without a clear answer.
pub(crate) fn rules(policy: &str, over: &[Over]) -> Rules {
    const SECTIONS: [&str; 13] = [
        "language",
        "texts",
        "severity",
        "working_hours",
        "cooldown",
        "budget",
        "maintenance",
        "alerts",
        "time_intervals",
        "defaults",
        "rules",
        "targets",
        "actions",
    ];
    let text = include_str!("../../../config/default.toml");
    let mut table: toml::Table = text.parse().unwrap();
    table.retain(|section, _| SECTIONS.contains(&section));
    let actions = table["actions"].clone();
    let own = |name: &str| {
        let mut action = actions["default"].as_table().unwrap().clone();
        let changes = actions.get(name).and_then(toml::Value::as_table);
        action.extend(changes.cloned().unwrap_or_default());
        action.insert("policy".to_owned(), policy.into());
        if let Some((_, connection)) = over.iter().find(|(action, _)| *action == name) {
            action.insert("connection".to_owned(), (*connection).into());
        }
        (name.to_owned(), toml::Value::Table(action))
    };
    // A model whose rollbacks wait for a person.
    let (_, mut rollback) = own("rollback");
    let waits = rollback.as_table_mut().unwrap();
    waits.insert("approval".to_owned(), true.into());
    let careful = toml::Table::from_iter([("rollback".to_owned(), rollback)]);
    let careful = toml::Table::from_iter([("actions".to_owned(), careful.into())]);
    let targets = toml::Table::from_iter([("careful".to_owned(), careful.into())]);
    table.insert("targets".to_owned(), targets.into());
    table["actions"] = toml::Value::Table(executed_actions().into_iter().map(own).collect());
    let settings: RuleSettings = toml::Value::Table(table).try_into().unwrap();
    Rules::new(&settings).unwrap()
}
