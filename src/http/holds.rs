//! What people hold back, as the API shows it: who, when, why, and until when; and what a silence of one target holds.

use homeostat_actors::ledger_view::LedgerView;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::ledger::state::{Hold, Holds};
use homeostat_logic::target::Target;
use schemars::JsonSchema;
use serde::Serialize;

/// Targets named at most; of the others only the number is given.
const TARGETS_NAMED: usize = 10;

/// What people hold back: the sum, and each order that lasts, at most 16 for each partition.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Holds")]
pub(super) struct Held {
    paused: bool,
    #[schemars(extend("format" = "date-time"))]
    silenced_until: Option<String>,
    orders: Vec<HoldOrder>,
}

/// One order that holds something back.
#[derive(Serialize, JsonSchema)]
struct HoldOrder {
    #[schemars(extend("enum" = ["pause", "silence"]))]
    order: &'static str,
    who: String,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    reason: String,
    /// None: until resume.
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
    /// The target that was named; the whole partition is held.
    target: Option<String>,
    /// Of the partitions that the order given concerns, those that this one holds; in answers to orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Vec<i32>>,
}

/// What is held back at `now`: the sum of all orders, and each of them.
pub(super) fn holds(fold: &Fold, now: Millis) -> Held {
    let orders: Vec<&Hold> = fold.hold_orders(now.max(fold.now())).collect();
    let sum = Holds::of(orders.iter().copied());
    held(sum, orders.into_iter().map(|hold| order(hold, None)))
}

/// What is held back at `now` in any of these partitions. An order that holds several of them appears once, with all of them.
pub(super) fn holds_in<'a>(views: impl Iterator<Item = &'a LedgerView>, now: Millis) -> Held {
    let mut orders: Vec<(Hold, Vec<i32>)> = Vec::new();
    for view in views {
        let fold = &view.read().fold;
        for hold in fold.hold_orders(now.max(fold.now())) {
            match orders.iter_mut().find(|(known, _)| is_same(known, hold)) {
                Some((_, partitions)) => partitions.push(view.partition),
                None => orders.push((hold.clone(), vec![view.partition])),
            }
        }
    }
    let sum = Holds::of(orders.iter().map(|(hold, _)| hold));
    let orders = orders.into_iter();
    held(
        sum,
        orders.map(|(hold, partitions)| order(&hold, Some(partitions))),
    )
}

fn held(sum: Holds, orders: impl Iterator<Item = HoldOrder>) -> Held {
    Held {
        paused: sum.paused,
        silenced_until: sum.silenced_until.map(format_time),
        orders: orders.collect(),
    }
}

/// Of one request: each partition has its record, with its time.
fn is_same(one: &Hold, other: &Hold) -> bool {
    Hold {
        at: other.at,
        ..one.clone()
    } == *other
}

fn order(hold: &Hold, partitions: Option<Vec<i32>>) -> HoldOrder {
    HoldOrder {
        order: hold.order(),
        who: hold.who.clone(),
        time: format_time(hold.at),
        reason: hold.reason.clone(),
        until: hold.until.map(format_time),
        target: hold.target.as_ref().map(ToString::to_string),
        partitions,
    }
}

/// What a silence of one target holds back: everything in its partition.
pub(super) fn held_with(target: &Target, view: &LedgerView) -> String {
    let state = view.read();
    let others = state.fold.targets_in_use();
    let name = target.to_string();
    let others: Vec<&String> = others.iter().filter(|other| **other != name).collect();
    let named: Vec<&str> = others
        .iter()
        .take(TARGETS_NAMED)
        .map(|other| other.as_str())
        .collect();
    let now = match others.len() - named.len() {
        _ if named.is_empty() => "no other target has anything in use there now".to_owned(),
        0 => format!("now also {}", named.join(", ")),
        more => format!("now also {} and {more} more", named.join(", ")),
    };
    format!(
        "{name} lives in ledger partition {}, and a silence holds every target of its partition: {now}",
        view.partition
    )
}
