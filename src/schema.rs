//! JSON Schemas of settings, made from their types: comment, bounds and default of each key stand at its field.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Keyword for the order in which keys are declared; removed from what is published.
pub(crate) const ORDER: &str = "x-order";

/// A list of `host` or `host:port`.
pub(crate) fn hosts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "host" } })
}

/// Options of the Kafka client: dotted names, single values; which ones is checked where they are known.
pub(crate) fn client_options(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "format": "client-options",
        "additionalProperties": { "type": ["string", "integer", "boolean"] },
    })
}

/// The form of a topic of another tool.
pub(crate) fn ingest_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": crate::forms_of_topics::names() })
}

/// The schema of one type, without references. No key is required, for another layer may hold it; every table is closed.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>();
    let mut loosen = RecursiveTransform(|schema: &mut Schema| {
        schema.remove("$schema");
        schema.remove("title");
        if let Some(required) = schema.remove("required") {
            schema.insert(ORDER.to_owned(), required);
        }
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    });
    loosen.transform(&mut schema);
    schema.to_value()
}
