//! Event types that are more than a row of the matrix, one file each: fields, target and texts of their own.
//!
//! To add one: write its file and name it in the two lists below. A type that needs nothing of its own needs no file; a table
//! `[rules.my_event_type]` answers it, and it has what [`EventKind`] gives by default.

mod data_drift_detected;
mod model_performance_degraded;
mod other;
mod prediction_latency_high;
mod service_health_check_failed;
mod system_overload;

use std::sync::LazyLock;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::actions::Action;
use crate::field::{Field, Length, Text};
use crate::language::Language;
use crate::ledger::record::{Id, Millis};
use crate::naming::ModelField;
use crate::severity::Severity;
use crate::target::TargetKind;
use crate::topic::{Role, TOPICS, Use};
use crate::view::EventView;

/// Every event type with a file of its own.
pub const KINDS: [&dyn EventKind; 5] = [
    &data_drift_detected::DataDriftDetected,
    &model_performance_degraded::ModelPerformanceDegraded,
    &system_overload::SystemOverload,
    &prediction_latency_high::PredictionLatencyHigh,
    &service_health_check_failed::ServiceHealthCheckFailed,
];

/// What is particular to an event type. Every default is that of a type without a file.
pub trait EventKind: Sync {
    /// The `event_type`.
    fn name(&self) -> &'static str;

    /// Who answers it.
    fn role(&self) -> Role {
        Role::Scaling
    }

    /// What it is about.
    fn about(&self, event_type: &str) -> About {
        let of_model = event_type.starts_with("model_") || event_type.starts_with("data_");
        if of_model {
            About::Model
        } else {
            About::WhatItNames
        }
    }

    /// Which field names the model before all others.
    fn model_field(&self) -> ModelField {
        ModelField::Version
    }

    /// Fields that rules may read to raise the severity. An event may carry others, and rules may read those, too.
    fn facts(&self) -> &'static [Fact] {
        &[]
    }

    /// The action that the event requires itself; it goes before the matrix.
    fn required(&self, view: &EventView<'_>) -> Option<Action> {
        let _ = view;
        None
    }

    /// Fields, other than facts, that it reads and that could not be taken as they are, one sentence each.
    fn remarks(&self, view: &EventView<'_>) -> Vec<String> {
        let message = view.field::<Text<'_>>("message");
        let wrong = message.remark("message", "text; it is not quoted");
        wrong.into_iter().collect()
    }

    /// What happened, as the beginning of a line.
    fn words(&self, event_type: &str, language: Language) -> String {
        let _ = language;
        event_type.replace('_', " ")
    }

    /// What people read.
    fn alert(&self, view: &EventView<'_>, subject: &Subject<'_>) -> AlertText {
        let said = match view.field("message") {
            Field::Value(Text(text)) if !text.is_empty() => {
                format!(
                    ": {}",
                    text.chars().take(MESSAGE_CHARS_MAX).collect::<String>()
                )
            }
            _ => String::new(),
        };
        let Subject {
            target,
            target_kind,
            severity,
            language,
            ..
        } = subject;
        let words = self.words(subject.event_type, *language);
        let kind = language.target_kind(*target_kind);
        let severity = language.severity(*severity);
        let message = match language {
            Language::En => format!("{words} on {kind} {target}, severity {severity}{said}"),
            Language::Ko => format!("{kind} {target}에서 {words} 발생, 심각도 {severity}{said}"),
        };
        AlertText {
            title: format!("{words}: {target}"),
            message,
        }
    }

    /// The reason that a training job is given.
    fn retrain_reason<'a>(&self, event_type: &'a str, severity: Severity) -> &'a str {
        let _ = severity;
        event_type
    }

    /// The type of its [`notice`](Self::notice), if it has one.
    fn notice_type(&self) -> Option<&'static str> {
        None
    }

    /// An event of our own that is published beside the proposal.
    fn notice(&self, view: &EventView<'_>, parts: &NoticeParts<'_>) -> Option<Notice> {
        let _ = (view, parts);
        None
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Its model.
    Model,
    /// Its service.
    Service,
    /// The model if it names one, else its service.
    WhatItNames,
}

/// A field that rules may compare with a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: &'static str,
    /// What it is compared as.
    pub shape: Shape,
}

/// What a fact is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number.
    Number,
    /// The length of a list.
    List,
    /// A number, or the length of a list: any field of an event that no kind of event declares.
    Either,
}

impl Shape {
    /// The value of a field of this shape.
    pub(crate) fn read(self, view: &EventView<'_>, name: &str) -> Field<f64> {
        match self {
            Self::Number => view.field(name),
            Self::List => view.field(name).map(|Length(length)| length as f64),
            Self::Either => view.quantity(name),
        }
    }

    /// What the field ought to be.
    pub(crate) const fn wanted(self) -> &'static str {
        match self {
            Self::Number => "a number; it was not considered",
            Self::List => "a list; it was not considered",
            Self::Either => "a number or a list; it was not considered",
        }
    }
}

/// What an event's texts are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its type.
    pub event_type: &'a str,
    /// Model or service.
    pub target_kind: TargetKind,
    /// Its name.
    pub target: &'a str,
    /// Severity after context.
    pub severity: Severity,
    /// Of the texts.
    pub language: Language,
}

/// A title and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertText {
    /// One short line.
    pub title: String,
    /// The facts.
    pub message: String,
}

/// What a [`Notice`] is made of, beside the event.
#[derive(Clone, Copy, Debug)]
pub struct NoticeParts<'a> {
    /// What it is about.
    pub subject: Subject<'a>,
    /// Version of the model that the event names.
    pub model_version: Option<&'a str>,
    /// What people read about it.
    pub message: &'a str,
    /// Id of the event.
    pub event_id: &'a str,
    /// What names the event in the notice's own id, the same for a replay.
    pub identity: Id,
    /// The present.
    pub now: Millis,
}

/// An event of our own to publish beside the proposal. Published again after a crash it has the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Where it goes.
    pub topic: &'static str,
    /// Its key.
    pub key: String,
    /// Its JSON.
    pub value: serde_json::Value,
}

/// Longest part of an event's `message` that is quoted, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

/// What is particular to an event type.
pub fn kind_of(event_type: &str) -> &'static dyn EventKind {
    known(event_type).0
}

/// Who answers a type of event, on whichever topic it arrives.
pub fn role_of(event_type: &str) -> Role {
    known(event_type).1
}

/// Both, looked up once.
pub(crate) fn known(event_type: &str) -> (&'static dyn EventKind, Role) {
    let known = KNOWN.get(event_type).copied();
    known.unwrap_or_else(|| (&other::Other, other::Other.role()))
}

/// What a file here or a topic declares, by type of event. A file goes before a topic.
static KNOWN: LazyLock<HashMap<&str, (&dyn EventKind, Role), FixedState>> = LazyLock::new(|| {
    let topics = TOPICS.iter().filter_map(|topic| match topic.usage {
        Use::Decide(role) => Some((topic.event_type, (&other::Other as &dyn EventKind, role))),
        _ => None,
    });
    let kinds = KINDS
        .into_iter()
        .map(|kind| (kind.name(), (kind, kind.role())));
    topics.chain(kinds).collect()
});

/// Types of the events that a file here declares or publishes.
pub fn declared_types() -> impl Iterator<Item = &'static str> {
    let types = KINDS
        .iter()
        .map(|kind| [Some(kind.name()), kind.notice_type()]);
    types.flatten().flatten()
}

/// The shape in which rules read a field, whatever the type of the event.
pub fn shape_of(field: &str) -> Shape {
    let mut facts = KINDS.iter().flat_map(|kind| kind.facts());
    let known = facts.find(|fact| fact.name == field);
    known.map_or(Shape::Either, |fact| fact.shape)
}
