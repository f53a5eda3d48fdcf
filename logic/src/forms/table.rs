//! A pandas table as JSON, in each form that `DataFrame.to_json` writes: records, split, or columns; names of several levels
//! are joined by `_`, as `NannyML`'s `to_df(multilevel=False)` does it.

use std::collections::BTreeMap;

use serde_json::Value;

/// A row: values by the names of their columns.
pub(super) type Row = BTreeMap<String, Value>;

/// The rows, in their order; what is wrong with the table otherwise.
pub(super) fn rows(table: &Value) -> Result<Vec<Row>, &'static str> {
    if let Some(records) = table.as_array() {
        return records.iter().map(record).collect();
    }
    let Some(object) = table.as_object() else {
        return Err("it is no table; send what DataFrame.to_json(orient=\"records\") gives");
    };
    match (object.get("columns"), object.get("data")) {
        (Some(Value::Array(columns)), Some(Value::Array(data))) => split(columns, data),
        _ => by_columns(object.iter()),
    }
}

fn record(value: &Value) -> Result<Row, &'static str> {
    let fields = value.as_object().ok_or("a row of the table is no object")?;
    let fields = fields.iter();
    Ok(fields
        .map(|(name, value)| (column(name), value.clone()))
        .collect())
}

fn split(columns: &[Value], data: &[Value]) -> Result<Vec<Row>, &'static str> {
    let names: Vec<String> = columns.iter().map(levels).collect();
    let row = |row: &Value| {
        let values = row
            .as_array()
            .ok_or("a row of the table's `data` is no list")?;
        if values.len() != names.len() {
            return Err("a row of the table's `data` has another length than `columns`");
        }
        Ok(names.iter().cloned().zip(values.iter().cloned()).collect())
    };
    data.iter().map(row).collect()
}

/// `{"column": {"0": value, …}, …}`: rows by their index, numbers in order.
fn by_columns<'a>(
    columns: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Result<Vec<Row>, &'static str> {
    let mut rows: BTreeMap<(u64, String), Row> = BTreeMap::new();
    for (name, values) in columns {
        let values = values
            .as_object()
            .ok_or("a column of the table is no object")?;
        for (index, value) in values {
            let place = (index.parse().unwrap_or(u64::MAX), index.clone());
            rows.entry(place)
                .or_default()
                .insert(column(name), value.clone());
        }
    }
    Ok(rows.into_values().collect())
}

/// A name in `columns`: text, or a list of its levels.
fn levels(name: &Value) -> String {
    match name {
        Value::String(name) => column(name),
        Value::Array(levels) => joined(levels.iter().filter_map(Value::as_str)),
        other => other.to_string(),
    }
}

/// A name as text; of several levels it is written as Python writes a tuple.
fn column(name: &str) -> String {
    let inside = name
        .strip_prefix("('")
        .and_then(|name| name.strip_suffix("')"));
    inside.map_or_else(|| name.to_owned(), |levels| joined(levels.split("', '")))
}

fn joined<'a>(levels: impl Iterator<Item = &'a str>) -> String {
    let levels: Vec<&str> = levels.collect();
    let mut rest = levels.as_slice();
    // `chunk` is the first level of the columns about the chunk, twice.
    while let [first, second, ..] = rest
        && (first == second || second.starts_with(&format!("{first}_")))
    {
        rest = rest.get(1..).unwrap_or_default();
    }
    rest.join("_")
}
