//! Lines of librdkafka's own log that repeat: a kind is logged at once, then once a minute with the number of those left out.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;

use crate::log::sync::lock;

/// Time between two lines of a kind.
const PERIOD: Duration = Duration::from_mins(1);
/// Kinds remembered at most; with more, all are forgotten and logged again.
const KINDS_MAX: usize = 256;

/// What was logged.
pub(super) struct Repeats(Mutex<BTreeMap<String, Logged>>);

struct Logged {
    at: Instant,
    left_out: u64,
}

impl Repeats {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Whether to log a line; with the number of its kind left out since the last one logged.
    pub(super) fn pass(&self, facility: &str, message: &str) -> Option<u64> {
        self.pass_at(facility, message, Instant::now())
    }

    fn pass_at(&self, facility: &str, message: &str, now: Instant) -> Option<u64> {
        let mut kinds = lock(&self.0);
        let kind = kind(facility, message);
        if let Some(logged) = kinds.get_mut(&kind) {
            if now.saturating_duration_since(logged.at) < PERIOD {
                logged.left_out += 1;
                return None;
            }
            logged.at = now;
            return Some(std::mem::take(&mut logged.left_out));
        }
        if kinds.len() >= KINDS_MAX {
            kinds.clear();
        }
        let logged = Logged {
            at: now,
            left_out: 0,
        };
        kinds.insert(kind, logged);
        Some(0)
    }
}

/// The line without its numbers (offsets, sizes, times), apart from the thread, whose name contains the broker.
fn kind(facility: &str, message: &str) -> String {
    let (thread, text) = match message.split_once("]: ") {
        Some((thread, text)) => (thread, text),
        None => ("", message),
    };
    // The brackets at the end count states and repetitions.
    let text = text.split(" (").next().unwrap_or(text);
    let text = text.chars().filter(|one| !one.is_ascii_digit());
    format!("{facility} {thread} {}", text.collect::<String>())
}

/// Lines of every client of the process.
static REPEATS: Repeats = Repeats::new();

/// Passes a line of librdkafka's own log on, one of a kind a minute.
pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let pass = || REPEATS.pass(facility, message);
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            if let Some(more) = pass() {
                tracing::warn!(target: "librdkafka", facility, more, message);
            }
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            if let Some(more) = pass() {
                tracing::info!(target: "librdkafka", facility, more, message);
            }
        }
        _ => tracing::debug!(target: "librdkafka", facility, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_line_is_told_at_once_and_then_once_a_minute() {
        let (repeats, start) = (Repeats::new(), Instant::now());
        let line = |second, message: &str| {
            repeats.pass_at("FAIL", message, start + Duration::from_secs(second))
        };
        let refused =
            "[thrd:a:9092/1]: a:9092/1: Connect failed: refused (after 0ms in state CONNECT)";
        let later = "[thrd:a:9092/1]: a:9092/1: Connect failed: refused (after 7ms in state CONNECT, 28 suppressed)";
        let other =
            "[thrd:b:9092/2]: b:9092/2: Connect failed: refused (after 0ms in state CONNECT)";
        let logged = [
            (0, refused),
            (1, later),
            (2, other),
            (59, refused),
            (60, refused),
            (61, other),
        ];
        let logged = logged.map(|(second, message)| line(second, message));
        assert_eq!(logged, [Some(0), None, Some(0), None, Some(2), None]);
        for number in 0..1_000 {
            // Numbers alone make no kind.
            let message = format!("t [0]: bad batch at offset {number} of {number} bytes");
            assert_eq!(line(70, &message).is_some(), number == 0);
        }
    }

    #[test]
    fn the_kinds_remembered_are_bounded() {
        let (repeats, now) = (Repeats::new(), Instant::now());
        for number in 0..2_000_u32 {
            let message: String = format!("{number:b}").replace('0', "a").replace('1', "b");
            assert_eq!(repeats.pass_at("X", &message, now), Some(0));
        }
        assert!(lock(&repeats.0).len() <= KINDS_MAX);
    }
}
