//! Orders on which templates of requests are tried before a real one is sent: written by the rules in hand for complete, empty,
//! hostile and wrongly typed events of every kind.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use homeostat_actors::ports::connector::Order;
use homeostat_logic::actions::Action;
use homeostat_logic::events::KINDS;
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::rules::Rules;
use homeostat_logic::texts::{self, HOSTILE};
use homeostat_logic::topic;

use super::proposed::{Given, order};

/// A type of event without a rule and a file of its own.
const PLAIN_TYPE: &str = "disk_full";
/// A Monday at noon, UTC.
const NOON: Millis = 1_772_452_800_000;

/// An order to try templates on.
#[derive(Debug)]
pub(crate) struct Sample {
    /// What is particular to it, as the object of a sentence.
    pub(crate) what: String,
    pub(crate) order: Order,
}

/// The orders of every action, made when the first template is tried.
#[derive(Debug)]
pub(crate) struct Samples {
    rules: Rules,
    orders: OnceCell<BTreeMap<Action, Vec<Sample>>>,
}

impl Samples {
    /// By these rules.
    pub(crate) const fn by(rules: Rules) -> Self {
        Self {
            rules,
            orders: OnceCell::new(),
        }
    }

    /// Those of an action.
    pub(crate) fn of(&self, action: Action) -> &[Sample] {
        let all = self.orders.get_or_init(|| {
            let actions = Action::executed();
            actions
                .map(|action| (action, samples(&self.rules, action)))
                .collect()
        });
        all.get(&action).map_or(&[], Vec::as_slice)
    }
}

fn samples(rules: &Rules, action: Action) -> Vec<Sample> {
    let types = KINDS.iter().map(|kind| kind.name()).chain([PLAIN_TYPE]);
    let events = types.flat_map(texts::samples);
    let orders = events.filter_map(|event| {
        let given = Given {
            topic: topic::find(event.topic)?,
            text: &event.text,
            target: None,
            escalation: false,
            now: NOON,
            rules,
        };
        let mut order = order(&given, action).ok()?.order;
        // An id of the form of a real one.
        order.action_id = Id([0x5a; 16]);
        if event.text.contains("{{") {
            // No event may have such a name; a template that bears it bears any other.
            HOSTILE.clone_into(&mut order.target.name);
        }
        Some(Sample {
            what: event.what,
            order,
        })
    });
    orders.collect()
}
