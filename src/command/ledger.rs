//! `homeostat ledger`: how a running service folds it, and the two records that only a person may order, written straight
//! into the configured event log: an empty start where no other is possible, and a newer version of the fold.

use std::path::PathBuf;

use clap::Subcommand;
use homeostat_actors::ports::log::{EventLog, LogError, NewRecord, TopicPartition, Watermarks};
use homeostat_logic::ledger::codec::{DecodeError, decode, encode};
use homeostat_logic::ledger::fold::restore::Restore;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold, empty_checkpoint};
use homeostat_logic::ledger::record::{Id, Record, Upgrade};
use homeostat_logic::topic::LEDGER;
use serde_json::Value;

use super::service::{Question, Service};
use super::{Failure, IfMissing, Wiring, holds, log_failure, print};
use crate::random::fresh_id;

const EXAMPLES: &str = "\
Examples:
  homeostat ledger status
  homeostat ledger start-empty --yes --config prod.toml
  homeostat ledger upgrade --to 3 --config prod.toml

status asks a running service; the others write into the configured event log. Exit codes: 0 done,
1 refused, failed or not reached, 2 usage or configuration, 3 the embedded log cannot be used.";

/// Records read at a time.
const BATCH: usize = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show each partition as a running service folds it; instances at one offset must show one hash.
    #[command(after_help = EXAMPLES)]
    Status {
        /// A running service.
        #[arg(long, env = "HOMEOSTAT_URL", default_value = "http://127.0.0.1:8470")]
        url: String,
        /// Print the service's answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Start over without a state, in the partitions whose first records are gone and that have no checkpoint to start
    /// from. What they knew is lost: open actions, cooldowns, budgets, and which events were decided.
    #[command(after_help = EXAMPLES)]
    StartEmpty {
        /// Confirm the loss.
        #[arg(long)]
        yes: bool,
        /// Who gives the order; kept in the ledger.
        #[arg(long, default_value = "operator")]
        who: String,
    },
    /// Let every partition be folded by a newer version of the rules from here on. An instance that does not know it
    /// stops executing.
    #[command(after_help = EXAMPLES)]
    Upgrade {
        /// The version; at most the one this program knows.
        #[arg(long, allow_negative_numbers = true)]
        to: i64,
    },
}

pub(super) async fn ledger(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    files: &[PathBuf],
) -> Result<(), Failure> {
    match &arguments.command {
        Command::Status { url, json } => status(url, *json).await,
        Command::StartEmpty { yes: false, .. } => Err(Failure::Usage(
            "start-empty loses what the ledger knew: open actions, cooldowns, budgets, and which events were decided; say --yes if you mean it".to_owned(),
        )),
        Command::StartEmpty { yes: true, who } => {
            let log = wiring.open_log(files, IfMissing::Leave)?.log;
            let done = start_empty(log.as_ref(), who).await;
            log.close();
            done
        }
        &Command::Upgrade { to } => {
            let known = |version: &u32| (1..=FOLD_VERSION).contains(version);
            let to = u32::try_from(to).ok().filter(known).ok_or_else(|| {
                Failure::Usage(format!("--to {to}: this program knows the versions 1 to {FOLD_VERSION}"))
            })?;
            let log = wiring.open_log(files, IfMissing::Leave)?.log;
            let done = upgrade(log.as_ref(), to).await;
            log.close();
            done
        }
    }
}

async fn status(url: &str, json: bool) -> Result<(), Failure> {
    let answer = Service::at(url)?.ask(Question::get(&["ledger"])).await?;
    if json {
        return print(&format!("{answer}\n"));
    }
    let mut table = row([
        "PARTITION",
        "OWNED",
        "PROGRESS",
        "OFFSET",
        "VERSION",
        "OPEN",
        "HASH",
        "HELD",
    ]);
    let partitions = answer.get("partitions").and_then(Value::as_array);
    for partition in partitions.into_iter().flatten() {
        let cell = |name: &str| match partition.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
            Some(other) => other.to_string(),
            None => "?".to_owned(),
        };
        let holds = partition.get("holds").unwrap_or(&Value::Null);
        let held = holds::in_words(holds).unwrap_or_else(|| "-".to_owned());
        let [number, owned, progress, offset] =
            ["partition", "owned", "progress", "offset"].map(cell);
        let [version, open, hash] = ["fold_version", "open_actions", "hash"].map(cell);
        table += &row([
            &number, &owned, &progress, &offset, &version, &open, &hash, &held,
        ]);
        let problem = partition.get("problem").and_then(Value::as_str);
        let below = problem.map(str::to_owned).into_iter();
        for line in below.chain(holds::orders(holds)).chain(lost(partition)) {
            table.extend(["           ", &line, "\n"]);
        }
    }
    let warnings = answer.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        table.extend(["warning: ", warning, "\n"]);
    }
    print(&table)
}

/// A line for each alert that was not delivered, with what to do about it.
fn lost(partition: &Value) -> Vec<String> {
    let alerts = partition
        .get("undelivered_alerts")
        .and_then(Value::as_array);
    let line = |alert: &Value| {
        let text = |name: &str| alert.get(name).and_then(Value::as_str).unwrap_or("?");
        let id = text("id");
        format!(
            "{} about {} through {} is {} since {} and was not delivered: `homeostat override acknowledge {id} --reason WHY`",
            text("action"),
            text("target"),
            text("connector"),
            text("phase"),
            text("ended")
        )
    };
    alerts.into_iter().flatten().map(line).collect()
}

fn row(
    [
        partition,
        owned,
        progress,
        offset,
        version,
        open,
        hash,
        held,
    ]: [&str; 8],
) -> String {
    format!(
        "{partition:>9}  {owned:<5}  {progress:<9} {offset:>10} {version:>7} {open:>5} {hash:<64} {held}\n"
    )
}

/// Refuses partitions that can be started from: their state is needed, and an empty start would forget it everywhere. A
/// partition keeps its installation, if what is left of it or another partition names it; else it gets a new one, and
/// that is said.
async fn start_empty(log: &dyn EventLog, who: &str) -> Result<(), Failure> {
    let (mut lost, mut known) = (Vec::new(), None);
    for (partition, marks) in partitions(log).await? {
        let Found {
            restores,
            installation,
        } = look(log, partition, marks).await?;
        known = known.or(installation);
        match (restores, marks.low) {
            (true, 0) => print(&format!(
                "partition {partition}: left alone, its first record is there\n"
            ))?,
            (true, _) => print(&format!(
                "partition {partition}: left alone, it has a checkpoint to start from\n"
            ))?,
            (false, _) => lost.push((partition, installation)),
        }
    }
    if lost.is_empty() {
        return Err(Failure::Failed(
            "refused: every partition has a state to start from; nothing was ordered. `homeostat ledger status` shows why a partition is not folded".to_owned(),
        ));
    }
    let fresh = fresh_id();
    for (partition, own) in lost {
        let installation = own.or(known).unwrap_or(fresh);
        let empty = empty_checkpoint(who, installation);
        append(log, partition, &Record::Checkpoint(empty)).await?;
        print(&match own.or(known) {
            Some(_) => format!("partition {partition}: installation {installation}, as before\n"),
            None => format!(
                "partition {partition}: NEW installation {installation}; the former one is not in what is left, so an event that is read again gets another idempotency key\n"
            ),
        })?;
    }
    print("start the instances again; they begin at the empty state\n")
}

/// What is left of a partition.
struct Found {
    /// Whether the service could start from it.
    restores: bool,
    /// The installation, if it is known.
    installation: Option<Id>,
}

async fn look(log: &dyn EventLog, partition: i32, marks: Watermarks) -> Result<Found, Failure> {
    let whole = marks.low == 0;
    let (mut restore, mut fold) = (Restore::new(FOLD_VERSION), whole.then(Fold::new));
    let mut next = marks.low;
    while next < marks.high {
        let batch = log
            .read(place(partition), next, BATCH)
            .await
            .map_err(|error| log_failure(log, &error))?;
        let Some(last) = batch.last().map(|record| record.offset) else {
            break;
        };
        for record in batch {
            let decoded = match decode(record.value.as_deref().unwrap_or_default()) {
                Ok(decoded) => Ok(decoded),
                Err(DecodeError::Undecodable(reason)) => Err(reason),
                // Its first record is there, so it is left alone whatever else is in it.
                Err(_) if whole => {
                    return Ok(Found {
                        restores: true,
                        installation: None,
                    });
                }
                Err(error) => return Err(other_version(partition, &error)),
            };
            if let Some(fold) = &mut fold {
                fold.apply(record.offset, record.timestamp, decoded);
                if fold.installation().is_some() {
                    return Ok(Found::of(fold));
                }
                continue;
            }
            match restore.read(record.offset, record.timestamp, decoded) {
                Ok(None) => {}
                Ok(Some(fold)) => return Ok(Found::of(&fold)),
                Err(error) => return Err(other_version(partition, &error)),
            }
        }
        next = last.saturating_add(1);
    }
    Ok(Found {
        restores: whole,
        installation: restore.installation(),
    })
}

impl Found {
    /// What a state to go on from contains.
    const fn of(fold: &Fold) -> Self {
        Self {
            restores: true,
            installation: fold.installation(),
        }
    }
}

async fn upgrade(log: &dyn EventLog, to: u32) -> Result<(), Failure> {
    for (partition, _) in partitions(log).await? {
        append(
            log,
            partition,
            &Record::Upgrade(Upgrade { fold_version: to }),
        )
        .await?;
    }
    Ok(())
}

async fn partitions(log: &dyn EventLog) -> Result<Vec<(i32, Watermarks)>, Failure> {
    let topics = log
        .describe_topics(vec![LEDGER.to_owned()])
        .await
        .map_err(|error| log_failure(log, &error))?;
    let ledger = topics.into_iter().next().ok_or_else(|| {
        Failure::Failed(format!(
            "there is no {LEDGER} in the event log; `homeostat` creates it at its first start"
        ))
    })?;
    Ok((0..).zip(ledger.partitions).collect())
}

async fn append(log: &dyn EventLog, partition: i32, record: &Record) -> Result<(), Failure> {
    let value = encode(record).map_err(|error| Failure::Failed(error.to_string()))?;
    let record = NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(partition),
        value: Some(value),
        ..NewRecord::default()
    };
    let silent = || Err(LogError::Unavailable("it did not answer".to_owned()));
    let appended = log.append(vec![record]).await.pop().unwrap_or_else(silent);
    let appended = appended.map_err(|error| log_failure(log, &error))?;
    print(&format!(
        "partition {partition}: written at offset {}\n",
        appended.offset
    ))
}

fn place(partition: i32) -> TopicPartition {
    TopicPartition {
        topic: LEDGER.to_owned(),
        partition,
    }
}

fn other_version(partition: i32, error: &dyn std::error::Error) -> Failure {
    Failure::Failed(format!("partition {partition}: {error}"))
}
