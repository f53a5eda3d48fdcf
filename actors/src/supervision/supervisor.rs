//! The supervisor: starts, stops and restarts children, and applies what the tree rules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_rt::Arbiter;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::cell::{Cell, Order};
use super::event::{Change, EventHub, Events};
use super::failure::Failure;
use super::guard::{Ending, Guard};
use super::snapshot::{ActorSnapshot, ActorState};
use super::spec::{ChildSpec, GroupSpec};
use super::tree::{Escalation, Fate, NodeId, Role, Tree};
use super::worker::Worker;

/// How long a child that has been told to end now may take to finish the message it is in.
const GRACE: Duration = Duration::from_secs(1);

/// Why a child or group could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The path is taken.
    #[error("{0} is running already; stop it first or choose another name")]
    Duplicate(String),
    /// There is no thread to run it on.
    #[error("{0} has no running arbiter; start it inside an actix system or name a live arbiter")]
    NoArbiter(String),
}

/// Why a child did not stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// No child has this path (any more).
    #[error("no child is running at {0}")]
    Unknown(String),
    /// It is inside one message and cannot be interrupted; only the end of the process ends it.
    #[error("{0} is stuck inside a message; end the process to be rid of it")]
    Stuck(String),
}

/// The root of the tree gave up: the process is to become unready, drain and exit with failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// Path of the child that failed once too often.
    pub path: String,
    /// Its last failure.
    pub failure: Failure,
}

/// How a shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Messages that were still in mailboxes at the deadline.
    pub lost: u64,
    /// Paths of children that could not be stopped.
    pub stuck: Vec<String>,
}

/// A group of the supervision tree, and the way to all below it. Cheap to clone; children live until they are
/// stopped, not until handles are dropped.
#[derive(Clone, Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    group: NodeId,
    path: Arc<str>,
}

impl Supervisor {
    /// A new tree with its root group.
    pub fn new(root: GroupSpec) -> Self {
        let (shared, group, path) = Shared::new(root);
        Self {
            shared: Arc::new(shared),
            group,
            path,
        }
    }

    /// Adds a group below this one.
    ///
    /// # Errors
    /// When the path is taken.
    pub fn group(&self, spec: GroupSpec) -> Result<Self, StartError> {
        let path: Arc<str> = format!("{}/{}", self.path, spec.name).into();
        let role = Role::Group {
            strategy: spec.strategy,
            children: Vec::new(),
        };
        let mut state = self.shared.lock();
        let group = if state.tree.has(&path) {
            None
        } else {
            state.tree.add(
                self.group,
                Arc::clone(&path),
                role,
                spec.intensity,
                spec.backoff,
            )
        };
        drop(state);
        let group = group.ok_or_else(|| StartError::Duplicate(path.to_string()))?;
        Ok(Self {
            shared: Arc::clone(&self.shared),
            group,
            path,
        })
    }

    /// Starts a child below this group. The address works at once; messages wait for the first incarnation. Failures
    /// from here on, also in the factory, are supervision's business.
    ///
    /// # Errors
    /// When the path is taken or there is no arbiter.
    pub fn start<W: Worker>(&self, spec: ChildSpec<W>) -> Result<Address<W>, StartError> {
        let path: Arc<str> = format!("{}/{}", self.path, spec.name).into();
        let arbiter = spec
            .arbiter
            .clone()
            .or_else(Arbiter::try_current)
            .filter(actix_rt::ArbiterHandle::alive)
            .ok_or_else(|| StartError::NoArbiter(path.to_string()))?;
        let cell = self.shared.register(self.group, &path, &spec)?;
        let (factory, shared) = (spec.factory, Arc::clone(&self.shared));
        let addr = actix::Supervisor::start_in_arbiter(&arbiter, {
            let cell = Arc::clone(&cell);
            move |context| {
                let own = actix::AsyncContext::address(context);
                Guard::new(factory, cell, shared, own)
            }
        });
        Ok(Address::new(addr, cell))
    }

    /// Stops a child of the tree: no more messages are admitted, what is in the mailbox is handled for at most
    /// `drain`, then it ends and leaves the tree. Failures while draining are restarted as ever. Says how many
    /// messages were left. Poll it to the end: nobody else watches the deadline.
    ///
    /// # Errors
    /// When there is no such child, or it cannot be interrupted.
    pub async fn stop(&self, path: &str, drain: Duration) -> Result<u64, StopError> {
        let cell = self
            .shared
            .find(path)
            .ok_or_else(|| StopError::Unknown(path.to_owned()))?;
        cell.meter.close();
        cell.control.nudge();
        if timeout(drain, cell.ended()).await.is_err() {
            cell.control.give(Order::Stop);
            if timeout(GRACE, cell.ended()).await.is_err() {
                return Err(StopError::Stuck(path.to_owned()));
            }
        }
        Ok(cell.abandoned())
    }

    /// Stops all children below this group, the last started first, all within `drain` (and a second of grace for
    /// each one that is inside a message then).
    pub async fn shutdown(&self, drain: Duration) -> Shutdown {
        let deadline = Instant::now() + drain;
        let mut outcome = Shutdown::default();
        for path in self.shared.paths_below(self.group).into_iter().rev() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stop(&path, left).await {
                Ok(lost) => outcome.lost += lost,
                Err(StopError::Stuck(path)) => outcome.stuck.push(path),
                // It ended by itself meanwhile.
                Err(StopError::Unknown(_)) => {}
            }
        }
        outcome
    }

    /// Orders a new incarnation of a child, between two messages, ahead of its backlog. Mailbox and addresses stay.
    ///
    /// # Errors
    /// When there is no such child.
    pub fn restart(&self, path: &str) -> Result<(), StopError> {
        let cell = self
            .shared
            .find(path)
            .ok_or_else(|| StopError::Unknown(path.to_owned()))?;
        cell.control.give(Order::Restart(Duration::ZERO));
        Ok(())
    }

    /// Subscribes to the events of the whole tree, from now on.
    pub fn subscribe(&self) -> Events {
        self.shared.events.subscribe()
    }

    /// Events that subscribers were too slow for.
    pub fn events_missed(&self) -> u64 {
        self.shared.events.missed()
    }

    /// Becomes `Some` when the root gives up, once and for good.
    pub fn gave_up(&self) -> watch::Receiver<Option<GaveUp>> {
        self.shared.gave_up.subscribe()
    }

    /// All actors of the tree, in start order, as of now. Stopped ones are gone; those that gave up stay.
    pub fn snapshot(&self) -> Vec<ActorSnapshot> {
        self.shared
            .cells()
            .iter()
            .map(|cell| cell.snapshot())
            .collect()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    cells: BTreeMap<NodeId, Arc<Cell>>,
}

/// What all handles and actors of a tree share. Rulings are made under its lock, on the thread of whoever failed:
/// rare, short, and never waiting for a worker.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    events: EventHub,
    gave_up: watch::Sender<Option<GaveUp>>,
    group_kind: Arc<str>,
    epoch: Instant,
}

impl Shared {
    fn new(root: GroupSpec) -> (Self, NodeId, Arc<str>) {
        let mut state = State::default();
        let path: Arc<str> = root.name.into();
        let role = Role::Group {
            strategy: root.strategy,
            children: Vec::new(),
        };
        let group = state
            .tree
            .add_root(Arc::clone(&path), role, root.intensity, root.backoff);
        let shared = Self {
            state: Mutex::new(state),
            events: EventHub::default(),
            gave_up: watch::Sender::new(None),
            group_kind: "group".into(),
            epoch: Instant::now(),
        };
        (shared, group, path)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register<W: Worker>(
        &self,
        group: NodeId,
        path: &Arc<str>,
        spec: &ChildSpec<W>,
    ) -> Result<Arc<Cell>, StartError> {
        let mut state = self.lock();
        let role = Role::Child {
            restart: spec.restart,
        };
        let id = if state.tree.has(path) {
            None
        } else {
            state
                .tree
                .add(group, Arc::clone(path), role, spec.intensity, spec.backoff)
        };
        let id = id.ok_or_else(|| StartError::Duplicate(path.to_string()))?;
        let (kind, capacity) = (Arc::clone(&spec.kind), spec.capacity);
        let cell = Arc::new(Cell::new(
            id,
            Arc::clone(path),
            kind,
            capacity,
            spec.stuck_after,
        ));
        // One that gave up under this path makes room.
        state.cells.retain(|_, other| other.path != *path);
        state.cells.insert(id, Arc::clone(&cell));
        drop(state);
        Ok(cell)
    }

    fn find(&self, path: &str) -> Option<Arc<Cell>> {
        let state = self.lock();
        state
            .cells
            .values()
            .find(|cell| &*cell.path == path && !cell.state().is_final())
            .cloned()
    }

    fn paths_below(&self, group: NodeId) -> Vec<Arc<str>> {
        let state = self.lock();
        state
            .tree
            .leaves(group)
            .into_iter()
            .filter_map(|leaf| state.tree.path(leaf))
            .collect()
    }

    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        self.lock().cells.values().cloned().collect()
    }

    pub(super) fn emit(&self, cell: &Cell, change: Change) {
        self.emit_for(&cell.path, &cell.kind, change);
    }

    pub(super) fn emit_for(&self, path: &Arc<str>, kind: &Arc<str>, change: Change) {
        self.events.emit(path, kind, change);
    }

    /// An incarnation ended: says after which delay the next one is due, or `None` when there is none.
    pub(super) fn ended(&self, cell: &Cell, ending: &Ending) -> Option<Duration> {
        let failure = match ending {
            Ending::Ordered(Order::Restart(delay)) => {
                cell.set_state(ActorState::BackingOff);
                return Some(*delay);
            }
            Ending::Ordered(Order::Stop) => {
                self.finish(cell, ActorState::Stopped, Change::Stopped);
                return None;
            }
            Ending::Finished => None,
            Ending::Failed(failure) => {
                cell.note(failure);
                cell.set_state(ActorState::BackingOff);
                self.emit(cell, Change::Failed(failure.clone()));
                Some(failure)
            }
        };
        self.rule(cell, failure)
    }

    fn rule(&self, cell: &Cell, failure: Option<&Failure>) -> Option<Duration> {
        let now = self.epoch.elapsed();
        let mut state = self.lock();
        let ruling = state
            .tree
            .rule(cell.id, failure.is_some(), now, fastrand::f64());
        for (id, fate) in &ruling.others {
            let order = match fate {
                Fate::Restart(delay) => Order::Restart(*delay),
                Fate::Stop | Fate::GiveUp => Order::Stop,
            };
            if let Some(other) = state.cells.get(id) {
                other.control.give(order);
            }
        }
        drop(state);
        let failure = failure
            .cloned()
            .unwrap_or_else(|| Failure::new("stopped by itself although it is permanent"));
        for escalation in &ruling.escalations {
            self.escalated(escalation, cell, &failure);
        }
        match ruling.culprit {
            Fate::Restart(delay) => {
                cell.set_state(ActorState::BackingOff);
                Some(delay)
            }
            Fate::Stop => {
                self.finish(cell, ActorState::Stopped, Change::Stopped);
                None
            }
            Fate::GiveUp => {
                self.finish(cell, ActorState::GaveUp, Change::GaveUp(failure));
                None
            }
        }
    }

    fn escalated(&self, escalation: &Escalation, culprit: &Cell, failure: &Failure) {
        let Escalation {
            path,
            because,
            limit,
            granted,
        } = escalation;
        let (restarts, within) = (limit.restarts, limit.within);
        let reason = Failure::new(format!(
            "{because} exceeded {restarts} restarts in {within:?}, last because {failure}"
        ));
        self.events
            .emit(path, &self.group_kind, Change::Failed(reason.clone()));
        if granted.is_none() && self.lock().tree.is_root(path) {
            self.events
                .emit(path, &self.group_kind, Change::GaveUp(reason));
            let gave_up = GaveUp {
                path: culprit.path.to_string(),
                failure: failure.clone(),
            };
            self.gave_up.send_if_modified(|first| {
                let news = first.is_none();
                first.get_or_insert(gave_up);
                news
            });
        }
    }

    /// A child ended for good. One that gave up stays visible, one that stopped does not.
    fn finish(&self, cell: &Cell, end: ActorState, change: Change) {
        let mut state = self.lock();
        state.tree.remove(cell.id);
        if end == ActorState::Stopped {
            state.cells.remove(&cell.id);
        }
        drop(state);
        cell.end(end);
        self.emit(cell, change);
    }

    /// The thread of an actor ended under it.
    pub(super) fn vanished(&self, cell: &Cell) {
        self.finish(cell, ActorState::Stopped, Change::Stopped);
    }
}
