//! The one writer: takes whatever calls have gathered, leaves out what is not newer, and commits the rest with one fsync (group
//! commit). Nothing is acknowledged before that fsync. Between commits it sweeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use homeostat_actors::ports::user_store::{Change, StoreError};
use homeostat_logic::ledger::record::Millis;
use tokio::sync::oneshot;

use super::codec::{ending_key, ending_value, position};
use super::database::Durability;
use super::sweep::Sweep;
use super::{Shared, is_lasting};
use crate::store::folded::{self, Last};

/// Calls waiting at most; beyond it a change is answered `Unavailable` at once.
const QUEUE_CALLS: usize = 4096;
/// Bytes waiting at most; same.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// A commit takes no further call once it holds this many changes or bytes.
const COMMIT_CHANGES: usize = 8192;
const COMMIT_BYTES: usize = 16 * 1024 * 1024;
/// A broken database is reopened at most this often.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// The changes of one call.
struct Call {
    changes: Vec<Change>,
    bytes: usize,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// The sending side.
pub(super) struct Queue {
    sender: SyncSender<Call>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// A queue and the thread that works it off; the thread ends when the queue is dropped and empty.
    pub(super) fn start(
        shared: Arc<Shared>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(QUEUE_CALLS);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let mut writer = Writer {
            shared,
            waiting_bytes: Arc::clone(&waiting_bytes),
            reopened: None,
            sweep: Sweep::default(),
        };
        let thread = std::thread::Builder::new()
            .name("user-store".to_owned())
            .spawn(move || writer.run(&receiver))?;
        Ok((
            Self {
                sender,
                waiting_bytes,
            },
            thread,
        ))
    }

    /// Queues changes without waiting, so that the order of calls is the order of changes.
    pub(super) fn push(
        &self,
        changes: Vec<Change>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let bytes = changes.iter().map(size).sum::<usize>();
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        // An empty queue takes any call, so that one alone can never be too large for ever.
        let full = waiting > 0 && waiting.saturating_add(bytes) > QUEUE_BYTES;
        let (answer, answered) = oneshot::channel();
        let sent = if full {
            Err("its queue of changes is full")
        } else {
            self.sender
                .try_send(Call {
                    changes,
                    bytes,
                    answer,
                })
                .map_err(|error| match error {
                    TrySendError::Full(_) => "its queue of changes is full",
                    TrySendError::Disconnected(_) => "it is closed",
                })
        };
        sent.map(|()| answered).map_err(|why| {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            StoreError::Unavailable(why.to_owned())
        })
    }
}

fn size(change: &Change) -> usize {
    change.key().user.len()
        + match change {
            Change::Put { value, .. } => value.len(),
            Change::Remove { .. } => 0,
        }
}

struct Writer {
    shared: Arc<Shared>,
    waiting_bytes: Arc<AtomicUsize>,
    reopened: Option<Instant>,
    sweep: Sweep,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Call>) {
        loop {
            match queue.recv_timeout(self.sweep.due_in()) {
                Ok(first) => self.work(first, queue),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.sweep.due_in().is_zero() && self.writable().is_ok() {
                self.sweep.slice(&self.shared);
            }
        }
    }

    fn work(&mut self, first: Call, queue: &Receiver<Call>) {
        let mut count = first.changes.len();
        let mut bytes = first.bytes;
        let mut calls = vec![first];
        while count < COMMIT_CHANGES && bytes < COMMIT_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            count += next.changes.len();
            bytes += next.bytes;
            calls.push(next);
        }
        let committed = self.writable().and_then(|()| self.commit(&calls));
        if let Err(error) = &committed {
            tracing::error!(%error, "user store: a commit failed, nothing of it is acknowledged");
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
        for call in calls {
            // A caller that went away is no concern of the store; its changes are made all the same.
            drop(call.answer.send(committed.clone()));
        }
    }

    /// Makes sure that the database takes writes, by reopening a broken one.
    fn writable(&mut self) -> Result<(), StoreError> {
        if !self.shared.database.is_broken() {
            return Ok(());
        }
        let recently = |last: Instant| last.elapsed() < REOPEN_PAUSE;
        if self.reopened.is_some_and(recently) {
            let why = "it recovers from a failed write";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        self.reopened = Some(Instant::now());
        self.shared.database.reopen()?;
        tracing::info!("user store: recovered from a failed write");
        Ok(())
    }

    fn commit(&self, calls: &[Call]) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        let changes = folded::fold(calls.iter().flat_map(|call| &call.changes));
        self.shared
            .database
            .commit(Durability::Disk, |opened, batch| {
                for (key, last) in changes {
                    let value = match last {
                        Last::Newer(newer, value) => {
                            let stored = position(opened, key, now)?;
                            if stored.is_some_and(|stored| stored >= newer) {
                                continue;
                            }
                            Some(value)
                        }
                        Last::Put(_, value) => Some(value),
                        Last::Remove => None,
                    };
                    let user = key.user.as_str();
                    match (value, is_lasting(key.entry)) {
                        (Some(value), true) => batch.insert(&opened.profiles, user, value),
                        (None, true) => batch.remove(&opened.profiles, user),
                        (Some(value), false) => {
                            let over_at = over_at(now, self.shared.lifetimes.of(key.entry));
                            let value = ending_value(over_at, value);
                            batch.insert(&opened.ending, ending_key(key), value);
                        }
                        (None, false) => batch.remove(&opened.ending, ending_key(key)),
                    }
                }
                Ok(())
            })
    }
}

fn over_at(now: Millis, lifetime: Option<Duration>) -> Millis {
    lifetime.map_or(Millis::MAX, |lifetime| {
        now.saturating_add(Millis::try_from(lifetime.as_millis()).unwrap_or(Millis::MAX))
    })
}
