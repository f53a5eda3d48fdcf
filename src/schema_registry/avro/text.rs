//! How values of Avro's logical types are written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::data::Data;
use super::schema::{Bytes, Number};

/// Largest decimal in bytes, and most digits behind its point; beyond it the bytes are kept in base64.
const DECIMAL_BYTES_MAX: usize = 16;
const SCALE_MAX: usize = 64;

const NANOS: i64 = 1_000_000_000;

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// As it is.
    Number(String),
    /// In quotes.
    Text(String),
}

/// A whole number. A time that the calendar does not have stays one.
pub(super) fn of_number(number: i64, meaning: Number) -> Written {
    let text = match meaning {
        Number::Itself => None,
        Number::Date => date(number),
        Number::Time(units) => time(number, units).map(|time| time.to_string()),
        Number::Instant(units) => instant(number, units).map(|time| {
            let format = match units {
                1_000 => SecondsFormat::Millis,
                1_000_000 => SecondsFormat::Micros,
                _ => SecondsFormat::Nanos,
            };
            time.to_rfc3339_opts(format, true)
        }),
        Number::Local(units) => instant(number, units)
            .map(|time| time.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
    };
    text.map_or_else(|| Written::Number(number.to_string()), Written::Text)
}

fn date(days: i64) -> Option<String> {
    let date = NaiveDate::from_epoch_days(i32::try_from(days).ok()?)?;
    Some(date.to_string())
}

fn time(number: i64, units: i64) -> Option<NaiveTime> {
    let seconds = u32::try_from(number.div_euclid(units)).ok()?;
    let nanos = u32::try_from(number.rem_euclid(units) * (NANOS / units)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

fn instant(number: i64, units: i64) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(number.rem_euclid(units) * (NANOS / units)).ok()?;
    DateTime::from_timestamp(number.div_euclid(units), nanos)
}

/// A number with a fraction: one of JSON, else its name. `written` is the same in the width that it has.
pub(super) fn of_real(number: f64, written: &impl serde::Serialize) -> Written {
    match serde_json::to_string(written) {
        Ok(text) if number.is_finite() => Written::Number(text),
        _ if number == f64::INFINITY => Written::Text("Infinity".to_owned()),
        _ if number == f64::NEG_INFINITY => Written::Text("-Infinity".to_owned()),
        _ => Written::Text("NaN".to_owned()),
    }
}

/// Bytes; in base64 where they are not what they should be.
pub(super) fn of_bytes(bytes: &[u8], meaning: Bytes) -> Written {
    let written = match meaning {
        Bytes::Themselves => None,
        Bytes::Decimal(scale) => decimal(bytes, scale).map(Written::Number),
        Bytes::BigDecimal => big_decimal(bytes).map(Written::Number),
        Bytes::Uuid => Uuid::from_slice(bytes)
            .ok()
            .map(|uuid| Written::Text(uuid.to_string())),
        Bytes::Duration => duration(bytes).map(Written::Text),
    };
    written.unwrap_or_else(|| Written::Text(STANDARD.encode(bytes)))
}

/// A whole number in two's complement, divided by a power of ten.
fn decimal(bytes: &[u8], scale: usize) -> Option<String> {
    let place = DECIMAL_BYTES_MAX.checked_sub(bytes.len())?;
    if scale > SCALE_MAX {
        return None;
    }
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut wide = [if is_negative { 0xFF } else { 0 }; DECIMAL_BYTES_MAX];
    wide.get_mut(place..)?.copy_from_slice(bytes);
    let number = i128::from_be_bytes(wide);
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    let sign = if number < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// A decimal that says its scale itself.
fn big_decimal(bytes: &[u8]) -> Option<String> {
    let mut data = Data(bytes);
    let digits = data.bytes().ok()?;
    let scale = usize::try_from(data.long().ok()?).ok()?;
    decimal(digits, scale)
}

/// Months, days and milliseconds as an ISO 8601 duration.
fn duration(bytes: &[u8]) -> Option<String> {
    let mut data = Data(bytes);
    let mut next = || data.array().ok().map(u32::from_le_bytes);
    let (months, days, millis) = (next()?, next()?, next()?);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    Some(format!("P{months}M{days}DT{seconds}.{millis:03}S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        let large = i128::MAX.to_be_bytes();
        for (bytes, scale, expected) in [
            (&[][..], 0, "0"),
            (&[], 2, "0.00"),
            (&[5], 0, "5"),
            (&[5], 3, "0.005"),
            (&[0xFF], 1, "-0.1"),
            (&[0xFB, 0x2E], 2, "-12.34"),
            (&[0x04, 0xD2], 2, "12.34"),
            (&large, 38, "1.70141183460469231731687303715884105727"),
        ] {
            assert_eq!(decimal(bytes, scale).as_deref(), Some(expected));
        }
        assert_eq!(decimal(&[0; 17], 0), None);
        assert_eq!(decimal(&[1], SCALE_MAX + 1), None);
        let written = of_bytes(&[0; 17], Bytes::Decimal(0));
        assert_eq!(
            written,
            Written::Text("AAAAAAAAAAAAAAAAAAAAAAA=".to_owned())
        );
    }

    #[test]
    fn times_are_text_where_the_calendar_has_them() {
        let text = |text: &str| Written::Text(text.to_owned());
        let number = |number: i64| Written::Number(number.to_string());
        for (value, meaning, expected) in [
            (0, Number::Date, text("1970-01-01")),
            (-1, Number::Date, text("1969-12-31")),
            (i64::from(i32::MAX), Number::Date, number(2_147_483_647)),
            (0, Number::Time(1_000), text("00:00:00")),
            (86_399_999, Number::Time(1_000), text("23:59:59.999")),
            (86_400_000, Number::Time(1_000), number(86_400_000)),
            (-1, Number::Time(1_000_000), number(-1)),
            (1, Number::Instant(1_000), text("1970-01-01T00:00:00.001Z")),
            (
                -1,
                Number::Instant(NANOS),
                text("1969-12-31T23:59:59.999999999Z"),
            ),
            (i64::MAX, Number::Instant(1_000), number(i64::MAX)),
            (1_500, Number::Local(1_000), text("1970-01-01T00:00:01.500")),
            (7, Number::Itself, number(7)),
        ] {
            assert_eq!(of_number(value, meaning), expected, "{value} {meaning:?}");
        }
    }

    #[test]
    fn bytes_with_a_meaning_are_written_by_it() {
        for (bytes, meaning, expected) in [
            (&[0, 255][..], Bytes::Themselves, "AP8="),
            (
                &[1, 0, 0, 0, 2, 0, 0, 0, 0xDC, 5, 0, 0],
                Bytes::Duration,
                "P1M2DT1.500S",
            ),
            (&[1], Bytes::Uuid, "AQ=="),
            (
                &[0; 16],
                Bytes::Uuid,
                "00000000-0000-0000-0000-000000000000",
            ),
        ] {
            assert_eq!(of_bytes(bytes, meaning), Written::Text(expected.to_owned()));
        }
        // Two bytes, then the scale 2.
        let written = of_bytes(&[4, 4, 0xD2, 4], Bytes::BigDecimal);
        assert_eq!(written, Written::Number("12.34".to_owned()));
    }
}
