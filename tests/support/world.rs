//! The logs under test: where they live, and how they are opened again after a restart.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{
    EventLog, GroupSettings, NewRecord, TopicPartition, TopicSettings,
};

use super::kafka;

/// Runs a future to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// One place where a log lives.
pub(crate) enum World {
    Embedded(tempfile::TempDir),
    Kafka(KafkaSettings),
}

impl World {
    pub(crate) fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    /// Kafka, if the tests were given a broker.
    pub(crate) fn kafka() -> Option<Self> {
        let settings = KafkaSettings {
            session_timeout: Duration::from_secs(6),
            ..KafkaSettings::new(kafka::bootstrap()?)
        };
        Some(Self::Kafka(settings))
    }

    /// Opens the log, as a process does when it starts.
    pub(crate) fn open(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Embedded(directory) => {
                let settings = EmbeddedSettings {
                    retention_check: Duration::from_millis(50),
                    ..EmbeddedSettings::new(directory.path())
                };
                Arc::new(EmbeddedLog::open(settings).unwrap())
            }
            Self::Kafka(settings) => Arc::new(KafkaLog::open(settings.clone()).unwrap()),
        }
    }

    /// Opens the log with a fresh topic.
    pub(crate) fn with_topic(&self, partitions: i32) -> (Arc<dyn EventLog>, String) {
        let log = self.open();
        let name = unique("topic");
        run(log.ensure_topics(vec![topic(&name, partitions)])).unwrap();
        (log, name)
    }
}

/// A name nobody else uses.
pub(crate) fn unique(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4())
}

pub(crate) fn topic(name: &str, partitions: i32) -> TopicSettings {
    TopicSettings {
        name: name.to_owned(),
        partitions,
        replication_factor: 1,
        retention: None,
        append_time: false,
        compacted: false,
    }
}

pub(crate) fn group(name: &str, topic: &str) -> GroupSettings {
    GroupSettings {
        group: name.to_owned(),
        topics: vec![topic.to_owned()],
        drain: Duration::from_secs(2),
    }
}

pub(crate) fn place(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.to_owned(),
        partition,
    }
}

/// A record for a fixed partition.
pub(crate) fn record(topic: &str, partition: i32, value: impl Into<String>) -> NewRecord {
    NewRecord {
        topic: topic.to_owned(),
        partition: Some(partition),
        value: Some(value.into().into_bytes()),
        ..NewRecord::default()
    }
}

/// Appends `count` records, numbered from `first`, to one partition; all must be acknowledged.
pub(crate) fn fill(
    log: &Arc<dyn EventLog>,
    topic: &str,
    partition: i32,
    first: usize,
    count: usize,
) {
    let records = (first..first + count).map(|number| record(topic, partition, number.to_string()));
    for answer in run(log.append(records.collect())) {
        answer.unwrap();
    }
}
