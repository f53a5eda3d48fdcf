//! The documentation of every kind of connection, made from the kinds themselves: `docs/connections.md`.

use std::fmt::Write as _;

use homeostat_logic::actions::Action;
use serde_json::Value;

use super::KINDS;
use super::kind::AnyKind;

const INTRODUCTION: &str = "\
# Connections

<!-- Made from the kinds in src/connectors; `UPDATE=1 cargo test --test configuration` writes it again. -->

A connection is one service of your platform and how Homeostat reaches it: `[connections.NAME]`, any number of them (64 at most),
each with a name of your own and a `kind`. An action names the connection that carries it out, and says in `with` how it uses it:

```toml
[actions.retrain]
connection = \"NAME\"
[actions.retrain.with]
# keys of the connection's kind
```

`[actions.default]` is laid under every action, and `[targets.NAME.actions.ACTION]` over it for one model or service. A `with`
belongs to the connection that is named beside it: a table that names another connection begins without the keys of the other.

The connection `log` is always there and the default. It changes nothing outside: it publishes on `system.alerts` what would
be done. For `alert` that publication is the action itself. It has no keys.

`homeostat check` lists what is wrong with a connection, without reaching it. `homeostat connections test NAME` asks its service
what would be possible, and changes nothing there; `homeostat connections list` and `GET /api/v1/connections` show those of a
running service.

With `dry_run = true` in a connection, or `homeostat run --dry-run` for all of them, everything is decided and recorded, and each
decision shows what would have been sent. Begin with it. The decisions count as carried out: cooldowns and budgets follow them.
An attempt that was begun in a dry run stays one: after the end of the dry run it is neither posted again, nor resolved or restored.

Each connection is a bulkhead: what happens to its service delays no action over another one. Two names are two bulkheads, also
with the same address: give a path that hangs now and then a connection of its own.

| bound | what happens at it |
| --- | --- |
| `concurrency_max` requests under way | further actions wait, the longest due first, whichever partition of the ledger they are in |
| `rate_per_minute` requests have left | further actions wait until the next one is due |
| the service answers with a `Retry-After` (429, 503), or 429 without one (a second) | the whole connection pauses for that time, at most `pause_max_ms`; then one request tries. It is no failure of the connection |
| `breaker.failures` requests in a row fail: not reached, no answer in time, or a failure of the service itself (5xx) | the connection is open: nothing is sent for `breaker.open_ms`, then one request tries. If it is answered, the connection closes; if it fails, it stays open for twice as long as before, at most `breaker.open_max_ms` |

A refusal, such as 400 or 404, is an answer: the order is at fault and the connection is not. Actions that wait spend no attempt; one
that waits beyond its time expires as it does during an outage, and people are alerted. Questions about attempts in doubt, those
that make an order absolute, and what remains of done actions (alerts that are posted again, changes that are restored) count like
requests; what remains waits as long as it must, and is never dropped. A question that makes an order absolute and is refused (401, 403,
404, a page of something else) fails the attempt with that reason; one that finds no service is asked again, and spends no attempt. `GET /api/v1/connections` and `homeostat connections list` show the state of each
connection, `/readyz` warns of one that is open, and `homeostat_connection_*` in [metrics](metrics.md) count. The state is kept per
instance and ends with it. The connection `log` has none of these bounds but 1,024 actions at the same time.

What the status of an answer means for an attempt:

| status | outcome | sent again |
| --- | --- | --- |
| 2xx | done, where the answer is the service's own (Slack, PagerDuty, Airflow and MLflow are recognised by their content; a `webhook` takes each 2xx for done, also that of a login page before it) | |
| 429 | failed: nothing was done (`not_sent` under `at_most_once`) | yes, after the pause, whatever the `policy` |
| 408, 409, 425, 5xx | unknown: it may have been done, or be under way | as the action's `policy` says |
| other | failed | no: people are alerted at once |

`retry_statuses` and `reject_statuses` of a connection over HTTP change that for the statuses that they list, from 400 to 599; a status
in both is refused by `homeostat check`. One in `retry_statuses` is sent again; of 408, 409, 425 and 5xx it stays unknown what was done.
One in `reject_statuses` means that nothing was done and never will be, and is no failure of the service: it opens no breaker. A kind's
own knowledge goes before both lists: a 409 that stands for this very action's run, Job or Workflow is done, a conflict of versions in
Kubernetes is read again within the attempt, and MLflow's 404 of a version says that it was deleted. Errors that Slack answers with
200 keep their own classes.

Secrets are references, `env:NAME` or `file:PATH`. A file is read again when it changes, so that a rotated credential is used from
the next request on; a new value that cannot be used is logged, and the last good one stays in use.
";

/// The page.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for kind in KINDS {
        // Writing to a string cannot fail.
        section(&mut page, *kind).unwrap_or_default();
    }
    page
}

fn section(page: &mut String, kind: &dyn AnyKind) -> std::fmt::Result {
    let actions = Action::ALL.into_iter();
    let actions: Vec<&str> = actions
        .filter(|action| *action != Action::Ignore && kind.carries(*action))
        .map(Action::name)
        .collect();
    let probed = kind.probed_by().map_or_else(
        || "cannot be asked for the outcome of an attempt, so `policy = \"verify\"` is refused".to_owned(),
        |key| if key.is_empty() {
            "can be asked for the outcome of an attempt (`policy = \"verify\"`)".to_owned()
        } else {
            format!("can be asked for the outcome of an attempt (`policy = \"verify\"`) if `with.{key}` is written")
        },
    );
    write!(
        page,
        "\n## {}\n\nReaches {}. Carries out {}. Its target {probed}.\n\n```toml\n{}```\n",
        kind.name(),
        kind.about(),
        actions.join(", "),
        kind.example()
    )?;
    write!(page, "\n### Keys of `[connections.NAME]`\n\n")?;
    table(page, &kind.settings_schema())?;
    write!(page, "\n### Keys of `[actions.ACTION.with]`\n\n")?;
    table(page, &kind.with_schema())?;
    match kind.notes() {
        "" => Ok(()),
        notes => write!(page, "\n{notes}"),
    }
}

fn table(page: &mut String, schema: &Value) -> std::fmt::Result {
    page.push_str("| key | default | meaning |\n| --- | --- | --- |\n");
    rows(page, "", schema)
}

fn rows(page: &mut String, path: &str, schema: &Value) -> std::fmt::Result {
    let keys = schema.get("properties").and_then(Value::as_object);
    for (name, key) in keys.into_iter().flatten() {
        let alternatives = key.get("anyOf").and_then(Value::as_array);
        let table = alternatives.and_then(|kinds| kinds.first()).unwrap_or(key);
        let path = format!("{path}{name}");
        if table.get("properties").is_some() {
            rows(page, &format!("{path}."), table)?;
            continue;
        }
        let text = key.get("description").and_then(Value::as_str);
        let text = text
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        let default = key.get("default").filter(|value| !value.is_null());
        let default = default.map_or_else(String::new, |value| format!("`{value}`"));
        writeln!(page, "| `{path}` | {default} | {text} |")?;
    }
    Ok(())
}
