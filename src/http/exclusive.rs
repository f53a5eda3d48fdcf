//! Fields of a body that exclude each other, as its schema says it.

use schemars::Schema;
use serde_json::{Value, json};

/// Of these fields exactly one is given; the others are null or missing.
pub(super) fn one_of(names: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema: &mut Schema| {
        let only = names.iter().map(|name| {
            let mut one = others_null(names, name);
            let given = without_null(schema, name);
            if let Some(fields) = one
                .pointer_mut("/properties")
                .and_then(Value::as_object_mut)
            {
                fields.insert((*name).to_owned(), given);
            }
            if let Some(one) = one.as_object_mut() {
                one.insert("required".to_owned(), json!([name]));
            }
            one
        });
        let only: Vec<Value> = only.collect();
        schema.insert("oneOf".to_owned(), json!(only));
    }
}

/// Of these fields at most one is given.
pub(super) fn at_most_one(names: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema: &mut Schema| {
        let only = names.iter().map(|name| others_null(names, name));
        let only: Vec<Value> = only.collect();
        schema.insert("anyOf".to_owned(), json!(only));
    }
}

fn others_null(names: &[&str], but: &str) -> Value {
    let others = names.iter().filter(|name| **name != but);
    let null = others.map(|name| ((*name).to_owned(), json!({"type": "null"})));
    json!({"properties": Value::Object(null.collect())})
}

/// What a field is when it is given.
fn without_null(schema: &Schema, name: &str) -> Value {
    let field = schema.get("properties").and_then(|fields| fields.get(name));
    let of = |part: &str| {
        field
            .and_then(|field| field.get(part)?.as_array())
            .into_iter()
            .flatten()
    };
    let kind = of("type")
        .find(|one| *one != "null")
        .map(|one| json!({"type": one}));
    let is_null = |one: &&Value| one.get("type").is_some_and(|kind| kind == "null");
    let either = || of("anyOf").find(|one| !is_null(one)).cloned();
    kind.or_else(either).unwrap_or_else(|| json!({}))
}
