//! The progress watchdog: what has work and does not advance is healed in steps, on a separate thread.
//!
//! A worker that blocks its thread cannot be interrupted, only noticed; that is why steps go on to larger parts, up to
//! the process, while there is no progress.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::cell::{Cell, Intervention};
use super::event::Change;
use super::shared::Shared;
use super::snapshot::ActorState;
use super::supervisor::Supervisor;
use super::tree::NodeId;
use super::watch_state::{Observation, Pulse, WatchState};

/// Name of the first step for every stuck actor.
const RESTART_ACTOR: &str = "restart_actor";

/// A named way to heal; runs on the watchdog's thread with the name of the stalled thing, and must not block.
pub struct Step {
    name: &'static str,
    action: Box<dyn FnMut(&str) + Send>,
}

impl Step {
    /// `name` is a metric label.
    pub fn new(name: &'static str, action: impl FnMut(&str) + Send + 'static) -> Self {
        Self {
            name,
            action: Box::new(action),
        }
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Step").field(&self.name).finish()
    }
}

struct Entry {
    name: Arc<str>,
    limit: Duration,
    probe: Box<dyn Fn() -> Option<Pulse> + Send>,
    steps: Vec<Step>,
    state: WatchState,
}

#[derive(Default)]
struct Entries {
    next: u64,
    /// Each under its own lock, so that steps may add and drop watches.
    watched: BTreeMap<u64, Arc<Mutex<Entry>>>,
}

struct Inner {
    shared: Arc<Shared>,
    kind: Arc<str>,
    entries: Mutex<Entries>,
    actors: Mutex<(BTreeMap<NodeId, WatchState>, Vec<Step>)>,
    taken: Mutex<BTreeMap<&'static str, u64>>,
}

/// Watches the actors of a tree and whatever else has a probe. Cheap to clone.
#[derive(Clone)]
pub struct Watchdog(Arc<Inner>);

impl std::fmt::Debug for Watchdog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

impl Watchdog {
    /// Watches all actors of the tree of `supervisor`, each with its own limit
    /// ([`ChildSpec::stuck_after`](super::ChildSpec::stuck_after)): a stuck one is restarted, which helps if it
    /// waits, then `steps` follow, for one that blocks. Nothing happens before [`Self::run`].
    pub fn new(supervisor: &Supervisor, steps: Vec<Step>) -> Self {
        let watchdog = Self(Arc::new(Inner {
            shared: Arc::clone(supervisor.shared()),
            kind: "watch".into(),
            entries: Mutex::default(),
            actors: Mutex::default(),
            taken: Mutex::new(BTreeMap::from([(RESTART_ACTOR, 0)])),
        }));
        watchdog.may_take(&steps);
        lock(&watchdog.0.actors).1 = steps;
        watchdog
    }

    /// From now on the steps are listed, also before the first one is taken.
    fn may_take(&self, steps: &[Step]) {
        let mut taken = lock(&self.0.taken);
        for step in steps {
            taken.entry(step.name).or_default();
        }
    }

    /// Watches something else until the returned watch is dropped. The probe runs on the watchdog's thread each
    /// period and must not block; `None` = nothing to see at present.
    pub fn watch(
        &self,
        name: impl Into<Arc<str>>,
        limit: Duration,
        probe: impl Fn() -> Option<Pulse> + Send + 'static,
        steps: Vec<Step>,
    ) -> Watch {
        self.may_take(&steps);
        let state = WatchState::default();
        let entry = Entry {
            name: name.into(),
            limit,
            probe: Box::new(probe),
            steps,
            state,
        };
        let mut entries = lock(&self.0.entries);
        let id = entries.next;
        entries.next += 1;
        entries.watched.insert(id, Arc::new(Mutex::new(entry)));
        drop(entries);
        Watch {
            inner: Arc::clone(&self.0),
            id,
        }
    }

    /// How often each step was taken so far, by name; 0 for one that was registered and not yet taken.
    pub fn steps_taken(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0.taken).clone()
    }

    /// Looks once at everything. `now` counts from any fixed start.
    pub fn look(&self, now: Duration) {
        self.look_at_actors(now);
        let entries: Vec<_> = lock(&self.0.entries).watched.values().cloned().collect();
        for entry in entries {
            self.look_at(&mut lock(&entry), now);
        }
    }

    fn look_at(&self, entry: &mut Entry, now: Duration) {
        let progress = caught(&entry.name, entry.probe.as_ref()).flatten();
        let Observation::Heal { step, stalled } = entry.state.observe(now, progress, entry.limit)
        else {
            return;
        };
        let inner = &self.0;
        if step == 0 {
            inner
                .shared
                .emit_for(&entry.name, &inner.kind, Change::Stuck { stalled });
        }
        let step = step.min(entry.steps.len().saturating_sub(1));
        if let Some(Step { name, action }) = entry.steps.get_mut(step) {
            self.took(name, &entry.name, &inner.kind);
            caught(&entry.name, || action(&entry.name));
        }
    }

    fn look_at_actors(&self, now: Duration) {
        let mut actors = lock(&self.0.actors);
        let (states, steps) = &mut *actors;
        let cells = self.0.shared.cells();
        states.retain(|id, _| cells.iter().any(|cell| cell.id == *id));
        for cell in cells {
            let state = states.entry(cell.id).or_default();
            if cell.state() == ActorState::BackingOff {
                state.pause(now);
                continue;
            }
            let observation = state.observe(now, Some(pulse(&cell)), cell.stuck_after);
            cell.set_stuck(state.is_stalled());
            if let Observation::Heal { step, stalled } = observation {
                self.heal_actor(&cell, steps, step, stalled);
            }
        }
    }

    fn heal_actor(&self, cell: &Cell, steps: &mut [Step], step: usize, stalled: Duration) {
        let Some(step) = step
            .checked_sub(1)
            .map(|step| step.min(steps.len().saturating_sub(1)))
        else {
            self.0.shared.emit(cell, Change::Stuck { stalled });
            self.took(RESTART_ACTOR, &cell.path, &cell.kind);
            return cell.control.give(Intervention::Restart(Duration::ZERO));
        };
        if let Some(Step { name, action }) = steps.get_mut(step) {
            self.took(name, &cell.path, &cell.kind);
            caught(&cell.path, || action(&cell.path));
        }
    }

    fn took(&self, step: &'static str, path: &Arc<str>, kind: &Arc<str>) {
        *lock(&self.0.taken).entry(step).or_default() += 1;
        self.0.shared.emit_for(path, kind, Change::Healing { step });
    }

    /// Looks every `period` on a separate thread, until the returned value is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn run(&self, period: Duration) -> std::io::Result<RunningWatchdog> {
        let (stop, stopped) = sync_channel::<()>(1);
        let watchdog = self.clone();
        let thread = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                let start = Instant::now();
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    watchdog.look(start.elapsed());
                }
            })?;
        Ok(RunningWatchdog {
            stop,
            thread: Some(thread),
        })
    }
}

/// What the watchdog sees of an actor. Messages count while there are any: a restart is not progress. Without any, one
/// long turn of worker code is what can be stuck.
fn pulse(cell: &Cell) -> Pulse {
    let (turns, depth) = (cell.turns(), cell.meter.depth());
    if depth > 0 {
        Pulse {
            lag: depth,
            position: cell.meter.handled(),
        }
    } else {
        Pulse {
            lag: turns % 2,
            position: turns,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// A probe or step that panics must not end the watchdog.
fn caught<T>(name: &str, code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code))
        .inspect_err(|_| tracing::error!(path = name, "a probe or step of the watchdog panicked"))
        .ok()
}

/// A registered watch; ends when dropped.
pub struct Watch {
    inner: Arc<Inner>,
    id: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Watch").field(&self.id).finish()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let entry = lock(&self.inner.entries).watched.remove(&self.id);
        // Outside the lock: the closures may own anything.
        drop(entry);
    }
}

/// A watchdog at work; stops when dropped.
#[derive(Debug)]
pub struct RunningWatchdog {
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for RunningWatchdog {
    fn drop(&mut self) {
        self.stop.try_send(()).ok();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            thread.join().ok();
        }
    }
}
