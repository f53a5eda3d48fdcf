//! What a supervisor needs to know to start a child or a group.

use std::sync::Arc;
use std::time::Duration;

use actix_rt::ArbiterHandle;

use super::policy::{Backoff, Intensity, RestartPolicy, Strategy};
use super::worker::Worker;

/// A child: its name, its factory and how it is supervised.
pub struct ChildSpec<W> {
    pub(super) name: String,
    pub(super) kind: Arc<str>,
    pub(super) factory: Box<dyn Fn() -> W + Send>,
    pub(super) restart: RestartPolicy,
    pub(super) backoff: Backoff,
    pub(super) intensity: Intensity,
    pub(super) capacity: u64,
    pub(super) stuck_after: Duration,
    pub(super) arbiter: Option<ArbiterHandle>,
}

impl<W> std::fmt::Debug for ChildSpec<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ChildSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<W: Worker> ChildSpec<W> {
    /// Mailbox capacity unless set: batches, not events, so this is deep already.
    pub const CAPACITY: u64 = 1_024;

    /// A permanent child with default backoff and intensity on the current arbiter. `name` is the last segment of its
    /// path; `kind` its role, from a closed set. The factory runs once per incarnation, on the child's arbiter.
    pub fn new(
        name: impl Into<String>,
        kind: impl Into<Arc<str>>,
        factory: impl Fn() -> W + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            factory: Box::new(factory),
            restart: RestartPolicy::default(),
            backoff: Backoff::default(),
            intensity: Intensity::default(),
            capacity: Self::CAPACITY,
            stuck_after: Duration::from_secs(30),
            arbiter: None,
        }
    }

    /// Sets the restart policy.
    #[must_use]
    pub const fn restart(mut self, restart: RestartPolicy) -> Self {
        self.restart = restart;
        self
    }

    /// Sets the backoff.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how many restarts are too many.
    #[must_use]
    pub const fn intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// Sets the mailbox capacity, in messages; at least 1.
    #[must_use]
    pub fn capacity(mut self, capacity: u64) -> Self {
        self.capacity = capacity.clamp(1, u64::MAX >> 1);
        self
    }

    /// Sets how long the watchdog lets it be without progress while it has work (30 s).
    #[must_use]
    pub const fn stuck_after(mut self, limit: Duration) -> Self {
        self.stuck_after = limit;
        self
    }

    /// Sets the arbiter (thread) it runs on.
    #[must_use]
    pub fn on(mut self, arbiter: &ArbiterHandle) -> Self {
        self.arbiter = Some(arbiter.clone());
        self
    }
}

/// A group: its name and how it deals with failing children.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    pub(super) name: String,
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) backoff: Backoff,
}

impl GroupSpec {
    /// Escalations that a group takes by default.
    pub const INTENSITY: Intensity = Intensity::new(3, Duration::from_mins(5));

    /// Pause before the first restart of a whole group, by default.
    pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);

    /// A one-for-one group. Its intensity counts escalations: 3 in 5 minutes unless set.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            strategy: Strategy::OneForOne,
            intensity: Self::INTENSITY,
            backoff: Backoff {
                first: Self::BACKOFF_FIRST,
                ..Backoff::default()
            },
        }
    }

    /// Sets the strategy.
    #[must_use]
    pub const fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets how many restarts of the whole group are too many.
    #[must_use]
    pub const fn intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// Sets the delay of a restart of the whole group.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}
