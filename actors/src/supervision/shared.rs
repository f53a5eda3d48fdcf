//! What the handles and actors of a tree share; applies what the tree rules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cell::{Cell, Intervention};
use super::event::{Change, EventHub};
use super::failure::Failure;
use super::guard::Ending;
use super::policy::{Backoff, Intensity, Strategy};
use super::snapshot::ActorState;
use super::spec::{ChildSpec, GroupSpec};
use super::supervisor::StartError;
use super::tree::{Escalation, Fate, NodeId, Role, Tree};
use super::worker::Worker;

/// The root of the tree gave up: the process is to become unready, drain and exit with failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// Path of the child that failed once too often.
    pub path: String,
    /// Its last failure.
    pub failure: Failure,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    cells: BTreeMap<NodeId, Arc<Cell>>,
}

/// What all handles and actors of a tree share. Rulings are made under its lock, on the thread of the failed actor:
/// rare, short, and never waiting for a worker.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) events: EventHub,
    pub(super) gave_up: watch::Sender<Option<GaveUp>>,
    group_kind: Arc<str>,
    epoch: Instant,
}

impl Shared {
    pub(super) fn new(root: GroupSpec) -> (Self, NodeId, Arc<str>) {
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
        self.state.lock()
    }

    /// Adds a group; `None` when its path is taken.
    pub(super) fn add_group(
        &self,
        parent: NodeId,
        path: &Arc<str>,
        strategy: Strategy,
        intensity: Intensity,
        backoff: Backoff,
    ) -> Option<NodeId> {
        let role = Role::Group {
            strategy,
            children: Vec::new(),
        };
        let mut state = self.lock();
        if state.tree.has(path) {
            return None;
        }
        state
            .tree
            .add(parent, Arc::clone(path), role, intensity, backoff)
    }

    /// Adds a child.
    pub(super) fn register<W: Worker>(
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

    pub(super) fn find(&self, path: &str) -> Option<Arc<Cell>> {
        let state = self.lock();
        state
            .cells
            .values()
            .find(|cell| &*cell.path == path && !cell.state().is_final())
            .cloned()
    }

    pub(super) fn paths_below(&self, group: NodeId) -> Vec<Arc<str>> {
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
            Ending::Ordered(Intervention::Restart(delay)) => {
                cell.set_state(ActorState::BackingOff);
                return Some(*delay);
            }
            Ending::Ordered(Intervention::Stop) => {
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
                Fate::Restart(delay) => Intervention::Restart(*delay),
                Fate::Stop | Fate::GiveUp => Intervention::Stop,
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
