//! Reads `push.recommendations`, every partition on every instance, and hands each update to the hub.
//!
//! It begins a little before the end, so that clients that come back after a restart of this instance find the latest updates. The
//! log may be away: it is asked until it answers. What is no update is skipped, and logged now and then.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{
    EventLog, LogError, PartitionSink, RecordView, Tail, TopicPartition, Watermarks,
};
use homeostat_actors::throttle::Throttle;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::push::update::{self, NoUpdate};
use homeostat_logic::topic::PUSH_RECOMMENDATIONS;
use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::hub::Hub;

/// Records of a partition that are read again at the start.
const EARLIER_RECORDS: i64 = 5_000;
/// Records that wait for their turn; beyond it the topic is not polled.
const WAITING_MAX: usize = 4_096;
/// Pause before the log is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two looks at whether the topic got more partitions.
const LOOK: Duration = Duration::from_mins(1);

static SKIPPED: Throttle = Throttle::new();
static UNREADABLE: Throttle = Throttle::new();

/// A tail at work, until it is dropped.
pub struct Following(JoinHandle<()>);

/// Why partitions cannot be read now.
#[derive(Default)]
pub struct Troubles(Mutex<BTreeMap<i32, String>>);

impl Troubles {
    /// A sentence for each partition that cannot be read.
    pub fn in_words(&self) -> Vec<String> {
        let troubles = self.0.lock();
        let sentence = |(partition, reason): (&i32, &String)| {
            format!(
                "{PUSH_RECOMMENDATIONS}/{partition} cannot be read, so connected users of it get no updates: {reason}"
            )
        };
        troubles.iter().map(sentence).collect()
    }

    fn set(&self, partition: i32, reason: Option<&str>) {
        let mut troubles = self.0.lock();
        match reason {
            Some(reason) => troubles.insert(partition, reason.to_owned()),
            None => troubles.remove(&partition),
        };
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to read. Updates are handled on a thread of their own: the log's own must not wait.
///
/// # Errors
/// There is no thread.
pub fn follow(
    log: Arc<dyn EventLog>,
    hub: Arc<Hub>,
    troubles: Arc<Troubles>,
) -> std::io::Result<Following> {
    let (sender, receiver) = channel(WAITING_MAX);
    std::thread::Builder::new()
        .name("push".to_owned())
        .spawn(move || hand_over(receiver, &hub))?;
    Ok(Following(tokio::spawn(read_all(log, sender, troubles))))
}

/// A record on its way to the hub.
struct Arrived {
    partition: i32,
    offset: i64,
    timestamp: Millis,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn hand_over(mut arrived: Receiver<Arrived>, hub: &Hub) {
    while let Some(record) = arrived.blocking_recv() {
        let problem = match catch_unwind(AssertUnwindSafe(|| handle(&record, hub))) {
            Ok(Ok(())) => continue,
            Ok(Err(problem)) => problem.to_string(),
            Err(_) => "handling it panicked".to_owned(),
        };
        skipped(record.partition, record.offset, &problem);
    }
}

fn skipped(partition: i32, offset: i64, problem: &str) {
    if let Some(more) = SKIPPED.pass() {
        tracing::warn!(
            topic = PUSH_RECOMMENDATIONS,
            partition,
            offset,
            problem,
            more,
            "a record is not pushed to its user"
        );
    }
}

/// A record without a value says that the user was erased.
fn handle(record: &Arrived, hub: &Hub) -> Result<(), NoUpdate> {
    let key = record.key.as_deref();
    let Some(value) = record.value.as_deref() else {
        let user = update::user_of_key(key.ok_or(NoUpdate::NoUser)?)?;
        hub.forget(&user);
        return Ok(());
    };
    let (user, update) = update::read(record.partition, record.offset, key, value)?;
    hub.deliver_of(&user, &update, record.timestamp);
    Ok(())
}

/// Tails every partition that there is, also those that are added later.
async fn read_all(log: Arc<dyn EventLog>, sender: Sender<Arrived>, troubles: Arc<Troubles>) {
    let mut tails: Vec<Box<dyn Tail>> = Vec::new();
    let mut is_first = true;
    loop {
        match extents(&*log).await.and_then(|extents| {
            let new = (0_i32..).zip(extents).skip(tails.len());
            for (partition, extent) in new {
                // A partition that is added later has nothing that was read before.
                let from = if is_first { begin(extent) } else { extent.low };
                let sink = Box::new(Sink {
                    partition,
                    sender: sender.clone(),
                    troubles: Arc::clone(&troubles),
                });
                let place = TopicPartition {
                    topic: PUSH_RECOMMENDATIONS.to_owned(),
                    partition,
                };
                tails.push(log.tail(place, from, sink)?);
            }
            Ok(())
        }) {
            Ok(()) => {
                is_first = false;
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => {
                if let Some(more) = UNREADABLE.pass() {
                    tracing::warn!(topic = PUSH_RECOMMENDATIONS, %error, more, "updates of recommendations cannot be read yet");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn extents(log: &dyn EventLog) -> Result<Vec<Watermarks>, LogError> {
    let names = vec![PUSH_RECOMMENDATIONS.to_owned()];
    let topic = log.describe_topics(names).await?.pop();
    let missing = || LogError::Unavailable("the topic does not exist".to_owned());
    topic.map(|topic| topic.partitions).ok_or_else(missing)
}

/// Where a partition is read from at the start.
fn begin(extent: Watermarks) -> i64 {
    extent.low.max(extent.high.saturating_sub(EARLIER_RECORDS))
}

/// From the log's thread to ours.
struct Sink {
    partition: i32,
    sender: Sender<Arrived>,
    troubles: Arc<Troubles>,
}

impl PartitionSink for Sink {
    fn credit(&self) -> usize {
        self.sender.capacity()
    }

    fn push(&mut self, record: RecordView<'_>) {
        let arrived = Arrived {
            partition: self.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        };
        // One thread reads all partitions, and none beyond its credit. Nothing is left to do where the service ends.
        if let Err(TrySendError::Full(one)) = self.sender.try_send(arrived) {
            skipped(one.partition, one.offset, "too many wait");
        }
    }

    fn flush(&mut self) {}

    fn obstructed(&mut self, reason: Option<&str>) {
        self.troubles.set(self.partition, reason);
    }
}
