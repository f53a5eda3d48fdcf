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
        let mut error = verdict.error.clone();
        error.truncate(error.floor_char_boundary(REASON_BYTES_MAX));
        let mut headers: Vec<Header> = vec![
            header("topic", &source.topic),
            header("partition", &source.partition.to_string()),
            header("offset", &record.offset.to_string()),
            header("timestamp", &record.timestamp.to_string()),
            header("error", &error),
            header("attempts", &verdict.attempts.to_string()),
            header("revision", &self.revision),
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
