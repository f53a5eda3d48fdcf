//! The supervisor: the handle that starts, stops and restarts children.

use std::sync::Arc;
use std::time::Duration;

use actix_rt::Arbiter;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::cell::Intervention;
use super::event::Events;
use super::guard::{Guard, Life};
use super::shared::{GaveUp, Shared};
use super::snapshot::ActorSnapshot;
use super::spec::{ChildSpec, GroupSpec};
use super::tree::NodeId;
use super::worker::Worker;

/// How long a child that has to end now may take to finish the message it is in.
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
    /// There are more kinds of children than can be distinguished.
    #[error("{0} kinds of actors are too many to distinguish; leave some out")]
    TooManyKinds(usize),
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
        let GroupSpec {
            name,
            strategy,
            intensity,
            backoff,
        } = spec;
        let path: Arc<str> = format!("{}/{name}", self.path).into();
        let group = self
            .shared
            .add_group(self.group, &path, strategy, intensity, backoff);
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
        let factory = spec.factory;
        let life = Life::new(Arc::clone(&cell), Arc::clone(&self.shared));
        let addr = actix::Supervisor::start_in_arbiter(&arbiter, move |context| {
            let own = actix::AsyncContext::address(context);
            Guard::new(factory, life, own)
        });
        Ok(Address::new(addr, cell))
    }

    /// Stops a child of the tree: no more messages are admitted, what is in the mailbox is handled for at most
    /// `drain`, then it ends and leaves the tree. Failures while draining are restarted as ever. Says how many
    /// messages were left. Poll it to the end: nothing else watches the deadline.
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
            cell.control.give(Intervention::Stop);
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
        cell.control.give(Intervention::Restart(Duration::ZERO));
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
