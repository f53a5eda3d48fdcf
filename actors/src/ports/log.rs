//! The event log port: partitions, offsets, groups, assignment and revocation with an epoch.
//!
//! Two adapters (Kafka, embedded) give the same semantics and pass one conformance suite:
//! - an append is answered only when the record is durable;
//! - a group's partitions are spread over its members; each assignment of a partition starts a new [`Epoch`];
//! - a settled position is what the next owner starts from; a settlement of an older epoch changes nothing;
//! - records of a partition come in offset order; offsets may have gaps.

use std::time::Duration;

use futures_util::future::BoxFuture;
use homeostat_logic::ledger::record::Millis;

/// Counts assignments within this process; every assignment of a partition gets a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.partition)
    }
}

/// A header of a record. Kafka promises neither that a name is text nor that there is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value; `None` is Kafka's null, which is not the empty value.
    pub value: Option<Vec<u8>>,
}

impl Header {
    /// A header with a value.
    pub fn new(name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    /// Its name, if that is text that every client can read: UTF-8 without NUL, at which C clients cut.
    pub fn name_text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.name).ok()?;
        (!text.contains('\0')).then_some(text)
    }

    /// Its value, the empty one for none.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }

    /// Bytes of name and value.
    pub fn size(&self) -> usize {
        self.name.len() + self.bytes().len()
    }
}

/// A record to append. A record without partition goes where its key hashes to; without key, anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Topic name.
    pub topic: String,
    /// Fixed partition, if any.
    pub partition: Option<i32>,
    /// Key bytes.
    pub key: Option<Vec<u8>>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<Header>,
}

/// Where an appended record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// A record as the log hands it over; borrowed from the client's buffer.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// Offset.
    pub offset: i64,
    /// The log's time of the record.
    pub timestamp: Millis,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes.
    pub value: Option<&'a [u8]>,
    /// Headers in order; empty for most records.
    pub headers: &'a [Header],
}

impl<'a> RecordView<'a> {
    /// The first header whose name is no text ([`Header::name_text`]); such a record is not read any further.
    pub fn unreadable_header(&self) -> Option<&'a Header> {
        let mut headers = self.headers.iter();
        headers.find(|header| header.name_text().is_none())
    }

    /// Names and values of the headers whose names are text, in order; a value that is null is given as empty.
    pub fn text_headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let headers = self.headers.iter();
        headers.filter_map(|header| Some((header.name_text()?, header.bytes())))
    }
}

/// An owned record, for readers that are not hot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Offset.
    pub offset: i64,
    /// The log's time of the record.
    pub timestamp: Millis,
    /// Key bytes.
    pub key: Option<Vec<u8>>,
    /// Value bytes.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<Header>,
}

/// What a topic must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Topic name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Copies of each record (Kafka only).
    pub replication_factor: i32,
    /// How long records are kept; `None` = for ever.
    pub retention: Option<Duration>,
    /// The log itself stamps each record (`message.timestamp.type=LogAppendTime`), never compacts
    /// (`cleanup.policy=delete`), never removes by size, and loses no acknowledged record as far as the number of copies
    /// allows: what the ledger needs.
    pub append_time: bool,
    /// Of each key the newest record is kept, and age removes nothing: `cleanup.policy=compact`. The embedded log keeps
    /// every record of such a topic, whatever its age, and none of them counts for its size.
    pub compacted: bool,
}

/// What a topic is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicDescription {
    /// Topic name.
    pub name: String,
    /// Per partition, in order: offset of the first record kept, and the one the next record will get.
    pub partitions: Vec<Watermarks>,
    /// Whether the log itself stamps each record; `None` when the log did not report it.
    pub append_time: Option<bool>,
    /// `delete`, `compact`, …; `None` when the log did not report it.
    pub cleanup_policy: Option<String>,
    /// How long records are kept, -1 = for ever; `None` when the log did not report it.
    pub retention_ms: Option<Millis>,
    /// What only brokers have; `None` for a log without.
    pub brokers: Option<BrokerSettings>,
}

/// What a topic's brokers promise; `None` = not reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Copies of each record; of the partition with the fewest.
    pub replicas: i32,
    /// Copies that must exist before an append is acknowledged (`min.insync.replicas`).
    pub min_insync_replicas: Option<i32>,
    /// Whether a broker that misses records may lead (`unclean.leader.election.enable`).
    pub unclean_election: Option<bool>,
    /// Bytes of a partition beyond which its oldest records go, -1 = never (`retention.bytes`).
    pub retention_bytes: Option<i64>,
    /// Largest batch taken (`max.message.bytes`).
    pub max_message_bytes: Option<i64>,
}

/// First offset kept and next offset to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Offset of the first record kept.
    pub low: i64,
    /// Offset the next record gets.
    pub high: i64,
}

/// Why the log could not do something.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LogError {
    /// Passing: the same call may go through later.
    #[error("the event log did not answer: {0}; it is tried again")]
    Unavailable(String),
    /// This record or request will never be taken.
    #[error("the event log refused it: {0}")]
    Refused(String),
    /// This record alone, without the others of its batch, is larger than the log or its topic takes.
    #[error("the event log refused it: {0}")]
    TooLarge(String),
    /// No fault of this record: a topic, a partition or a permission is missing. Lasts until a person corrects that.
    #[error("the event log does not let this service do it: {0}; create or permit what is missing")]
    Denied(String),
    /// The client is beyond repair; the process must be restarted.
    #[error("the event log client has failed for good: {0}; restart the process")]
    Fatal(String),
}

/// What a caller does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Try the same again.
    Retry,
    /// Give this input up, with a dead letter or an answer to the caller.
    Reject,
    /// End the process in an orderly way.
    Stop,
}

impl LogError {
    /// Its class.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unavailable(_) | Self::Denied(_) => ErrorClass::Retry,
            Self::Refused(_) | Self::TooLarge(_) => ErrorClass::Reject,
            Self::Fatal(_) => ErrorClass::Stop,
        }
    }
}

/// A partition given to this member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub partition: TopicPartition,
    /// Its epoch.
    pub epoch: Epoch,
    /// The offset delivery starts at.
    pub position: i64,
    /// Whether the log is known to have gone back: its topic was deleted and created again, and offsets repeat.
    pub created_again: bool,
}

/// Takes the records of one assigned partition. Called on the log's own thread: never blocks.
pub trait PartitionSink: Send {
    /// How many records it will take now; 0 = this partition is not polled (no pause: kafka-client §3).
    fn credit(&self) -> usize;

    /// One record, in offset order.
    fn push(&mut self, record: RecordView<'_>);

    /// The end of a poll round: what was pushed since the last one forms a batch.
    fn flush(&mut self);

    /// Everything before `next` was pushed, or is no record that is ever delivered: a marker of a transaction, a record of
    /// an aborted one, a gap that compaction left. Called only when that is further than the last record pushed.
    fn passed(&mut self, _next: i64) {}

    /// Reading the partition fails, for this reason; `None`: it goes on.
    fn obstructed(&mut self, _reason: Option<&str>) {}
}

/// Hears of assignments. Called on the log's own thread.
pub trait GroupHandler: Send {
    /// A partition was assigned; its records go to the sink returned.
    fn assigned(&mut self, assignment: Assignment) -> Box<dyn PartitionSink>;

    /// Partitions go to another member: finish what is in flight, settle it, and return, at the latest after
    /// `deadline`. No record of these epochs is delivered any more.
    fn revoked(&mut self, partitions: &[(TopicPartition, Epoch)], deadline: Duration);

    /// Partitions were lost: another member may have them already. Cancel at once; nothing can be settled.
    fn lost(&mut self, partitions: &[(TopicPartition, Epoch)]);

    /// The client has failed for good.
    fn failed(&mut self, error: LogError);
}

/// Membership in a consumer group.
pub trait Subscription: Send + Sync {
    /// Everything before `next` is settled and need not be delivered again. Returns at once; the adapter stores it.
    /// Ignored when `epoch` is not the partition's present one.
    fn settle(&self, partition: &TopicPartition, epoch: Epoch, next: i64);

    /// Owned partitions and how far they are.
    fn status(&self) -> Vec<PartitionStatus>;

    /// Time since the adapter's loop last went round; a hung loop shows here.
    fn idle(&self) -> Duration;

    /// Whether the log's server can be reached now. While it cannot, standing still is not a failure.
    fn connected(&self) -> bool {
        true
    }

    /// Stops polling, lets the handler drain (as a revocation of everything), stores, commits and leaves the group,
    /// within about `deadline`. Blocking; idempotent.
    fn close(&self, deadline: Duration);
}

/// Progress of one owned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which.
    pub partition: TopicPartition,
    /// Its epoch.
    pub epoch: Epoch,
    /// Offset up to which (exclusive) all is settled, or is no record that is ever delivered ([`PartitionSink::passed`]).
    pub settled: i64,
    /// Offset at which the partition ends for a reader: the next record gets it, or an open transaction begins there.
    /// `None` until known.
    pub high: Option<i64>,
    /// Why reading fails; gone with the next record. A log that does not fail so has none.
    pub refusal: Option<ReadFailing>,
    /// A transaction that holds what is behind it, while everything before it was read. A log without transactions has none.
    pub held: Option<OpenTransaction>,
}

/// An open transaction of another producer: nothing behind its first record is delivered before it is committed or aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its first record; the partition ends there for a reader.
    pub at: i64,
    /// Offset the next record of the log gets.
    pub end: i64,
    /// Since it was first seen there.
    pub lasting: Duration,
}

impl OpenTransaction {
    /// What it does to this partition, and what to do about it.
    pub fn in_words(&self, place: &TopicPartition) -> String {
        let TopicPartition { topic, partition } = place;
        let Self { at, end, lasting } = self;
        format!(
            "an open transaction of another producer has held everything from offset {at} on (the log ends at {end}) for {} s; it ends when its producer commits or aborts it, or after that producer's transaction.timeout.ms; `kafka-transactions.sh describe-producers --topic {topic} --partition {partition}` shows the producer, and `kafka-transactions.sh abort --topic {topic} --partition {partition} --start-offset {at}` ends the transaction",
            lasting.as_secs()
        )
    }
}

/// Reading a partition fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailing {
    /// Since the first failure.
    pub lasting: Duration,
    /// The last failure.
    pub reason: String,
    /// Where it is, if a record in the log cannot be read: everything before this offset was, and nothing
    /// behind it is read before that is gone. `None`: the partition as a whole is refused.
    pub at: Option<i64>,
}

/// A group to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// Group name.
    pub group: String,
    /// Topics to read.
    pub topics: Vec<String>,
    /// Longest drain on revocation; below half the session timeout.
    pub drain: Duration,
}

/// A running groupless reader; dropping it ends the delivery.
pub trait Tail: Send + Sync {}

/// The event log.
pub trait EventLog: Send + Sync + 'static {
    /// `kafka` or `embedded`.
    fn kind(&self) -> &'static str;

    /// Creates what is missing; existing topics are left as they are.
    fn ensure_topics(&self, topics: Vec<TopicSettings>)
    -> BoxFuture<'static, Result<(), LogError>>;

    /// Describes topics; an unknown one is missing from the answer.
    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>>;

    /// Appends in order; resolves when every record is durable or has failed, one answer per record. Records of one
    /// partition that are appended by one caller keep their order. A record that is too large fails alone: its neighbours
    /// are appended (issue 13, row 13).
    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>>;

    /// Joins a group.
    fn subscribe(
        &self,
        settings: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> Result<std::sync::Arc<dyn Subscription>, LogError>;

    /// Reads one partition from `from` on for ever, without a group. `from` below the first kept offset starts there.
    fn tail(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError>;

    /// Reads at most `max` records from `from` on, without waiting for more than there are.
    fn read(
        &self,
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>>;

    /// Removes the records before `offset` for good; when it resolves, `offset` is the first record kept. At or below the
    /// first record kept it does nothing; beyond the next offset to be written, or for an unknown partition, it is
    /// refused.
    fn delete_before(
        &self,
        partition: TopicPartition,
        offset: i64,
    ) -> BoxFuture<'static, Result<(), LogError>>;

    /// Why the log's server cannot be reached, in words that say what to do; `None` while it can, or the reason is not known.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Resolves when a client that belongs to no group (appends, tails, reads) has failed for good and the process has to
    /// be started again; groups notify their own handlers. Never for a log that cannot fail so.
    fn failed(&self) -> BoxFuture<'static, LogError> {
        Box::pin(std::future::pending())
    }

    /// Flushes and closes; appends fail afterwards. Blocking.
    fn close(&self);
}
