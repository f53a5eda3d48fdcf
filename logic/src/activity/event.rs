//! Events about users: read from the topics of the platform, and written to the topic in which each user's events meet.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::origin::Origin;
use crate::event::Reject;
use crate::event_time::{self, EventTime};
use crate::field::{Field, Raw, lenient_struct};
use crate::ledger::placement::partition_of_key;
use crate::ledger::record::Millis;
use crate::recommend::id_text;

/// Items of one event that are kept; further ones are left out and counted.
pub const ITEMS_MAX: usize = 100;
/// Longest type of an interaction in bytes; a longer one is cut.
pub const TYPE_BYTES_MAX: usize = 64;
/// Largest context in bytes; a larger one is left out and counted.
pub const CONTEXT_BYTES_MAX: usize = 2_048;
/// The type of an interaction that names none.
const UNTYPED: &str = "unknown";

/// What a user did, or what is to be done about a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserEvent {
    /// Id of the user.
    pub user: String,
    /// When, in milliseconds since 1970; never later than it was read.
    pub at: Millis,
    /// The record that it was read from; `None` if it changes nothing when it comes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What was done.
    #[serde(flatten)]
    pub did: Did,
}

/// What a user did, or what is to be done about a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum Did {
    /// Interacted with items.
    Interact(Interaction),
    /// Clicked on something that was recommended.
    Click(Interaction),
    /// Another user, who is similar, chose these items: they count more for this one.
    Kin {
        /// Ids of the items.
        items: Vec<String>,
    },
    /// Was shown these items, on request.
    Served(Served),
    /// Everything about the user is to be erased.
    Erase,
}

/// What a user did with some items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its type, such as `view`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Ids of the items, in the order in which they were chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// What the event says beside: the text of a JSON object, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Items and contexts that were left out for their size or number, or because an id is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

/// A list that was shown to a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Its id.
    pub list: String,
    /// Ids of the items, in the order shown.
    pub items: Vec<String>,
    /// The arms of experiments that made it, by experiment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<(String, String)>,
    /// What made it.
    pub model: String,
    /// How many items were asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked: u32,
    /// Milliseconds that it took to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

lenient_struct! {
    /// The fields of an event about a user, in the spellings in use.
    #[allow(non_snake_case, reason = "names of fields as producers write them")]
    struct Wire<'a> {
        user_id: Raw<'a>,
        userId: Raw<'a>,
        interaction_type: Raw<'a>,
        interactionType: Raw<'a>,
        feedback_type: Raw<'a>,
        feedback: Raw<'a>,
        rating: Raw<'a>,
        item_ids: Raw<'a>,
        itemIds: Raw<'a>,
        item_id: Raw<'a>,
        itemId: Raw<'a>,
        context: Raw<'a>,
        recommendation_context: Raw<'a>,
        timestamp: Raw<'a>,
    }
}

/// The topics whose events are about users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `business.user.interaction`.
    Interaction,
    /// `business.recommendation.clicked`.
    Click,
    /// `business.feedback.received`.
    Feedback,
}

impl Source {
    /// The source of this name.
    pub fn of(topic: &str) -> Option<Self> {
        match topic {
            "business.user.interaction" => Some(Self::Interaction),
            "business.recommendation.clicked" => Some(Self::Click),
            "business.feedback.received" => Some(Self::Feedback),
            _ => None,
        }
    }
}

/// Reads the bare text of an event. `logged` is the log's time of its record.
///
/// # Errors
/// It names no user, or no JSON object was found.
pub fn read(
    source: Source,
    text: &str,
    origin: Origin,
    logged: Millis,
    now: Millis,
) -> Result<UserEvent, Reject> {
    let wire = Wire::read(text).map_err(|error| Reject::NotAnObject(error.to_string()))?;
    let user = user(first([wire.user_id, wire.userId]))?;
    let at = time(wire.timestamp, logged, now);
    let mut interaction = Interaction::default();
    let items = first([wire.item_ids, wire.itemIds, wire.item_id, wire.itemId]);
    interaction.take_items(items);
    interaction.take_context(first([wire.context, wire.recommendation_context]));
    let typed = first([wire.interaction_type, wire.interactionType]);
    let did = match source {
        Source::Interaction => {
            interaction.kind = word(typed).unwrap_or_else(|| UNTYPED.to_owned());
            Did::Interact(interaction)
        }
        Source::Click => {
            "click".clone_into(&mut interaction.kind);
            Did::Click(interaction)
        }
        Source::Feedback => {
            let said = first([wire.feedback_type, wire.feedback]);
            interaction.kind = rated(wire.rating)
                .or_else(|| word(typed.or(said)))
                .unwrap_or_else(|| "feedback".to_owned());
            Did::Interact(interaction)
        }
    };
    Ok(UserEvent {
        user,
        at,
        origin: Some(origin),
        did,
    })
}

impl UserEvent {
    /// Its text, for a record.
    ///
    /// # Errors
    /// Never, as far as serde goes: all keys are text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// It did not.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// The partition that holds all events of a user, out of `partitions`.
pub fn partition_of_user(user: &str, partitions: usize) -> i32 {
    i32::try_from(partition_of_key(user.as_bytes(), partitions)).unwrap_or(i32::MAX)
}

/// The id of a user as it is used everywhere: `None` if it is none. One with control characters is none, for it could be in no
/// address and no line.
pub fn canonical_user(text: &str) -> Option<String> {
    let id = id_text(&serde_json::Value::String(text.to_owned())).map(Cow::into_owned);
    id.filter(|id| is_printable(id))
}

fn is_printable(id: &str) -> bool {
    !id.contains(char::is_control)
}

fn first<const N: usize>(fields: [Field<Raw<'_>>; N]) -> Option<Raw<'_>> {
    fields.into_iter().find_map(Field::value)
}

/// An id, whether it is written as a number or as text.
fn id(raw: Raw<'_>) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(raw.0).ok()?;
    id_text(&value).map(Cow::into_owned)
}

fn user(raw: Option<Raw<'_>>) -> Result<String, Reject> {
    let raw = raw.ok_or(Reject::NoUser)?;
    let what = match id(raw) {
        Some(id) if is_printable(&id) => return Ok(id),
        Some(_) => "text with control characters",
        None => raw.kind(),
    };
    Err(Reject::UnreadableUser {
        what: what.to_owned(),
    })
}

fn word(raw: Option<Raw<'_>>) -> Option<String> {
    let mut text = id(raw?)?;
    if text.len() > TYPE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TYPE_BYTES_MAX));
    }
    Some(text)
}

/// A rating of one to five as an interaction: what is in between says little.
fn rated(raw: Field<Raw<'_>>) -> Option<String> {
    let rating: f64 = id(raw.value()?)?.parse().ok()?;
    let kind = match rating {
        _ if rating >= 4.0 => "high_rating",
        _ if rating <= 2.0 => "low_rating",
        _ => "rating",
    };
    Some(kind.to_owned())
}

/// The event's own time if it can be believed, else the log's, else now; never later than now.
fn time(own: Field<Raw<'_>>, logged: Millis, now: Millis) -> Millis {
    let logged = if logged > 0 { logged.min(now) } else { now };
    match event_time::read(own, now) {
        // A time without an offset could be up to a day later than the event was logged.
        EventTime::At { latest, .. } => latest.min(logged),
        EventTime::Absent | EventTime::Implausible(_) => logged,
    }
}

impl Interaction {
    /// One id, or a list of them.
    fn take_items(&mut self, raw: Option<Raw<'_>>) {
        let Some(raw) = raw else { return };
        let all: Vec<&RawValue> = match raw.kind() {
            "a list" => serde_json::from_str(raw.0).unwrap_or_default(),
            _ => serde_json::from_str(raw.0).into_iter().collect(),
        };
        for raw in all {
            match id(Raw(raw.get())) {
                Some(id) if self.items.len() < ITEMS_MAX => self.items.push(id),
                _ => self.left_out = self.left_out.saturating_add(1),
            }
        }
    }

    /// An object that is not empty.
    fn take_context(&mut self, raw: Option<Raw<'_>>) {
        let Some(raw) = raw.filter(|raw| raw.kind() == "an object") else {
            return;
        };
        if raw.0.len() > CONTEXT_BYTES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let is_empty = raw
            .0
            .trim_matches(['{', '}', ' ', '\n', '\t', '\r'])
            .is_empty();
        self.context = (!is_empty).then(|| raw.0.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_796_010_120_000;

    fn origin() -> Origin {
        Origin::new("business.user.interaction", 1, 7, 1)
    }

    fn event(source: Source, text: &str) -> Result<UserEvent, Reject> {
        read(source, text, origin(), NOW - 5, NOW)
    }

    fn interaction(text: &str) -> (String, Interaction) {
        let event = event(Source::Interaction, text).unwrap();
        match event.did {
            Did::Interact(interaction) => (event.user, interaction),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_id_is_one_as_a_number_and_as_text() {
        for text in [
            r#"{"user_id":7,"interaction_type":"view","item_ids":[1,"1",1.0]}"#,
            r#"{"user_id":"7","interaction_type":"view","item_ids":["1","1","1"]}"#,
            r#"{"userId":" 7 ","interactionType":"view","itemIds":[1,1,1]}"#,
            r#"{"user_id":7.0,"interaction_type":"view","item_ids":["1",1,1],"extra":{}}"#,
        ] {
            let (user, did) = interaction(text);
            assert_eq!((&*user, &*did.kind), ("7", "view"), "{text}");
            assert_eq!(did.items, ["1", "1", "1"], "{text}");
        }
    }

    #[test]
    fn an_event_that_names_no_user_is_rejected_by_name() {
        // Of what was read, spaces and line breaks around an id are no part of it.
        let trimmed = event(Source::Interaction, "{\"user_id\":\"\\n a b\\t\"}").unwrap();
        assert_eq!(trimmed.user, "a b");
        for (text, label) in [
            (r#"{"interaction_type":"view"}"#, "no_user"),
            (r#"{"user_id":null}"#, "no_user"),
            (r#"{"user_id":""}"#, "unreadable_user"),
            (r#"{"user_id":[7]}"#, "unreadable_user"),
            (r#"{"user_id":true}"#, "unreadable_user"),
            ("{\"user_id\":\"a\\u0000b\"}", "unreadable_user"),
            ("{\"user_id\":\"a\\nb\"}", "unreadable_user"),
            ("{\"user_id\":\"a\\u007f\"}", "unreadable_user"),
        ] {
            let reject = event(Source::Interaction, text).unwrap_err();
            assert_eq!(reject.label(), label, "{text}");
        }
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let items: Vec<String> = (0..10_000).map(|item| item.to_string()).collect();
        let text = format!(
            r#"{{"user_id":1,"interaction_type":"{}","item_ids":[{}],"context":{{"a":"{}"}}}}"#,
            "ä".repeat(40),
            items.join(","),
            "x".repeat(3_000)
        );
        let (_, did) = interaction(&text);
        assert_eq!((did.items.len(), did.left_out), (ITEMS_MAX, 9_901));
        assert_eq!((did.kind.chars().count(), did.context), (32, None));
        let (_, did) = interaction(r#"{"user_id":1,"item_ids":[null,{},"",[],"a"]}"#);
        assert_eq!((&*did.items, did.left_out), (&["a".to_owned()][..], 4));
        assert_eq!(did.kind, UNTYPED);
    }

    #[test]
    fn a_rating_is_an_interaction_by_its_height() {
        for (text, kind) in [
            (r#"{"user_id":1,"item_id":2,"rating":5}"#, "high_rating"),
            (r#"{"user_id":1,"item_id":2,"rating":"4"}"#, "high_rating"),
            (r#"{"user_id":1,"item_id":2,"rating":3}"#, "rating"),
            (r#"{"user_id":1,"item_id":2,"rating":1}"#, "low_rating"),
            (
                r#"{"user_id":1,"item_id":2,"feedback_type":"like"}"#,
                "like",
            ),
            (
                r#"{"user_id":1,"item_id":2,"feedback":"dislike"}"#,
                "dislike",
            ),
            (r#"{"user_id":1,"item_id":2}"#, "feedback"),
        ] {
            match event(Source::Feedback, text).unwrap().did {
                Did::Interact(did) => assert_eq!(did.kind, kind, "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn no_time_is_later_than_the_record() {
        for (time, at) in [
            ("\"2026-11-30T03:00:00Z\"", 1_796_007_600_000),
            ("\"2031-01-01T00:00:00Z\"", NOW - 5),
            ("1796010119", 1_796_010_119_000),
            ("\"yesterday\"", NOW - 5),
            ("null", NOW - 5),
        ] {
            let text = format!(r#"{{"user_id":1,"timestamp":{time}}}"#);
            assert_eq!(event(Source::Interaction, &text).unwrap().at, at, "{time}");
        }
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let text =
            r#"{"user_id":1,"item_id":"a","recommendation_context":{"list":"1-2", "n":1.50}}"#;
        let click = event(Source::Click, text).unwrap();
        let json = click.to_json().unwrap();
        let Did::Click(Interaction { context, .. }) = &click.did else {
            panic!("{click:?}");
        };
        assert_eq!(context.as_deref(), Some(r#"{"list":"1-2", "n":1.50}"#));
        assert_eq!(UserEvent::from_json(json.as_bytes()).unwrap(), click);
        let erase = UserEvent {
            did: Did::Erase,
            ..click
        };
        let json = erase.to_json().unwrap();
        assert_eq!(UserEvent::from_json(json.as_bytes()).unwrap(), erase);
    }
}
