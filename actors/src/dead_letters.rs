//! Dead letters: the original bytes of a record nobody could handle, with where it came from and why (kafka-client §7).

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::event::Reject;
use homeostat_logic::topic::{DEAD_LETTERS, ORIGIN_HEADER};
use sha2::{Digest as _, Sha256};
use strum::VariantNames as _;

use crate::flight::Flight;
use crate::ports::log::{EventLog, Header, LogError, NewRecord, RecordView, TopicPartition};
use crate::throttle::Throttle;

/// Longest reason kept, in bytes.
const REASON_BYTES_MAX: usize = 2_048;
/// Pause between two tries to write a dead letter while the log does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// The reason of an event that its role failed on each time.
pub const HANDLER: &str = "handler";
/// The reason of an event whose proposal the ledger will never take.
pub const REFUSED: &str = "refused";

/// Every reason a record can be dead for: a closed list, of which letters are filtered and counted.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    let rejects = Reject::VARIANTS.iter().copied();
    rejects.chain([HANDLER, REFUSED])
}

/// Before the names of the record's own headers.
pub const ORIGINAL: &str = "original.";

static WAITING: Throttle = Throttle::new();

/// Why a record is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kind of fault, one of a closed list: what letters are filtered by.
    pub reason: &'static str,
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
    /// skipped. A letter that alone is too large for the topic is written without its value (or what else is large), with the
    /// value's SHA-256; the source position says where the bytes stand (issue 13, row 13). Returns whether it is durable;
    /// `false` when the partition went away before.
    pub async fn write(&self, mut letter: NewRecord, flight: &Flight) -> bool {
        while !flight.ended() {
            let reason = match self.log.append(vec![letter.clone()]).await.pop() {
                Some(Ok(_)) => return true,
                Some(Err(LogError::TooLarge(_))) if leave_out(&mut letter) => continue,
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
            flight.held_up(reason);
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
        header("reason", verdict.reason),
        header("error", &error),
        header("attempts", &verdict.attempts.to_string()),
        header("revision", revision),
        header(ORIGIN_HEADER, "dead-letter"),
    ];
    headers.extend(
        record
            .headers
            .iter()
            .map(|(name, value)| (format!("{ORIGINAL}{name}"), value.clone())),
    );
    NewRecord {
        topic: DEAD_LETTERS.to_owned(),
        partition: None,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers,
    }
}

/// Leaves out the value, then the record's own headers, then its key; `false` when nothing is left to leave out.
fn leave_out(letter: &mut NewRecord) -> bool {
    let (part, bytes) = if let Some(value) = letter.value.take() {
        let hash = Sha256::digest(&value);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        letter.headers.push(header("value-sha256", &hash));
        ("value", value.len())
    } else if letter.headers.iter().any(is_original) {
        let before = letter.headers.len();
        letter.headers.retain(|header| !is_original(header));
        ("headers", before - letter.headers.len())
    } else if let Some(key) = letter.key.take() {
        ("key", key.len())
    } else {
        return false;
    };
    tracing::warn!(
        part,
        bytes,
        "a dead letter is larger than {DEAD_LETTERS} takes; this part of the record is left out"
    );
    let omitted = header(&format!("{part}-omitted"), &bytes.to_string());
    letter.headers.push(omitted);
    true
}

fn is_original((name, _): &Header) -> bool {
    name.starts_with(ORIGINAL)
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
            reason: "not_json",
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
            ("reason", "not_json"),
            ("error", error.as_str()),
            ("attempts", "3"),
            ("revision", "r1"),
            (ORIGIN_HEADER, "dead-letter"),
            ("original.homeostat-origin", "x"),
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn what_is_left_out_is_told_and_what_stays_is_small() {
        let mut letter = sample(b"abc", "bad");
        letter.key = Some(vec![b'k'; 70_000]);
        letter.headers.push(header("original.big", "h"));
        let mut left_out = Vec::new();
        while leave_out(&mut letter) {
            let (name, value) = letter.headers.last().cloned().unwrap();
            left_out.push((name, String::from_utf8(value).unwrap()));
        }
        let expected = [
            ("value-omitted", "3"),
            ("headers-omitted", "2"),
            ("key-omitted", "70000"),
        ];
        assert_eq!(
            left_out,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let named = |wanted: &str| letter.headers.iter().find(|(name, _)| name == wanted);
        assert!(named("offset").is_some());
        // As `printf abc | sha256sum` tells it.
        let hash = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(named("value-sha256").unwrap().1, hash);
    }
}
