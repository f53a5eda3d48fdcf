//! `homeostat topics`: list and describe, of a running service or in the configured event log, where they create nothing;
//! and create.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use homeostat_actors::ports::log::{EventLog, Watermarks};
use homeostat_logic::topic::TOPICS;
use serde_json::Value;

use super::service::{Question, Service};
use super::{Failure, IfMissing, OpenError, Wiring, complain, log_failure, print};
use crate::http::topic_usage;

const EXAMPLES: &str = "\
Examples:
  homeostat topics list --url http://127.0.0.1:8470    ask a running service
  homeostat topics list --config prod.toml             look into the configured event log
  homeostat topics describe data.drift.detected --config prod.toml
  homeostat topics create --config prod.toml

An embedded log belongs to the process that has it open: while a service runs on it, ask that
service with --url. Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 the embedded log
cannot be used.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Ask a running service instead of opening the configured event log (list, describe).
    #[arg(long, env = "HOMEOSTAT_URL", global = true)]
    url: Option<String>,
    /// What to do [default: list].
    #[command(subcommand)]
    command: Option<Command>,
}

impl Arguments {
    /// Whether the command line itself names a service; the environment may do so for other commands.
    fn given_url(&self) -> bool {
        self.url.is_some() && self.url.as_deref() != std::env::var("HOMEOSTAT_URL").ok().as_deref()
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name every topic of the platform, what it is for and how many records it holds.
    #[command(after_help = EXAMPLES)]
    List,
    /// Create the topics that are missing; others are left as they are.
    #[command(after_help = EXAMPLES)]
    Create,
    /// Show the partitions of topics with their first and next offsets.
    #[command(after_help = EXAMPLES)]
    Describe {
        /// Names [default: every topic of the platform].
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        names: Vec<String>,
    },
}

/// First and next offset of each partition, by topic; a missing topic is not in it.
type Described = BTreeMap<String, Vec<Watermarks>>;

pub(super) async fn topics(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    files: &[PathBuf],
) -> Result<(), Failure> {
    let names = match arguments.command.as_ref().unwrap_or(&Command::List) {
        Command::Create if arguments.given_url() => {
            return Err(Failure::Usage(
                "topics create writes into the configured event log and takes no --url; a running service has created its topics already".to_owned(),
            ));
        }
        Command::Create => return create(wiring, files).await,
        Command::List => None,
        Command::Describe { names } => Some(names),
    };
    let wanted: Vec<String> = match names {
        Some(names) if !names.is_empty() => names.clone(),
        _ => TOPICS.iter().map(|topic| topic.name.to_owned()).collect(),
    };
    let described = match &arguments.url {
        Some(url) => ask(&Service::at(url)?, &wanted).await?,
        None => look(wiring, files, &wanted).await?,
    };
    match names {
        None => list(&described),
        Some(_) => show(&wanted, &described),
    }
}

/// What a running service says.
async fn ask(service: &Service, wanted: &[String]) -> Result<Described, Failure> {
    let answer = service.ask(Question::get(&["topics"])).await?;
    let items = answer.get("items").and_then(Value::as_array);
    let offset = |partition: &Value, name: &str| partition.get(name).and_then(Value::as_i64);
    let described = items.into_iter().flatten().filter_map(|topic| {
        let name = topic.get("name")?.as_str()?;
        let marks = topic
            .get("partitions")?
            .as_array()?
            .iter()
            .map(|partition| {
                let (low, high) = (offset(partition, "first")?, offset(partition, "next")?);
                Some(Watermarks { low, high })
            });
        Some((name.to_owned(), marks.collect::<Option<Vec<Watermarks>>>()?))
    });
    Ok(described
        .filter(|(name, marks)| wanted.contains(name) && !marks.is_empty())
        .collect())
}

/// What is in the configured event log. Where there is none yet, there are no topics.
async fn look(
    wiring: &dyn Wiring,
    files: &[PathBuf],
    wanted: &[String],
) -> Result<Described, Failure> {
    let log = match wiring.open_log(files, IfMissing::Leave) {
        Ok(configured) => configured.log,
        Err(error @ OpenError::Missing { .. }) => {
            complain(&error.to_string());
            return Ok(Described::new());
        }
        Err(OpenError::InUse { problem, url }) => {
            return Err(Failure::Unusable(format!(
                "{problem}; or ask the service that has it: `homeostat topics list --url {url}`"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let described = describe(log.as_ref(), wanted).await;
    log.close();
    described
}

async fn create(wiring: &dyn Wiring, files: &[PathBuf]) -> Result<(), Failure> {
    let configured = wiring.open_log(files, IfMissing::Create)?;
    let log = configured.log.as_ref();
    let wanted: Vec<String> = configured
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let done = async {
        let before = describe(log, &wanted).await?.len();
        let ensured = log.ensure_topics(configured.topics).await;
        ensured.map_err(|error| log_failure(log, &error))?;
        let after = describe(log, &wanted).await?.len();
        print(&format!(
            "{} topics created, {before} were there\n",
            after - before.min(after)
        ))
    };
    let done = done.await;
    log.close();
    done
}

fn list(described: &Described) -> Result<(), Failure> {
    let mut table = format!(
        "{:<32} {:>10} {:>12}  {}\n",
        "TOPIC", "PARTITIONS", "RECORDS", "USE"
    );
    for topic in &TOPICS {
        let (partitions, records) = match described.get(topic.name) {
            Some(marks) => (marks.len().to_string(), records(marks).to_string()),
            None => (topic.partitions.to_string(), "missing".to_owned()),
        };
        let usage = topic_usage(topic.name);
        line(
            &mut table,
            format_args!("{:<32} {partitions:>10} {records:>12}  {usage}", topic.name),
        );
    }
    print(&table)
}

fn show(wanted: &[String], described: &Described) -> Result<(), Failure> {
    let mut table = format!(
        "{:<32} {:>9} {:>12} {:>12}\n",
        "TOPIC", "PARTITION", "FIRST", "NEXT"
    );
    let mut missing = Vec::new();
    for name in wanted {
        let Some(partitions) = described.get(name) else {
            missing.push(name.as_str());
            continue;
        };
        for (partition, marks) in partitions.iter().enumerate() {
            line(
                &mut table,
                format_args!(
                    "{name:<32} {partition:>9} {:>12} {:>12}",
                    marks.low, marks.high
                ),
            );
        }
    }
    if !described.is_empty() {
        print(&table)?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "not in the event log: {}; `homeostat topics create` creates the platform's topics",
        missing.join(", ")
    )))
}

async fn describe(log: &dyn EventLog, names: &[String]) -> Result<Described, Failure> {
    let descriptions = log.describe_topics(names.to_vec()).await;
    let descriptions = descriptions.map_err(|error| log_failure(log, &error))?;
    Ok(descriptions
        .into_iter()
        .map(|topic| (topic.name, topic.partitions))
        .collect())
}

fn records(partitions: &[Watermarks]) -> i64 {
    let counts = partitions
        .iter()
        .map(|marks| marks.high.saturating_sub(marks.low));
    counts.sum()
}

fn line(table: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(table, "{line}").unwrap_or_default();
}
