//! The event of a preview: read from a file, opened, and placed on the topic that it would come on.

use std::io::{IsTerminal as _, Read as _, stdin};
use std::path::Path;

use homeostat_logic::enrich::{EVENT_BYTES_MAX, Stamp, enrich_for};
use homeostat_logic::params::plain;
use homeostat_logic::topic::{SYSTEM_ALERTS, TOPICS, Topic, Use, find};
use serde_json::Value;
use uuid::Uuid;

use super::super::{Failure, complain};
use super::Preview;
use crate::addressed_event;
use crate::configuration::nearest;

/// Room for the topic and the key around an event.
const FRAME_BYTES: usize = 16_384;

/// An event with its topic.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) topic: &'static Topic,
    /// Bare, with id, time and source.
    pub(super) text: String,
}

pub(super) fn read(wanted: &Preview, now: i64) -> Result<Placed, Failure> {
    let name = wanted.event.display().to_string();
    let bytes = content(&wanted.event).map_err(Failure::Failed)?;
    place(wanted, &bytes, now).map_err(|problem| Failure::Usage(format!("{name}: {problem}")))
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let most = (EVENT_BYTES_MAX + FRAME_BYTES) as u64 + 1;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        if stdin().is_terminal() {
            complain("reading one event from the keyboard; end with Ctrl-D");
        }
        stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    Ok(bytes)
}

fn place(wanted: &Preview, bytes: &[u8], now: i64) -> Result<Placed, String> {
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let first = documents.next();
    if matches!(first, Some(Ok(_))) && documents.next().is_some() {
        return Err(
            "holds more than one event; write one of them into a file of its own".to_owned(),
        );
    }
    let is_addressed = matches!(&first, Some(Ok(Value::Object(fields)))
        if fields.contains_key("topic") && fields.contains_key("value"));
    let (own_topic, value) = if is_addressed {
        let line = addressed_event::read(bytes).map_err(|error| error.to_string())?;
        (Some(line.topic), line.value.as_bytes())
    } else {
        (None, bytes.trim_ascii())
    };
    let named = wanted.topic.as_deref().map(topic_named).transpose()?;
    let by_type = wanted.event_type.as_deref().map(topic_of);
    let given = by_type.or(named).or(own_topic);
    // Of any topic: which one it is may depend on what the envelope says.
    let text = opened(given.unwrap_or_else(alerts), value, now)?;
    let topic = match given {
        Some(topic) => topic,
        None => own_type(&text)
            .map(|event_type| topic_of(&event_type))
            .ok_or("does not say what happened: name its topic (--topic) or its type (--type)")?,
    };
    if !matches!(topic.usage, Use::Decide(_) | Use::DecideByType) {
        return Err(format!("no action is taken on events of {}", topic.name));
    }
    let text = match &wanted.event_type {
        Some(event_type) => with_type(&text, event_type),
        None => text,
    };
    Ok(Placed { topic, text })
}

fn opened(topic: &Topic, value: &[u8], now: i64) -> Result<String, String> {
    let stamp = Stamp {
        event_id: &Uuid::new_v4().to_string(),
        time: now,
    };
    let enriched = enrich_for(topic, value, stamp).map_err(|error| error.to_string())?;
    Ok(enriched.text)
}

fn own_type(text: &str) -> Option<String> {
    let own = plain(text).0.get("event_type")?.as_str()?.trim().to_owned();
    Some(own).filter(|own| !own.is_empty())
}

/// The topic of that name.
fn topic_named(name: &str) -> Result<&'static Topic, String> {
    let names = TOPICS.map(|topic| topic.name);
    find(name).ok_or_else(|| match nearest(name, &names) {
        Some(meant) => format!("unknown topic {name}; did you mean `{meant}`?"),
        None => format!("unknown topic {name}; use one of {}", names.join(", ")),
    })
}

/// The topic that fixes the type, or the one on which any type may come.
fn topic_of(event_type: &str) -> &'static Topic {
    let mut topics = TOPICS.iter();
    let fixed = topics.find(|topic| {
        topic.event_type == event_type && !matches!(topic.usage, Use::Produce | Use::Hold)
    });
    fixed.unwrap_or_else(alerts)
}

/// Topics are a closed list, of which this is one.
fn alerts() -> &'static Topic {
    find(SYSTEM_ALERTS).unwrap_or_else(|| {
        let [first, ..] = &TOPICS;
        first
    })
}

/// With this type: of a repeated field the last counts.
fn with_type(text: &str, event_type: &str) -> String {
    let body = text.trim_end().strip_suffix('}').unwrap_or(text);
    // An event that was stamped has at least one field.
    format!("{body}, \"event_type\": {}}}", Value::from(event_type))
}
