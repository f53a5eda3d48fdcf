//! The actors: those that do not run are a reason, and each shows its mailbox.

use std::sync::Arc;
use std::time::Instant;

use homeostat_actors::supervision::{ActorSnapshot, ActorState, Supervisor};

use super::vital::Vital;
use crate::metrics::{ActorSample, Metrics};
use crate::service::state::ServiceState;

pub(super) struct Actors(pub(super) Arc<ServiceState>);

impl Actors {
    fn snapshot(&self) -> Vec<ActorSnapshot> {
        let supervisor = self.0.supervisor();
        supervisor.map(Supervisor::snapshot).unwrap_or_default()
    }
}

impl Vital for Actors {
    fn reasons(&self, _: Instant) -> Vec<String> {
        let works = |state| matches!(state, ActorState::Running | ActorState::Draining);
        let idle = self.snapshot().into_iter();
        idle.filter(|actor| !works(actor.state))
            .map(|actor| format!("actor {} is {}", actor.path, actor.state.name()))
            .collect()
    }

    fn gauges(&self, metrics: &Metrics) {
        let samples: Vec<_> = self.snapshot().into_iter().map(sample).collect();
        metrics.actors(&samples);
    }
}

fn sample(actor: ActorSnapshot) -> ActorSample {
    ActorSample {
        path: actor.path,
        depth: actor.mailbox.depth,
        high_water: actor.mailbox.high_water,
        capacity: actor.mailbox.capacity,
        enqueued: actor.mailbox.enqueued,
        handled: actor.mailbox.handled,
        rejected: actor.mailbox.rejected,
        restarts: actor.restarts,
    }
}
