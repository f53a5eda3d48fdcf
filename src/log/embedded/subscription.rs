//! Membership in a group: a thread that takes and gives up partitions and delivers their records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{
    Assignment, Epoch, GroupHandler, GroupSettings, LogError, PartitionStatus, Subscription,
    TopicPartition,
};

use super::balance::MemberId;
use super::cursor::{Cursor, Round};
use super::groups::Acquired;
use super::shared::Shared;
use crate::log::sync::{Flag, Heartbeat, lock};

/// Longest sleep while nothing happens; bounds how old the heartbeat of a healthy thread gets.
pub(super) const IDLE: Duration = Duration::from_millis(250);
/// Sinks do not signal when they have room again, so a full one is asked this often.
pub(super) const FULL: Duration = Duration::from_millis(1);
/// Pause after a failed read.
pub(super) const FAILED: Duration = Duration::from_secs(1);

/// What the handle and the thread share.
struct Member {
    shared: Arc<Shared>,
    group: String,
    id: MemberId,
    /// Set when it shall end: until then it may drain.
    closing: Mutex<Option<Instant>>,
    ended: Flag,
    heartbeat: Heartbeat,
}

/// The caller's handle; dropping it closes without waiting.
pub(super) struct Membership(Arc<Member>);

impl Membership {
    /// Joins the group and starts the thread.
    pub(super) fn start(
        shared: &Arc<Shared>,
        settings: GroupSettings,
        handler: Box<dyn GroupHandler>,
    ) -> std::io::Result<Self> {
        let id = shared
            .groups
            .join(&settings.group, settings.topics, &shared.topics);
        let member = Arc::new(Member {
            shared: Arc::clone(shared),
            group: settings.group,
            id,
            closing: Mutex::new(None),
            ended: Flag::default(),
            heartbeat: Heartbeat::new(),
        });
        let session = Session {
            member: Arc::clone(&member),
            handler,
            drain: settings.drain,
            owned: Vec::new(),
        };
        shared.signal.notify();
        std::thread::Builder::new()
            .name(format!("log-group-{id}"))
            .spawn(move || session.run())?;
        Ok(Self(member))
    }

    fn end(&self, deadline: Duration) {
        lock(&self.0.closing).get_or_insert_with(|| Instant::now() + deadline);
        self.0.shared.signal.notify();
    }
}

impl Subscription for Membership {
    fn settle(&self, partition: &TopicPartition, epoch: Epoch, next: i64) {
        self.0
            .shared
            .groups
            .settle(&self.0.group, partition, epoch, next);
    }

    fn status(&self) -> Vec<PartitionStatus> {
        let member = &self.0;
        let status = |owned: Acquired| {
            let watermarks = member.shared.watermarks(&owned.partition);
            PartitionStatus {
                epoch: owned.epoch,
                settled: owned
                    .settled
                    .or_else(|| watermarks.map(|marks| marks.low))
                    .unwrap_or(0),
                high: watermarks.map(|marks| marks.high),
                refusal: None,
                held: None,
                partition: owned.partition,
            }
        };
        member
            .shared
            .groups
            .owned(&member.group, member.id)
            .into_iter()
            .map(status)
            .collect()
    }

    /// After a failed write (a full disk) the log is away until one goes through.
    fn connected(&self) -> bool {
        self.0.shared.takes_writes()
    }

    fn idle(&self) -> Duration {
        self.0.heartbeat.age()
    }

    fn close(&self, deadline: Duration) {
        self.end(deadline);
        if !self.0.ended.wait(deadline) {
            tracing::warn!(
                group = self.0.group,
                "embedded log: a group member did not drain in time"
            );
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// The thread's side.
struct Session {
    member: Arc<Member>,
    handler: Box<dyn GroupHandler>,
    drain: Duration,
    owned: Vec<Owned>,
}

struct Owned {
    partition: TopicPartition,
    epoch: Epoch,
    cursor: Cursor,
}

impl Session {
    fn run(mut self) {
        // Handler and sinks run on this thread: if one panics, its owner must hear of it.
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            let error = LogError::Fatal("the thread of a group member panicked".to_owned());
            tracing::error!(group = self.member.group, %error, "embedded log: a group member ends");
            self.handler.failed(error);
        }
    }

    /// Goes round until it is closed.
    fn serve(&mut self) {
        loop {
            self.member.heartbeat.beat();
            let seen = self.member.shared.signal.generation();
            let closing = *lock(&self.member.closing);
            if closing.is_some() || self.member.shared.is_closed() {
                let left = closing.map_or(self.drain, |at| {
                    at.saturating_duration_since(Instant::now())
                });
                self.leave(left);
                return;
            }
            self.rebalance();
            let pause = match self.deliver() {
                Some(Round::Delivered) => continue,
                Some(Round::Full) => FULL,
                Some(Round::Idle) => IDLE,
                None => FAILED,
            };
            self.member.shared.signal.wait(seen, pause);
        }
    }

    /// One round over all partitions; the busiest outcome, or none when a read failed.
    fn deliver(&mut self) -> Option<Round> {
        let mut busiest = Round::Idle;
        for owned in &mut self.owned {
            match owned.cursor.deliver(&self.member.shared.store) {
                Ok(round) => busiest = busiest.max(round),
                Err(error) => {
                    tracing::warn!(partition = %owned.partition, %error, "embedded log: a read failed");
                    return None;
                }
            }
        }
        Some(busiest)
    }

    fn rebalance(&mut self) {
        let Member {
            shared, group, id, ..
        } = &*self.member;
        let released = shared.groups.to_release(group, *id);
        if !released.is_empty() {
            self.give_up(&released, self.drain);
        }
        for acquired in self
            .member
            .shared
            .groups
            .acquire(&self.member.group, self.member.id)
        {
            self.take(acquired);
        }
    }

    fn take(&mut self, acquired: Acquired) {
        let Acquired {
            partition,
            epoch,
            settled,
        } = acquired;
        let Some((topic, index)) = self.member.shared.find(&partition) else {
            return;
        };
        let low = topic
            .partitions
            .get(index)
            .map_or(0, |partition| partition.extent().low);
        let position = settled.unwrap_or(low).max(low);
        let assignment = Assignment {
            partition: partition.clone(),
            epoch,
            position,
            created_again: false,
        };
        let sink = self.handler.assigned(assignment);
        self.owned.push(Owned {
            partition,
            epoch,
            cursor: Cursor::new(topic, index, position, sink),
        });
    }

    /// Lets the handler drain, then ends the epochs and stores what was settled.
    fn give_up(&mut self, released: &[(TopicPartition, Epoch)], deadline: Duration) {
        self.handler.revoked(released, deadline);
        self.owned
            .retain(|owned| !released.iter().any(|(_, epoch)| *epoch == owned.epoch));
        let Member { shared, group, .. } = &*self.member;
        shared.groups.release(group, released);
        if let Err(error) = shared.groups.flush(&shared.store) {
            tracing::warn!(group, %error, "embedded log: settled positions are not stored yet");
        }
        shared.signal.notify();
    }

    fn leave(&mut self, deadline: Duration) {
        let all: Vec<_> = self
            .owned
            .iter()
            .map(|owned| (owned.partition.clone(), owned.epoch))
            .collect();
        if !all.is_empty() {
            self.give_up(&all, deadline);
        }
    }
}

impl Drop for Session {
    /// Runs when the handler panics again, too: a dead thread must not keep its partitions.
    fn drop(&mut self) {
        let Member {
            shared,
            group,
            id,
            ended,
            ..
        } = &*self.member;
        shared.groups.leave(group, *id, &shared.topics);
        shared.signal.notify();
        ended.raise();
    }
}
