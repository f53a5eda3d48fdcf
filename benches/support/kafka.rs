//! A broker full of events, and two ways to read them: bare, and through the service's actors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use actix_rt::System;
use futures_util::future::{BoxFuture, FutureExt};
use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::assignment::Assignments;
use homeostat_actors::ports::log::{
    Appended, Assignment, Epoch, EventLog, GroupHandler, GroupSettings, LogError, NewRecord,
    PartitionSink, RecordView, StoredRecord, Subscription, Tail, TopicDescription, TopicPartition,
    TopicSettings,
};
use homeostat_actors::ports::observer::{Consumed, Observer};
use homeostat_logic::actions::Action;
use homeostat_logic::event::{Names, decode};
use homeostat_logic::ledger::change::Change;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use homeostat_logic::topic::find;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::actors;
use crate::support::events;

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 24;
/// Longest wait for anything; only a fault takes so long.
const LIMIT: Duration = Duration::from_mins(2);
/// Time for the producer's queue to have room again.
const QUEUE_FULL: Duration = Duration::from_millis(5);

/// What is read.
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    topic: &'static str,
    overlay: &'static str,
    pub(crate) proposes: bool,
}

impl Stream {
    /// Drift events that the rules ignore, on a topic where ignored events are samples.
    pub(crate) const JUDGED: Self = Self {
        name: "pipeline, judged",
        topic: "system.metrics",
        overlay: "[rules.data_drift_detected]\nlow = \"ignore\"\nmedium = \"ignore\"\nhigh = \"ignore\"\ncritical = \"ignore\"\n",
        proposes: false,
    };
    /// The same events answered by the shipped rules.
    pub(crate) const PROPOSED: Self = Self {
        name: "pipeline, judged and proposed",
        topic: "data.drift.detected",
        overlay: "",
        proposes: true,
    };
}

/// The broker.
pub(crate) struct Broker {
    bootstrap: String,
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

impl Broker {
    pub(crate) fn new() -> Self {
        if let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") {
            return Self {
                bootstrap,
                mock: None,
            };
        }
        let mock = MockCluster::new(1).unwrap();
        Self {
            bootstrap: mock.bootstrap_servers(),
            mock: Some(mock),
        }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Creates the stream's topic and fills every partition.
    pub(crate) fn fill(&self, stream: &Stream, records: i64) {
        match &self.mock {
            Some(mock) => mock.create_topic(stream.topic, PARTITIONS, 1).unwrap(),
            None => self.create(stream.topic),
        }
        let mut config = self.client();
        config
            .set("compression.codec", "lz4")
            .set("linger.ms", "50")
            .set("batch.num.messages", "5000");
        let producer: BaseProducer = config.create().unwrap();
        for number in 0..records * i64::from(PARTITIONS) {
            let value = events::drift(number.unsigned_abs());
            let partition = i32::try_from(number % i64::from(PARTITIONS)).unwrap();
            let mut record = BaseRecord::<(), _>::to(stream.topic)
                .partition(partition)
                .payload(&value);
            while let Err((_, back)) = producer.send(record) {
                producer.poll(QUEUE_FULL);
                record = back;
            }
        }
        producer.flush(LIMIT).unwrap();
        for partition in 0..PARTITIONS {
            let marks = producer
                .client()
                .fetch_watermarks(stream.topic, partition, LIMIT)
                .unwrap();
            assert_eq!(
                marks,
                (0, records),
                "the broker keeps every record of partition {partition}"
            );
        }
    }

    /// On a real broker.
    fn create(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer = runtime
            .block_on(admin.create_topics([&new], &AdminOptions::new()))
            .unwrap();
        assert!(
            answer.iter().all(Result::is_ok),
            "{answer:?}: use a broker without these topics"
        );
    }
}

/// The floor: one thread polls and decodes.
pub(crate) fn bare(broker: &Broker, stream: &Stream, total: u64) -> Duration {
    let topic = find(stream.topic).unwrap();
    let mut config = broker.client();
    config
        .set("group.id", "floor")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(stream.topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut names, mut began, mut decoded) = (Names::default(), None, 0);
    while decoded < total {
        let message = consumer.poll(LIMIT).unwrap().unwrap();
        began.get_or_insert_with(Instant::now);
        let event = decode(message.payload(), topic, &mut names).unwrap();
        decoded += u64::from(event.model.name().is_some());
    }
    began.unwrap().elapsed()
}

/// The service's way, from joining a group of its own to the last settled record.
pub(crate) fn ours(broker: &Broker, stream: &Stream, total: u64) -> Duration {
    let system = System::new();
    let kafka: Arc<dyn EventLog> =
        Arc::new(KafkaLog::open(KafkaSettings::new(&broker.bootstrap)).unwrap());
    let log: Arc<dyn EventLog> = Arc::new(Acknowledging(kafka));
    let count = Arc::new(Count {
        goal: total,
        ..Count::default()
    });
    let observer: Arc<dyn Observer> = Arc::clone(&count) as Arc<dyn Observer>;
    let first = Arc::new(OnceLock::new());
    system.block_on(async {
        let roster = actors::start(&log, events::rules(stream.overlay), &observer, 0);
        let handler = Stamped {
            inner: Box::new(Assignments(Arc::clone(roster.partitions()))),
            first: Arc::clone(&first),
        };
        let group = GroupSettings {
            group: format!("bench-{}", uuid::Uuid::new_v4()),
            topics: vec![stream.topic.to_owned()],
            drain: Duration::from_secs(1),
        };
        let subscription = log.subscribe(group, Box::new(handler)).unwrap();
        roster.partitions().subscribed(&subscription);
        let deadline = Instant::now() + LIMIT;
        while count.finished.get().is_none() {
            assert!(
                Instant::now() < deadline,
                "{} of {total} records were settled",
                count.settled()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let closing = Arc::clone(&subscription);
        tokio::task::spawn_blocking(move || closing.close(Duration::from_secs(2)))
            .await
            .unwrap();
        roster.shutdown(Duration::from_secs(2)).await;
    });
    assert_eq!(count.settled(), total, "each record is settled once");
    count
        .finished
        .get()
        .unwrap()
        .duration_since(*first.get().unwrap())
}

/// Counts settled records, and notes when the last one was.
#[derive(Default)]
struct Count {
    goal: u64,
    settled: AtomicU64,
    finished: OnceLock<Instant>,
    rejected: Mutex<Vec<&'static str>>,
}

impl Count {
    fn settled(&self) -> u64 {
        assert!(
            self.rejected.lock().unwrap().is_empty(),
            "no event is rejected"
        );
        self.settled.load(Ordering::Relaxed)
    }
}

impl Observer for Count {
    fn consumed(&self, _: &'static str, _: Consumed, records: u64) {
        if self.settled.fetch_add(records, Ordering::Relaxed) + records >= self.goal {
            self.finished.get_or_init(Instant::now);
        }
    }

    fn rejected(&self, _: &'static str, reason: &'static str) {
        self.rejected.lock().unwrap().push(reason);
    }

    fn changed(&self, _: &Change, _: &Fold, _: Millis) {}

    fn answered(&self, _: Action, _: &str, _: FinishOutcome, _: Duration) {}
}

/// Notes when the first record came.
struct Stamped {
    inner: Box<dyn GroupHandler>,
    first: Arc<OnceLock<Instant>>,
}

struct StampedSink {
    inner: Box<dyn PartitionSink>,
    first: Arc<OnceLock<Instant>>,
}

impl GroupHandler for Stamped {
    fn assigned(&mut self, assignment: Assignment) -> Box<dyn PartitionSink> {
        let inner = self.inner.assigned(assignment);
        Box::new(StampedSink {
            inner,
            first: Arc::clone(&self.first),
        })
    }

    fn revoked(&mut self, partitions: &[(TopicPartition, Epoch)], deadline: Duration) {
        self.inner.revoked(partitions, deadline);
    }

    fn lost(&mut self, partitions: &[(TopicPartition, Epoch)]) {
        self.inner.lost(partitions);
    }

    fn failed(&mut self, error: LogError) {
        self.inner.failed(error);
    }
}

impl PartitionSink for StampedSink {
    fn credit(&self) -> usize {
        self.inner.credit()
    }

    fn push(&mut self, record: RecordView<'_>) {
        self.first.get_or_init(Instant::now);
        self.inner.push(record);
    }

    fn flush(&mut self) {
        self.inner.flush();
    }
}

/// Kafka, but appends are acknowledged at once: the broker's disk is no part of the question.
struct Acknowledging(Arc<dyn EventLog>);

impl EventLog for Acknowledging {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn ensure_topics(
        &self,
        topics: Vec<TopicSettings>,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        self.0.ensure_topics(topics)
    }

    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        self.0.describe_topics(names)
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        let answers = records
            .iter()
            .map(|_| {
                Ok(Appended {
                    partition: 0,
                    offset: 0,
                })
            })
            .collect();
        std::future::ready(answers).boxed()
    }

    fn subscribe(
        &self,
        settings: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        self.0.subscribe(settings, handler)
    }

    fn tail(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        self.0.tail(partition, from, sink)
    }

    fn read(
        &self,
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        self.0.read(partition, from, max)
    }

    fn delete_before(
        &self,
        partition: TopicPartition,
        offset: i64,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        self.0.delete_before(partition, offset)
    }

    fn close(&self) {
        self.0.close();
    }
}
