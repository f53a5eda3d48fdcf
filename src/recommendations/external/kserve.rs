//! `KServe`'s Open Inference Protocol, version 2: `POST /v2/models/MODEL/infer` with tensors, as `KServe`, `MLServer`, Seldon and
//! Triton speak it. Ids are tensors of `BYTES`, or `INT64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::ids::{Ids, flat, id, score};
use super::{Answered, Ask, Mode};

/// The body of a request. Candidates: `user_id [1]`, `recent_items [n]`, `k [1]`. Scores: `user_id [n]`, `item_id [n]`.
pub(super) fn request(mode: Mode, ids: Ids, ask: &Ask<'_>) -> Value {
    let inputs = match mode {
        Mode::Candidates => vec![
            tensor("user_id", &[ask.user], ids),
            tensor("recent_items", ask.recent, ids),
            json!({"name": "k", "shape": [1], "datatype": "INT32", "data": [ask.k]}),
        ],
        Mode::Scores => vec![
            tensor("user_id", &vec![ask.user; ask.candidates.len()], ids),
            tensor("item_id", ask.candidates, ids),
        ],
    };
    json!({ "inputs": inputs })
}

/// Numbers only if all of them are: a tensor has one type.
fn tensor(name: &str, texts: &[impl AsRef<str>], ids: Ids) -> Value {
    let texts = || texts.iter().map(AsRef::as_ref);
    let numbers: Option<Vec<i64>> = (ids == Ids::Number)
        .then(|| texts().map(|text| text.parse().ok()).collect())
        .flatten();
    let (datatype, data) = match numbers {
        Some(numbers) => ("INT64", json!(numbers)),
        None => ("BYTES", json!(texts().collect::<Vec<_>>())),
    };
    let mut tensor = json!({
        "name": name, "shape": [texts().count()], "datatype": datatype, "data": data,
    });
    // Servers in Python hand bytes to the model otherwise.
    if datatype == "BYTES"
        && let Some(tensor) = tensor.as_object_mut()
    {
        tensor.insert("parameters".to_owned(), json!({"content_type": "str"}));
    }
    tensor
}

/// The tensor of an answer: the one of that name, else the only one.
pub(super) fn answer(answer: &Value, mode: Mode) -> Result<Answered, String> {
    let outputs = answer.get("outputs").and_then(Value::as_array);
    let outputs = outputs.ok_or_else(|| "it has no list `outputs`".to_owned())?;
    let names: &[&str] = match mode {
        Mode::Candidates => &["item_ids", "items", "item_id"],
        Mode::Scores => &["scores", "score"],
    };
    let objects = || outputs.iter().filter_map(Value::as_object);
    let name = |tensor: &&Map<String, Value>| {
        let name = tensor.get("name").and_then(Value::as_str);
        name.is_some_and(|name| names.contains(&name))
    };
    let only = || objects().next().filter(|_| outputs.len() == 1);
    let tensor = objects().find(name).or_else(only);
    let tensor = tensor.ok_or_else(|| {
        format!(
            "none of its {} outputs is named {}",
            outputs.len(),
            names.join(" or ")
        )
    })?;
    let data = tensor.get("data").and_then(Value::as_array);
    let values = flat(data.ok_or_else(|| "the output has no list `data`".to_owned())?)?;
    let shape = tensor.get("shape").and_then(Value::as_array);
    if let Some(shape) = shape {
        let count = shape.iter().filter_map(Value::as_u64).product::<u64>();
        if count != values.len() as u64 {
            return Err(format!(
                "the output has {} values, its shape says {count}",
                values.len()
            ));
        }
    }
    Ok(match mode {
        Mode::Scores => Answered::Scores(values.into_iter().map(score).collect::<Result<_, _>>()?),
        Mode::Candidates => {
            let coded = tensor
                .get("parameters")
                .and_then(|parameters| parameters.get("content_type"))
                .is_some_and(|kind| kind == "base64");
            let items = values
                .into_iter()
                .map(|value| if coded { decoded(value) } else { id(value) });
            Answered::Items(items.collect::<Result<_, _>>()?)
        }
    })
}

fn decoded(value: &Value) -> Result<String, String> {
    let text = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    id(&Value::from(
        text.ok_or_else(|| "an id is not base64 of text".to_owned())?,
    ))
}
