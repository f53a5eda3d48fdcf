//! What an actor shares with senders, supervisor, watchdog and scrapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::failure::Failure;
use super::meter::Meter;
use super::snapshot::{ActorSnapshot, ActorState};
use super::tree::NodeId;

/// An order from outside, obeyed between two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intervention {
    /// Build a new incarnation after this delay.
    Restart(Duration),
    /// End now; what is in the mailbox is lost.
    Stop,
}

/// The way to an actor that does not queue behind its mailbox.
#[derive(Debug, Default)]
pub(super) struct Control {
    raised: AtomicBool,
    order: Mutex<Option<Intervention>>,
    waker: AtomicWaker,
}

impl Control {
    /// Gives an order; a stop is never replaced by a restart.
    pub(super) fn give(&self, order: Intervention) {
        let mut slot = self.order.lock();
        if *slot != Some(Intervention::Stop) {
            *slot = Some(order);
        }
        drop(slot);
        self.raised.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether an order waits; one load.
    pub(super) fn raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<Intervention> {
        self.raised.store(false, Ordering::Release);
        self.order.lock().take()
    }

    /// Has the actor look at its orders and its gate.
    pub(super) fn nudge(&self) {
        self.waker.wake();
    }

    pub(super) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}

/// Shared by everything that knows one actor. Outlives incarnations.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) id: NodeId,
    pub(super) path: Arc<str>,
    pub(super) kind: Arc<str>,
    /// No progress for this long in spite of work means stuck.
    pub(super) stuck_after: Duration,
    pub(super) meter: Meter,
    pub(super) control: Control,
    state: watch::Sender<ActorState>,
    restarts: AtomicU64,
    last_failure: Mutex<Option<String>>,
    /// Messages left in the mailbox when the actor ended.
    abandoned: AtomicU64,
    stuck: AtomicBool,
    /// Odd while worker code runs: the watchdog sees one long turn without the worker reading a clock.
    turns: AtomicU64,
}

impl Cell {
    pub(super) fn new(
        id: NodeId,
        path: Arc<str>,
        kind: Arc<str>,
        capacity: u64,
        stuck_after: Duration,
    ) -> Self {
        Self {
            id,
            path,
            kind,
            stuck_after,
            meter: Meter::new(capacity),
            control: Control::default(),
            state: watch::Sender::new(ActorState::Starting),
            restarts: AtomicU64::new(0),
            last_failure: Mutex::new(None),
            abandoned: AtomicU64::new(0),
            stuck: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        }
    }

    /// Worker code begins or ends. One writer: the actor's own thread.
    pub(super) fn turn(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns.wrapping_add(1), Ordering::Release);
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    pub(super) fn set_state(&self, state: ActorState) {
        self.state.send_replace(state);
    }

    /// The actor has ended for good: closes the mailbox and counts what is in it, then wakes those who wait.
    pub(super) fn end(&self, state: ActorState) {
        self.meter.close();
        self.abandoned.store(self.meter.depth(), Ordering::Relaxed);
        self.set_state(state);
    }

    /// Messages lost with the actor; 0 before its end.
    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Its state, with what the gate and the watchdog know.
    pub(super) fn state(&self) -> ActorState {
        let state = *self.state.borrow();
        match state {
            _ if state.is_final() => state,
            _ if self.stuck.load(Ordering::Relaxed) => ActorState::Stuck,
            ActorState::Running if self.meter.is_closed() => ActorState::Draining,
            _ => state,
        }
    }

    /// Resolves when the actor has ended for good.
    pub(super) async fn ended(&self) {
        let mut state = self.state.subscribe();
        // The sender is a field of this cell: it cannot be gone.
        state.wait_for(|state| state.is_final()).await.ok();
    }

    pub(super) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    pub(super) fn restarted(&self) -> u64 {
        self.restarts.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn note(&self, failure: &Failure) {
        *self.last_failure.lock() = Some(failure.to_string());
    }

    pub(super) fn snapshot(&self) -> ActorSnapshot {
        ActorSnapshot {
            path: self.path.to_string(),
            kind: self.kind.to_string(),
            state: self.state(),
            restarts: self.restarts.load(Ordering::Relaxed),
            last_failure: self.last_failure.lock().clone(),
            mailbox: self.meter.snapshot(),
        }
    }
}
