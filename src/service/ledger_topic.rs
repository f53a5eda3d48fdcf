//! What the ledger's topic must be (ledger-protocol §8, assumption A1): every difference is reported at once, with what was
//! found and how to mend it.

use homeostat_actors::ports::log::{BrokerSettings, TopicDescription};
use homeostat_logic::ledger::limits::RECORD_BYTES_MAX;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::ledger::retention::KEEP_MS_MIN;
use homeostat_logic::ledger::times::{CHECKPOINT_MS, HORIZON_MS};
use homeostat_logic::topic::LEDGER;

use crate::configuration::Durability;

/// Shortest retention that a start can live with: the horizon, the margin of a start, and some checkpoints.
const RETENTION_MS_MIN: Millis = KEEP_MS_MIN;
const _: () = assert!(RETENTION_MS_MIN >= HORIZON_MS + 4 * CHECKPOINT_MS);
/// The client puts records into batches of up to 1,000,000 bytes, which brokers take or refuse as a whole.
const MESSAGE_BYTES_MIN: i64 = 1_048_576;
/// Copies of A1, and how many of them have a record before it counts as written.
const REPLICAS_MIN: i32 = 3;
const IN_SYNC_MIN: i32 = 2;

// A batch always takes one record of the largest size.
const _: () = assert!(RECORD_BYTES_MAX < 1_000_000);

/// What was found to be different, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// What it is, and why that matters.
    what: String,
    mend: Mend,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mend {
    /// A setting of the topic.
    Setting(&'static str, String),
    /// Something else.
    Words(String),
}

/// The outcome of a look at the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// The start is refused.
    pub(super) refused: Vec<Difference>,
    /// The service runs, with less than the protocol promises.
    pub(super) warned: Vec<Difference>,
}

/// Compares the topic with what it must be.
pub(super) fn examine(
    ledger: &TopicDescription,
    partitions: i32,
    durability: Durability,
) -> Findings {
    let mut findings = Findings::default();
    if usize::try_from(partitions) != Ok(ledger.partitions.len()) {
        findings.partitions(ledger, partitions);
    }
    if ledger.append_time == Some(false) {
        findings.refuse(
            "message.timestamp.type is not LogAppendTime, so that producers would set the time by which all instances decide",
            ("message.timestamp.type", "LogAppendTime"),
        );
    }
    if let Some(policy) = &ledger.cleanup_policy
        && policy != "delete"
    {
        findings.refuse(
            format!("cleanup.policy is {policy}, and compaction removes records of a target"),
            ("cleanup.policy", "delete"),
        );
    }
    findings.retention(ledger.retention_ms);
    if let Some(brokers) = &ledger.brokers {
        findings.sizes(brokers);
        findings.durability(brokers, durability);
    }
    findings
}

impl Findings {
    fn refuse(&mut self, what: impl Into<String>, setting: (&'static str, &str)) {
        self.refused.push(setting_differs(what, setting));
    }

    /// Keys would move to other partitions, where nothing is known of them. How many there were when the records were
    /// written is not known here: the fold refuses what does not belong where it is.
    fn partitions(&mut self, ledger: &TopicDescription, configured: i32) {
        let found = ledger.partitions.len();
        let empty = ledger.partitions.iter().all(|marks| marks.high == 0);
        let mend = if empty {
            format!("set ledger.partitions = {found}")
        } else {
            format!(
                "set ledger.partitions = {found} if the topic had {found} from the beginning; if partitions were added later, stop every instance, delete the topic and start again, which forgets open actions, cooldowns and budgets"
            )
        };
        self.refused.push(Difference {
            what: format!(
                "it has {found} partitions and the configuration says {configured}; with another number keys would move to other partitions"
            ),
            mend: Mend::Words(mend),
        });
    }

    fn retention(&mut self, retention_ms: Option<Millis>) {
        let Some(found) = retention_ms.filter(|found| *found >= 0) else {
            return;
        };
        let mend = ("retention.ms", "-1");
        if found < RETENTION_MS_MIN {
            self.refuse(
                format!(
                    "retention.ms is {found}, and records younger than {RETENTION_MS_MIN} ms (the horizon of 8 days and the margin of a checkpoint) are needed at a start"
                ),
                mend,
            );
        } else {
            self.warned.push(setting_differs(
                format!(
                    "retention.ms is {found}: after an outage of the whole service longer than that, open and scheduled actions are lost with their records"
                ),
                mend,
            ));
        }
    }

    fn sizes(&mut self, brokers: &BrokerSettings) {
        if let Some(found) = brokers.retention_bytes.filter(|found| *found >= 0) {
            self.refuse(
                format!("retention.bytes is {found}, which removes records however young they are"),
                ("retention.bytes", "-1"),
            );
        }
        if let Some(found) = brokers
            .max_message_bytes
            .filter(|found| *found < MESSAGE_BYTES_MIN)
        {
            self.refuse(
                format!(
                    "max.message.bytes is {found}; records of up to {RECORD_BYTES_MAX} bytes come in batches of up to {MESSAGE_BYTES_MIN}"
                ),
                ("max.message.bytes", &MESSAGE_BYTES_MIN.to_string()),
            );
        }
    }

    /// A1: a record that was acknowledged or read is never lost.
    fn durability(&mut self, brokers: &BrokerSettings, durability: Durability) {
        let mut differences = Vec::new();
        if brokers.replicas < REPLICAS_MIN {
            differences.push(Difference {
                what: format!(
                    "it has {} of the {REPLICAS_MIN} copies that survive the loss of a broker",
                    brokers.replicas
                ),
                mend: Mend::Words(format!(
                    "raise the copies to {REPLICAS_MIN} with kafka-reassign-partitions.sh"
                )),
            });
        }
        if brokers
            .min_insync_replicas
            .is_none_or(|found| found < IN_SYNC_MIN)
        {
            let found = shown(brokers.min_insync_replicas);
            differences.push(setting_differs(
                format!(
                    "min.insync.replicas is {found}, so that a record may count as written while only one broker has it"
                ),
                ("min.insync.replicas", "2"),
            ));
        }
        if brokers.unclean_election != Some(false) {
            let found = shown(brokers.unclean_election);
            differences.push(setting_differs(
                format!(
                    "unclean.leader.election.enable is {found}, so that a broker without the newest records may take over"
                ),
                ("unclean.leader.election.enable", "false"),
            ));
        }
        match durability {
            Durability::Production => self.refused.extend(differences),
            Durability::Development => self.warned.extend(differences),
        }
    }
}

fn setting_differs(what: impl Into<String>, (name, value): (&'static str, &str)) -> Difference {
    Difference {
        what: what.into(),
        mend: Mend::Setting(name, value.to_owned()),
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(
        || "not known (is DescribeConfigs allowed on the topic?)".to_owned(),
        |value| value.to_string(),
    )
}

/// All differences and what mends them, in one line. `brokers` as the command is to name them; `None` = the embedded log.
pub(super) fn describe(differences: &[Difference], brokers: Option<&str>) -> String {
    let what: Vec<_> = (1..)
        .zip(differences)
        .map(|(number, difference)| format!("({number}) {}", difference.what))
        .collect();
    let mut mends: Vec<String> = Vec::new();
    let mut settings: Vec<String> = Vec::new();
    for difference in differences {
        match &difference.mend {
            Mend::Words(words) => mends.push(words.clone()),
            Mend::Setting(name, value) => settings.push(format!("{name}={value}")),
        }
    }
    match brokers {
        _ if settings.is_empty() => {}
        Some(servers) => mends.push(format!(
            "run `kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {LEDGER} --add-config {}`",
            settings.join(",")
        )),
        None => mends.push("start with an empty data_dir".to_owned()),
    }
    format!("{}. To correct it: {}", what.join("; "), mends.join("; "))
}

#[cfg(test)]
mod tests;
