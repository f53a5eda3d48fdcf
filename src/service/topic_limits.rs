//! Topics that take less than the service may have to write: reported at the start, with the command that corrects it (issue 13,
//! row 13). The ledger's own limit is checked with the rest of its topic.

use homeostat_actors::ports::log::{EventLog, TopicDescription};
use homeostat_logic::topic::{DEAD_LETTERS, TOPICS};

use crate::configuration::Settings;
use crate::log::MAX_RECORD_BYTES;

/// Brokers count a record with its key, its headers and its batch.
const FRAME_BYTES: usize = 4 * 1_024;
/// What the service gives the topics that it creates, and what is asked for.
const WANTED: i64 = 1_310_720;

/// Warns of limits that are too low. A log that does not report them is not asked again.
pub(super) async fn warn(log: &dyn EventLog, settings: &Settings) {
    let Some(servers) = &settings.kafka.bootstrap_servers else {
        return;
    };
    let names = TOPICS.iter().map(|topic| topic.name);
    let names = names.chain([DEAD_LETTERS]).map(str::to_owned);
    match log.describe_topics(names.collect()).await {
        Ok(found) => {
            if let Some(warning) = describe(&found, settings.http.event_bytes_max, servers) {
                tracing::warn!("{warning}");
            }
        }
        Err(error) => tracing::debug!(%error, "the limits of the topics are not known"),
    }
}

/// What is too low, what follows from it, and the command that mends it.
fn describe(found: &[TopicDescription], event_bytes_max: usize, servers: &str) -> Option<String> {
    let needed = |topic: &TopicDescription| {
        let record = if topic.name == DEAD_LETTERS {
            MAX_RECORD_BYTES
        } else {
            event_bytes_max
        };
        i64::try_from(record + FRAME_BYTES).unwrap_or(i64::MAX)
    };
    let low: Vec<(&str, i64)> = found
        .iter()
        .filter_map(|topic| {
            let limit = topic.brokers.as_ref()?.max_message_bytes?;
            (limit < needed(topic)).then_some((topic.name.as_str(), limit))
        })
        .collect();
    if low.is_empty() {
        return None;
    }
    let limits: Vec<_> = low
        .iter()
        .map(|(name, limit)| format!("{name} {limit}"))
        .collect();
    let names: Vec<_> = low.iter().map(|(name, _)| *name).collect();
    let wanted = found.iter().map(needed).max().unwrap_or(WANTED).max(WANTED);
    Some(format!(
        "these topics take records of fewer bytes than events may have (max.message.bytes): {}. A larger event is refused, and a larger dead letter is written without the record's value. To correct it, run `for topic in {}; do kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name $topic --add-config max.message.bytes={wanted}; done`",
        limits.join(", "),
        names.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use homeostat_actors::ports::log::BrokerSettings;

    use super::*;

    fn topic(name: &str, limit: Option<i64>) -> TopicDescription {
        TopicDescription {
            name: name.to_owned(),
            brokers: Some(BrokerSettings {
                max_message_bytes: limit,
                ..BrokerSettings::default()
            }),
            ..TopicDescription::default()
        }
    }

    #[test]
    fn a_limit_below_what_may_be_written_is_told_with_its_remedy() {
        let frame = i64::try_from(FRAME_BYTES).unwrap();
        let letter = i64::try_from(MAX_RECORD_BYTES).unwrap();
        // Name, limit, and whether it is too low for events of 1,000 bytes.
        for (name, limit, low) in [
            ("data.ingested", Some(999 + frame), true),
            ("data.ingested", Some(1_000 + frame), false),
            ("data.ingested", None, false),
            (DEAD_LETTERS, Some(letter + frame - 1), true),
            (DEAD_LETTERS, Some(letter + frame), false),
        ] {
            let text = describe(&[topic(name, limit)], 1_000, "kafka:9092");
            assert_eq!(text.is_some(), low, "{name} {limit:?}: {text:?}");
            if let (Some(text), Some(limit)) = (text, limit) {
                assert!(text.contains(&format!("{name} {limit}")), "{text}");
                assert!(text.contains("for topic in ") && text.contains("=1310720;"));
                assert!(text.contains("--bootstrap-server kafka:9092"), "{text}");
            }
        }
    }
}
