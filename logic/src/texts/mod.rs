//! What people read of an alert: title and message in the language of the target, by a configured template or by the text
//! that is built in ([`crate::events`]).
//!
//! The texts are part of the decision. They are written when it is made, so that every attempt says the same. A template
//! that fails for an event gives way to the built-in text, and the reasons say so: an alert is never lost to its words.

mod escalation;
mod samples;
mod template;
mod variables;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::events::{AlertText, EventKind};
use crate::language::Language;
use crate::params::Params;

pub use escalation::{Failure, escalate};
pub use samples::{HOSTILE, Sample, samples};
pub use template::TextFault;
pub use variables::{Parts, names};

use template::{Limit, Template};

/// The table of the types without one of their own.
pub const DEFAULT: &str = "default";

/// Longest title by a template, in characters; the rest is cut.
pub const TITLE_CHARS_MAX: usize = 512;
/// Longest message by a template, in characters; the rest is cut. A proposal carries it up to four times.
pub const MESSAGE_CHARS_MAX: usize = 4_000;

/// Templates of one event type's alerts; what is not written is inherited, at last from the built-in text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextTemplates {
    /// One short line.
    #[schemars(length(min = 1))]
    pub title: Option<String>,
    /// The facts.
    #[schemars(length(min = 1))]
    pub message: Option<String>,
}

/// Tables `[texts.<event_type>]`.
pub type TextTables = BTreeMap<String, TextTemplates>;

/// A part of an alert's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// See [`TextTemplates::title`].
    Title,
    /// See [`TextTemplates::message`].
    Message,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Title, Self::Message];

    /// Its key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Message => "message",
        }
    }

    const fn of(self, templates: &TextTemplates) -> Option<&String> {
        match self {
            Self::Title => templates.title.as_ref(),
            Self::Message => templates.message.as_ref(),
        }
    }

    const fn limit(self) -> Limit {
        match self {
            Self::Title => Limit {
                chars: TITLE_CHARS_MAX,
                one_line: true,
            },
            Self::Message => Limit {
                chars: MESSAGE_CHARS_MAX,
                one_line: false,
            },
        }
    }
}

/// The texts of one target, ready to be written.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The language.
    pub language: Language,
    by_type: BTreeMap<String, Templates>,
    general: Templates,
}

#[derive(Clone, Debug, Default)]
struct Templates {
    title: Option<Template>,
    message: Option<Template>,
}

/// A layer of tables, with the path at which they are written: `texts`, or `targets.<target>.texts`.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// The path.
    pub path: &'a str,
    /// The tables.
    pub tables: &'a TextTables,
}

/// A text as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Title and message.
    pub text: AlertText,
    /// Templates that failed, one sentence each.
    pub failures: Vec<String>,
}

impl Texts {
    /// Compiles the templates of all layers, the more specific last.
    ///
    /// # Errors
    /// Every template that cannot be used, by its key.
    pub fn new(language: Language, layers: &[Layer<'_>]) -> Result<Self, Vec<(String, TextFault)>> {
        let mut faults = Vec::new();
        let mut find = |event_type: &str, part: Part| {
            // Of one layer the table of the type goes before the one for all types.
            let mut tables = layers.iter().rev().flat_map(|layer| {
                [event_type, DEFAULT].map(|table| (layer.path, table, layer.tables.get(table)))
            });
            let (path, table, source) = tables
                .find_map(|(path, table, templates)| Some((path, table, part.of(templates?)?)))?;
            let key = format!("{path}.{table}.{}", part.name());
            let compiled = Template::compile(&key, source, &names(table), language);
            compiled.map_err(|fault| faults.push((key, fault))).ok()
        };
        let mut of = |event_type: &str| Templates {
            title: find(event_type, Part::Title),
            message: find(event_type, Part::Message),
        };
        let types = layers.iter().flat_map(|layer| layer.tables.keys());
        let by_type = types.map(|name| (name.clone(), of(name))).collect();
        let general = of(DEFAULT);
        faults.sort_by(|one, other| one.0.cmp(&other.0));
        faults.dedup();
        if faults.is_empty() {
            Ok(Self {
                language,
                by_type,
                general,
            })
        } else {
            Err(faults)
        }
    }

    /// The text of an alert about an event.
    pub fn alert(&self, kind: &dyn EventKind, parts: &Parts<'_>) -> Written {
        let built_in = kind.alert(parts.view, &parts.subject);
        let templates = self.by_type.get(parts.subject.event_type);
        let templates = templates.unwrap_or(&self.general);
        if templates.title.is_none() && templates.message.is_none() {
            return Written {
                text: built_in,
                failures: Vec::new(),
            };
        }
        let values = variables::values(parts, &built_in);
        let mut failures = Vec::new();
        let mut render = |template: &Option<Template>, part: Part| {
            let template = template.as_ref()?;
            let rendered = template.render(&values, part.limit());
            let said = |problem| {
                failures.push(format!(
                    "{} cannot be rendered for this event: {problem}; the built-in text is sent",
                    template.key
                ));
            };
            rendered.map_err(said).ok()
        };
        let title = render(&templates.title, Part::Title);
        let message = render(&templates.message, Part::Message);
        Written {
            text: AlertText {
                title: title.unwrap_or(built_in.title),
                message: message.unwrap_or(built_in.message),
            },
            failures,
        }
    }

    /// Where the text of a part comes from: the key of a template, or nothing for the built-in text.
    pub fn source(&self, event_type: &str, part: Part) -> Option<&str> {
        let templates = self.by_type.get(event_type).unwrap_or(&self.general);
        let template = match part {
            Part::Title => &templates.title,
            Part::Message => &templates.message,
        };
        template.as_ref().map(|template| &*template.key)
    }
}

/// What is wrong with a template of a table, if anything: it is compiled, and rendered for sample events of its type,
/// complete, empty, hostile and of wrong types.
pub fn examine(table: &str, part: Part, source: &str, language: Language) -> Option<TextFault> {
    let compiled = Template::compile(part.name(), source, &names(table), language);
    let template = match compiled {
        Ok(template) => template,
        Err(fault) => return Some(fault),
    };
    let samples = samples::of_table(table);
    samples.iter().find_map(|sample| {
        let values = sample.values(language);
        let problem = template.render(&values, part.limit()).err()?;
        Some(TextFault {
            problem: format!("cannot be rendered for {}: {problem}", sample.what),
            remedy: "write `| default(…)` or `{% if … %}` where a value may be missing; \
                     `| decimals` and `| percent` take any value"
                .to_owned(),
        })
    })
}

/// The language in which an alert was written down.
pub fn language_of(params: &Params) -> Language {
    let name = params.text("language");
    let mut known = Language::ALL.into_iter();
    known
        .find(|language| Some(language.name()) == name.as_deref())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
