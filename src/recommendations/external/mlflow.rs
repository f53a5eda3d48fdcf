//! MLflow's scoring protocol: `POST /invocations` with `dataframe_split` or `inputs`, answered with `predictions`.

use serde_json::{Value, json};

use super::ids::{Ids, flat, id, score};
use super::settings::Form;
use super::{Answered, Ask, Mode};

/// Fields that hold the items of a prediction, the first that is there counts.
const LISTS: [&str; 4] = ["item_ids", "items", "recommendations", "predictions"];
/// Fields that hold one item, or its score.
const ITEM: [&str; 3] = ["item_id", "item", "id"];
const SCORE: [&str; 3] = ["score", "prediction", "rating"];

/// The body of a request. Candidates: one row `user_id, recent_items, k`. Scores: a row `user_id, item_id` for each.
pub(super) fn request(form: Form, mode: Mode, ids: Ids, ask: &Ask<'_>) -> Value {
    let user = ids.value(ask.user);
    match (form, mode) {
        (Form::DataframeSplit, Mode::Candidates) => json!({"dataframe_split": {
            "columns": ["user_id", "recent_items", "k"],
            "data": [[user, ids.values(ask.recent), ask.k]],
        }}),
        (Form::DataframeSplit, Mode::Scores) => {
            let rows: Vec<Value> = ask
                .candidates
                .iter()
                .map(|item| json!([user, ids.value(item)]))
                .collect();
            json!({"dataframe_split": {"columns": ["user_id", "item_id"], "data": rows}})
        }
        (Form::Inputs, Mode::Candidates) => json!({"inputs": [{
            "user_id": user, "recent_items": ids.values(ask.recent), "k": ask.k,
        }]}),
        (Form::Inputs, Mode::Scores) => {
            let rows: Vec<Value> = ask
                .candidates
                .iter()
                .map(|item| json!({"user_id": user, "item_id": ids.value(item)}))
                .collect();
            json!({ "inputs": rows })
        }
    }
}

/// What an answer says: `{"predictions": …}`, or the predictions alone, as older servers write them.
pub(super) fn answer(answer: &Value, mode: Mode) -> Result<Answered, String> {
    let predictions = answer.get("predictions").unwrap_or(answer);
    match mode {
        Mode::Candidates => Ok(Answered::Items(items(predictions)?)),
        Mode::Scores => Ok(Answered::Scores(scores(predictions)?)),
    }
}

/// A list of ids, a row of them, rows with an id each, or one row with a field that holds them.
fn items(predictions: &Value) -> Result<Vec<String>, String> {
    let rows = match predictions {
        Value::Array(rows) => rows.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => return Err("its predictions are no list".to_owned()),
    };
    if let [Value::Object(row)] = rows
        && let Some(list) = LISTS.iter().find_map(|name| row.get(*name))
    {
        return items(list);
    }
    let row = |row: &Value| match row {
        Value::Object(fields) => {
            let found = ITEM.iter().find_map(|name| fields.get(*name));
            id(found.ok_or_else(|| format!("a prediction has no {}", ITEM.join(", ")))?)
        }
        value => id(value),
    };
    flat(rows)?.into_iter().map(row).collect()
}

/// A number for each row, alone or in a field.
fn scores(predictions: &Value) -> Result<Vec<f64>, String> {
    let rows = match predictions {
        Value::Array(rows) => rows.as_slice(),
        Value::Object(fields) => match SCORE.iter().find_map(|name| fields.get(*name)) {
            Some(list @ Value::Array(_)) => return scores(list),
            _ => return Err("its predictions are no list".to_owned()),
        },
        _ => return Err("its predictions are no list".to_owned()),
    };
    let row = |row: &Value| match row {
        Value::Object(fields) => {
            let named = SCORE.iter().find_map(|name| fields.get(*name));
            // A frame of one column, whatever its name is.
            let only = fields.values().next().filter(|_| fields.len() == 1);
            let found = named.or(only);
            score(found.ok_or_else(|| format!("a prediction has no {}", SCORE.join(", ")))?)
        }
        value => score(value),
    };
    flat(rows)?.into_iter().map(row).collect()
}
