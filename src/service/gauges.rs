//! Gauges that nobody announces: read from the parts that know them, whenever somebody scrapes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use homeostat_actors::flight::Standstill;
use homeostat_actors::ports::log::TopicPartition;
use homeostat_actors::supervision::{ActorSnapshot, Supervisor, Watchdog};

use super::state::ServiceState;
use crate::metrics::{ActorSample, Metrics, PartitionGauges};

/// Names of the phases of open actions, so that each has its series from the start.
const OPEN_PHASES: [&str; 5] = ["waiting", "approval", "ready", "started", "doubt"];

/// From now on every scrape shows the present.
pub(super) fn connect(
    state: &Arc<ServiceState>,
    watchdog: Watchdog,
    under_way: &Arc<AtomicUsize>,
    metrics: &Metrics,
) {
    let actors = Arc::clone(state);
    metrics.watch_actors(Box::new(move || samples(&actors)));
    let state = Arc::clone(state);
    let under_way = Arc::clone(under_way);
    let known = Mutex::new(BTreeSet::new());
    metrics.before_scrape(Box::new(move |metrics| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = refresh(&state, metrics, &known);
        metrics.actions_in_flight(under_way.load(Ordering::Relaxed));
        for (step, taken) in watchdog.steps_taken() {
            metrics.watchdog_steps(step, taken);
        }
    }));
}

fn samples(state: &ServiceState) -> Vec<ActorSample> {
    let actors = state
        .supervisor()
        .map(Supervisor::snapshot)
        .unwrap_or_default();
    let sample = |actor: ActorSnapshot| ActorSample {
        path: actor.path,
        depth: actor.mailbox.depth,
        high_water: actor.mailbox.high_water,
        capacity: actor.mailbox.capacity,
        enqueued: actor.mailbox.enqueued,
        handled: actor.mailbox.handled,
        rejected: actor.mailbox.rejected,
        restarts: actor.restarts,
    };
    actors.into_iter().map(sample).collect()
}

/// Returns the partitions owned now, so that the next round can forget those that are gone.
fn refresh(
    state: &ServiceState,
    metrics: &Metrics,
    known: &BTreeSet<TopicPartition>,
) -> BTreeSet<TopicPartition> {
    let in_flight = state
        .partitions()
        .map(|partitions| partitions.in_flight())
        .unwrap_or_default();
    let status = state
        .consumption()
        .map(|one| one.status())
        .unwrap_or_default();
    let stopped: BTreeSet<TopicPartition> = state
        .partitions()
        .map(|partitions| partitions.stopped())
        .into_iter()
        .flatten()
        .map(|(partition, _)| partition)
        .collect();
    let now = Instant::now();
    let standstills = state
        .partitions()
        .map(|partitions| partitions.standstills(now));
    let standstills: BTreeMap<TopicPartition, Standstill> =
        standstills.into_iter().flatten().collect();
    for one in &status {
        let TopicPartition { topic, partition } = &one.partition;
        let waiting = in_flight.iter().find(|(other, _)| *other == one.partition);
        let in_flight_here = waiting.map_or(0, |(_, count)| *count);
        let unread = state.unread().standing(one, in_flight_here, now);
        let unread = unread.map_or(0, |standing| standing.lasting.as_secs());
        let gauges = PartitionGauges {
            settled: one.settled,
            high: state.unread().end_of(one),
            in_flight: in_flight_here as u64,
            stopped: stopped.contains(&one.partition),
            standstill: standstills
                .get(&one.partition)
                .map_or(0, |standstill| standstill.lasting.as_secs())
                .max(unread),
            held: one.held.map_or(0, |held| held.lasting.as_secs()),
        };
        metrics.partition(topic, *partition, gauges);
    }
    let owned: BTreeSet<TopicPartition> = status.into_iter().map(|one| one.partition).collect();
    for gone in known.difference(&owned) {
        metrics.forget_partition(&gone.topic, gone.partition);
    }
    let mut phases: BTreeMap<&str, usize> = OPEN_PHASES.map(|name| (name, 0)).into();
    let (mut open, mut seen) = (0, 0);
    for view in state.views() {
        let view_state = view.read();
        metrics.ledger_position(view.partition, view_state.fold.offset() + 1);
        open += view_state.fold.open_actions().count();
        seen += view_state.fold.state().actions.len();
        metrics.ledger_owned(view.partition, view.owner().is_some());
        for (_, action) in view_state.fold.open_actions() {
            *phases.entry(action.phase.name()).or_default() += 1;
        }
        if let Some(boundary) = view_state.fold.boundary() {
            metrics.ledger_boundary(view.partition, boundary.covers, &boundary.hash);
        }
        let (holds, now) = (
            view_state.fold.holds(),
            view_state.moment(state.clock()).log,
        );
        let silenced = holds.silenced_until.is_some_and(|until| now < until);
        metrics.ledger_holds(view.partition, holds.paused, silenced);
        drop(view_state);
        metrics.ledger_lag(view.partition, state.health().lag(view));
    }
    for (phase, count) in phases {
        metrics.ledger_open_actions(phase, count);
    }
    metrics.ledger_time_ahead(state.time_ahead());
    metrics.ledger_undelivered_alerts(state.undelivered());
    metrics.ledger_fold_entries("open_actions", open);
    metrics.ledger_fold_entries("actions", seen);
    owned
}
