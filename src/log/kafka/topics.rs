//! Topics: creating, describing, and knowing which exist, so that a record for none is refused at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{
    BrokerSettings, LogError, TopicDescription, TopicPartition, TopicSettings, Watermarks,
};
use rdkafka::Offset;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::admin_events;
use super::client::{Failure, LoneContext};
use super::error::{classify, classify_code};
use super::positions::offsets;
use super::settings::KafkaSettings;
use crate::log::sync::{Flag, lock};

/// Longest wait for one answer of the cluster.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for a topic's settings where the service can do without.
const SETTINGS: Duration = Duration::from_secs(2);

/// Brokers count a whole batch with its framing: the largest record and a little.
const MAX_MESSAGE_BYTES: &str = "1310720";

/// Brokers compact what is behind the newest segment: without this it would be a week old before that.
const SEGMENT_MS: &str = "86400000";

/// Pause before a topic just created is looked for again.
const PROPAGATION: Duration = Duration::from_millis(20);

/// Longest wait for a partition to get a leader.
const ELECTION: Duration = Duration::from_secs(5);

/// Longest wait for the thread to end: a token may be on its way.
const ENDING: Duration = Duration::from_secs(6);

/// Longest wait for an event of the client's own.
const EVENT: Duration = Duration::from_millis(100);

/// The thread that serves the client's events.
#[derive(Default)]
struct Serving {
    end: AtomicBool,
    ended: Flag,
}

/// The admin client and what it learnt.
pub(super) struct TopicAdmin {
    client: Arc<AdminClient<LoneContext>>,
    /// Serves the client's events until it is raised, and says when it has ended.
    serving: Arc<Serving>,
    /// Number of partitions of the topics seen; bounded by the topics of the cluster, since only those enter.
    known: Mutex<HashMap<String, i32>>,
}

impl TopicAdmin {
    pub(super) fn new(settings: &KafkaSettings, failure: &Failure) -> Result<Self, KafkaError> {
        let context = LoneContext::new("admin", failure);
        let client: AdminClient<LoneContext> = settings.admin().create_with_context(context)?;
        let client = Arc::new(client);
        let serving = Arc::<Serving>::default();
        let (served, until) = (Arc::clone(&client), Arc::clone(&serving));
        let started = std::thread::Builder::new()
            .name("kafka-admin".to_owned())
            .spawn(move || {
                while !until.end.load(Ordering::Acquire) {
                    admin_events::serve(served.inner(), EVENT);
                }
                drop(served);
                until.ended.raise();
            });
        started.map_err(|error| KafkaError::ClientCreation(format!("no thread: {error}")))?;
        Ok(Self {
            client,
            serving,
            known: Mutex::default(),
        })
    }

    /// Whether the topic is known and has this partition, if any is asked for.
    pub(super) fn is_known(&self, topic: &str, partition: Option<i32>) -> bool {
        let count = lock(&self.known).get(topic).copied();
        count.is_some_and(|count| partition.is_none_or(|partition| (0..count).contains(&partition)))
    }

    /// Forgets a topic that the cluster says it does not have.
    pub(super) fn forget(&self, topic: &str) {
        lock(&self.known).remove(topic);
    }

    /// Asks the cluster for the topic. Blocking.
    pub(super) fn look_up(&self, topic: &str, partition: Option<i32>) -> Result<(), LogError> {
        match self.partitions(topic)? {
            None => Err(LogError::Denied(format!("there is no topic {topic}"))),
            Some(_) if self.is_known(topic, partition) => Ok(()),
            Some(count) => Err(LogError::Denied(format!(
                "topic {topic} has {count} partitions, no partition {}",
                partition.unwrap_or(-1)
            ))),
        }
    }

    /// Waits until the brokers know topics just created, which can be a moment later. Blocking.
    pub(super) fn await_known(&self, topics: &[TopicSettings]) -> Result<(), LogError> {
        let end = Instant::now() + TIMEOUT;
        for topic in topics {
            loop {
                match self.partitions(&topic.name) {
                    Ok(Some(_)) => break,
                    Ok(None) | Err(LogError::Unavailable(_)) if Instant::now() < end => {
                        std::thread::sleep(PROPAGATION);
                    }
                    Ok(None) => {
                        let name = &topic.name;
                        return Err(LogError::Unavailable(format!(
                            "topic {name} was created but is not visible yet"
                        )));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Number of partitions; `None` = no such topic. Blocking.
    fn partitions(&self, topic: &str) -> Result<Option<i32>, LogError> {
        let failed = |error| classify(&format!("topic {topic}"), &error);
        let metadata = self
            .client
            .inner()
            .fetch_metadata(Some(topic), TIMEOUT)
            .map_err(failed)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error() {
            None => {}
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {
                self.forget(topic);
                return Ok(None);
            }
            Some(error) => {
                let code = RDKafkaErrorCode::from(error);
                return Err(classify_code(format!("topic {topic}: {code}"), code));
            }
        }
        let count = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
        lock(&self.known).insert(topic.to_owned(), count);
        Ok(Some(count))
    }

    /// Copies of the partition with the fewest. Blocking.
    fn replicas(&self, topic: &str) -> Result<i32, LogError> {
        let failed = |error| classify(&format!("topic {topic}"), &error);
        let client = self.client.inner();
        let metadata = client
            .fetch_metadata(Some(topic), TIMEOUT)
            .map_err(failed)?;
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(rdkafka::metadata::MetadataTopic::partitions);
        let fewest = partitions.map(|one| one.replicas().len()).min();
        Ok(fewest.map_or(0, |count| i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// Creates what is missing.
    pub(super) async fn ensure(&self, wanted: &[TopicSettings]) -> Result<(), LogError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let retentions: Vec<_> = wanted
            .iter()
            .map(|topic| {
                topic
                    .retention
                    .map_or_else(|| "-1".to_owned(), |keep| keep.as_millis().to_string())
            })
            .collect();
        let new: Vec<_> = wanted
            .iter()
            .zip(&retentions)
            .map(|(topic, retention)| new_topic(topic, retention))
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(TIMEOUT))
            .operation_timeout(Some(TIMEOUT));
        let results = self
            .client
            .create_topics(&new, &options)
            .await
            .map_err(|error| classify("create topics", &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(classify_code(format!("create topic {name}: {code}"), code));
                }
            }
        }
        Ok(())
    }

    /// Watermarks of the topics that exist. Blocking.
    pub(super) fn describe(&self, names: &[String]) -> Result<Vec<TopicDescription>, LogError> {
        let mut described = Vec::new();
        for name in names {
            let Some(count) = self.partitions(name)? else {
                continue;
            };
            let watermarks = |partition| self.watermarks(name, partition);
            described.push(TopicDescription {
                name: name.clone(),
                partitions: (0..count)
                    .map(watermarks)
                    .collect::<Result<_, LogError>>()?,
                brokers: Some(BrokerSettings {
                    replicas: self.replicas(name)?,
                    ..BrokerSettings::default()
                }),
                ..TopicDescription::default()
            });
        }
        Ok(described)
    }

    /// Adds the settings that matter to descriptions; what the cluster does not report stays `None`.
    pub(super) async fn add_settings(
        &self,
        described: &mut [TopicDescription],
    ) -> Result<(), LogError> {
        if described.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = described.iter().map(|topic| topic.name.clone()).collect();
        let asked: Vec<_> = names
            .iter()
            .map(|name| ResourceSpecifier::Topic(name))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let answers = self
            .client
            .describe_configs(&asked, &options)
            .await
            .map_err(|error| classify("describe topics", &error))?;
        for answer in answers {
            match answer {
                Ok(settings) => take_settings(described, &settings),
                Err(code) => tracing::warn!(%code, "kafka: cannot read a topic's settings"),
            }
        }
        Ok(())
    }

    /// The largest batch that a topic takes; `None` when the cluster does not report it, for which there can be many harmless
    /// reasons, such as a missing `DescribeConfigs`.
    pub(super) async fn max_message_bytes(&self, topic: &str) -> Option<i64> {
        let options = AdminOptions::new().request_timeout(Some(SETTINGS));
        let asked = [ResourceSpecifier::Topic(topic)];
        let answers = self.client.describe_configs(&asked, &options).await;
        let unknown = |reason: &dyn std::fmt::Display| {
            tracing::debug!(topic, %reason, "kafka: cannot read a topic's limit");
        };
        let answers = answers.inspect_err(|error| unknown(error)).ok()?;
        let settings = answers.into_iter().next()?;
        let settings = settings.inspect_err(|code| unknown(code)).ok()?;
        number(&settings, "max.message.bytes")
    }

    /// Has the brokers remove what is before `offset` (`DeleteRecords`).
    pub(super) async fn delete_before(
        &self,
        place: &TopicPartition,
        offset: i64,
    ) -> Result<(), LogError> {
        if offset <= 0 {
            // To a broker -1 would mean everything.
            return Ok(());
        }
        let what = format!("remove the records before offset {offset} of {place}");
        let class = |code: RDKafkaErrorCode| match code {
            RDKafkaErrorCode::OffsetOutOfRange => LogError::Refused(format!("{what}: {code}")),
            code => classify_code(format!("{what}: {code}"), code),
        };
        let failed = |error: KafkaError| match error.rdkafka_error_code() {
            Some(code) => class(code),
            None => classify(&what, &error),
        };
        let list = offsets([(place, Offset::Offset(offset))]).map_err(failed)?;
        let options = AdminOptions::new()
            .request_timeout(Some(TIMEOUT))
            .operation_timeout(Some(TIMEOUT));
        let answer = self.client.delete_records(&list, &options).await;
        let answer = answer.map_err(failed)?;
        let one = answer.find_partition(&place.topic, place.partition);
        let outcome = one.map(|one| one.error());
        match outcome {
            Some(outcome) => outcome.map_err(failed),
            None => Err(LogError::Unavailable(format!("{what}: no answer"))),
        }
    }

    /// First and next offset of a partition; waits a moment for one that has no leader yet. Blocking.
    pub(super) fn watermarks(&self, topic: &str, partition: i32) -> Result<Watermarks, LogError> {
        let end = Instant::now() + ELECTION;
        let client = self.client.inner();
        loop {
            match client.fetch_watermarks(topic, partition, TIMEOUT) {
                Ok((low, high)) => return Ok(Watermarks { low, high }),
                Err(error) if leaderless(&error) && Instant::now() < end => {
                    std::thread::sleep(PROPAGATION);
                }
                Err(error) => {
                    let asked = format!("watermarks of {topic}/{partition}");
                    return Err(classify(&asked, &error));
                }
            }
        }
    }
}

impl Drop for TopicAdmin {
    fn drop(&mut self) {
        self.serving.end.store(true, Ordering::Release);
        if !self.serving.ended.wait(ENDING) {
            tracing::warn!("kafka: the admin client did not end in time");
        }
    }
}

/// The partition's leader is being found: it was just created, or its leader is gone.
fn leaderless(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
    )
}

fn new_topic<'a>(topic: &'a TopicSettings, retention: &'a str) -> NewTopic<'a> {
    let new = NewTopic::new(
        &topic.name,
        topic.partitions,
        TopicReplication::Fixed(topic.replication_factor),
    )
    .set("max.message.bytes", MAX_MESSAGE_BYTES)
    .set("retention.ms", retention);
    let new = if topic.compacted {
        new.set("cleanup.policy", "compact")
            .set("segment.ms", SEGMENT_MS)
    } else {
        new.set("cleanup.policy", "delete")
    };
    if !topic.append_time {
        return new;
    }
    let new = new
        .set("message.timestamp.type", "LogAppendTime")
        .set("retention.bytes", "-1")
        .set("unclean.leader.election.enable", "false");
    if topic.replication_factor >= 3 {
        new.set("min.insync.replicas", "2")
    } else {
        new
    }
}

fn take_settings(described: &mut [TopicDescription], settings: &ConfigResource) {
    let OwnedResourceSpecifier::Topic(name) = &settings.specifier else {
        return;
    };
    if let Some(topic) = described.iter_mut().find(|topic| topic.name == *name) {
        let kind = value(settings, "message.timestamp.type");
        topic.append_time = kind.map(|kind| kind == "LogAppendTime");
        topic.cleanup_policy = value(settings, "cleanup.policy");
        topic.retention_ms = number(settings, "retention.ms");
        let brokers = topic.brokers.get_or_insert_default();
        brokers.min_insync_replicas = number(settings, "min.insync.replicas");
        let unclean = value(settings, "unclean.leader.election.enable");
        brokers.unclean_election = unclean.map(|unclean| unclean != "false");
        brokers.retention_bytes = number(settings, "retention.bytes");
        brokers.max_message_bytes = number(settings, "max.message.bytes");
    }
}

fn number<T: std::str::FromStr>(settings: &ConfigResource, name: &str) -> Option<T> {
    value(settings, name)?.parse().ok()
}

fn value(settings: &ConfigResource, name: &str) -> Option<String> {
    settings.get(name)?.value.clone()
}
