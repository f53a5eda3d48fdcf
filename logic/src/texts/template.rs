//! A template of a title or a message: minijinja, compiled at load, bounded in steps and length. A missing value is a word,
//! not an error.

use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use crate::language::Language;

/// Steps and bytes of output that a rendering may use: ample for any text, and an end to any loop.
const FUEL: u64 = 200_000;

const NAME: &str = "text";

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct TextFault {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// How long a text may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// In characters.
    pub(super) chars: usize,
    /// Whether line breaks and runs of blanks become one blank.
    pub(super) one_line: bool,
}

/// A compiled template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Where it is written.
    pub(super) key: Arc<str>,
    environment: Arc<Environment<'static>>,
}

impl Template {
    pub(super) fn compile(
        key: &str,
        source: &str,
        known: &[&str],
        language: Language,
    ) -> Result<Self, TextFault> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(
            move |output: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value| {
                write(output, value, language)
            },
        );
        environment.add_filter("decimals", move |value: &Value| {
            number_or(value, language, |number| language.decimals(Some(number)))
        });
        environment.add_filter("percent", move |value: &Value| {
            number_or(value, language, |number| language.percent(Some(number)))
        });
        let syntax = |error: &Error| TextFault {
            problem: format!("is not a valid template: {}", describe(error)),
            remedy: "correct it (https://docs.rs/minijinja, page syntax)".to_owned(),
        };
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| syntax(&error))?;
        let template = environment
            .get_template(NAME)
            .map_err(|error| syntax(&error))?;
        let undeclared = template.undeclared_variables(false).into_iter();
        let mut unknown: Vec<String> = undeclared
            .filter(|name| !known.contains(&name.as_str()))
            .filter(|name| environment.globals().all(|(global, _)| global != name))
            .collect();
        unknown.sort();
        if let Some(name) = unknown.first() {
            return Err(TextFault {
                problem: format!("unknown template variable `{name}`"),
                remedy: format!(
                    "available: {}; `event.{name}` is the event's own field",
                    known.join(", ")
                ),
            });
        }
        Ok(Self {
            key: Arc::from(key),
            environment: Arc::new(environment),
        })
    }

    /// Renders, and cuts what is longer than the limit.
    pub(super) fn render(&self, values: &Value, limit: Limit) -> Result<String, String> {
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(values))
            .map_err(|error| describe(&error))?;
        let text = if limit.one_line {
            let words: Vec<&str> = rendered
                .split(|character: char| character.is_whitespace() || character.is_control())
                .filter(|word| !word.is_empty())
                .collect();
            words.join(" ")
        } else {
            rendered.trim().to_owned()
        };
        if text.is_empty() {
            return Err("it renders to nothing".to_owned());
        }
        Ok(cut(text, limit.chars))
    }
}

fn cut(mut text: String, chars: usize) -> String {
    if text.chars().nth(chars).is_some() {
        let kept = text.char_indices().nth(chars.saturating_sub(1));
        text.truncate(kept.map_or(0, |(at, _)| at));
        text.push('…');
    }
    text
}

fn write(output: &mut Output<'_>, value: &Value, language: Language) -> Result<(), Error> {
    let written = if value.is_undefined() || value.is_none() {
        write!(output, "{}", language.unknown())
    } else {
        write!(output, "{value}")
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "the output cannot be written"))
}

/// A number in its form; anything else as it is, for an alert with an odd value is better than none.
fn number_or(value: &Value, language: Language, form: impl Fn(f64) -> String) -> String {
    if value.is_undefined() || value.is_none() {
        return language.unknown().to_owned();
    }
    let number = value.is_number().then(|| f64::try_from(value.clone()).ok());
    number.flatten().map_or_else(|| value.to_string(), form)
}

fn describe(error: &Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!("it takes more than {FUEL} steps; shorten its loops");
    }
    let detail = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| format!("{}: {detail}", error.kind()),
    );
    match error.line() {
        Some(line) => format!("{detail} (line {line} of the template)"),
        None => detail,
    }
}
