//! Times as people and other programs read them.

/// Milliseconds since the Unix epoch, UTC.
type Millis = i64;

/// Writes a time as RFC 3339 in UTC with milliseconds.
pub fn format_time(time: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(time).map_or_else(
        || time.to_string(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    )
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn rfc3339<S: serde::Serializer>(
    time: &Millis,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_time(*time))
}

#[allow(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn rfc3339_option<S: serde::Serializer>(
    time: &Option<Millis>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}
