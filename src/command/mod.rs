//! The command line: what each subcommand takes and prints. What they need of the service comes through [`Wiring`].
//!
//! Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 the embedded log cannot be used; of the service also 4.

mod connections;
mod control;
mod dead_letters;
mod decisions;
mod evaluate;
mod holds;
mod ledger;
mod publish;
mod service;
#[cfg(test)]
mod suggested;
mod templates;
mod text;
mod topics;
mod users;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use futures_util::future::BoxFuture;
use homeostat_actors::ports::connector::Connections;
use homeostat_actors::ports::log::{EventLog, LogError, TopicSettings};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::rules::{RuleSettings, Rules};
use homeostat_logic::target::Target;

use crate::configuration::json_schema;
use crate::connectors::Examined;
use crate::secrets::Secret;

const EXAMPLES: &str = "\
Examples:
  homeostat                                          run on the embedded log
  homeostat --config prod.toml                       run with an overlay of the defaults
  homeostat run --dry-run --config prod.toml         decide, and only show what would be sent
  homeostat check --config prod.toml                 print every fault of a configuration
  homeostat publish --file events.jsonl              publish lines of {topic, key, value}
  echo '{\"severity\":\"high\"}' | homeostat publish data.drift.detected
  homeostat decisions list --outcome failed          what was decided, and what came of it
  homeostat connections test NAME                    try a connection, changing nothing
  homeostat templates preview alert --event e.json   what would be sent for an event
  homeostat dead-letters list                        records that could not be handled
  homeostat pause --reason release                   hold every action back until resume
  homeostat override cancel ID --reason later        an order about one action
  homeostat evaluate interactions.csv                how good recommendations would have been
  homeostat users token 4711 --valid 8h              a token with which a user gets his updates
  homeostat topics list --url http://127.0.0.1:8470  partitions and offsets, of a running service

Configuration: built-in defaults, then each --config FILE in order, then the environment
(HOMEOSTAT__SECTION__KEY).

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 the ledger or the embedded log cannot be
used (a person has to repair it), 4 the client of the event log has failed for good (start again).";

const RUN_EXAMPLES: &str = "\
Examples:
  homeostat run --config prod.toml
  homeostat run --dry-run --config prod.toml    decide and record, and only show what would be sent";

const CHECK_EXAMPLES: &str = "\
Examples:
  homeostat check --config prod.toml
  homeostat check --config prod.toml --effective | grep retrain
  homeostat check --config prod.toml --strict              fail on warnings too (CI)
  homeostat check --schema > homeostat.schema.json         for editors (taplo, Even Better TOML)

Faults keep the service from starting. Warnings name what is allowed but has no effect, most
often because a name is mistyped; both go to standard error. What --effective prints is itself a
configuration (`--config`); secrets stay references, and what a URL's query may hold is hidden.
Exit codes: 0 no fault, 2 faults, or warnings with --strict.";

/// Keeps an ML platform in balance: reads its events, decides by readable rules, acts, and records why.
#[derive(Debug, Parser)]
#[command(name = "homeostat", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    /// Configuration laid over the defaults; may be repeated, the last one wins.
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// What to do [default: run].
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service until SIGTERM or Ctrl-C.
    #[command(after_help = RUN_EXAMPLES)]
    Run {
        /// Decide and record everything, and change nothing outside: what would be sent is shown with each decision. For a
        /// service that was run so, continue without it on another ledger: the decisions count as carried out.
        #[arg(long)]
        dry_run: bool,
    },
    /// Check the configuration and print every fault at once, or `ok`.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Print the whole configuration as TOML, with the place where each value was written, instead of `ok`.
        #[arg(long)]
        effective: bool,
        /// Treat warnings as faults.
        #[arg(long)]
        strict: bool,
        /// Print the JSON Schema of configuration files, with which editors complete and check them, and read nothing.
        #[arg(long, conflicts_with_all = ["effective", "strict"])]
        schema: bool,
    },
    /// Publish events, and wait until each one is durable.
    Publish(publish::Arguments),
    /// List, create or describe the platform's topics, in the configured event log or of a running service.
    Topics(topics::Arguments),
    /// List, show and follow decisions, on a running service.
    Decisions(decisions::Arguments),
    /// List, show and replay the records that could not be handled, on a running service.
    DeadLetters(dead_letters::Arguments),
    /// List the connections to the platform's services, or try one without changing anything.
    Connections(connections::Arguments),
    /// List the templates of alerts and requests, or show what an action would send for an event.
    Templates(templates::Arguments),
    /// Hold every action back, on all instances, until `resume`.
    #[command(after_help = control::EXAMPLES)]
    Pause(control::Hold),
    /// End pause and silence.
    #[command(after_help = control::EXAMPLES)]
    Resume(control::Hold),
    /// Hold actions back until a time.
    #[command(after_help = control::EXAMPLES)]
    Silence(control::Silence),
    /// Let an action start that waits for approval.
    #[command(after_help = control::EXAMPLES)]
    Approve(control::OnAction),
    /// Cancel, refire, resolve, acknowledge or force an action, or clear its cooldown.
    #[command(after_help = control::EXAMPLES)]
    Override(control::Override),
    /// Show the ledger, or order what only a person may: an empty start, an upgrade.
    Ledger(ledger::Arguments),
    /// Measure recommendations on interactions of the past, beside popularity and item-kNN.
    Evaluate(evaluate::Arguments),
    /// Print a token with which a user reads his recommendations.
    Users(users::Arguments),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example: homeostat completions bash > ~/.local/share/bash-completion/completions/homeostat"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What the command line needs of the rest of the service.
pub trait Wiring {
    /// Runs the service with the defaults and these overlays until its end; `dry_run` as its key.
    fn run(&self, files: &[PathBuf], dry_run: bool) -> ExitCode;

    /// Tries a connection without changing anything, see [`crate::connectors::examine`].
    ///
    /// # Errors
    /// Faults of the configuration, or that it has no such connection.
    fn examine<'a>(
        &self,
        files: &[PathBuf],
        name: &'a str,
        target: Option<&'a Target>,
    ) -> Result<BoxFuture<'a, Vec<Examined>>, Vec<String>>;

    /// What decides and acts by the configuration, without the service.
    ///
    /// # Errors
    /// Faults of the configuration; templates are compiled and not tried.
    fn decides(&self, files: &[PathBuf]) -> Result<Decides, Vec<String>>;

    /// The secret that signs users' tokens; `None`: users need no token.
    ///
    /// # Errors
    /// Faults of the configuration.
    fn user_secret(&self, files: &[PathBuf]) -> Result<Option<Secret>, Vec<String>>;

    /// Writes the embedded user store again, see [`crate::store::rewrite`]; how many profiles it has.
    ///
    /// # Errors
    /// It is in use or cannot be written; or users are in a Redis.
    fn rewrite_users(&self, files: &[PathBuf]) -> Result<u64, OpenError>;

    /// Every fault and warning of the configuration.
    fn check(&self, files: &[PathBuf]) -> Checked;

    /// Opens the configured event log.
    fn open_log(
        &self,
        files: &[PathBuf],
        if_missing: IfMissing,
    ) -> Result<ConfiguredLog, OpenError>;

    /// Opens an Apache Kafka for publishing only; how it is reached securely is configured.
    fn open_kafka(
        &self,
        files: &[PathBuf],
        bootstrap_servers: &str,
    ) -> Result<Arc<dyn EventLog>, OpenError>;
}

/// What decides and acts by a configuration.
pub struct Decides {
    /// How it decides, as written.
    pub settings: RuleSettings,
    /// The same, resolved.
    pub rules: Rules,
    /// How it acts.
    pub connections: Connections,
    /// Where each value was written, by dotted key.
    pub origins: BTreeMap<String, String>,
    /// The present.
    pub now: Millis,
}

/// What was found in a configuration.
pub struct Checked {
    /// The effective one as TOML, or every fault, one line each.
    pub effective: Result<String, Vec<String>>,
    /// What is probably not meant, one line each.
    pub warnings: Vec<String>,
}

/// What becomes of an embedded log that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It is created.
    Create,
    /// Nothing is written: [`OpenError::Missing`].
    Leave,
}

/// An event log and the topics it has to have.
pub struct ConfiguredLog {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// As configured.
    pub topics: Vec<TopicSettings>,
}

/// Why an event log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Faults of the configuration, one line each.
    #[error("{}", .0.join("\n"))]
    Configuration(Vec<String>),
    /// There is no embedded log, and none was to be created.
    #[error(
        "there is no event log in {} yet: `homeostat` creates it at its first start", directory.display()
    )]
    Missing {
        /// Where it would be.
        directory: PathBuf,
    },
    /// Another process has the embedded log open.
    #[error("{problem}")]
    InUse {
        /// What is wrong and what to do.
        problem: String,
        /// Where a service of this configuration would answer.
        url: String,
    },
    /// The embedded log cannot be used: a person has to repair it.
    #[error("{0}")]
    Unusable(String),
    /// The log's client.
    #[error("{0}")]
    Log(String),
}

/// Why a subcommand did not do all it was asked for.
#[derive(Debug)]
enum Failure {
    /// Exit code 1.
    Failed(String),
    /// Exit code 1: no service answers, or not yet; another time one may.
    NotReached(String),
    /// Exit code 2.
    Usage(String),
    /// Exit code 3.
    Unusable(String),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Configuration(faults) => Self::Usage(faults.join("\n")),
            OpenError::InUse { problem, .. } | OpenError::Unusable(problem) => {
                Self::Unusable(problem)
            }
            OpenError::Missing { .. } | OpenError::Log(_) => Self::Failed(error.to_string()),
        }
    }
}

/// A log that did not do what it was asked for. The embedded one is on this machine: if it cannot be read or written, no
/// waiting helps.
fn log_failure(log: &dyn EventLog, error: &LogError) -> Failure {
    match error {
        LogError::Unavailable(_) | LogError::Fatal(_) if log.kind() == "embedded" => {
            Failure::Unusable(error.to_string())
        }
        _ => Failure::Failed(error.to_string()),
    }
}

/// Reads the command line and does what it says.
pub fn main(wiring: &dyn Wiring) -> ExitCode {
    // Prints help and usage errors itself; exit code 2 for the latter.
    let arguments = Arguments::parse();
    let files = &arguments.config;
    let done = match arguments.command.unwrap_or(Command::Run { dry_run: false }) {
        Command::Run { dry_run } => return wiring.run(files, dry_run),
        Command::Check { schema: true, .. } => print(&format!("{:#}\n", json_schema())),
        Command::Check {
            effective, strict, ..
        } => check(wiring, files, effective, strict),
        Command::Publish(arguments) => block_on(publish::publish(&arguments, wiring, files)),
        Command::Topics(arguments) => block_on(topics::topics(&arguments, wiring, files)),
        Command::Decisions(arguments) => block_on(decisions::decisions(&arguments)),
        Command::DeadLetters(arguments) => block_on(dead_letters::dead_letters(&arguments)),
        Command::Connections(arguments) => {
            block_on(connections::connections(&arguments, wiring, files))
        }
        Command::Templates(arguments) => block_on(templates::templates(&arguments, wiring, files)),
        Command::Pause(arguments) => block_on(control::hold("pause", &arguments)),
        Command::Resume(arguments) => block_on(control::hold("resume", &arguments)),
        Command::Silence(arguments) => block_on(control::silence(&arguments)),
        Command::Approve(arguments) => block_on(control::on_action("approve", &arguments, None)),
        Command::Override(arguments) => block_on(control::order(&arguments)),
        Command::Ledger(arguments) => block_on(ledger::ledger(&arguments, wiring, files)),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Users(arguments) => users::users(&arguments, wiring, files),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "homeostat", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(problem) | Failure::NotReached(problem)) => {
            complain(&problem);
            ExitCode::from(1)
        }
        Err(Failure::Usage(problem)) => {
            complain(&problem);
            ExitCode::from(2)
        }
        Err(Failure::Unusable(problem)) => {
            complain(&problem);
            ExitCode::from(3)
        }
    }
}

fn check(
    wiring: &dyn Wiring,
    files: &[PathBuf],
    effective: bool,
    strict: bool,
) -> Result<(), Failure> {
    let checked = wiring.check(files);
    for warning in &checked.warnings {
        complain(&format!("warning: {warning}"));
    }
    let configuration = checked
        .effective
        .map_err(|faults| Failure::Usage(faults.join("\n")))?;
    let text = if effective { &configuration } else { "ok\n" };
    match checked.warnings.len() {
        many @ 1.. if strict => Err(Failure::Usage(format!(
            "{many} warning{} with --strict",
            if many == 1 { "" } else { "s" }
        ))),
        _ => print(text),
    }
}

/// Commands wait for one thing at a time: one thread does.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("no runtime: {error}")))?
        .block_on(work)
}

/// To standard output; a reader that went away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(drop)
}

/// To standard output; whether the reader is still there.
fn print_while_read(text: &str) -> Result<ControlFlow<()>, Failure> {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    match written.and_then(|()| output.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Failure::Failed(format!(
            "cannot write to standard output: {error}"
        ))),
    }
}

/// To standard error; a failure of that cannot be reported anywhere.
pub(crate) fn complain(text: &str) {
    let mut output = std::io::stderr().lock();
    writeln!(output, "{}", text.trim_end()).unwrap_or_default();
}
