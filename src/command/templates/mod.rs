//! `homeostat templates`: which texts and templates there are, and what would be sent for an event, without a running service.

mod event;
mod list;
mod preview;

use std::path::PathBuf;

use clap::Subcommand;
use homeostat_logic::actions::Action;
use homeostat_logic::target::{Target, TargetKind};

use super::{Failure, Wiring};

const EXAMPLES: &str = "\
Examples:
  homeostat templates list --config prod.toml
  homeostat templates preview alert --event drift.json --topic data.drift.detected --config prod.toml
  echo '{\"event_type\":\"disk_full\",\"message\":\"97 %\"}' | homeostat templates preview alert --event -
  homeostat templates preview retrain --event drift.json --type data_drift_detected --target model/fraud
  homeostat templates preview alert --event drift.json --topic data.drift.detected --escalation

`preview` decides about the event by the configuration and shows what the action would send over its
connection; nothing is changed outside. The event is bare JSON, an envelope (CloudEvents, Alertmanager,
…) or {\"topic\": …, \"value\": {the event}}, as `homeostat publish` takes it.
Exit codes: 0 done, 1 the action cannot be sent (a template fails, or renders no JSON), 2 usage or
configuration.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the texts of alerts and the templates of requests, each with its source and its variables.
    #[command(after_help = EXAMPLES)]
    List,
    /// Show what an action would send for an event, and the texts of an alert.
    #[command(after_help = EXAMPLES)]
    Preview(Preview),
}

#[derive(Debug, clap::Args)]
struct Preview {
    /// The action: retrain, rollback, `scale_up`, `scale_down`, alert or monitor.
    #[arg(value_parser = action)]
    action: Action,
    /// File with one event, `-` for standard input.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// Topic that the event comes on; needed where neither the event nor --type says what happened.
    #[arg(long)]
    topic: Option<String>,
    /// Type of the event, in place of its own `event_type`.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "topic")]
    event_type: Option<String>,
    /// Show the alert that people get when the action that the rules take for the event ends without success.
    #[arg(long)]
    escalation: bool,
    /// What the event is about, in place of what it names: model/NAME or service/NAME.
    #[arg(long, value_parser = target)]
    target: Option<Target>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn action(name: &str) -> Result<Action, String> {
    let names: Vec<&str> = Action::executed().map(Action::name).collect();
    let known = Action::find(name).filter(|action| action.is_executed());
    known.ok_or_else(|| format!("one of {}", names.join(", ")))
}

fn target(text: &str) -> Result<Target, String> {
    match TargetKind::split(text) {
        Some((_, "")) | None => Err("write model/NAME or service/NAME".to_owned()),
        Some((TargetKind::Model, name)) => Ok(Target::model(name)),
        Some((TargetKind::Service, name)) => Ok(Target::service(name)),
    }
}

pub(super) async fn templates(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    files: &[PathBuf],
) -> Result<(), Failure> {
    let usage = |faults: Vec<String>| Failure::Usage(faults.join("\n"));
    let decides = wiring.decides(files).map_err(usage)?;
    match &arguments.command {
        Command::List => list::list(&decides),
        Command::Preview(wanted) => preview::preview(wanted, &decides).await,
    }
}
