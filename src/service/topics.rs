//! The topics the service creates, and what the ledger must be (ledger-protocol §8).

use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, LogError, TopicDescription, TopicSettings};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, TOPICS};

use crate::configuration::Settings;

/// Partitions of the dead-letter topic: few records, read by people.
const DEAD_LETTER_PARTITIONS: i32 = 1;

/// Why the ledger cannot be used. Stop: an operator has to mend the topic or the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LedgerError {
    /// Another number of partitions.
    #[error(
        "{LEDGER} has {found} partitions and the configuration says {configured}; set ledger.partitions = {found}, because keys would move to other partitions"
    )]
    Partitions {
        /// As it is.
        found: usize,
        /// As configured.
        configured: i32,
    },
    /// Records are stamped by their producers.
    #[error(
        "{LEDGER} does not stamp records itself; set message.timestamp.type=LogAppendTime on the topic"
    )]
    Timestamps,
    /// Records may be compacted away.
    #[error(
        "{LEDGER} has cleanup.policy={found}; set cleanup.policy=delete, because compaction removes records of a target"
    )]
    Cleanup {
        /// As it is.
        found: String,
    },
    /// Its first records are gone and nothing is left to start from.
    #[error(
        "ledger truncated: partition {partition} of {LEDGER} begins at offset {low}, and no checkpoint with eight days of log before it is left; restore the records, or append an empty checkpoint to begin anew, which forgets open actions, cooldowns and budgets"
    )]
    Truncated {
        /// The partition.
        partition: i32,
        /// Its first offset.
        low: i64,
    },
    /// The log has no such topic, or cannot be asked.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Every topic of SPEC §1 and the service's own.
pub fn topics(settings: &Settings) -> Vec<TopicSettings> {
    let hours = settings.log.retention_hours;
    let retention = Duration::try_from_secs_f64(hours * 3_600.0).ok();
    let topic = |name: &str, partitions| TopicSettings {
        name: name.to_owned(),
        partitions,
        replication_factor: settings.kafka.replication_factor,
        retention,
        append_time: false,
    };
    // A fold of a truncated ledger is another fold (ledger-protocol V8), and there are no checkpoints yet to start from.
    let ledger = TopicSettings {
        retention: None,
        append_time: true,
        ..topic(LEDGER, settings.ledger.partitions)
    };
    let specified = TOPICS.iter().map(|one| topic(one.name, one.partitions));
    specified
        .chain([ledger, topic(DEAD_LETTERS, DEAD_LETTER_PARTITIONS)])
        .collect()
}

/// Refuses a ledger that could not keep its promises.
///
/// # Errors
/// What is wrong with it and how to mend it.
pub(super) async fn check_ledger(
    log: &dyn EventLog,
    settings: &Settings,
) -> Result<(), LedgerError> {
    let found = log.describe_topics(vec![LEDGER.to_owned()]).await?;
    let missing = || {
        LogError::Unavailable(format!(
            "{LEDGER} has just been created and is not there yet"
        ))
    };
    let ledger = found.into_iter().next().ok_or_else(missing)?;
    check_description(&ledger, settings.ledger.partitions)
}

fn check_description(ledger: &TopicDescription, configured: i32) -> Result<(), LedgerError> {
    let found = ledger.partitions.len();
    if usize::try_from(configured) != Ok(found) {
        return Err(LedgerError::Partitions { found, configured });
    }
    if ledger.append_time == Some(false) {
        return Err(LedgerError::Timestamps);
    }
    match &ledger.cleanup_policy {
        Some(policy) if policy != "delete" => Err(LedgerError::Cleanup {
            found: policy.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use homeostat_actors::ports::log::Watermarks;

    use super::*;

    #[test]
    fn a_ledger_that_cannot_keep_its_promises_is_refused() {
        let good = TopicDescription {
            name: LEDGER.to_owned(),
            partitions: vec![Watermarks { low: 0, high: 0 }; 4],
            append_time: Some(true),
            cleanup_policy: Some("delete".to_owned()),
        };
        assert_eq!(check_description(&good, 4), Ok(()));
        assert_eq!(
            check_description(&good, 6),
            Err(LedgerError::Partitions {
                found: 4,
                configured: 6
            })
        );
        let stamped = TopicDescription {
            append_time: Some(false),
            ..good.clone()
        };
        assert_eq!(check_description(&stamped, 4), Err(LedgerError::Timestamps));
        let compacted = TopicDescription {
            cleanup_policy: Some("compact".to_owned()),
            ..good
        };
        let expected = Err(LedgerError::Cleanup {
            found: "compact".to_owned(),
        });
        assert_eq!(check_description(&compacted, 4), expected);
    }
}
