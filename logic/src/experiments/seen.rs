//! What happens to a user's recommendations, as the events that are counted carry it.

use serde::{Deserialize, Serialize};

use super::arms::Assigned;
use crate::ledger::record::Millis;

/// Items of a list that are counted. Further ones are not.
pub const ITEMS_MAX: usize = 64;
/// Longest id of a list, in bytes. A list with a longer one is counted, and cannot be named by a click.
pub const LIST_BYTES_MAX: usize = 64;
/// Experiments that one list counts for.
pub const ASSIGNED_MAX: usize = super::settings::EXPERIMENTS_MAX;

/// Something that is counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// A list was pushed or served to the user.
    Impression(Impression),
    /// The user did something with an item.
    Reaction(Reaction),
}

/// A list that was pushed or served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Impression {
    /// Id of the list. The same list that is served again, from the cache or after a reconnect, has the same id and counts once.
    pub list: String,
    /// Ids of its items, in the order shown.
    pub items: Vec<String>,
    /// Place of the first one, counted from 1; more for a further page of a list.
    pub first_place: u32,
    /// Items that were asked for.
    pub asked: u32,
    /// The user's arm in each experiment that the list is part of.
    pub assigned: Vec<Assigned>,
    /// The model that made it, as `name@version`.
    pub model: String,
    /// Segment of the user, such as `new` and `returning`.
    pub segment: String,
    /// Milliseconds that it took to make.
    pub latency_ms: Option<f64>,
    /// When it was pushed or served.
    pub time: Millis,
}

/// What a user did with an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// Click or negative feedback.
    pub sort: Sort,
    /// Id of the item.
    pub item: String,
    /// Id of the list, if the event names it; without it, the newest list with the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// When.
    pub time: Millis,
}

/// Sort of a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// A click.
    Click,
    /// A dislike, or the item was hidden.
    Negative,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was counted.
    Counted,
    /// It, or an event behind it, was applied before: nothing changed.
    Applied,
    /// The list, or the reaction to an item of a list, was counted before.
    Repeated,
    /// It is beyond what counts of a user in an hour.
    Excluded,
    /// No impression within the window is known. It is kept for a short while.
    Unattributed,
    /// It has no item.
    Empty,
}
