//! What a value is, in the words of a fault.

use toml::Value;

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.trim().is_empty() => "empty text",
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(number) if number.is_nan() => "nan, not a number",
        Value::Float(number) if number.is_infinite() => "an infinite number",
        Value::Float(number) if !is_plain(*number) => "a number beyond 64 bits",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "a flag",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// A number of either kind.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// Whether a number can be shown as it was written.
pub(super) fn is_plain(number: f64) -> bool {
    number.abs() < BEYOND_64_BITS
}

/// 2 to the power of 63: whole numbers from here on have no place in 64 bits with a sign.
const BEYOND_64_BITS: f64 = 9_223_372_036_854_775_808.0;
