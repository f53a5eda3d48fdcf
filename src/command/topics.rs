//! `homeostat topics`: list, create, describe.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use homeostat_actors::ports::log::{EventLog, TopicDescription};
use homeostat_logic::topic::{self, Use};

use super::{Failure, Wiring, print};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to do; `list` unless told otherwise.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name every topic of the platform, what it is for and how many records it holds.
    List,
    /// Create the topics that are missing; others are left as they are.
    Create,
    /// Show the partitions of topics with their first and next offsets.
    Describe {
        /// Names; every topic of the platform unless told otherwise.
        names: Vec<String>,
    },
}

pub(super) async fn topics(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    files: &[PathBuf],
) -> Result<(), Failure> {
    let configured = wiring.open_log(files)?;
    let log = configured.log.as_ref();
    let done = match arguments.command.as_ref().unwrap_or(&Command::List) {
        Command::List => list(log).await,
        Command::Create => {
            let wanted: Vec<String> = configured
                .topics
                .iter()
                .map(|topic| topic.name.clone())
                .collect();
            let before = describe(log, wanted.clone()).await?.len();
            log.ensure_topics(configured.topics).await.map_err(failed)?;
            let after = describe(log, wanted).await?.len();
            print(&format!(
                "{} topics created, {before} were there\n",
                after - before.min(after)
            ))
        }
        Command::Describe { names } => show(log, names).await,
    };
    log.close();
    done
}

async fn list(log: &dyn EventLog) -> Result<(), Failure> {
    let names = topic::TOPICS
        .iter()
        .map(|topic| topic.name.to_owned())
        .collect();
    let described = describe(log, names).await?;
    let mut table = format!(
        "{:<32} {:>10} {:>12}  {}\n",
        "TOPIC", "PARTITIONS", "RECORDS", "USE"
    );
    for topic in &topic::TOPICS {
        let usage = match topic.usage {
            Use::Decide(role) => format!("decided by {}", role.name()),
            Use::DecideByType => "decided by event type".to_owned(),
            Use::Observe => "observed".to_owned(),
            Use::Produce => "produced".to_owned(),
        };
        let (partitions, records) = described.get(topic.name).map_or_else(
            || (topic.partitions.to_string(), "missing".to_owned()),
            |description| {
                (
                    description.partitions.len().to_string(),
                    records(description).to_string(),
                )
            },
        );
        line(
            &mut table,
            format_args!("{:<32} {partitions:>10} {records:>12}  {usage}", topic.name),
        );
    }
    print(&table)
}

async fn show(log: &dyn EventLog, names: &[String]) -> Result<(), Failure> {
    let names: Vec<String> = if names.is_empty() {
        topic::TOPICS
            .iter()
            .map(|topic| topic.name.to_owned())
            .collect()
    } else {
        names.to_vec()
    };
    let described = describe(log, names.clone()).await?;
    let mut table = format!(
        "{:<32} {:>9} {:>12} {:>12}\n",
        "TOPIC", "PARTITION", "FIRST", "NEXT"
    );
    let mut missing = Vec::new();
    for name in names {
        let Some(description) = described.get(&name) else {
            missing.push(name);
            continue;
        };
        for (partition, marks) in description.partitions.iter().enumerate() {
            line(
                &mut table,
                format_args!(
                    "{name:<32} {partition:>9} {:>12} {:>12}",
                    marks.low, marks.high
                ),
            );
        }
    }
    print(&table)?;
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(Failure::Failed(format!(
        "not in the event log: {missing}; `homeostat topics create` creates the platform's topics"
    )))
}

async fn describe(
    log: &dyn EventLog,
    names: Vec<String>,
) -> Result<BTreeMap<String, TopicDescription>, Failure> {
    let descriptions = log.describe_topics(names).await.map_err(failed)?;
    Ok(descriptions
        .into_iter()
        .map(|topic| (topic.name.clone(), topic))
        .collect())
}

fn records(topic: &TopicDescription) -> i64 {
    topic
        .partitions
        .iter()
        .map(|marks| marks.high.saturating_sub(marks.low))
        .sum()
}

fn line(table: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(table, "{line}").unwrap_or_default();
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "used as a function for map_err"
)]
fn failed(error: homeostat_actors::ports::log::LogError) -> Failure {
    Failure::Failed(error.to_string())
}
