//! What the watchdog looks at, and the steps by which it heals: actor, then consumer client, then process (DESIGN §3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ports::log::{PartitionStatus, TopicPartition};
use homeostat_actors::supervision::{Progress, RunningWatchdog, Step, Supervisor, Watch, Watchdog};
use homeostat_logic::topic::{LEDGER, TOPICS, Use};
use tokio::sync::watch;

use super::state::ServiceState;

const PERIOD: Duration = Duration::from_secs(1);

/// The watchdog at work, for the life of the service.
pub(super) struct Watching {
    pub(super) watchdog: Watchdog,
    _watches: Vec<Watch>,
    _running: RunningWatchdog,
}

/// Watches actors and partitions. What no step heals is told through `hopeless`, and the process ends.
pub(super) fn start(
    state: &Arc<ServiceState>,
    supervisor: &Supervisor,
    stall_max: Duration,
    hopeless: &watch::Sender<Option<String>>,
) -> std::io::Result<Watching> {
    let watchdog = Watchdog::new(supervisor, vec![end_process(hopeless)]);
    let watches: Vec<_> = consumed_partitions()
        .flat_map(|partition| {
            [
                watch_handling(
                    &watchdog, state, supervisor, &partition, stall_max, hopeless,
                ),
                watch_delivery(&watchdog, state, &partition, stall_max),
            ]
        })
        .collect();
    let folds = state.views().iter().map(|view| {
        let state = Arc::clone(state);
        let health = Arc::clone(state.health());
        let connected = move || state.consumption().is_some_and(|one| one.connected());
        let lag = move |view: &LedgerView| connected().then(|| health.lag(view)).flatten();
        watch_fold(&watchdog, lag, supervisor, view, stall_max, hopeless)
    });
    let watches = folds.chain(watches).collect();
    let running = watchdog.run(PERIOD)?;
    Ok(Watching {
        watchdog,
        _watches: watches,
        _running: running,
    })
}

/// As created by this service; a topic that somebody gave more partitions has the rest watched by its actors only.
fn consumed_partitions() -> impl Iterator<Item = TopicPartition> {
    TOPICS
        .iter()
        .filter(|topic| topic.usage != Use::Produce)
        .flat_map(|topic| {
            (0..topic.partitions).map(|partition| TopicPartition {
                topic: topic.name.to_owned(),
                partition,
            })
        })
}

/// Records were delivered and do not get settled: the consumer starts over, then the process.
fn watch_handling(
    watchdog: &Watchdog,
    state: &Arc<ServiceState>,
    supervisor: &Supervisor,
    partition: &TopicPartition,
    stall_max: Duration,
    hopeless: &watch::Sender<Option<String>>,
) -> Watch {
    let (probed, owner) = (Arc::clone(state), Arc::clone(state));
    let (of_probe, of_step) = (partition.clone(), partition.clone());
    let supervisor = supervisor.clone();
    let probe = move || {
        let status = status(&probed, &of_probe)?;
        let partitions = probed.partitions()?;
        let standstill = partitions.standstill_of(&of_probe, Instant::now())?;
        Some(Progress {
            lag: partitions.in_flight_of(&of_probe)? as u64,
            // What the log does not take waits for as long as that lasts; starting over would not help it.
            position: position(&status).saturating_add(standstill.refusals),
        })
    };
    let restart = Step::new("restart_consumer", move |_| {
        let path = owner
            .partitions()
            .and_then(|partitions| partitions.consumer_path(&of_step));
        if let Some(Err(error)) = path.map(|path| supervisor.restart(&path)) {
            tracing::warn!(%error, "a stalled consumer was not restarted");
        }
    });
    let steps = vec![restart, end_process(hopeless)];
    watchdog.watch(format!("{partition} handling"), stall_max, probe, steps)
}

/// The log has records and none is delivered, without an error: a new client, once. Where reading fails with an error, a new
/// client would get the same; readiness says why.
fn watch_delivery(
    watchdog: &Watchdog,
    state: &Arc<ServiceState>,
    partition: &TopicPartition,
    stall_max: Duration,
) -> Watch {
    let (probed, owner, of_probe) = (Arc::clone(state), Arc::clone(state), partition.clone());
    let probe = move || {
        let status = status(&probed, &of_probe)?;
        if status.refusal.is_some() {
            return None;
        }
        let in_flight = probed.partitions()?.in_flight_of(&of_probe)?;
        let lag = status.high?.saturating_sub(status.settled);
        let lag = if in_flight == 0 {
            u64::try_from(lag).unwrap_or(0)
        } else {
            0
        };
        Some(Progress {
            lag,
            position: position(&status),
        })
    };
    let rejoin = Step::new("rejoin_group", move |_| {
        let Some(consumption) = owner.consumption().cloned() else {
            return;
        };
        let spawned = std::thread::Builder::new()
            .name("rejoin".to_owned())
            .spawn(move || consumption.rejoin());
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to join the consumer group anew");
        }
    });
    let report = Step::new("report_stall", |name| {
        tracing::warn!(
            name,
            "the log has records that are not delivered, also to a new client"
        );
    });
    watchdog.watch(
        format!("{partition} delivery"),
        stall_max,
        probe,
        vec![rejoin, report],
    )
}

/// The ledger has records and its fold stands: the fold starts over, then the process. One that refuses to go on says why
/// in readiness; starting over would not help it. `lag`: records left; `None` while the log is away.
fn watch_fold(
    watchdog: &Watchdog,
    lag: impl Fn(&LedgerView) -> Option<u64> + Send + 'static,
    supervisor: &Supervisor,
    view: &Arc<LedgerView>,
    stall_max: Duration,
    hopeless: &watch::Sender<Option<String>>,
) -> Watch {
    let (probed, supervisor) = (Arc::clone(view), supervisor.clone());
    let name = format!("{LEDGER}/{} folding", view.partition);
    let cooldown = format!("ledger-{}/cooldown", view.partition);
    let probe = move || {
        let state = probed.read();
        let (read_to, folds) = (state.read_to, state.progress.goes_on());
        drop(state);
        if !folds {
            return None;
        }
        Some(Progress {
            lag: lag(&probed)?,
            position: u64::try_from(read_to).unwrap_or_default(),
        })
    };
    let restart = Step::new("restart_fold", move |_| {
        let actors = supervisor.snapshot();
        let found = actors.iter().find(|actor| actor.path.ends_with(&cooldown));
        if let Some(Err(error)) = found.map(|actor| supervisor.restart(&actor.path)) {
            tracing::warn!(%error, "a stalled fold was not restarted");
        }
    });
    watchdog.watch(name, stall_max, probe, vec![restart, end_process(hopeless)])
}

/// `None` while the log's server is away, the partition is somebody else's, or it has stopped for too many dead letters:
/// then standing still is no stall.
fn status(state: &ServiceState, partition: &TopicPartition) -> Option<PartitionStatus> {
    let consumption = state.consumption()?;
    let stopped = state.partitions()?.is_stopped(partition);
    if !consumption.connected() || stopped {
        return None;
    }
    consumption
        .status()
        .into_iter()
        .find(|one| one.partition == *partition)
}

fn position(status: &PartitionStatus) -> u64 {
    u64::try_from(status.settled).unwrap_or_default()
}

fn end_process(hopeless: &watch::Sender<Option<String>>) -> Step {
    let hopeless = hopeless.clone();
    Step::new("end_process", move |name| {
        hopeless.send_replace(Some(format!(
            "{name} stands still and no smaller step helped"
        )));
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use homeostat_actors::ledger_view;
    use homeostat_actors::supervision::{ActorState, ChildSpec, GroupSpec, Worker};

    use super::*;

    struct Idle;

    impl Worker for Idle {}

    async fn until(so: impl Fn() -> bool) {
        let wait = async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap();
    }

    #[actix::test]
    async fn a_fold_that_stands_with_records_left_starts_over_then_the_process_ends() {
        let tree = Supervisor::new(GroupSpec::new("homeostat"));
        let group = tree.group(GroupSpec::new("ledger-1")).unwrap();
        group
            .start(ChildSpec::new("cooldown", "cooldown", || Idle))
            .unwrap();
        // One that still starts takes no order to start over.
        until(|| {
            tree.snapshot()
                .iter()
                .any(|actor| actor.state == ActorState::Running)
        })
        .await;
        let view = LedgerView::new(1);
        view.write().progress = ledger_view::Progress::Live;
        let left = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&left);
        let lag = move |_: &LedgerView| Some(told.load(Ordering::SeqCst));
        let (hopeless, second) = (watch::Sender::new(None), Duration::from_secs(1));
        let watchdog = Watchdog::new(&tree, Vec::new());
        let _watch = watch_fold(&watchdog, lag, &tree, &view, second * 3, &hopeless);
        let look_until =
            |from: u32, to: u32| (from..to).for_each(|now| watchdog.look(second * now));
        look_until(0, 10);
        let taken = || -> Vec<_> {
            let steps = watchdog.steps_taken().into_iter();
            steps.filter(|(_, count)| *count > 0).collect()
        };
        assert_eq!(taken(), [], "nothing is left to fold");
        left.store(7, Ordering::SeqCst);
        look_until(10, 15);
        assert_eq!(taken(), [("restart_fold", 1)]);
        until(|| tree.snapshot().iter().any(|actor| actor.restarts == 1)).await;
        assert_eq!(*hopeless.borrow(), None);
        // Folding from the beginning again, it gets no further.
        view.restart();
        look_until(15, 20);
        let reason = hopeless.borrow().clone().unwrap();
        assert!(reason.contains("homeostat.ledger/1 folding"), "{reason}");
    }
}
