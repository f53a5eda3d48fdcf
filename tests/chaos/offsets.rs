//! Committed offsets of the groups, looked at all the time: none may ever go back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use homeostat_logic::topic::{LEDGER, TOPICS, Use};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Longest wait for an answer; without one it is looked again.
const ANSWER: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Seen {
    highest: Mutex<BTreeMap<(String, i32), i64>>,
    gone_back: Mutex<Vec<String>>,
    looks: Mutex<usize>,
    over: AtomicBool,
}

/// Watches one group.
pub(crate) struct Offsets {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl Offsets {
    pub(crate) fn watch(bootstrap: &str, group: &str, partitions: Vec<(String, i32)>) -> Self {
        let seen = Arc::<Seen>::default();
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let filled = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            while !filled.over.load(Ordering::SeqCst) {
                look(&client, &partitions, &filled);
                std::thread::sleep(LOOK);
            }
        });
        Self {
            seen,
            thread: Some(thread),
        }
    }

    /// What went back since it was last asked.
    pub(crate) fn take_gone_back(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.gone_back.lock().unwrap())
    }

    /// The offset that is committed; `None` before the first.
    pub(crate) fn committed(&self, topic: &str, partition: i32) -> Option<i64> {
        let highest = self.seen.highest.lock().unwrap();
        highest.get(&(topic.to_owned(), partition)).copied()
    }

    pub(crate) fn looks(&self) -> usize {
        *self.seen.looks.lock().unwrap()
    }
}

impl Drop for Offsets {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

fn look(client: &BaseConsumer, partitions: &[(String, i32)], seen: &Seen) {
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in partitions {
        asked.add_partition(topic, *partition);
    }
    let Ok(answer) = client.committed_offsets(asked, ANSWER) else {
        return;
    };
    *seen.looks.lock().unwrap() += 1;
    let mut highest = seen.highest.lock().unwrap();
    for one in answer.elements() {
        let Offset::Offset(offset) = one.offset() else {
            continue;
        };
        let place = (one.topic().to_owned(), one.partition());
        let before = highest.entry(place).or_insert(offset);
        if offset < *before {
            let text = format!(
                "the committed offset of {}/{} went back from {before} to {offset}",
                one.topic(),
                one.partition()
            );
            seen.gone_back.lock().unwrap().push(text);
        }
        *before = offset;
    }
}

/// Every partition that the service consumes.
pub(crate) fn consumed() -> Vec<(String, i32)> {
    let consumed = TOPICS
        .iter()
        .filter(|topic| !matches!(topic.usage, Use::Produce | Use::Hold));
    consumed
        .flat_map(|topic| (0..topic.partitions).map(|partition| (topic.name.to_owned(), partition)))
        .collect()
}

/// Every partition of the ledger, as the service creates it.
pub(crate) fn executed() -> Vec<(String, i32)> {
    (0..4)
        .map(|partition| (LEDGER.to_owned(), partition))
        .collect()
}
