//! The one writer: takes whatever requests have gathered, gives them offsets and times, and commits them with one
//! fsync (group commit). Nothing is acknowledged before that fsync.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use homeostat_actors::ports::log::{Appended, LogError, NewRecord};
use tokio::sync::oneshot;

use super::codec::{PartitionId, encode_record};
use super::shared::Shared;
use super::store::Durability;
use super::topics::Topic;
use crate::log::payload_size;

/// Requests waiting at most; beyond it an append is answered `Unavailable` at once.
const QUEUE_REQUESTS: usize = 4096;
/// Bytes waiting at most; same.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// A commit takes no further request once it holds this many records or bytes.
const COMMIT_RECORDS: usize = 4096;
const COMMIT_BYTES: usize = 8 * 1024 * 1024;
/// A record with its place, or why it has none.
pub(super) type Addressed = Result<(Arc<Topic>, usize, NewRecord), LogError>;
/// One answer per record.
pub(super) type Answers = Vec<Result<Appended, LogError>>;

struct Request {
    records: Vec<Addressed>,
    bytes: usize,
    answer: oneshot::Sender<Answers>,
}

/// The sending side.
pub(super) struct Queue {
    sender: SyncSender<Request>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// A queue and the thread that works it off; the thread ends when the queue is dropped and empty.
    pub(super) fn start(
        shared: Arc<Shared>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(QUEUE_REQUESTS);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            shared,
            waiting_bytes: Arc::clone(&waiting_bytes),
        };
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run(&receiver))?;
        Ok((
            Self {
                sender,
                waiting_bytes,
            },
            thread,
        ))
    }

    /// Queues records without waiting, so that the order of calls is the order of records.
    pub(super) fn append(
        &self,
        records: Vec<Addressed>,
    ) -> Result<oneshot::Receiver<Answers>, LogError> {
        let bytes = records
            .iter()
            .flatten()
            .map(|(_, _, record)| payload_size(record))
            .sum::<usize>();
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        // An empty queue takes any request, so that one alone can never be too large for ever.
        let full = waiting > 0 && waiting.saturating_add(bytes) > QUEUE_BYTES;
        let (answer, answers) = oneshot::channel();
        let sent = if full {
            Err("its append queue is full")
        } else {
            self.sender
                .try_send(Request {
                    records,
                    bytes,
                    answer,
                })
                .map_err(|error| match error {
                    TrySendError::Full(_) => "its append queue is full",
                    TrySendError::Disconnected(_) => "it is closed",
                })
        };
        sent.map(|()| answers).map_err(|why| {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            LogError::Unavailable(format!("the embedded log cannot append: {why}"))
        })
    }
}

struct Writer {
    shared: Arc<Shared>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// How far a partition has come within a commit.
struct Growth {
    topic: Arc<Topic>,
    partition: usize,
    high: i64,
    bytes: u64,
}

impl Writer {
    fn run(self, queue: &Receiver<Request>) {
        while let Ok(first) = queue.recv() {
            let mut records = first.records.len();
            let mut bytes = first.bytes;
            let mut requests = vec![first];
            while records < COMMIT_RECORDS && bytes < COMMIT_BYTES {
                let Ok(next) = queue.try_recv() else { break };
                records += next.records.len();
                bytes += next.bytes;
                requests.push(next);
            }
            let answers = self.commit(&requests);
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            for (request, answers) in requests.into_iter().zip(answers) {
                // A caller that went away is no concern of the log; the record is durable all the same.
                drop(request.answer.send(answers));
            }
        }
    }

    /// Commits the requests and answers each.
    fn commit(&self, requests: &[Request]) -> Vec<Answers> {
        let failed = |error: &LogError| {
            requests
                .iter()
                .map(|request| refuse_all(request, error))
                .collect()
        };
        let _gate = match self.shared.writable() {
            Ok(gate) => gate,
            Err(error) => {
                self.shared.wrote(false);
                return failed(&error);
            }
        };
        let now = self.shared.now();
        let mut growth: BTreeMap<PartitionId, Growth> = BTreeMap::new();
        let mut answers = Vec::with_capacity(requests.len());
        let committed = self.shared.store.commit(Durability::Disk, |opened, batch| {
            for request in requests {
                let place = |addressed: &Addressed| {
                    let (topic, index, record) = addressed.as_ref().map_err(Clone::clone)?;
                    let (id, appended, bytes) = grow(&mut growth, topic, *index, record)?;
                    let value = encode_record(record, now, bytes);
                    batch.insert(&opened.records, id.record_key(appended.offset), value);
                    Ok(appended)
                };
                answers.push(request.records.iter().map(place).collect::<Answers>());
            }
        });
        if let Err(error) = committed {
            tracing::error!(%error, "embedded log: a commit failed, nothing of it is acknowledged");
            self.shared.wrote(false);
            return failed(&error);
        }
        self.shared.wrote(true);
        for grown in growth.values() {
            if let Some(partition) = grown.topic.partitions.get(grown.partition) {
                partition.grown(grown.high, grown.bytes, now);
            }
        }
        self.shared.signal.notify();
        answers
    }
}

/// Gives the record the next offset of its partition; also returns the partition's bytes through it.
fn grow(
    growth: &mut BTreeMap<PartitionId, Growth>,
    topic: &Arc<Topic>,
    index: usize,
    record: &NewRecord,
) -> Result<(PartitionId, Appended, u64), LogError> {
    let missing = || LogError::Denied(format!("topic {} has no partition {index}", topic.name));
    let partition = topic.partitions.get(index).ok_or_else(missing)?;
    let grown = growth.entry(partition.id).or_insert_with(|| {
        let extent = partition.extent();
        Growth {
            topic: Arc::clone(topic),
            partition: index,
            high: extent.high,
            bytes: extent.bytes_before_high,
        }
    });
    let offset = grown.high;
    grown.high += 1;
    grown.bytes += u64::try_from(payload_size(record)).unwrap_or(u64::MAX);
    let number = i32::try_from(index).map_err(|_| missing())?;
    Ok((
        partition.id,
        Appended {
            partition: number,
            offset,
        },
        grown.bytes,
    ))
}

fn refuse_all(request: &Request, error: &LogError) -> Answers {
    let refuse = |addressed: &Addressed| match addressed {
        Err(refused) => Err(refused.clone()),
        Ok(_) => Err(error.clone()),
    };
    request.records.iter().map(refuse).collect()
}
