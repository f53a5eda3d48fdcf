//! The JSON Schema of the configuration, made from the types of the settings: what `homeostat check --schema` prints, and what
//! the layers are checked against ([`super::shape`]).

use homeostat_logic::rules::RuleSettings;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::connectors::KINDS;
use crate::schema::{ORDER, schema_of};

/// Names of the keys of one type.
pub(super) fn keys_of<T: JsonSchema>() -> Vec<String> {
    let schema = schema_of::<T>();
    let keys = schema.get("properties").and_then(Value::as_object);
    keys.into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// What one layer may hold. The keys of a connection, and of what actions do with it, depend on its kind, which another layer
/// may name: they are checked when all layers are merged ([`super::connections`]).
pub(super) fn layer() -> Value {
    root(&json!(true), &json!(true))
}

/// The whole, for editors.
pub fn published() -> Value {
    let connections: Vec<Value> = KINDS.iter().map(|kind| kind.settings_schema()).collect();
    let with: Vec<Value> = KINDS.iter().map(|kind| kind.with_schema()).collect();
    let mut schema = root(&json!({ "oneOf": connections }), &json!({ "anyOf": with }));
    without_order(&mut schema);
    let mut document = Map::new();
    document.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    document.insert("title".to_owned(), json!("Configuration of Homeostat"));
    if let Value::Object(mut keys) = schema {
        document.append(&mut keys);
    }
    Value::Object(document)
}

fn root(connection: &Value, with: &Value) -> Value {
    let mut keys = Map::new();
    for mut schema in [schema_of::<Settings>(), schema_of::<RuleSettings>()] {
        if let Some(Value::Object(mut own)) = schema.get_mut("properties").map(Value::take) {
            keys.append(&mut own);
        }
    }
    let connections = json!({
        "type": "object", "additionalProperties": connection,
        "description": "Connections to the platform's services, by a name of your own; `kind` says what each is.",
    });
    keys.insert("connections".to_owned(), connections);
    let mut schema = json!({ "type": "object", "properties": keys, "additionalProperties": false });
    for path in [
        "/properties/actions/properties",
        "/properties/targets/additionalProperties/properties/actions/properties",
    ] {
        let tables = schema.pointer_mut(path).and_then(Value::as_object_mut);
        for table in tables.into_iter().flat_map(Map::values_mut) {
            if let Some(Value::Object(keys)) = table.get_mut("properties") {
                keys.insert("with".to_owned(), with.clone());
            }
        }
    }
    schema
}

fn without_order(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove(ORDER);
            fields.values_mut().for_each(without_order);
        }
        Value::Array(items) => items.iter_mut().for_each(without_order),
        _ => {}
    }
}
