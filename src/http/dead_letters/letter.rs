//! A dead letter as the API shows it, read from its record in the log.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use homeostat_actors::dead_letters::original_name;
use homeostat_actors::ports::log::{Header, NewRecord, StoredRecord};
use homeostat_logic::clock_text::format_time;
use homeostat_logic::dead_letters::{
    LetterId, Position, REPLAY_OF_HEADER, REPLAY_POSITION_HEADER, REPLAYED_HEADER,
};
use homeostat_logic::topic::{DEAD_LETTERS, ORIGIN_HEADER};
use schemars::JsonSchema;
use serde::Serialize;

/// A record of the dead-letter topic that is a letter.
pub(super) struct Letter {
    pub(super) id: LetterId,
    record: StoredRecord,
}

/// What is known of the replays of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// None.
    No,
    /// Its event was published again, there.
    Yes(String),
    /// More records follow the letter than one request reads; asking again reads on.
    NotYetKnown,
}

impl Replay {
    /// The fields `replayed` and `replayed_to`.
    fn shown(&self) -> (Option<bool>, Option<String>) {
        match self {
            Self::No => (Some(false), None),
            Self::Yes(to) => (Some(true), Some(to.clone())),
            Self::NotYetKnown => (None, None),
        }
    }
}

/// A record that could not be handled.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub(super) struct Summary {
    id: String,
    /// When it was written.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    topic: String,
    partition: Option<i64>,
    offset: Option<i64>,
    event_time: Option<String>,
    reason: String,
    error: Option<String>,
    attempts: Option<i64>,
    revision: Option<String>,
    bytes: Option<usize>,
    /// What did not fit into the letter.
    omitted: Option<&'static str>,
    /// The letter whose replay failed with this one.
    replay_of: Option<String>,
    /// null: more records follow it than one request reads; ask again.
    replayed: Option<bool>,
    /// topic/partition/offset of the replay.
    replayed_to: Option<String>,
}

impl Summary {
    /// Sets what is known of its replays.
    pub(super) fn replayed(&mut self, replay: &Replay) {
        (self.replayed, self.replayed_to) = replay.shown();
    }
}

/// The letter with the original bytes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WholeDeadLetter")]
pub(super) struct Whole {
    #[serde(flatten)]
    summary: Summary,
    key: Option<Shown>,
    value: Option<Shown>,
    headers: Vec<HeaderShown>,
}

/// Bytes as text where they are text, else in base64.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Bytes")]
enum Shown {
    Text(String),
    Base64(String),
}

/// A header of the record.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Header")]
struct HeaderShown {
    /// Escaped where it is no text.
    name: String,
    /// The bytes of a name that is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    value: Option<Shown>,
}

/// A marker: which letter was replayed, and where its event is now.
pub(super) fn marker(record: &StoredRecord) -> Option<(LetterId, String)> {
    let id = LetterId::parse(text_of(&record.headers, REPLAYED_HEADER)?)?;
    let to = text_of(&record.headers, "replayed-to").unwrap_or_default();
    Some((id, to.to_owned()))
}

/// The marker to write once a letter's event is durable again. It goes to the letter's partition, so it follows the letter.
pub(super) fn marker_record(id: LetterId, to: &str) -> NewRecord {
    NewRecord {
        topic: DEAD_LETTERS.to_owned(),
        partition: Some(id.partition),
        key: None,
        value: None,
        headers: vec![
            Header::new(REPLAYED_HEADER, id.to_string()),
            Header::new("replayed-to", to),
            Header::new(ORIGIN_HEADER, "dead-letter"),
        ],
    }
}

impl Letter {
    /// The letter in a record; markers and what others wrote there are none.
    pub(super) fn read(partition: i32, record: StoredRecord) -> Option<Self> {
        let offset = record.offset;
        let id = LetterId { partition, offset };
        let is_letter = text_of(&record.headers, "topic").is_some()
            && text_of(&record.headers, REPLAYED_HEADER).is_none();
        is_letter.then_some(Self { id, record })
    }

    fn text(&self, name: &str) -> Option<&str> {
        text_of(&self.record.headers, name)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The headers of the record itself, byte for byte.
    fn original(&self) -> impl Iterator<Item = Header> {
        self.record.headers.iter().filter_map(|header| {
            Some(Header {
                name: original_name(&header.name)?,
                value: header.value.clone(),
            })
        })
    }

    fn original_text(&self, wanted: &str) -> Option<String> {
        let found = self
            .original()
            .find(|header| header.name == wanted.as_bytes())?;
        String::from_utf8(found.value?).ok()
    }

    /// When it was written.
    pub(super) const fn time(&self) -> i64 {
        self.record.timestamp
    }

    /// Topic the event came from.
    pub(super) fn topic(&self) -> &str {
        self.text("topic").unwrap_or_default()
    }

    /// The kind of fault. Letters of versions before 0.1 have none.
    pub(super) fn reason(&self) -> &str {
        self.text("reason").unwrap_or("unknown")
    }

    /// What was left out because the letter did not fit, if anything.
    pub(super) fn omitted(&self) -> Option<&'static str> {
        ["value", "headers", "key"]
            .into_iter()
            .find(|part| self.text(&format!("{part}-omitted")).is_some())
    }

    /// Where the event was first: replays of replays keep it.
    fn first_position(&self) -> Option<Position> {
        let kept = self.original_text(REPLAY_POSITION_HEADER);
        kept.as_deref().and_then(Position::parse).or_else(|| {
            Some(Position {
                topic: self.topic().to_owned(),
                partition: self.number("partition")?.try_into().ok()?,
                offset: self.number("offset")?,
            })
        })
    }

    /// Names of the headers that a replay leaves out, printable: with them the event would become a dead letter again.
    pub(super) fn unreadable_headers(&self) -> Vec<String> {
        self.original()
            .filter(|header| header.name_text().is_none())
            .map(|header| header.name.escape_ascii().to_string())
            .collect()
    }

    /// The event as it was, to be published again; without its [`Self::unreadable_headers`].
    pub(super) fn replay(&self) -> NewRecord {
        let own = [REPLAY_OF_HEADER, REPLAY_POSITION_HEADER, ORIGIN_HEADER];
        let kept = |header: &Header| header.name_text().is_some_and(|name| !own.contains(&name));
        let mut headers: Vec<Header> = self.original().filter(kept).collect();
        headers.push(Header::new(REPLAY_OF_HEADER, self.id.to_string()));
        if let Some(first) = self.first_position() {
            headers.push(Header::new(REPLAY_POSITION_HEADER, first.to_string()));
        }
        NewRecord {
            topic: self.topic().to_owned(),
            partition: None,
            key: self.record.key.clone(),
            value: self.record.value.clone(),
            headers,
        }
    }

    /// What a listing shows.
    pub(super) fn summary(&self, replay: &Replay) -> Summary {
        let (replayed, replayed_to) = replay.shown();
        Summary {
            id: self.id.to_string(),
            time: format_time(self.record.timestamp),
            topic: self.topic().to_owned(),
            partition: self.number("partition"),
            offset: self.number("offset"),
            event_time: self.number("timestamp").map(format_time),
            reason: self.reason().to_owned(),
            error: self.text("error").map(str::to_owned),
            attempts: self.number("attempts"),
            revision: self.text("revision").map(str::to_owned),
            bytes: self.record.value.as_ref().map(Vec::len),
            omitted: self.omitted(),
            replay_of: self.original_text(REPLAY_OF_HEADER),
            replayed,
            replayed_to,
        }
    }

    /// Everything, the original bytes included.
    pub(super) fn whole(&self, replay: &Replay) -> Whole {
        let headers = self.original().map(|header| {
            let value = header.value.as_deref().map(shown);
            match header.name_text() {
                Some(name) => HeaderShown {
                    name: name.to_owned(),
                    name_base64: None,
                    value,
                },
                None => HeaderShown {
                    name: header.name.escape_ascii().to_string(),
                    name_base64: Some(BASE64_STANDARD.encode(&header.name)),
                    value,
                },
            }
        });
        Whole {
            summary: self.summary(replay),
            key: self.record.key.as_deref().map(shown),
            value: self.record.value.as_deref().map(shown),
            headers: headers.collect(),
        }
    }
}

/// Text if it is text, else base64.
fn shown(bytes: &[u8]) -> Shown {
    match std::str::from_utf8(bytes) {
        Ok(text) => Shown::Text(text.to_owned()),
        Err(_) => Shown::Base64(BASE64_STANDARD.encode(bytes)),
    }
}

fn text_of<'a>(headers: &'a [Header], wanted: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|header| header.name == wanted.as_bytes())?;
    std::str::from_utf8(found.bytes()).ok()
}
