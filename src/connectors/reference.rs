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
        |key| format!("can be asked for the outcome of an attempt (`policy = \"verify\"`) if `with.{key}` is written"),
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
