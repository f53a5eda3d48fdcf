//! Appending until it is durable: the one loop by which records are tried again while the log does not answer.

use std::time::Duration;

use crate::ports::log::{ErrorClass, EventLog, LogError, NewRecord};

/// Pause between two tries; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// For how long to go on, and what to say meanwhile.
pub(crate) trait Patience {
    /// Asked before each try.
    fn goes_on(&self) -> bool {
        true
    }

    /// Whether this error ends the record for good.
    fn gives_up(&self, error: &LogError) -> bool {
        error.class() == ErrorClass::Reject
    }

    /// A try left this number of records without an acknowledgement, for this reason.
    fn waits(&self, reason: String, records: usize);
}

/// Appends until every record is durable or given up; returns those given up, with the error. What was not acknowledged is
/// appended again, byte for byte (ledger-protocol §5), as long as patience goes on.
pub(crate) async fn append_until_durable<K>(
    log: &dyn EventLog,
    mut records: Vec<(K, NewRecord)>,
    patience: &impl Patience,
) -> Vec<(K, LogError)> {
    let (mut given_up, mut pause) = (Vec::new(), RETRY_FIRST);
    while !records.is_empty() && patience.goes_on() {
        let tried = records.iter().map(|(_, record)| record.clone()).collect();
        let mut answers = log.append(tried).await.into_iter();
        let mut reason = None;
        for (key, record) in std::mem::take(&mut records) {
            match answers.next() {
                Some(Ok(_)) => {}
                Some(Err(error)) if patience.gives_up(&error) => given_up.push((key, error)),
                Some(Err(error)) => {
                    reason = Some(error.to_string());
                    records.push((key, record));
                }
                None => records.push((key, record)),
            }
        }
        if !records.is_empty() {
            let reason = reason.unwrap_or_else(|| "the event log gave no answer".to_owned());
            patience.waits(reason, records.len());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }
    given_up
}
