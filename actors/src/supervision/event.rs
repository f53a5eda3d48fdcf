//! Supervision events: to the log, and to bounded subscriptions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;

use super::failure::Failure;

/// Events a slow subscriber may be behind; beyond, it loses the oldest.
const BACKLOG: usize = 1_024;

/// Something that happened to a node of the supervision tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisionEvent {
    /// Path of the actor or group.
    pub path: Arc<str>,
    /// Kind of the actor; `group` for groups.
    pub kind: Arc<str>,
    /// What happened.
    pub change: Change,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The first incarnation runs.
    Started,
    /// A worker failed, or a group had to, because a child exceeded its intensity.
    Failed(Failure),
    /// A further incarnation runs.
    Restarted {
        /// Restarts of this actor so far.
        restarts: u64,
        /// How long its mailbox was held.
        delay: Duration,
    },
    /// It ended for good because it failed too often.
    GaveUp(Failure),
    /// It ended as wanted.
    Stopped,
    /// It has work and made no progress for too long.
    Stuck {
        /// How long.
        stalled: Duration,
    },
    /// The watchdog took a step to heal it.
    Healing {
        /// Name of the step.
        step: &'static str,
    },
}

impl Change {
    /// Name in log and metric labels.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Failed(_) => "failed",
            Self::Restarted { .. } => "restarted",
            Self::GaveUp(_) => "gave_up",
            Self::Stopped => "stopped",
            Self::Stuck { .. } => "stuck",
            Self::Healing { .. } => "healing",
        }
    }
}

/// Spreads events.
#[derive(Debug)]
pub(super) struct EventHub {
    sender: broadcast::Sender<SupervisionEvent>,
    missed: Arc<AtomicU64>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
            missed: Arc::default(),
        }
    }
}

impl EventHub {
    pub(super) fn emit(&self, path: &Arc<str>, kind: &Arc<str>, change: Change) {
        let event = SupervisionEvent {
            path: Arc::clone(path),
            kind: Arc::clone(kind),
            change,
        };
        log(&event);
        // A missing receiver is fine.
        self.sender.send(event).ok();
    }

    pub(super) fn subscribe(&self) -> Events {
        Events {
            receiver: self.sender.subscribe(),
            missed: Arc::clone(&self.missed),
        }
    }

    /// Events lost by slow subscribers.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// A subscription to supervision events, in order. One that falls 1,024 behind loses the oldest; those are counted.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<SupervisionEvent>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// The next event; `None` when the supervision tree is gone.
    pub async fn next(&mut self) -> Option<SupervisionEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    self.missed.fetch_add(count, Ordering::Relaxed);
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

fn log(event: &SupervisionEvent) {
    let (path, kind, what) = (&*event.path, &*event.kind, event.change.name());
    match &event.change {
        Change::Started | Change::Stopped => {
            tracing::info!(path, kind, event = what, "supervision");
        }
        Change::Failed(failure) => {
            tracing::warn!(path, kind, event = what, reason = %failure, "supervision");
        }
        Change::Restarted { restarts, delay } => {
            tracing::warn!(path, kind, event = what, restarts, ?delay, "supervision");
        }
        Change::GaveUp(failure) => {
            tracing::error!(path, kind, event = what, reason = %failure, "supervision");
        }
        Change::Stuck { stalled } => {
            tracing::error!(path, kind, event = what, ?stalled, "supervision");
        }
        Change::Healing { step } => {
            tracing::error!(path, kind, event = what, step, "supervision");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_slow_subscriber_loses_the_oldest_events_which_are_counted() {
        let hub = EventHub::default();
        let mut slow = hub.subscribe();
        let kind: Arc<str> = "test".into();
        for number in 0..BACKLOG + 6 {
            hub.emit(&number.to_string().into(), &kind, Change::Started);
        }
        let first = slow.next().now_or_never().flatten().map(|event| event.path);
        assert_eq!(first.as_deref(), Some("6"));
        assert_eq!(hub.missed(), 6);
        drop(hub);
        let rest = std::iter::from_fn(|| slow.next().now_or_never().flatten()).count();
        assert_eq!(rest, BACKLOG - 1);
    }
}
