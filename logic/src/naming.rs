//! Which model or service an event names, out of the fields that may say so (issue 13, row 6).
//!
//! A field that is absent or null says nothing. One that is there and cannot be read never makes room for a default: if no
//! other field names the target, the event is about an unknown one, and people are alerted. Fields that name different
//! models are named in the reasons; which of them counts is fixed by the event type (SPEC §3).

use std::borrow::Cow;
use std::sync::Arc;

use crate::field::{Field, Raw, lenient_struct};
use crate::model_reference::{self, is_bare_word, is_hidden, is_printable};
use crate::view::EventView;

/// What an event says about its model or its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Nothing.
    Absent,
    /// This one.
    Is {
        /// Name without version: the target.
        name: Arc<str>,
        /// Version, alias or stage of a model, as it was written.
        version: Option<Arc<str>>,
    },
    /// Something that cannot be read, as a separate target name (`unreadable_target`).
    Unreadable(Arc<str>),
}

impl Naming {
    /// The name, if the event gives a readable one.
    pub const fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Is { name, .. } => Some(name),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }

    /// The version, if the event gives one.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Is { version, .. } => version.as_deref(),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// Which field names the model before all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelField {
    /// `model_version`, as in `churn@7`.
    Version,
    /// `model_name`.
    Name,
}

/// A field that may name a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) field: &'static str,
    pub(crate) value: Field<Raw<'a>>,
}

impl Given<'_> {
    const fn is_missing(&self) -> bool {
        matches!(self.value, Field::Missing)
    }
}

/// Every field that may name a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetFields<'a> {
    pub(crate) model_version: Field<Raw<'a>>,
    pub(crate) model_name: Field<Raw<'a>>,
    pub(crate) model: Field<Raw<'a>>,
    pub(crate) model_uri: Field<Raw<'a>>,
    pub(crate) model_id: Field<Raw<'a>>,
    pub(crate) service: Field<Raw<'a>>,
    pub(crate) service_name: Field<Raw<'a>>,
}

lenient_struct! {
    /// A target given as an object.
    struct Described<'a> {
        name: Raw<'a>,
        version: Raw<'a>,
        alias: Raw<'a>,
    }
}

impl<'a> TargetFields<'a> {
    pub(crate) fn of(view: &EventView<'a>) -> Self {
        Self {
            model_version: view.field(MODEL_VERSION),
            model_name: view.field("model_name"),
            model: view.field("model"),
            model_uri: view.field("model_uri"),
            model_id: view.field(MODEL_ID),
            service: view.field("service"),
            service_name: view.field("service_name"),
        }
    }

    /// The fields that may name the model, the one that counts first at the front.
    pub(crate) const fn model(&self, counts_first: ModelField) -> [Given<'a>; 5] {
        let version = given("model_version", self.model_version);
        let name = given("model_name", self.model_name);
        let (first, second) = match counts_first {
            ModelField::Name => (name, version),
            ModelField::Version => (version, name),
        };
        [
            first,
            second,
            given("model", self.model),
            given("model_uri", self.model_uri),
            given(MODEL_ID, self.model_id),
        ]
    }

    /// The fields that may name the service.
    pub(crate) const fn service(&self) -> [Given<'a>; 2] {
        [
            given("service", self.service),
            given("service_name", self.service_name),
        ]
    }
}

const fn given<'a>(field: &'static str, value: Field<Raw<'a>>) -> Given<'a> {
    Given { field, value }
}

const MODEL_VERSION: &str = "model_version";
/// An id beside a name is no other name.
const MODEL_ID: &str = "model_id";

/// A name, and the version with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) version: Option<Cow<'a, str>>,
}

/// What one field says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reading<'a> {
    Absent,
    Target(Found<'a>),
    /// Only a version; `text` if it was written as a string, for which SPEC §3 knows a rule.
    Version {
        version: Cow<'a, str>,
        text: bool,
    },
    /// What it is instead.
    Unreadable(&'static str),
}

/// What all fields together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved<'a> {
    Absent,
    Target(Found<'a>),
    Unreadable(Raw<'a>),
}

/// Which model the fields name. Of several the first counts; the version comes from `model_version` before any other
/// field, and only from one that is about the same model.
pub(crate) fn resolve_model<'a>(fields: &[Given<'a>; 5]) -> Resolved<'a> {
    if fields.iter().all(Given::is_missing) {
        return Resolved::Absent;
    }
    let mut readings = fields.map(read_model);
    let chosen = readings
        .iter_mut()
        .find(|reading| matches!(reading, Reading::Target(_)));
    let Some(chosen) = chosen else {
        return without_name(fields.iter().zip(&readings));
    };
    let Reading::Target(mut found) = std::mem::replace(chosen, Reading::Absent) else {
        return Resolved::Absent;
    };
    let own = fields
        .iter()
        .position(|given| given.field == MODEL_VERSION)
        .and_then(|index| readings.get(index));
    let better = match own {
        Some(Reading::Version { version, .. }) => Some(version.clone()),
        Some(Reading::Target(other)) if other.name == found.name => other.version.clone(),
        _ => None,
    };
    let mut others = readings.iter().filter_map(|reading| match reading {
        Reading::Target(other) if other.name == found.name => other.version.clone(),
        _ => None,
    });
    found.version = better
        .or_else(|| found.version.take())
        .or_else(|| others.next());
    Resolved::Target(found)
}

/// Which service the fields name; of two the first counts.
pub(crate) fn resolve_service<'a>(fields: &[Given<'a>; 2]) -> Resolved<'a> {
    if fields.iter().all(Given::is_missing) {
        return Resolved::Absent;
    }
    let readings = fields.map(read_service);
    match readings
        .iter()
        .find(|reading| matches!(reading, Reading::Target(_)))
    {
        Some(Reading::Target(found)) => Resolved::Target(found.clone()),
        _ => without_name(fields.iter().zip(&readings)),
    }
}

fn without_name<'a: 'r, 'r>(
    mut fields: impl Iterator<Item = (&'r Given<'a>, &'r Reading<'a>)>,
) -> Resolved<'a> {
    let unreadable = fields.find_map(|(given, reading)| match (reading, given.value) {
        (Reading::Unreadable(_) | Reading::Version { text: false, .. }, Field::Value(raw)) => {
            Some(raw)
        }
        _ => None,
    });
    unreadable.map_or(Resolved::Absent, Resolved::Unreadable)
}

fn read_model(given: Given<'_>) -> Reading<'_> {
    let Field::Value(raw) = given.value else {
        return Reading::Absent;
    };
    let is_version = given.field == MODEL_VERSION;
    match raw.kind() {
        "a string" => match raw.text() {
            Some(text) => read_text(text, is_version),
            None => Reading::Unreadable("text that cannot be read"),
        },
        "a number" if is_version => Reading::Version {
            version: Cow::Borrowed(raw.0),
            text: false,
        },
        "an object" => read_object(raw, |name| read_text(name, false)),
        kind => Reading::Unreadable(kind),
    }
}

fn read_text(text: Cow<'_, str>, is_version: bool) -> Reading<'_> {
    if text.trim().is_empty() {
        return Reading::Unreadable("empty");
    }
    if is_version && is_bare_word(&text) && is_printable(text.trim()) {
        return Reading::Version {
            version: trimmed(text),
            text: true,
        };
    }
    let found = match text {
        Cow::Borrowed(text) => model_reference::parse(text).map(|read| Found {
            name: Cow::Borrowed(read.name),
            version: read.version.map(Cow::Borrowed),
        }),
        Cow::Owned(text) => model_reference::parse(&text).map(|read| Found {
            name: Cow::Owned(read.name.to_owned()),
            version: read.version.map(|version| Cow::Owned(version.to_owned())),
        }),
    };
    found.map_or(
        Reading::Unreadable("text in no form of a model reference"),
        Reading::Target,
    )
}

/// `{"name": …, "version": … or "alias": …}`. The version in the object's field goes before the one inside the name.
fn read_object<'a>(raw: Raw<'a>, read_name: impl Fn(Cow<'a, str>) -> Reading<'a>) -> Reading<'a> {
    let described: Described<'a> = Described::read(raw.0).unwrap_or_default();
    let text = |field: Field<Raw<'a>>| field.value().and_then(Raw::text);
    let Some(Reading::Target(found)) = text(described.name).map(read_name) else {
        return Reading::Unreadable("an object without a readable name");
    };
    let unreadable = Reading::Unreadable("an object with a version or alias that cannot be read");
    let (Ok(version), Ok(alias)) = (
        read_version(described.version),
        read_version(described.alias),
    ) else {
        return unreadable;
    };
    Reading::Target(Found {
        version: version.or(alias).or(found.version),
        name: found.name,
    })
}

/// A version in a separate field: a number, or text that can be shown; none if it is absent. What is there and neither is an
/// error, because acting on another version than the one meant is worse than asking people.
fn read_version(field: Field<Raw<'_>>) -> Result<Option<Cow<'_, str>>, ()> {
    let Some(raw) = field.value() else {
        return Ok(None);
    };
    if raw.kind() == "a number" {
        return Ok(Some(Cow::Borrowed(raw.0)));
    }
    let text = raw.text().map(trimmed);
    text.filter(|text| !text.is_empty() && is_printable(text))
        .map_or(Err(()), |text| Ok(Some(text)))
}

/// A service's name is taken literally: colons and slashes are parts of addresses and namespaces.
fn read_service(given: Given<'_>) -> Reading<'_> {
    let Field::Value(raw) = given.value else {
        return Reading::Absent;
    };
    match raw.kind() {
        "a string" => raw.text().map_or(
            Reading::Unreadable("text that cannot be read"),
            read_service_name,
        ),
        "an object" => read_object(raw, read_service_name),
        kind => Reading::Unreadable(kind),
    }
}

fn read_service_name(text: Cow<'_, str>) -> Reading<'_> {
    let name = trimmed(text);
    if name.is_empty() {
        return Reading::Unreadable("empty");
    }
    if !is_printable(&name) {
        return Reading::Unreadable("text with control characters");
    }
    Reading::Target(Found {
        name,
        version: None,
    })
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Longest part of an unreadable value that becomes a name, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

/// The target of an event whose fields cannot be read, so that its alerts have a cooldown of their own and touch no real
/// target: no reference is read as a name with a colon at this place.
pub(crate) fn unreadable_target(raw: Raw<'_>) -> String {
    let text = raw.text().filter(|text| !text.trim().is_empty());
    format!(
        "unreadable:{}",
        shown(text.as_deref().unwrap_or(raw.0).trim())
    )
}

/// A value from outside within a sentence or a name: bounded, and without characters that hide or reorder text.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let width = shown.len() + character.len_utf8();
        if width > SHOWN_BYTES_MAX {
            shown.push('…');
            break;
        }
        if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// What people have to know about how the model was found: fields that cannot be read, and fields that contradict.
pub(crate) fn model_notes(fields: &[Given<'_>; 5]) -> Vec<String> {
    let readings = fields.each_ref().map(|given| read_model(*given));
    let mut notes = unreadable_notes(fields, &readings, "model");
    let Resolved::Target(chosen) = resolve_model(fields) else {
        notes.extend(fields.iter().zip(&readings).filter_map(version_alone));
        return notes;
    };
    notes.extend(fields.iter().zip(&readings).filter_map(fraction));
    let mut is_noted = false;
    for (given, reading) in fields.iter().zip(&readings) {
        let Reading::Target(other) = reading else {
            continue;
        };
        if other.name != chosen.name && given.field != MODEL_ID {
            notes.push(format!(
                "{} names another model, {}; {} counts",
                given.field,
                shown(&other.name),
                shown(&chosen.name)
            ));
        }
        let differs =
            other.name == chosen.name && other.version.is_some() && other.version != chosen.version;
        if differs && !std::mem::replace(&mut is_noted, true) {
            notes.push(format!(
                "{} says version {}; version {} counts",
                given.field,
                shown(other.version.as_deref().unwrap_or_default()),
                shown(chosen.version.as_deref().unwrap_or_default())
            ));
        }
    }
    notes
}

/// What people have to know about how the service was found.
pub(crate) fn service_notes(fields: &[Given<'_>; 2]) -> Vec<String> {
    let readings = fields.each_ref().map(|given| read_service(*given));
    let mut notes = unreadable_notes(fields, &readings, "service");
    if let [Reading::Target(first), Reading::Target(second)] = &readings
        && first.name != second.name
    {
        notes.push(format!(
            "service_name names another service, {}; {} counts",
            shown(&second.name),
            shown(&first.name)
        ));
    }
    notes
}

fn unreadable_notes(fields: &[Given<'_>], readings: &[Reading<'_>], what: &str) -> Vec<String> {
    let both = fields.iter().zip(readings);
    let notes = both.filter_map(|(given, reading)| match (reading, given.value) {
        (Reading::Unreadable(is), Field::Value(raw)) => Some(format!(
            "{} is {is} and does not name a {what}: {}",
            given.field,
            shown(raw.0)
        )),
        _ => None,
    });
    notes.collect()
}

/// A version written as a number with a fraction: writers of JSON drop zeros at its end, so it may be another one than meant.
fn fraction((given, reading): (&Given<'_>, &Reading<'_>)) -> Option<String> {
    match reading {
        Reading::Version {
            version,
            text: false,
        } if version.contains(['.', 'e', 'E']) => Some(format!(
            "{} is the fractional number {}, taken as the version as it is written; as a string it cannot lose a zero",
            given.field,
            shown(version)
        )),
        _ => None,
    }
}

fn version_alone((given, reading): (&Given<'_>, &Reading<'_>)) -> Option<String> {
    let Reading::Version { version, text } = reading else {
        return None;
    };
    let why = if *text {
        "has nothing before an @"
    } else {
        "is a number"
    };
    Some(format!(
        "{} {why} and does not name a model: {}",
        given.field,
        shown(version)
    ))
}
