//! The topics the service creates, and what the ledger must be (ledger-protocol §8).

use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, LogError, TopicSettings};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, MODEL, TOPICS, USERS, Use};

use super::ledger_health::Lost;
use super::ledger_topic;
use crate::configuration::{Ledger, Settings};

/// Partitions of the dead-letter topic: few records, read by people.
const DEAD_LETTER_PARTITIONS: i32 = 1;

/// Why the ledger cannot be used. Stop: an operator has to mend the topic or the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LedgerError {
    /// The topic is not what it must be; all of it in one line.
    #[error("{LEDGER} cannot be used: {0}")]
    Topic(String),
    /// Its first records are gone and nothing is left to start from.
    #[error(
        "ledger truncated: partition {partition} of {LEDGER} begins at offset {low}, and no checkpoint with eight days of log before it is left; restore the records, or append an empty checkpoint to start over, which forgets open actions, cooldowns and budgets"
    )]
    Truncated {
        /// The partition.
        partition: i32,
        /// Its first offset.
        low: i64,
    },
    /// It was written with another number of partitions.
    #[error(
        "{LEDGER} cannot be used with {partitions} partitions: partition {partition}: {why}. If ledger.partitions was changed, set it back; if partitions were added to the topic, stop every instance, delete the topic and start again, which forgets open actions, cooldowns and budgets"
    )]
    Misplaced {
        /// Where it shows.
        partition: i32,
        /// As configured and found.
        partitions: usize,
        /// What is there.
        why: String,
    },
    /// An older version of this program wrote it.
    #[error("{LEDGER} cannot be used: partition {partition}: {why}")]
    Outdated {
        /// Where it shows.
        partition: i32,
        /// What was found and what to do.
        why: String,
    },
    /// Less is in the log than was folded from it.
    #[error(
        "the log has lost records of {LEDGER}, or its topic was deleted: partition {} ends at offset {}, and everything before {} was folded; restore the topic, or start again to continue from what is left, which forgets actions, cooldowns and budgets",
        .0.partition, .0.end, .0.folded
    )]
    Lost(Lost),
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
        compacted: false,
    };
    // A fold of a truncated ledger is another fold (ledger-protocol V8), so age alone removes nothing of it.
    let ledger = TopicSettings {
        retention: None,
        append_time: true,
        compacted: false,
        ..topic(LEDGER, settings.ledger.partitions)
    };
    // Of what every instance holds, the newest record of each key is all that there is.
    let specified = TOPICS.iter().map(|one| TopicSettings {
        retention: retention.filter(|_| one.usage != Use::Hold),
        compacted: one.usage == Use::Hold,
        ..topic(one.name, one.partitions)
    });
    let of_users = settings.recommendations.enabled.then(|| {
        let users = topic(USERS, settings.recommendations.partitions);
        // What a snapshot holds is removed; age alone removes nothing that no snapshot holds.
        let model = TopicSettings {
            retention: None,
            ..topic(MODEL, 1)
        };
        [users, model]
    });
    specified
        .chain([ledger, topic(DEAD_LETTERS, DEAD_LETTER_PARTITIONS)])
        .chain(of_users.into_iter().flatten())
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
            "{LEDGER} has just been created and is not visible yet"
        ))
    };
    let ledger = found.into_iter().next().ok_or_else(missing)?;
    let Ledger {
        partitions,
        durability,
        ..
    } = settings.ledger;
    let findings = ledger_topic::examine(&ledger, partitions, durability);
    let servers = settings.kafka.bootstrap_servers.as_deref();
    if !findings.warned.is_empty() {
        let differences = ledger_topic::describe(&findings.warned, servers);
        tracing::warn!(
            "{LEDGER} promises less than production needs: {differences}; until then actions may be lost or sent twice after a failure"
        );
    }
    if findings.refused.is_empty() {
        Ok(())
    } else {
        Err(LedgerError::Topic(ledger_topic::describe(
            &findings.refused,
            servers,
        )))
    }
}
