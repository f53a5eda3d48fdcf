//! `homeostat pause`, `resume`, `silence`, `approve` and `override …`: operators' orders, over the HTTP API of a running
//! service. Applied, or refused with the present state; it prints nothing before the service has read the order back.

use std::io::IsTerminal as _;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use homeostat_logic::ledger::phase::in_words;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::decisions::whole_id;
use super::service::{Question, Service};
use super::{Failure, complain, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  homeostat pause --reason \"release of the trainer\"
  homeostat silence --minutes 30 --target model/churn --reason \"known drift\"
  homeostat override cancel 4bf9… --reason \"not during the audit\"
  homeostat override refire 4bf9… --reason \"the trainer is repaired\"
  homeostat override acknowledge 4bf9… --reason \"seen, no action needed\"
  homeostat override resolve 4bf9… --outcome done --reason \"seen in the trainer\"
  homeostat override force --action retrain --target model/churn --reason \"new labels\"

An order needs the operator token in the environment as HOMEOSTAT_OPERATOR_TOKEN. Its
Idempotency-Key is printed first; the same order with --key KEY gets the first result. An order
about an action fits only the action as you saw it: with --expect N, or as it is read and shown
before the order. Exit codes: 0 applied, 1 refused or not reached, 2 usage.";

/// What every order has.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Why; kept in the ledger.
    #[arg(long)]
    reason: String,
    /// Who gives the order [default: operator].
    #[arg(long)]
    who: Option<String>,
    /// Idempotency-Key of the order [default: a new one].
    #[arg(long)]
    key: Option<String>,
    /// A running service.
    #[arg(long, env = "HOMEOSTAT_URL", default_value = "http://127.0.0.1:8470")]
    url: String,
    /// Print the service's answer as JSON, also of a refusal.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Silence {
    /// Its length: a second at least, 11520 (eight days) at most.
    #[arg(
        long,
        required_unless_present = "until",
        conflicts_with = "until",
        allow_negative_numbers = true,
        value_parser = minutes
    )]
    minutes: Option<f64>,
    /// Its end (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only the ledger partition of this target, `model/NAME` or `service/NAME`; others may live in it too.
    #[arg(long, conflicts_with = "partition")]
    target: Option<String>,
    /// Only this ledger partition.
    #[arg(long, allow_negative_numbers = true)]
    partition: Option<i32>,
    /// Do not ask whether the whole partition of the target may be held; asked on a terminal only.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

fn minutes(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "expected a number such as 30 or 0.5".to_owned())
}

#[derive(Debug, clap::Args)]
pub(super) struct OnAction {
    /// The action, as `homeostat decisions list` shows it, or its first digits.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    action: String,
    /// `changed` of the action as you saw it; read from the service and shown if left out.
    #[arg(long, allow_negative_numbers = true)]
    expect: Option<i64>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Override {
    #[command(subcommand)]
    order: Instruction,
}

#[derive(Debug, Subcommand)]
enum Instruction {
    /// Withdraw an action that is not being sent.
    Cancel(OnAction),
    /// Send an action once more that failed, or whose outcome is unknown.
    Refire(OnAction),
    /// Say that you know of an action that failed, expired or is unknown, or of an alert that was not delivered.
    Acknowledge(OnAction),
    /// Say what came of an action whose outcome is unknown or in doubt.
    Resolve {
        /// What came of it.
        #[arg(long, value_parser = ["done", "failed"])]
        outcome: String,
        #[command(flatten)]
        on_action: OnAction,
    },
    /// Free the cooldown key of the action that ended last on it.
    ClearCooldown(OnAction),
    /// Do something now, past cooldowns and budgets; an action of the same key under way still excludes it.
    Force(Force),
}

#[derive(Debug, clap::Args)]
struct Force {
    /// What to do, e.g. `retrain`.
    #[arg(long)]
    action: String,
    /// With what: `model/NAME` or `service/NAME`.
    #[arg(long)]
    target: String,
    /// Parameters of the action, a JSON object.
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
    /// Severity [default: high].
    #[arg(long)]
    severity: Option<String>,
    /// The event you have in mind, a JSON object; kept in the ledger.
    #[arg(long, value_name = "JSON")]
    event: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn hold(name: &str, hold: &Hold) -> Result<(), Failure> {
    give(name, &hold.common, Map::new()).await
}

pub(super) async fn silence(silence: &Silence) -> Result<(), Failure> {
    if let Some(target) = &silence.target {
        tell_what_is_held(target, silence).await?;
    }
    let fields = [
        ("minutes", silence.minutes.map(|minutes| json!(minutes))),
        ("until", silence.until.as_ref().map(|until| json!(until))),
        (
            "target",
            silence.target.as_ref().map(|target| json!(target)),
        ),
        ("partition", silence.partition.map(|number| json!(number))),
    ];
    give("silence", &silence.common, given(fields)).await
}

/// A silence of one target holds others too: that is said before it is ordered, and asked about on a terminal.
async fn tell_what_is_held(target: &str, silence: &Silence) -> Result<(), Failure> {
    let service = Service::at(&silence.common.url)?;
    let question = Question {
        query: &[("target", target)],
        ..Question::get(&["ledger"])
    };
    let ledger = service.ask(question).await?;
    complain(text(&ledger, "note"));
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if silence.yes || !terminal {
        return Ok(());
    }
    complain("Hold them all? [y/N]");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.map(|_| answer.trim()) {
        Ok("y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::Failed("nothing was ordered".to_owned())),
    }
}

pub(super) async fn order(arguments: &Override) -> Result<(), Failure> {
    match &arguments.order {
        Instruction::Cancel(on) => on_action("cancel", on, None).await,
        Instruction::Refire(on) => on_action("refire", on, None).await,
        Instruction::Acknowledge(on) => on_action("acknowledge", on, None).await,
        Instruction::Resolve {
            outcome,
            on_action: on,
        } => on_action("resolve", on, Some(outcome)).await,
        Instruction::ClearCooldown(on) => on_action("clear-cooldown", on, None).await,
        Instruction::Force(force) => {
            let fields = [
                ("action", Some(json!(force.action))),
                ("target", Some(json!(force.target))),
                ("params", object("--params", force.params.as_deref())?),
                (
                    "severity",
                    force.severity.as_ref().map(|severity| json!(severity)),
                ),
                ("event", object("--event", force.event.as_deref())?),
            ];
            give("force", &force.common, given(fields)).await
        }
    }
}

/// An order about one action, `outcome` being a person's word on it.
pub(super) async fn on_action(
    name: &str,
    on: &OnAction,
    outcome: Option<&str>,
) -> Result<(), Failure> {
    let service = Service::at(&on.common.url)?;
    let id = whole_id(&service, &on.action).await?;
    let expect = match on.expect {
        Some(expect) => expect,
        None => seen(&service, &id).await?,
    };
    let fields = [
        ("action_id", Some(json!(id))),
        ("expect", Some(json!(expect))),
        ("outcome", outcome.map(|outcome| json!(outcome))),
    ];
    give(name, &on.common, given(fields)).await
}

/// Reads the action, shows it, and returns its last change.
async fn seen(service: &Service, id: &str) -> Result<i64, Failure> {
    let story = service.ask(Question::get(&["decisions", id])).await?;
    let changed = story.get("changed").and_then(Value::as_i64);
    let changed = changed.ok_or_else(|| {
        let what = "the answer does not say when the action last changed; give --expect";
        Failure::Failed(what.to_owned())
    })?;
    let (target_kind, target) = (text(&story, "target_kind"), text(&story, "target"));
    let (action, phase) = (text(&story, "action"), text(&story, "phase"));
    complain(&format!(
        "{action} of {target_kind}/{target} {}, changed {changed}",
        is(phase)
    ));
    Ok(changed)
}

/// Gives the order and prints the result.
async fn give(name: &str, common: &Common, mut body: Map<String, Value>) -> Result<(), Failure> {
    let service = Service::at(&common.url)?;
    let key = common.key.clone();
    let key = key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    // Before anything is sent: without an answer it is needed for the repetition.
    complain(&format!("Idempotency-Key: {key}"));
    body.insert("reason".to_owned(), json!(common.reason));
    if let Some(who) = &common.who {
        body.insert("who".to_owned(), json!(who));
    }
    let path = ["control", name];
    let headers = [("idempotency-key", key.as_str())];
    let question = Question {
        method: Method::POST,
        headers: &headers,
        body: Some(Value::Object(body)),
        ..Question::get(&path)
    };
    let (status, answer) = service.answer(question).await?;
    if common.json && !answer.is_null() {
        print(&format!("{answer}\n"))?;
    }
    if status.is_success() && answer.is_object() {
        let shown = if common.json {
            String::new()
        } else {
            applied(name, &answer)
        };
        return print(&shown);
    }
    let now = state(&answer).map(|state| format!("; now: {state}"));
    let now = now.unwrap_or_default();
    Err(match service.refusal(status, &answer) {
        Failure::Failed(why) => Failure::Failed(format!("{why}{now}")),
        other => other,
    })
}

fn applied(name: &str, answer: &Value) -> String {
    let (time, now) = (text(answer, "time"), state(answer).unwrap_or_default());
    let note = answer.get("note").and_then(Value::as_str);
    let note = note.map_or_else(String::new, |note| format!("{note}\n"));
    format!("applied: {name}, {time}\n{note}{now}\n")
}

/// What is the case now, as answers have it.
fn state(answer: &Value) -> Option<String> {
    answer.get("holds").filter(|holds| holds.is_object())?;
    let held = super::holds::of_partitions(answer);
    let mut parts = Vec::new();
    if let Some(action) = answer.get("action").filter(|action| action.is_object()) {
        let (id, what, target) = (
            text(action, "id"),
            text(action, "action"),
            text(action, "target"),
        );
        let (phase, changed) = (text(action, "phase"), action.get("changed").cloned());
        let changed = changed.unwrap_or_default();
        parts.push(format!(
            "{what} of {target} ({id}) {}, changed {changed}",
            is(phase)
        ));
    }
    match held {
        Some(held) => parts.push(held),
        None if parts.is_empty() => parts.push("nothing is held back".to_owned()),
        None => {}
    }
    Some(parts.join("; "))
}

/// The phase of an action in words.
fn is(phase: &str) -> String {
    in_words(phase).map_or_else(|| format!("is {phase}"), str::to_owned)
}

fn object(option: &str, text: Option<&str>) -> Result<Option<Value>, Failure> {
    let Some(text) = text else { return Ok(None) };
    serde_json::from_str::<Map<String, Value>>(text)
        .map(|object| Some(Value::Object(object)))
        .map_err(|error| Failure::Usage(format!("{option}: not a JSON object: {error}")))
}

fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let given = fields.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or("?")
}
