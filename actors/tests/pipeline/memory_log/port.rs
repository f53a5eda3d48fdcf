//! The port of the event log, on the log in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::log::{
    Appended, Epoch, EventLog, GroupHandler, GroupSettings, LogError, NewRecord, PartitionSink,
    PartitionStatus, StoredRecord, Subscription, Tail, TopicDescription, TopicPartition,
    TopicSettings, Watermarks,
};

use super::{Command, Cursor, MemoryLog, ROUND, place};

struct Following(Arc<AtomicBool>);

impl Tail for Following {}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Membership(MemoryLog);

impl Subscription for Membership {
    fn settle(&self, partition: &TopicPartition, epoch: Epoch, next: i64) {
        let mut state = self.0.lock();
        if state.owned.get(partition) == Some(&epoch) {
            let before = state.settled.insert(partition.clone(), next);
            assert!(before.is_none_or(|before| before <= next), "went backwards");
        }
    }

    fn status(&self) -> Vec<PartitionStatus> {
        Vec::new()
    }

    fn idle(&self) -> Duration {
        Duration::ZERO
    }

    fn close(&self, deadline: Duration) {
        let owned: Vec<_> = self.0.lock().owned.keys().cloned().collect();
        for partition in owned {
            self.0.revoke(&partition, deadline);
        }
    }
}

impl EventLog for MemoryLog {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn ensure_topics(&self, _: Vec<TopicSettings>) -> BoxFuture<'static, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }

    fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        let state = self.lock();
        let watermarks = |name: &str| {
            let partitions = (0..).zip(&state.topics[name]);
            let of = |(partition, records): (i32, &Vec<StoredRecord>)| Watermarks {
                low: state.low(&place(name, partition)),
                high: i64::try_from(records.len()).unwrap(),
            };
            partitions.map(of).collect()
        };
        let described = names.into_iter().map(|name| TopicDescription {
            partitions: watermarks(&name),
            name,
            append_time: Some(true),
            cleanup_policy: None,
            ..TopicDescription::default()
        });
        let described = described.collect();
        drop(state);
        async { Ok(described) }.boxed()
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        let log = self.clone();
        async move {
            // A real append takes its time: others run in between.
            tokio::task::yield_now().await;
            let topics: BTreeSet<_> = records.iter().map(|one| one.topic.clone()).collect();
            log.lock().waiting += 1;
            while !log.lock().held.is_disjoint(&topics) {
                tokio::time::sleep(ROUND).await;
            }
            log.lock().waiting -= 1;
            let now = log.0.clock.now();
            let mut state = log.lock();
            let appended = records.into_iter().map(|record| state.append(record, now));
            let answers = appended.collect();
            drop(state);
            log.0.changed.notify_all();
            answers
        }
        .boxed()
    }

    fn subscribe(
        &self,
        _: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        self.command(Command::Join(handler));
        Ok(Arc::new(Membership(self.clone())))
    }

    fn tail(
        &self,
        partition: TopicPartition,
        from: i64,
        sink: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        let dropped = Arc::new(AtomicBool::new(false));
        self.lock().tails.push(Cursor {
            partition,
            next: from,
            sink,
            epoch: None,
            dropped: Some(Arc::clone(&dropped)),
        });
        self.0.changed.notify_all();
        Ok(Box::new(Following(dropped)))
    }

    fn read(
        &self,
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        let state = self.lock();
        let from = usize::try_from(from.max(state.low(&partition))).unwrap();
        let records = state.partition(&partition).iter().skip(from).take(max);
        let records = records.cloned().collect();
        drop(state);
        async { Ok(records) }.boxed()
    }

    fn delete_before(
        &self,
        partition: TopicPartition,
        offset: i64,
    ) -> BoxFuture<'static, Result<(), LogError>> {
        let mut state = self.lock();
        let high = i64::try_from(state.partition(&partition).len()).unwrap();
        let answer = if offset > high {
            Err(LogError::Refused(format!("{offset} is beyond {high}")))
        } else {
            let low = state.low.entry(partition).or_default();
            *low = offset.max(*low);
            Ok(())
        };
        drop(state);
        async { answer }.boxed()
    }

    fn close(&self) {
        self.lock().closed = true;
        self.0.changed.notify_all();
    }
}
