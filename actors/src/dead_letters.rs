//! Dead letters: the original bytes of a record nobody could handle, with where it came from and why (kafka-client §7).

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::topic::{DEAD_LETTERS, ORIGIN_HEADER};

use crate::ports::log::{
    ErrorClass, EventLog, Header, LogError, NewRecord, RecordView, TopicPartition,
};
use crate::throttle::Throttle;

/// Longest reason kept, in bytes.
const REASON_BYTES_MAX: usize = 2_048;
/// Pause between two tries to write a dead letter while the log does not answer.
const RETRY: Duration = Duration::from_millis(500);
/// A letter is little larger than its record, which the log took: one smaller than this is never refused for its size.
const REFUSED_FOR_SIZE_BYTES_MIN: usize = 64 * 1_024;

static WAITING: Throttle = Throttle::new();

/// Why a record is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What was wrong.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Writes dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    log: Arc<dyn EventLog>,
    revision: Arc<str>,
}

impl DeadLetters {
    /// `revision` says which program rejected them.
    pub fn new(log: Arc<dyn EventLog>, revision: impl Into<Arc<str>>) -> Self {
        Self {
            log,
            revision: revision.into(),
        }
    }

    /// The dead letter of a record.
    pub fn record(
        &self,
        source: &TopicPartition,
        record: RecordView<'_>,
        verdict: &Verdict,
    ) -> NewRecord {
        letter(&self.revision, source, record, verdict)
    }

    /// Writes it, as long as that takes: while the dead-letter topic does not answer, the partition waits and nothing is
    /// skipped. A letter that the log refuses for its size is written without its value; the source position says
    /// where the bytes stand. Returns whether it is durable; `false` when the partition went away before.
    pub async fn write(&self, mut letter: NewRecord, ended: impl Fn() -> bool) -> bool {
        while !ended() {
            let reason = match self.log.append(vec![letter.clone()]).await.pop() {
                Some(Ok(_)) => return true,
                Some(Err(error)) if refused_for_size(&letter, &error) => {
                    omit_value(&mut letter);
                    continue;
                }
                Some(Err(error)) => error.to_string(),
                None => "the event log gave no answer".to_owned(),
            };
            if let Some(more) = WAITING.pass() {
                tracing::warn!(
                    reason,
                    more,
                    "a dead letter was not written; its partition waits"
                );
            }
            tokio::time::sleep(RETRY).await;
        }
        false
    }
}

fn letter(
    revision: &str,
    source: &TopicPartition,
    record: RecordView<'_>,
    verdict: &Verdict,
) -> NewRecord {
    let mut error = verdict.error.clone();
    error.truncate(error.floor_char_boundary(REASON_BYTES_MAX));
    let mut headers: Vec<Header> = vec![
        header("topic", &source.topic),
        header("partition", &source.partition.to_string()),
        header("offset", &record.offset.to_string()),
        header("timestamp", &record.timestamp.to_string()),
        header("error", &error),
        header("attempts", &verdict.attempts.to_string()),
        header("revision", revision),
        header(ORIGIN_HEADER, "dead-letter"),
    ];
    headers.extend(
        record
            .headers
            .iter()
            .map(|(name, value)| (format!("original.{name}"), value.clone())),
    );
    NewRecord {
        topic: DEAD_LETTERS.to_owned(),
        partition: None,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers,
    }
}

fn refused_for_size(letter: &NewRecord, error: &LogError) -> bool {
    let bytes = letter.value.as_ref().map_or(0, Vec::len);
    error.class() == ErrorClass::Reject && bytes >= REFUSED_FOR_SIZE_BYTES_MIN
}

fn omit_value(letter: &mut NewRecord) {
    let bytes = letter.value.take().map_or(0, |value| value.len());
    tracing::warn!(
        bytes,
        "a dead letter does not fit; it is written without its value"
    );
    let omitted = header("value-omitted-bytes", &bytes.to_string());
    letter.headers.push(omitted);
}

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), value.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(value: &[u8], error: &str) -> NewRecord {
        let source = TopicPartition {
            topic: "data.ingested".to_owned(),
            partition: 2,
        };
        let record = RecordView {
            offset: 7,
            timestamp: 9,
            key: Some(b"k"),
            value: Some(value),
            headers: &[(ORIGIN_HEADER.to_owned(), b"x".to_vec())],
        };
        let verdict = Verdict {
            error: error.to_owned(),
            attempts: 3,
        };
        letter("r1", &source, record, &verdict)
    }

    #[test]
    fn a_letter_tells_where_its_record_stood_and_why_it_is_dead() {
        let letter = sample(b"\xff", &"ä".repeat(2_000));
        assert_eq!(
            (letter.topic.as_str(), letter.partition),
            (DEAD_LETTERS, None)
        );
        assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(letter.value.as_deref(), Some(&b"\xff"[..]));
        let headers: Vec<_> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
            .collect();
        let error = "ä".repeat(1_024);
        let expected = [
            ("topic", "data.ingested"),
            ("partition", "2"),
            ("offset", "7"),
            ("timestamp", "9"),
            ("error", error.as_str()),
            ("attempts", "3"),
            ("revision", "r1"),
            (ORIGIN_HEADER, "dead-letter"),
            ("original.homeostat-origin", "x"),
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn only_a_refused_letter_that_may_be_too_large_loses_its_value() {
        let refused = LogError::Refused("no".to_owned());
        let away = LogError::Unavailable("away".to_owned());
        for (bytes, error, omitted) in [
            (65_535, &refused, false),
            (65_536, &refused, true),
            (65_536, &away, false),
        ] {
            let letter = sample(&vec![b'x'; bytes], "bad");
            assert_eq!(refused_for_size(&letter, error), omitted, "{bytes} {error}");
        }
        let mut letter = sample(b"12345", "bad");
        omit_value(&mut letter);
        assert_eq!(letter.value, None);
        let last = letter.headers.last().unwrap();
        assert_eq!(*last, header("value-omitted-bytes", "5"));
        // Without a value there is nothing left to leave out.
        assert!(!refused_for_size(&letter, &refused));
    }
}
