//! The shipped rules, optionally with an overlay, and a way to judge an event by them.

use homeostat_logic::decide::judge::{Verdict, judge};
use homeostat_logic::decide::propose::{Context, Proposal, propose};
use homeostat_logic::event::{Names, decode};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::rules::schema::executed_actions;
use homeostat_logic::rules::{RuleSettings, Rules};
use homeostat_logic::topic;
use homeostat_logic::view::EventView;

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

pub(crate) fn rules(overlay: &str) -> Rules {
    Rules::new(&settings(overlay)).unwrap()
}

pub(crate) fn settings(overlay: &str) -> RuleSettings {
    let mut table: toml::Table = include_str!("../../../config/default.toml")
        .parse()
        .unwrap();
    table.retain(|section, _| SECTIONS.contains(&section));
    lay_over(&mut table, overlay.parse().unwrap());
    let default = table["actions"].as_table_mut().unwrap().remove("default");
    let own = table["actions"].as_table_mut().unwrap();
    for action in executed_actions() {
        let mut action_table = default.clone().unwrap().try_into::<toml::Table>().unwrap();
        if let Some(toml::Value::Table(over)) = own.remove(action) {
            lay_over(&mut action_table, over);
        }
        own.insert(action.to_owned(), action_table.into());
    }
    toml::Value::Table(table).try_into().unwrap()
}

fn lay_over(base: &mut toml::Table, overlay: toml::Table) {
    for (key, value) in overlay {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

pub(crate) fn at(text: &str) -> Millis {
    chrono::DateTime::parse_from_rfc3339(text)
        .unwrap()
        .timestamp_millis()
}

/// A Monday at noon: inside working hours in most zones used here.
pub(crate) fn noon() -> Millis {
    at("2026-03-02T12:00:00Z")
}

pub(crate) fn judged(topic_name: &str, raw: &str, rules: &Rules, now: Millis) -> Verdict {
    let topic = topic::find(topic_name).unwrap();
    let event = decode(Some(raw.as_bytes()), topic, &mut Names::default()).unwrap();
    judge(&event, &EventView::new(raw), rules, now)
}

pub(crate) fn proposed(topic_name: &str, raw: &str, rules: &Rules, now: Millis) -> Proposal {
    let topic = topic::find(topic_name).unwrap();
    let event = decode(Some(raw.as_bytes()), topic, &mut Names::default()).unwrap();
    let view = EventView::new(raw);
    let verdict = judge(&event, &view, rules, now);
    let context = Context {
        replay: None,
        event: &event,
        view: &view,
        topic: topic_name,
        generation: 1,
        partition: 0,
        offset: 7,
        timestamp: now,
        now,
        rules,
    };
    propose(&context, &verdict)
}
