//! `homeostat connections`: list those of a running service; try one of a configuration without changing anything.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use homeostat_actors::ports::connector::Finding;
use homeostat_logic::target::{Target, TargetKind};
use serde_json::{Value, json};

use super::service::{Question, Service};
use super::text::{self, array, field, printable};
use super::{Failure, Wiring, print};
use crate::connectors::Examined;

const EXAMPLES: &str = "\
Examples:
  homeostat connections list
  homeostat connections test airflow --config prod.toml
  homeostat connections test airflow --target model/fraud --config prod.toml

`list` asks a running service. `test` reads the configuration and asks the connection's service
itself; it changes nothing there.
Exit codes: 0 done, 1 not reached, or an action over the connection would fail, 2 usage or
configuration.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, one document a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the connections of a running service, with their state.
    #[command(after_help = EXAMPLES)]
    List {
        /// A running service.
        #[arg(long, env = "HOMEOSTAT_URL", default_value = "http://127.0.0.1:8470")]
        url: String,
    },
    /// Ask the service of a connection what would be possible: version, rights, names. Changes nothing.
    #[command(after_help = EXAMPLES)]
    Test {
        /// Its name in the configuration.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Try actions with this model or service: model/NAME or service/NAME.
        #[arg(long, value_parser = target)]
        target: Option<Target>,
    },
}

fn target(text: &str) -> Result<Target, String> {
    match TargetKind::split(text) {
        Some((TargetKind::Model, name)) => Ok(Target::model(name)),
        Some((TargetKind::Service, name)) => Ok(Target::service(name)),
        None => Err("write model/NAME or service/NAME".to_owned()),
    }
}

pub(super) async fn connections(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    files: &[PathBuf],
) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { url } => list(url, arguments.json).await,
        Command::Test { name, target } => {
            let examined = wiring
                .examine(files, name, target.as_ref())
                .map_err(|faults| Failure::Usage(faults.join("\n")))?
                .await;
            show(name, &examined, arguments.json)
        }
    }
}

async fn list(url: &str, as_json: bool) -> Result<(), Failure> {
    let service = Service::at(url)?;
    let answer = service.ask(Question::get(&["connections"])).await?;
    let mut lines = String::new();
    for connection in array(&answer, "connections") {
        if as_json {
            text::line(&mut lines, connection);
            continue;
        }
        let cell = |name: &str| printable(&field(connection, name).unwrap_or_default());
        let dry = connection.get("dry_run").and_then(Value::as_bool);
        let dry = if dry == Some(true) { "  dry run" } else { "" };
        let actions: Vec<String> = array(connection, "actions").iter().map(used).collect();
        let shown = format!(
            "{:<20} {:<20} {:<10} {}{dry}",
            cell("name"),
            cell("kind"),
            state(connection),
            actions.join(", ")
        );
        text::line(&mut lines, shown);
    }
    print(&lines)
}

/// Whether requests go through, and how many actions wait.
fn state(connection: &Value) -> String {
    let traffic = connection.get("traffic").unwrap_or(&Value::Null);
    let state = printable(&field(traffic, "state").unwrap_or_default());
    match traffic.get("waiting").and_then(Value::as_u64) {
        Some(waiting) if waiting > 0 => format!("{state}, {waiting} waiting"),
        _ => state,
    }
}

/// An action, and the target that it is for.
fn used(one: &Value) -> String {
    let action = printable(&field(one, "action").unwrap_or_default());
    let target = field(one, "target").map(|target| format!(" ({})", printable(&target)));
    format!("{action}{}", target.unwrap_or_default())
}

fn show(name: &str, examined: &[Examined], as_json: bool) -> Result<(), Failure> {
    if examined.is_empty() {
        return Err(Failure::Usage(format!(
            "connection `{name}` is used by no action; write connection = \"{name}\" in [actions.ACTION]"
        )));
    }
    let mut lines = String::new();
    let mut wrong = 0_usize;
    for one in examined {
        if !as_json {
            text::line(&mut lines, format_args!("{} of {}", one.action, one.target));
        }
        for finding in &one.findings {
            wrong += usize::from(matches!(finding, Finding::Wrong { .. }));
            if as_json {
                text::line(&mut lines, document(one, finding));
            } else {
                lines.push_str(&line(finding));
            }
        }
    }
    print(&lines)?;
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::Failed(
            "1 problem: an action over this connection would fail".to_owned(),
        )),
        many => Err(Failure::Failed(format!(
            "{many} problems: actions over this connection would fail"
        ))),
    }
}

fn line(finding: &Finding) -> String {
    match finding {
        Finding::Fine(what) => format!("  ok       {}\n", printable(what)),
        Finding::Unsure(what) => format!("  unclear  {}\n", printable(what)),
        Finding::Wrong { problem, remedy } => {
            format!(
                "  problem  {}\n           {}\n",
                printable(problem),
                printable(remedy)
            )
        }
    }
}

fn document(one: &Examined, finding: &Finding) -> Value {
    let (result, text, remedy) = match finding {
        Finding::Fine(what) => ("ok", what, None),
        Finding::Unsure(what) => ("unclear", what, None),
        Finding::Wrong { problem, remedy } => ("problem", problem, Some(remedy)),
    };
    json!({
        "action": one.action,
        "target": one.target.to_string(),
        "result": result,
        "detail": text,
        "remedy": remedy,
    })
}
