//! What publishing adds to an event (SPEC §2): its id, its time, its source, and nothing else.
//!
//! Works on the text: unknown fields, number formats and the order of keys come out byte for byte as they came in.

use crate::catalog;
use crate::envelope;
use crate::event::Names;
use crate::event_text::{as_text, object_fields, position_in, quote};
use crate::ledger::times::Millis;
use crate::topic::{SOURCE, Topic, Use};

pub use crate::event_text::{DEPTH_MAX, EVENT_BYTES_MAX, EventError, syntax_error};

/// What is given to an event that does not have it.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// A fresh UUID v4.
    pub event_id: &'a str,
    /// Now.
    pub time: Millis,
}

/// An event ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enriched {
    /// The event's JSON.
    pub text: String,
    /// Its id: its own, else the stamp's. An own id that is no string is given as its JSON text.
    pub event_id: String,
    /// Key that the event names itself: the id of its item, or that of its envelope
    /// ([`envelope::cloud_events::BareEvent::key`]); for the record unless the caller names one.
    pub key: Option<String>,
}

/// Adds `event_id`, `timestamp` and `source` where the event has none. A null counts as none and is replaced in
/// place; of a repeated name the last counts, as in every JSON reader.
pub fn enrich(event: &[u8], stamp: Stamp<'_>) -> Result<Enriched, EventError> {
    let text = as_text(event)?;
    let fields = object_fields(text)?;
    let last = |name: &str| fields.iter().rev().find(|field| field.name == name);

    let own_id = last("event_id").filter(|field| field.value.get() != "null");
    let event_id = own_id.map_or_else(
        || stamp.event_id.to_owned(),
        |field| {
            serde_json::from_str(field.value.get()).unwrap_or_else(|_| field.value.get().to_owned())
        },
    );

    let additions = [
        ("event_id", quote(stamp.event_id)),
        ("timestamp", quote(&rfc3339(stamp.time))),
        ("source", quote(SOURCE)),
    ];
    let mut replaced = Vec::new();
    let mut appended = String::new();
    for (name, value) in additions {
        match last(name) {
            None => {
                let comma = if fields.is_empty() && appended.is_empty() {
                    ""
                } else {
                    ", "
                };
                appended.extend([comma, "\"", name, "\": ", &value]);
            }
            Some(field) if field.value.get() == "null" => {
                replaced.push((position_in(text, field.value.get()), value));
            }
            Some(_) => {}
        }
    }
    let text = splice(text, replaced, &appended);
    if text.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLarge { bytes: text.len() });
    }
    Ok(Enriched {
        text,
        event_id,
        key: None,
    })
}

/// As [`enrich`], but opens the event's envelopes first and checks that a consumer of the topic can decide about it.
pub fn enrich_for(topic: &Topic, event: &[u8], stamp: Stamp<'_>) -> Result<Enriched, EventError> {
    let text = envelope::bytes::text_of(event)?;
    let enriched = match envelope::open_text(text)? {
        None => enrich(text.as_bytes(), stamp)?,
        Some(bare) => Enriched {
            key: bare.key,
            ..enrich(bare.text.as_bytes(), stamp)?
        },
    };
    if topic.usage == Use::Hold {
        // Without the right key nothing of it could be compacted.
        let key = catalog::key_of(&enriched.text);
        let key = key.map_err(|fault| EventError::Undecidable(fault.to_string()))?;
        return Ok(Enriched {
            key: Some(key),
            ..enriched
        });
    }
    let text = Some(enriched.text.as_bytes());
    match envelope::decode_record(text, &[], topic, &mut Names::default()) {
        Ok(_) => Ok(enriched),
        Err(reject) => Err(EventError::Undecidable(reject.to_string())),
    }
}

/// The text with each `null` at a position replaced and `appended` put before the closing brace.
fn splice(text: &str, mut replaced: Vec<(usize, String)>, appended: &str) -> String {
    replaced.sort();
    let end = text.trim_end().len().saturating_sub(1);
    let mut result = String::with_capacity(text.len() + appended.len() + 128);
    let mut done = 0;
    for (position, value) in replaced {
        result.push_str(text.get(done..position).unwrap_or_default());
        result.push_str(&value);
        done = position + "null".len();
    }
    let body = text.get(done..end).unwrap_or_default();
    // Blanks before the closing brace stay behind the addition, so that a pretty-printed event stays readable.
    let trimmed = if appended.is_empty() {
        body
    } else {
        body.trim_end()
    };
    result.push_str(trimmed);
    result.push_str(appended);
    result.push_str(body.get(trimmed.len()..).unwrap_or_default());
    result.push_str(text.get(end..).unwrap_or_default());
    result
}

fn rfc3339(time: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(time).map_or_else(
        || time.to_string(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, false),
    )
}

#[cfg(test)]
#[path = "enrich_tests.rs"]
mod tests;
