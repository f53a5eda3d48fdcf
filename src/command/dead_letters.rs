//! `homeostat dead-letters`: list, show, replay and resume, over the HTTP API of a running service.

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::service::{Question, Service};
use super::text::{array, count, field, line, printable};
use super::{Failure, print};

const EXAMPLES: &str = "\
Examples:
  homeostat dead-letters list --topic data.drift.detected --since 2026-01-31T08:00:00Z
  homeostat dead-letters show 0-17
  homeostat dead-letters replay 0-17 0-18
  homeostat dead-letters replay --reason handler --limit 1000 --dry-run
  homeostat dead-letters resume --topic data.drift.detected

A dead letter is replayed once: its event is published to its topic again; a second replay is
reported as already done. With an operator token configured, replay and resume need it as
HOMEOSTAT_OPERATOR_TOKEN in the environment. Exit codes: 0 done, 1 failed, refused or not reached, 2 usage.";

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
    /// List dead letters, newest first.
    #[command(after_help = EXAMPLES)]
    List(Filter),
    /// Show one whole, with the original bytes.
    #[command(after_help = EXAMPLES)]
    Show {
        /// As listed.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Publish their events again, each once: those named, or those that a filter finds.
    #[command(after_help = EXAMPLES)]
    Replay {
        /// As listed; without any, --topic, --reason, --since or --until says which.
        ids: Vec<String>,
        #[command(flatten)]
        filter: Filter,
        /// Only show what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Let partitions of that instance go on that stopped for too many dead letters.
    #[command(after_help = EXAMPLES)]
    Resume {
        /// Only those of this topic.
        #[arg(long)]
        topic: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only for this reason, as listed.
    #[arg(long)]
    reason: Option<String>,
    /// Only those written at this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those written before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Letters at most; a replay does not count those that were replayed before.
    #[arg(long, default_value = "100", value_parser = count, allow_negative_numbers = true)]
    limit: NonZeroUsize,
}

/// Letters of one request; the service takes no more.
const PAGE: usize = 1_000;

impl Filter {
    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("topic", &self.topic),
            ("reason", &self.reason),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }
}

pub(super) async fn dead_letters(arguments: &Arguments) -> Result<(), Failure> {
    let service = Service::at(&arguments.url)?;
    // A table is for people; programs ask for JSON with --json.
    let json = arguments.json;
    match &arguments.command {
        Command::List(filter) => list(&service, filter, json).await,
        Command::Show { id } => show(&service, id, json).await,
        Command::Replay {
            ids,
            filter,
            dry_run,
        } => {
            let wanted = wanted(ids, filter)?;
            replay(&service, wanted, filter.limit.get(), *dry_run, json).await
        }
        Command::Resume { topic } => resume(&service, topic.as_deref(), json).await,
    }
}

/// Where the API has them.
const PATH: &str = "dead-letters";

async fn post(service: &Service, what: &str, body: Option<Value>) -> Result<Value, Failure> {
    let (method, path) = (Method::POST, [PATH, what]);
    let question = Question {
        method,
        body,
        ..Question::get(&path)
    };
    service.ask(question).await
}

async fn list(service: &Service, filter: &Filter, json: bool) -> Result<(), Failure> {
    let (mut left, mut cursor) = (filter.limit.get(), None::<String>);
    let mut heading = true;
    while left > 0 {
        let limit = left.min(PAGE).to_string();
        let mut query = filter.pairs();
        query.push(("limit", &limit));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = service
            .ask(Question {
                query: &query,
                ..Question::get(&[PATH])
            })
            .await?;
        let items = array(&page, "items");
        left = left.saturating_sub(items.len());
        let mut text = String::new();
        for item in items {
            if json {
                line(&mut text, format_args!("{item}"));
            } else {
                if std::mem::take(&mut heading) {
                    line(
                        &mut text,
                        row(["ID", "TIME", "TOPIC", "REASON", "REPLAYED", "ERROR"]),
                    );
                }
                line(&mut text, letter_row(item));
            }
        }
        print(&text)?;
        cursor = field(&page, "next");
        if cursor.is_none() {
            break;
        }
    }
    if heading && !json {
        print("no dead letters\n")?;
    }
    Ok(())
}

fn letter_row(item: &Value) -> String {
    let replayed = match item.get("replayed") {
        Some(Value::Bool(true)) => "yes",
        Some(Value::Bool(false)) => "no",
        _ => "?",
    };
    let text = |name| printable(&field(item, name).unwrap_or_default().replace('\n', " "));
    // A terminal is as wide as it is; the whole error is in `show`.
    let error = text("error");
    let error = if std::io::stdout().is_terminal() {
        error.chars().take(60).collect()
    } else {
        error
    };
    let (id, time, topic, reason) = (text("id"), text("time"), text("topic"), text("reason"));
    row([&id, &time, &topic, &reason, replayed, &error])
}

fn row([id, time, topic, reason, replayed, error]: [&str; 6]) -> String {
    format!("{id:<10} {time:<25} {topic:<30} {reason:<16} {replayed:<8} {error}")
}

async fn show(service: &Service, id: &str, json: bool) -> Result<(), Failure> {
    let letter = service.ask(Question::get(&[PATH, id])).await?;
    if json {
        return print(&format!("{letter}\n"));
    }
    let mut text = String::new();
    for (name, value) in letter.as_object().into_iter().flatten() {
        let shown = match value {
            Value::String(value) => value.clone(),
            Value::Null => "-".to_owned(),
            Value::Object(bytes) if bytes.contains_key("text") => {
                field(value, "text").unwrap_or_default()
            }
            other => other.to_string(),
        };
        line(&mut text, format_args!("{name:<12} {}", printable(&shown)));
    }
    print(&text)
}

fn wanted(ids: &[String], filter: &Filter) -> Result<Map<String, Value>, Failure> {
    let pairs = filter.pairs();
    if ids.is_empty() == pairs.is_empty() {
        return Err(Failure::Usage(
            "name the letters by their ids, or by --topic, --reason, --since or --until".to_owned(),
        ));
    }
    let mut wanted = Map::new();
    if pairs.is_empty() {
        wanted.insert("ids".to_owned(), json!(ids));
    } else {
        let filter: Map<_, _> = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        wanted.insert("filter".to_owned(), Value::Object(filter));
    }
    Ok(wanted)
}

/// Letters of one request to replay: they are to be done well within the time a request has.
const REPLAYS: usize = 100;

async fn replay(
    service: &Service,
    mut wanted: Map<String, Value>,
    limit: usize,
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    wanted.insert("dry_run".to_owned(), json!(dry_run));
    let (mut left, mut found, mut refused) = (limit, 0, 0);
    loop {
        if wanted.contains_key("filter") {
            wanted.insert("limit".to_owned(), json!(left.min(REPLAYS)));
        }
        let body = Some(Value::Object(wanted.clone()));
        let answer = post(service, "replay", body).await?;
        let results = array(&answer, "results");
        let mut text = String::new();
        for result in results {
            let said = |name| field(result, name).unwrap_or_default();
            let outcome = said("outcome");
            refused += usize::from(outcome == "refused");
            if json {
                line(&mut text, format_args!("{result}"));
            } else {
                let (to, detail) = (said("replayed_to"), said("detail"));
                line(
                    &mut text,
                    format!("{:<10} {outcome:<17} {to} {detail}", said("id")).trim_end(),
                );
            }
        }
        print(&text)?;
        found += results.len();
        // Who repeats the command after a fix means the letters that are left.
        let done =
            |result: &&Value| field(result, "outcome").as_deref() != Some("already_replayed");
        left = left.saturating_sub(results.iter().filter(done).count());
        match field(&answer, "next") {
            Some(next) if left > 0 => wanted.insert("cursor".to_owned(), json!(next)),
            Some(_) if !json => {
                print("there may be more: repeat the command, or raise --limit\n")?;
                break;
            }
            _ => break,
        };
    }
    if found == 0 && !json {
        print("no dead letters\n")?;
    }
    match refused {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{refused} not replayed"))),
    }
}

async fn resume(service: &Service, topic: Option<&str>, json: bool) -> Result<(), Failure> {
    let body = topic.map_or_else(|| json!({}), |topic| json!({"topic": topic}));
    let answer = post(service, "resume", Some(body)).await?;
    if json {
        return print(&format!("{answer}\n"));
    }
    let resumed: Vec<&str> = array(&answer, "resumed")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if resumed.is_empty() {
        let of = topic.map_or_else(String::new, |topic| format!(" of {topic}"));
        return print(&format!("no stopped partition{of} on this instance\n"));
    }
    print(&format!("going on: {}\n", resumed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_strangers_command_no_terminal() {
        let row = letter_row(&json!({"id": "0-1", "reason": "x\ny\r", "error": "\u{7}"}));
        assert!(!row.contains(char::is_control), "{row:?}");
    }
}
