//! `homeostat decisions`: list, show and follow decisions, over the HTTP API of a running service.

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;

use clap::Subcommand;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use homeostat_logic::actions::Action;
use homeostat_logic::history::Outcome;
use serde_json::Value;

use super::service::{Question, Service};
use super::text::{array, count, field, line, printable};
use super::{Failure, print};

mod story;
mod tail;

const EXAMPLES: &str = "\
Examples:
  homeostat decisions list --target model/churn --outcome failed
  homeostat decisions list --outcome pending --json
  homeostat decisions show d786e6f8
  homeostat decisions tail --event-type data_drift_detected

An ID may be cut to its first digits, four or more, as long as they name one decision.
Exit codes: 0 done, 1 failed or not reached, 2 usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// A running service.
    #[arg(
        long,
        env = "HOMEOSTAT_URL",
        default_value = "http://127.0.0.1:8470",
        global = true
    )]
    url: String,
    /// Print JSON, one document a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List decisions, newest first.
    #[command(after_help = EXAMPLES)]
    List {
        #[command(flatten)]
        filter: Filter,
        /// Decisions at most.
        #[arg(long, default_value = "100", value_parser = count, allow_negative_numbers = true)]
        limit: NonZeroUsize,
    },
    /// Show the whole story of one: event, reasons, gates, each attempt with its answer, and when the next one starts.
    #[command(after_help = EXAMPLES)]
    Show {
        /// As listed, or its first digits.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Print decisions as they are made, and again when they change, until Ctrl-C. Waits for a service that goes away.
    #[command(after_help = EXAMPLES)]
    Tail {
        #[command(flatten)]
        filter: Filter,
    },
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only of this event type.
    #[arg(long)]
    event_type: Option<String>,
    /// Only about this model or service: its name, or kind/name.
    #[arg(long)]
    target: Option<String>,
    /// Only with this action after the gates.
    #[arg(long, value_parser = PossibleValuesParser::new(Action::ALL.map(Action::name)))]
    action: Option<String>,
    /// Only with this outcome.
    #[arg(long, value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::name)))]
    outcome: Option<String>,
    /// Only the last so many hours; without it, closed decisions of the last 24 hours and open ones of any age.
    #[arg(long, allow_negative_numbers = true)]
    hours: Option<String>,
}

impl Filter {
    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("event_type", &self.event_type),
            ("target", &self.target),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("hours", &self.hours),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }
}

/// Decisions of one request; the service gives no more.
const PAGE: usize = 1_000;
pub(super) async fn decisions(arguments: &Arguments) -> Result<(), Failure> {
    let service = Service::at(&arguments.url)?;
    let json = arguments.json;
    match &arguments.command {
        Command::List { filter, limit } => list(&service, filter, limit.get(), json).await,
        Command::Show { id } => show(&service, id, json).await,
        Command::Tail { filter } => tail::tail(&service, filter, json).await,
    }
}

/// The whole id that begins with these digits.
pub(super) async fn whole_id(service: &Service, digits: &str) -> Result<String, Failure> {
    if digits.len() == 32 {
        return Ok(digits.to_owned());
    }
    let query = [("id", digits), ("hours", "87600"), ("limit", "10")];
    let page = ask(service, &query).await?;
    let ids: Vec<String> = array(&page, "items")
        .iter()
        .filter_map(|item| field(item, "id"))
        .collect();
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Failure::Failed(format!(
            "no decision in memory has an id that begins with {digits}; `homeostat decisions list` shows those that are"
        ))),
        many => Err(Failure::Failed(format!(
            "{digits} begins the ids of several decisions; give more digits: {}",
            many.join(", ")
        ))),
    }
}

async fn ask(service: &Service, query: &[(&str, &str)]) -> Result<Value, Failure> {
    service
        .ask(Question {
            query,
            ..Question::get(&["decisions"])
        })
        .await
}

async fn list(service: &Service, filter: &Filter, limit: usize, json: bool) -> Result<(), Failure> {
    let (mut left, mut cursor) = (limit, None::<String>);
    let mut heading = true;
    while left > 0 {
        let size = left.min(PAGE).to_string();
        let mut query = filter.pairs();
        query.push(("limit", &size));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = ask(service, &query).await?;
        let items = array(&page, "items");
        left = left.saturating_sub(items.len());
        let mut text = String::new();
        for item in items {
            put(&mut text, item, json, &mut heading);
        }
        print(&text)?;
        cursor = field(&page, "next");
        if cursor.is_none() {
            break;
        }
    }
    if heading && !json {
        print("no decisions\n")?;
    }
    Ok(())
}

/// A decision as a line, behind the heading if it is the first.
fn put(text: &mut String, item: &Value, json: bool, heading: &mut bool) {
    if json {
        return line(text, item);
    }
    if std::mem::take(heading) {
        line(
            text,
            row([
                "ID", "TIME", "OUTCOME", "ACTION", "SEVERITY", "TARGET", "EVENT", "WHY",
            ]),
        );
    }
    line(text, decision_row(item));
}

/// Digits of an id in a table; they name one of some millions.
const ID_DIGITS: usize = 12;
/// Columns of the last reason on a terminal.
const WHY_COLUMNS: usize = 60;

fn decision_row(item: &Value) -> String {
    let text = |name| printable(&field(item, name).unwrap_or_default().replace('\n', " "));
    let id: String = text("id").chars().take(ID_DIGITS).collect();
    let why = array(item, "reasons").last().and_then(Value::as_str);
    let why = printable(&why.unwrap_or_default().replace('\n', " "));
    let why = if std::io::stdout().is_terminal() {
        why.chars().take(WHY_COLUMNS).collect()
    } else {
        why
    };
    let target = format!("{}/{}", text("target_kind"), text("target"));
    row([
        &id,
        &text("time"),
        &text("outcome"),
        &text("action"),
        &text("severity"),
        &target,
        &text("event_type"),
        &why,
    ])
}

fn row([id, time, outcome, action, severity, target, event, why]: [&str; 8]) -> String {
    format!(
        "{id:<12} {time:<24} {outcome:<10} {action:<10} {severity:<8} {target:<28} {event:<27} {why}"
    )
}

async fn show(service: &Service, id: &str, json: bool) -> Result<(), Failure> {
    let id = whole_id(service, id).await?;
    let decision = service.ask(Question::get(&["decisions", &id])).await?;
    if json {
        return print(&format!("{decision}\n"));
    }
    print(&story::text(&decision))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    #[test]
    fn hours_are_asked_for_only_when_they_are_given_so_that_open_decisions_of_any_age_are_listed() {
        let pairs = |words: &[&str]| {
            let line = Line::try_parse_from(words).unwrap();
            let pairs = line.filter.pairs();
            let owned = pairs
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()));
            owned.collect::<Vec<_>>()
        };
        assert_eq!(pairs(&["list"]), []);
        assert_eq!(
            pairs(&["list", "--hours", "6"]),
            [("hours", "6".to_owned())]
        );
    }

    #[test]
    fn a_row_is_one_line_whatever_is_in_the_decision() {
        let row = decision_row(&json!({
            "id": "d786e6f8ec81a307c06657922981acd9",
            "target": "a\nb\u{1b}[2J",
            "target_kind": "model",
            "reasons": ["first", "last\r\nof all"],
        }));
        assert!(row.starts_with("d786e6f8ec81 "), "{row}");
        assert!(row.ends_with("last\\u{d} of all"), "{row}");
        assert!(!row.contains(char::is_control), "{row:?}");
    }
}
