//! What is written about the configuration is made from its types: the default file, the JSON Schema, the page on connections.
//! `UPDATE=1 cargo test --test configuration` writes the files again.

use std::path::Path;

use homeostat::configuration::{DEFAULT, json_schema, load};
use homeostat::connectors;
use serde_json::Value;
use toml_edit::{DocumentMut, TableLike};

/// Widest line of the default file.
const WIDTH: usize = 130;

/// The file is as made, or becomes so.
fn is_written(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let line = written
        .lines()
        .zip(made.lines())
        .position(|(written, made)| written != made);
    assert!(
        written == made,
        "{} differs from the types at line {}; UPDATE=1 cargo test --test configuration",
        path.display(),
        line.map_or(0, |line| line + 1)
    );
}

#[test]
fn the_default_file_holds_comment_and_value_of_every_field() {
    let mut file: DocumentMut = DEFAULT.parse().unwrap();
    fill(file.as_table_mut(), &json_schema(), "", "");
    is_written("config/default.toml", &file.to_string());
}

/// Writes comment and default of each key that the schema declares into its table, whose keys are written behind `dotted`.
fn fill(table: &mut dyn TableLike, schema: &Value, path: &str, dotted: &str) {
    for (name, key) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        if let Some(default) = key.get("default") {
            let value: toml_edit::Value = toml::Value::try_from(default)
                .unwrap()
                .to_string()
                .parse()
                .unwrap();
            let present = table.get(name).and_then(toml_edit::Item::as_value);
            let same = present.is_some_and(|present| same(present, &value));
            if !same {
                table.insert(name, toml_edit::value(value));
            }
            let text = key["description"]
                .as_str()
                .unwrap_or_else(|| panic!("{path} has no comment"));
            let value = table.get_mut(name).unwrap().as_value_mut().unwrap();
            value.decor_mut().clear();
            // Behind the value if both fit into a line, else above it.
            let line = format!("{dotted}{name} = {value}  {}", comment(text).trim_end());
            let behind = line.len() <= WIDTH && !line.contains('\n');
            if behind {
                let comment = format!("  {}", comment(text).trim_end());
                value.decor_mut().set_suffix(comment);
            }
            value.decor_mut().set_prefix(" ");
            let above = if behind { String::new() } else { comment(text) };
            let mut name = table.key_mut(name).unwrap();
            let decor = name.leaf_decor_mut();
            let before = decor
                .prefix()
                .and_then(|prefix| prefix.as_str())
                .unwrap_or_default();
            // What was written before the key's own comment stays: the head of the file.
            let kept = before.rsplit_once("\n\n").map_or("", |(kept, _)| kept);
            let kept = if kept.is_empty() {
                String::new()
            } else {
                format!("{kept}\n\n")
            };
            decor.set_prefix(format!("{kept}{above}"));
        } else if key["properties"].is_object()
            && let Some(below) = table
                .get_mut(name)
                .and_then(|item| item.as_table_like_mut())
        {
            let dotted = if below.is_dotted() {
                format!("{dotted}{name}.")
            } else {
                String::new()
            };
            fill(below, key, &format!("{path}."), &dotted);
        }
    }
}

fn same(present: &toml_edit::Value, made: &toml_edit::Value) -> bool {
    let number = |value: &toml_edit::Value| {
        value
            .as_float()
            .or_else(|| value.as_integer().map(|number| number as f64))
    };
    if let (Some(present), Some(made)) = (number(present), number(made)) {
        (present - made).abs() < 1e-12
    } else {
        // Without the comment behind it.
        let mut present = present.clone();
        present.decor_mut().clear();
        present.to_string().trim() == made.to_string().trim()
    }
}

fn comment(text: &str) -> String {
    let mut comment = String::new();
    let mut line = "#".to_owned();
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            comment.push_str(&line);
            comment.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    format!("{comment}{line}\n")
}

#[test]
fn the_page_on_connections_describes_every_kind() {
    is_written("docs/connections.md", &connectors::reference());
}

#[test]
fn every_example_of_a_kind_loads() {
    let page = connectors::reference();
    let examples: Vec<&str> = page.split("```toml\n").skip(2).collect();
    assert_eq!(examples.len(), connectors::names().count() - 1);
    for example in examples {
        let (example, _) = example.split_once("```").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("example.toml");
        std::fs::write(&file, example).unwrap();
        // A secret that suits every use: two words of a header, or of a signature.
        let references = example
            .split('"')
            .filter_map(|text| text.strip_prefix("env:"));
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secrets = references.map(|name| {
            // An address that is itself the secret.
            let is_url = name.ends_with("_URL");
            let value = if is_url {
                "https://example.com/hook"
            } else {
                secret
            };
            (name.to_owned(), value.to_owned())
        });
        let loaded = load(&[file], secrets.collect::<Vec<_>>());
        let loaded = loaded.unwrap_or_else(|faults| panic!("{example}: {faults:#?}"));
        assert!(
            loaded.warnings.is_empty(),
            "{example}: {:#?}",
            loaded.warnings
        );
    }
}

#[test]
fn every_key_of_the_default_file_is_in_the_schema_with_its_meaning() {
    let file: toml::Table = DEFAULT.parse().unwrap();
    let schema = json_schema();
    for (name, value) in &file {
        described(name, value, &schema["properties"][name]);
    }
}

fn described(path: &str, value: &toml::Value, schema: &Value) {
    assert!(schema.is_object(), "the schema has no {path}");
    let toml::Value::Table(table) = value else {
        return;
    };
    for (name, value) in table {
        let own = &schema["properties"][name];
        let free = &schema["additionalProperties"];
        let path = format!("{path}.{name}");
        if own.is_object() {
            let is_table = own["type"] == "object" || own["anyOf"].is_array();
            assert!(
                is_table || own["description"].is_string(),
                "{path} has no comment"
            );
            described(&path, value, own);
        } else {
            described(&path, value, free);
        }
    }
}
