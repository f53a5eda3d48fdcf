//! Decoding: from the bytes of a record to a compact typed event, borrowed while it reads and never panicking.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use crate::event_text::{EventError, as_text, object_fields, too_deep_at};
use crate::events::known;
pub use crate::events::role_of;
use crate::field::{Field, Present, Raw, Text, Word, lenient_struct};
use crate::form::FormError;
use crate::naming::{self, Naming, Resolved, TargetFields};
use crate::severity::Severity;
use crate::target::Target;
use crate::topic::{Role, Topic, Use};

pub use crate::event_text::{DEPTH_MAX, EVENT_BYTES_MAX};

/// Status of an alert that is over (Alertmanager).
pub(crate) const RESOLVED: &str = "resolved";
/// Longest event type in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 128;
/// Longest severity that may be a synonym, in bytes; what is longer is cut and then unknown.
const SEVERITY_BYTES_MAX: usize = 64;

/// Severity as the event declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// Not at all.
    Missing,
    /// As one of the four.
    Known(Severity),
    /// As another word or a number, which the rules' synonyms may know.
    Word(Arc<str>),
    /// As this kind of value, which no word is.
    Unreadable(&'static str),
}

/// How an event's own `event_type` relates to the type that it is judged as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnType {
    /// It is absent, or says the same.
    Same,
    /// It says something else, or nothing that can be read, on a topic that fixes the type: named in the reasons.
    Other,
    /// It is there and cannot be read on a topic where it alone says what happened: people are alerted.
    Unreadable,
}

/// An event, as far as rules look at it. Everything else stays in its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub event_type: Arc<str>,
    /// Who answers it.
    pub role: Role,
    /// Declared severity.
    pub declared: Declared,
    /// Whether it only says that an alert is over (Alertmanager).
    pub resolved: bool,
    /// Model named by the event.
    pub model: Naming,
    /// Service named by the event.
    pub service: Naming,
    /// How its own `event_type` relates to the type that it is judged as.
    pub own_type: OwnType,
}

/// Why a record is not an event. Each goes to the dead letters.
#[derive(
    Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Reject {
    /// A tombstone.
    #[error("the record has no value")]
    NoValue,
    /// A header of its record has a name that is no text.
    #[error(
        "the name of a header is not UTF-8 without NUL: {name}; the record is not read any further, whatever its value is"
    )]
    HeaderName {
        /// Its printable form.
        name: String,
    },
    /// Over the limit.
    #[error("the event has {bytes} bytes; the limit is {EVENT_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not text.
    #[error("the event is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// First bad byte.
        at: usize,
    },
    /// Nested too deeply.
    #[error("the event is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Not JSON, or not an object.
    #[error("the event is not a JSON object: {0}")]
    NotAnObject(String),
    /// An envelope or a form that is recognised and cannot be read.
    #[error(transparent)]
    UnreadableForm(FormError),
    /// An event about a user names none.
    #[error("the event names no user; it needs a user_id")]
    NoUser,
    /// An event about a user names it by something that is no id.
    #[error(
        "the event's user_id is {what} and no id: text without control characters, or a number, of 1 to 256 bytes"
    )]
    UnreadableUser {
        /// What it is.
        what: String,
    },
    /// A name is over its limit.
    #[error("the event's {field} has {bytes} bytes; the limit is {limit}")]
    NameTooLong {
        /// Which field.
        field: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl Reject {
    /// For a record with a header of this name. Bound: the first 64 bytes of it are shown.
    pub fn header_name(name: &[u8]) -> Self {
        let shown = name.get(..64).unwrap_or(name);
        let more = if name.len() > shown.len() { "…" } else { "" };
        Self::HeaderName {
            name: format!("{}{more}", shown.escape_ascii()),
        }
    }

    /// The reason as a metric label: one of [`strum::VariantNames::VARIANTS`].
    pub fn label(&self) -> &'static str {
        self.into()
    }
}

impl From<EventError> for Reject {
    fn from(error: EventError) -> Self {
        match error {
            EventError::TooLarge { bytes } => Self::TooLarge { bytes },
            EventError::NotUtf8 { offset } => Self::NotUtf8 { at: offset },
            EventError::TooDeep { .. } => Self::TooDeep,
            EventError::Form(form) => Self::UnreadableForm(form),
            EventError::Undecidable(why) => Self::NotAnObject(why),
            EventError::Syntax { .. } | EventError::NotAnObject { .. } => {
                Self::NotAnObject(error.to_string())
            }
        }
    }
}

lenient_struct! {
    /// The fields that rules look at, borrowed from the record.
    #[allow(non_snake_case, reason = "a name of CloudEvents 0.1")]
    pub(crate) struct Wire<'a> {
        event_type: Text<'a>,
        severity: Word<'a>,
        model_version: Raw<'a>,
        model_name: Raw<'a>,
        model: Raw<'a>,
        model_uri: Raw<'a>,
        model_id: Raw<'a>,
        service: Raw<'a>,
        service_name: Raw<'a>,
        // Of envelopes.
        specversion: Present,
        cloudEventsVersion: Present,
        payload: Present,
        op: Present,
        __deleted: Present,
        alerts: Present,
        labels: Present,
        // Of an Alertmanager notification that was opened.
        alertmanager: Text<'a>,
    }
}

impl<'a> Wire<'a> {
    /// Reads the text of a JSON object.
    pub(crate) fn of(text: &'a str) -> Result<Self, Reject> {
        Self::read(text).map_err(|error| {
            // Read again, for words that say more and a place in bytes.
            let found = object_fields(text).err();
            found.map_or_else(|| Reject::NotAnObject(error.to_string()), Reject::from)
        })
    }

    /// Whether it has a field that marks an envelope; only a look at all fields can say.
    pub(crate) fn may_be_an_envelope(&self) -> bool {
        let marks = [
            self.specversion,
            self.cloudEventsVersion,
            self.payload,
            self.op,
            self.__deleted,
            self.alerts,
            self.labels,
        ];
        marks.iter().any(|mark| *mark != Field::Missing)
    }
}

impl<'a> Wire<'a> {
    const fn target_fields(&self) -> TargetFields<'a> {
        TargetFields {
            model_version: self.model_version,
            model_name: self.model_name,
            model: self.model,
            model_uri: self.model_uri,
            model_id: self.model_id,
            service: self.service,
            service_name: self.service_name,
        }
    }
}

/// Names already seen, so that an event's strings are shared instead of copied. Full = new names are copied.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<str>, RandomState>);

impl Names {
    /// Names kept.
    const NAMES_MAX: usize = 4_096;

    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        if self.0.len() < Self::NAMES_MAX {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}

/// Checks size, encoding and nesting, and returns the event's text.
///
/// # Errors
/// The [`Reject`] that says what is wrong.
pub fn check_text(value: Option<&[u8]>) -> Result<&str, Reject> {
    let text = as_text(value.ok_or(Reject::NoValue)?)?;
    if too_deep_at(text.as_bytes()).is_some() {
        return Err(Reject::TooDeep);
    }
    Ok(text)
}

/// Decodes a bare event of a topic. Records may hold envelopes: [`crate::envelope::decode_record`].
///
/// # Errors
/// The [`Reject`] that belongs into the dead letter.
pub fn decode(value: Option<&[u8]>, topic: &Topic, names: &mut Names) -> Result<Event, Reject> {
    event_of(&Wire::of(check_text(value)?)?, topic, names)
}

/// The event of a topic that these fields make.
pub(crate) fn event_of(wire: &Wire<'_>, topic: &Topic, names: &mut Names) -> Result<Event, Reject> {
    let (own_type, event_type) = own_type(topic, &wire.event_type)?;
    let event_type = names.get(event_type);
    let (kind, role) = known(&event_type);
    let fields = wire.target_fields();
    let model = fields.model(kind.model_field());
    let model = named("model", naming::resolve_model(&model), names)?;
    let service = named("service", naming::resolve_service(&fields.service()), names)?;
    Ok(Event {
        role,
        event_type,
        declared: declared(&wire.severity, names),
        resolved: matches!(&wire.alertmanager, Field::Value(Text(status)) if status == RESOLVED),
        model,
        service,
        own_type,
    })
}

/// The type that an event is judged as: the topic's, or its own where the topic leaves that to it.
fn own_type<'a>(topic: &'a Topic, own: &'a Field<Text<'_>>) -> Result<(OwnType, &'a str), Reject> {
    let by_type = topic.usage == Use::DecideByType;
    let text = match own {
        Field::Value(Text(text)) if !text.trim().is_empty() => text.trim(),
        Field::Missing => return Ok((OwnType::Same, topic.event_type)),
        Field::Value(_) | Field::Wrong(_) if by_type => {
            return Ok((OwnType::Unreadable, topic.event_type));
        }
        Field::Value(_) | Field::Wrong(_) => return Ok((OwnType::Other, topic.event_type)),
    };
    if by_type {
        bounded("event_type", text, EVENT_TYPE_BYTES_MAX)?;
        return Ok((OwnType::Same, text));
    }
    let same = text.eq_ignore_ascii_case(topic.event_type) || text == topic.name;
    let own = if same { OwnType::Same } else { OwnType::Other };
    Ok((own, topic.event_type))
}

fn named(what: &'static str, resolved: Resolved<'_>, names: &mut Names) -> Result<Naming, Reject> {
    Ok(match resolved {
        Resolved::Absent => Naming::Absent,
        Resolved::Unreadable(raw) => Naming::Unreadable(Arc::from(naming::unreadable_target(raw))),
        Resolved::Target(found) => {
            let (name, version) = match what {
                "model" => ("model name", "model version"),
                _ => ("service name", "service version"),
            };
            let version = match &found.version {
                Some(text) => Some(names.get(bounded(version, text, Target::NAME_BYTES_MAX)?)),
                None => None,
            };
            Naming::Is {
                name: names.get(bounded(name, &found.name, Target::NAME_BYTES_MAX)?),
                version,
            }
        }
    })
}

fn declared(field: &Field<Word<'_>>, names: &mut Names) -> Declared {
    let word = match field {
        Field::Missing => return Declared::Missing,
        Field::Wrong(kind) => return Declared::Unreadable(kind),
        Field::Value(Word(text)) => text.trim(),
    };
    Severity::parse(word).map_or_else(
        || {
            let end = word.floor_char_boundary(SEVERITY_BYTES_MAX);
            Declared::Word(names.get(word.get(..end).unwrap_or_default()))
        },
        Declared::Known,
    )
}

fn bounded<'a>(field: &'static str, name: &'a str, limit: usize) -> Result<&'a str, Reject> {
    if name.len() > limit {
        return Err(Reject::NameTooLong {
            field,
            bytes: name.len(),
            limit,
        });
    }
    Ok(name)
}
