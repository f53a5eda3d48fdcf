//! Dead letters: the original bytes of a record that could not be handled, with where it came from and why (kafka-client §7).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::event::Reject;
use homeostat_logic::topic::{DEAD_LETTERS, ORIGIN_HEADER};
use sha2::{Digest as _, Sha256};
use strum::VariantNames as _;

use crate::append::{Patience, append_until_durable};
use crate::flight::Flight;
use crate::ports::log::{EventLog, Header, LogError, NewRecord, RecordView, TopicPartition};
use crate::throttle::Throttle;

/// Longest reason kept, in bytes.
const REASON_BYTES_MAX: usize = 2_048;
/// Pause before a letter is tried again that is too large and cannot be made smaller.
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
/// Before the names of the record's own headers that are no text ([`Header::name_text`]): what follows is the name in
/// hexadecimal, so that every client can read the letter.
pub const ORIGINAL_HEX: &str = "original-hex.";
/// Headers of a record that its letter holds at most: with more, a letter could not be read again (librdkafka reads 100,000).
const HEADERS_MAX: usize = 90_000;

static WAITING: Throttle = Throttle::new();

/// Why a record is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
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
        death: &Death,
    ) -> NewRecord {
        letter(&self.revision, source, record, death)
    }

    /// Writes it, as long as that takes: while the dead-letter topic does not answer, the partition waits and nothing is
    /// skipped. A letter that alone is too large for the topic is written without its value (or what else is large), with the
    /// value's SHA-256; the source position says where the bytes stand (issue 13, row 13). Returns whether it is durable;
    /// `false` when the partition went away before.
    pub async fn write(&self, mut letter: NewRecord, flight: &Flight) -> bool {
        loop {
            let record = vec![((), letter.clone())];
            let rejected = append_until_durable(&*self.log, record, &UntilRevoked(flight)).await;
            match rejected.first() {
                None => return !flight.ended(),
                Some(((), error)) if !leave_out(&mut letter) => {
                    UntilRevoked(flight).waits(error.to_string(), 1);
                    tokio::time::sleep(RETRY).await;
                }
                Some(_) => {}
            }
        }
    }
}

/// A letter is given up by its partition alone; one that is too large is made smaller.
struct UntilRevoked<'a>(&'a Flight);

impl Patience for UntilRevoked<'_> {
    fn goes_on(&self) -> bool {
        !self.0.ended()
    }

    fn gives_up(&self, error: &LogError) -> bool {
        matches!(error, LogError::TooLarge(_))
    }

    fn waits(&self, reason: String, _: usize) {
        if let Some(more) = WAITING.pass() {
            tracing::warn!(
                reason,
                more,
                "a dead letter was not written; its partition waits"
            );
        }
        self.0.held_up(reason);
    }
}

fn letter(
    revision: &str,
    source: &TopicPartition,
    record: RecordView<'_>,
    death: &Death,
) -> NewRecord {
    let mut error = death.error.clone();
    error.truncate(error.floor_char_boundary(REASON_BYTES_MAX));
    let mut headers: Vec<Header> = vec![
        header("topic", &source.topic),
        header("partition", &source.partition.to_string()),
        header("offset", &record.offset.to_string()),
        header("timestamp", &record.timestamp.to_string()),
        header("reason", death.reason),
        header("error", &error),
        header("attempts", &death.attempts.to_string()),
        header("revision", revision),
        header(ORIGIN_HEADER, "dead-letter"),
    ];
    let own = record.headers;
    if own.len() > HEADERS_MAX {
        headers.push(header("headers-omitted", &own.len().to_string()));
    } else {
        headers.extend(own.iter().map(original));
    }
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
        let hash = hash.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        });
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

/// A header of the record as its letter holds it.
fn original(header: &Header) -> Header {
    let name = match header.name_text() {
        Some(name) => format!("{ORIGINAL}{name}"),
        None => header
            .name
            .iter()
            .fold(ORIGINAL_HEX.to_owned(), |name, byte| {
                format!("{name}{byte:02x}")
            }),
    };
    Header {
        name: name.into_bytes(),
        value: header.value.clone(),
    }
}

/// The name of a record's own header, from the name that it has in the letter; `None` for a header of the letter itself.
pub fn original_name(name: &[u8]) -> Option<Vec<u8>> {
    if let Some(name) = name.strip_prefix(ORIGINAL.as_bytes()) {
        return Some(name.to_vec());
    }
    let digits = name.strip_prefix(ORIGINAL_HEX.as_bytes())?;
    let byte = |pair: &[u8]| match pair {
        // `from_str_radix` would take a sign.
        [b'0'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f'] => {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
        }
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

fn is_original(header: &Header) -> bool {
    [ORIGINAL, ORIGINAL_HEX]
        .iter()
        .any(|prefix| header.name.starts_with(prefix.as_bytes()))
}

fn header(name: &str, value: &str) -> Header {
    Header::new(name, value)
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
            headers: &[
                Header::new(ORIGIN_HEADER, "x"),
                Header::new(b"\xff\x00a", b"\xfe"),
            ],
        };
        let death = Death {
            reason: "not_json",
            error: error.to_owned(),
            attempts: 3,
        };
        letter("r1", &source, record, &death)
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
            .filter_map(|header| {
                let value = std::str::from_utf8(header.bytes()).ok()?;
                Some((header.name_text()?, value))
            })
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
        let last = letter.headers.last().unwrap();
        assert_eq!(*last, Header::new("original-hex.ff0061", b"\xfe"));
        assert!(is_original(last));
    }

    #[test]
    fn every_name_and_value_of_a_header_comes_out_of_its_letter_as_it_went_in() {
        let names: [&[u8]; 7] = [
            b"",
            b"trace",
            b"\xff",
            b"a\0b",
            "ä".as_bytes(),
            b"hex.00",
            b"\xc3\x28",
        ];
        for name in names {
            for value in [None, Some(Vec::new()), Some(vec![0, 255])] {
                let given = Header {
                    name: name.to_vec(),
                    value,
                };
                let kept = original(&given);
                assert!(kept.name_text().is_some(), "{kept:?}");
                let name = original_name(&kept.name).unwrap();
                assert_eq!((name, kept.value), (given.name, given.value));
            }
        }
        for no_original in ["topic", "original", "original-hex.0g", "original-hex.+1"] {
            assert_eq!(original_name(no_original.as_bytes()), None, "{no_original}");
        }
    }

    #[test]
    fn a_letter_holds_no_more_headers_than_can_be_read_again() {
        let headers = vec![Header::new("a", ""); HEADERS_MAX + 1];
        let source = TopicPartition {
            topic: "data.ingested".to_owned(),
            partition: 0,
        };
        let death = Death {
            reason: "header_name",
            error: String::new(),
            attempts: 1,
        };
        for (count, omitted) in [(HEADERS_MAX, false), (HEADERS_MAX + 1, true)] {
            let record = RecordView {
                offset: 0,
                timestamp: 0,
                key: None,
                value: None,
                headers: &headers[..count],
            };
            let letter = letter("r", &source, record, &death);
            assert_eq!(letter.headers.iter().any(is_original), !omitted);
            let text = header("headers-omitted", &count.to_string());
            assert_eq!(letter.headers.contains(&text), omitted);
        }
    }

    #[test]
    fn what_is_left_out_is_told_and_what_stays_is_small() {
        let mut letter = sample(b"abc", "bad");
        letter.key = Some(vec![b'k'; 70_000]);
        letter.headers.push(header("original.big", "h"));
        let mut left_out = Vec::new();
        while leave_out(&mut letter) {
            left_out.push(letter.headers.last().cloned().unwrap());
        }
        let expected = [
            ("value-omitted", "3"),
            ("headers-omitted", "3"),
            ("key-omitted", "70000"),
        ];
        assert_eq!(left_out, expected.map(|(name, value)| header(name, value)));
        let named = |wanted: &str| {
            let mut headers = letter.headers.iter();
            headers.find(|one| one.name == wanted.as_bytes())
        };
        assert!(named("offset").is_some());
        // As `printf abc | sha256sum` prints it.
        let hash = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(named("value-sha256").unwrap().bytes(), hash);
    }
}
