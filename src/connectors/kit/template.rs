//! minijinja templates of URL and body, compiled at load, bounded at rendering.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::context::{NAMES, Plain};

/// Instructions and bytes of output a rendering may use: ample for any payload, and an end to any loop.
const FUEL: u64 = 1_000_000;

/// Everything but the unreserved characters of RFC 3986.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What values are made safe for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Path and query of a URL, or a form: values are percent-encoded.
    Url,
    /// JSON: text is escaped for the inside of quotes; other values, and what `tojson` made, stand as JSON.
    Json,
    /// Values stand as they are.
    Plain,
}

/// A compiled template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    environment: Arc<Environment<'static>>,
}

/// Why a template cannot be rendered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unrendered {
    pub(super) problem: String,
    /// A value that it reads is not there.
    pub(super) missing: bool,
}

const NAME: &str = "template";

impl Template {
    /// Compiles; syntax errors and unknown names come back in words.
    pub(crate) fn compile(source: &str, purpose: Purpose) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment
            .set_formatter(move |output, state, value| format(purpose, output, state, value));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| describe(&error))?;
        let template = environment
            .get_template(NAME)
            .map_err(|error| describe(&error))?;
        let mut unknown: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| {
                !NAMES.contains(&name.as_str())
                    && environment.globals().all(|(global, _)| global != name)
            })
            .collect();
        unknown.sort();
        if let Some(name) = unknown.first() {
            return Err(format!(
                "unknown template variable `{name}`; available: {}",
                NAMES.join(", ")
            ));
        }
        Ok(Self {
            environment: Arc::new(environment),
        })
    }

    /// Whether it reads this field of an order.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.environment
            .get_template(NAME)
            .is_ok_and(|template| template.undeclared_variables(false).contains(name))
    }

    /// Renders for an order.
    pub(crate) fn render(&self, context: &Plain<'_>) -> Result<String, String> {
        let rendered = self.try_render(context);
        rendered.map_err(|unrendered| unrendered.problem)
    }

    /// Renders for an order; an error says whether a value is missing.
    pub(super) fn try_render(&self, context: &Plain<'_>) -> Result<String, Unrendered> {
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from(Serde(context))));
        rendered.map_err(|error| Unrendered {
            problem: describe(&error),
            missing: error.kind() == ErrorKind::UndefinedError,
        })
    }

    /// Names that it reads, with those below them: `params.priority`.
    pub(super) fn nested_names(&self) -> BTreeSet<String> {
        let template = self.environment.get_template(NAME);
        let names = template.map(|template| template.undeclared_variables(true));
        names.unwrap_or_default().into_iter().collect()
    }
}

fn format(
    purpose: Purpose,
    output: &mut Output<'_>,
    _state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "a value is missing"));
    }
    let written = match purpose {
        Purpose::Url => write!(
            output,
            "{}",
            utf8_percent_encode(&value.to_string(), ENCODED)
        ),
        Purpose::Plain => write!(output, "{value}"),
        Purpose::Json if value.is_safe() => write!(output, "{value}"),
        Purpose::Json => {
            let json = serde_json::to_string(&Serde(value).0)
                .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
            let inside = value
                .as_str()
                .and_then(|_| json.strip_prefix('"')?.strip_suffix('"'));
            write!(output, "{}", inside.unwrap_or(&json))
        }
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "the output cannot be written"))
}

fn describe(error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{detail} (line {line} of the template)"),
        None => detail,
    }
}

#[cfg(test)]
mod tests;
