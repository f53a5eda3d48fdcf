//! The consumption of events: which partitions are owned, whether they are read and settled, and how they are healed: actor,
//! then consumer client, then process (DESIGN §3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use homeostat_actors::assignment::Partitions;
use homeostat_actors::flight::Standstill;
use homeostat_actors::kinds;
use homeostat_actors::ports::log::{PartitionStatus, TopicPartition};
use homeostat_actors::supervision::{Pulse, Step, Watch};

use super::vital::{Shown, Vital, Watching, end_process};
use crate::metrics::Metrics;
use crate::service::consumption::IDLE_MAX;
use crate::service::state::ServiceState;

pub(super) struct Consuming {
    state: Arc<ServiceState>,
    shown: Shown,
}

impl Consuming {
    pub(super) fn new(state: Arc<ServiceState>) -> Self {
        let shown = Shown::default();
        Self { state, shown }
    }

    fn in_flight(&self, partition: &TopicPartition) -> usize {
        let partitions = self.state.partitions();
        let in_flight = partitions.and_then(|partitions| partitions.in_flight_of(partition));
        in_flight.unwrap_or_default()
    }
}

impl Vital for Consuming {
    fn reasons(&self, now: Instant) -> Vec<String> {
        let partitions = self.state.partitions();
        let mut reasons = partitions.map_or_else(Vec::new, |all| partition_reasons(all, now));
        let Some(consumption) = self.state.consumption() else {
            return reasons;
        };
        if !consumption.connected() {
            let unknown = || "the event log cannot be reached".to_owned();
            reasons.push(self.state.unreachable().unwrap_or_else(unknown));
        }
        let unread = |status: &PartitionStatus| {
            let in_flight = self.in_flight(&status.partition);
            self.state.unread().reason(status, in_flight, now)
        };
        reasons.extend(consumption.status().iter().filter_map(unread));
        if let Some(idle) = consumption.idle().filter(|idle| *idle > IDLE_MAX) {
            reasons.push(format!(
                "the consumer loop has made no progress for {} s",
                idle.as_secs()
            ));
        }
        reasons
    }

    fn gauges(&self, metrics: &Metrics) {
        let (now, partitions) = (Instant::now(), self.state.partitions());
        let stopped = partitions.map(|partitions| partitions.stopped());
        let stopped = stopped.into_iter().flatten();
        let stopped: BTreeSet<TopicPartition> = stopped.map(|(partition, _)| partition).collect();
        let standstills = partitions.map(|partitions| partitions.standstills(now));
        let standstills: BTreeMap<TopicPartition, Standstill> =
            standstills.into_iter().flatten().collect();
        let status = self.state.status();
        for one in &status {
            let in_flight = self.in_flight(&one.partition);
            let unread = self.state.unread().standing(one, in_flight, now);
            let standstill = standstills.get(&one.partition).map(|one| one.lasting);
            let gauges = PartitionGauges {
                settled: one.settled,
                high: self.state.unread().end_of(one),
                in_flight,
                stopped: stopped.contains(&one.partition),
                standstill: standstill
                    .max(unread.map(|standing| standing.lasting))
                    .map_or(0, |lasting| lasting.as_secs()),
            };
            gauges.show(&one.partition, metrics);
        }
        let owned = status.into_iter().map(|one| one.partition).collect();
        PartitionGauges::forget_others(&self.shown, owned, metrics);
    }

    fn watches(&self, watching: &Watching<'_>) -> Vec<Watch> {
        let watches = consumed_partitions().flat_map(|partition| {
            [
                watch_handling(watching, &self.state, &partition),
                watch_delivery(watching, &self.state, &partition),
            ]
        });
        watches.collect()
    }
}

/// The state of an owned partition.
struct PartitionGauges {
    settled: i64,
    /// Offset the next record gets, if known.
    high: Option<i64>,
    /// Records read and not settled.
    in_flight: usize,
    /// Whether it has stopped for too many dead letters.
    stopped: bool,
    /// Whole seconds for which nothing has been settled, or read.
    standstill: u64,
}

impl PartitionGauges {
    fn show(&self, place: &TopicPartition, metrics: &Metrics) {
        let partition = place.partition.to_string();
        let labels = [metrics.topic_label(&place.topic), partition.as_str()];
        metrics.settled_offset.set(labels, self.settled);
        metrics.records_in_flight.set(labels, self.in_flight);
        metrics
            .partition_stopped
            .set(labels, i64::from(self.stopped));
        metrics.partition_standstill.set(labels, self.standstill);
        if let Some(high) = self.high {
            // What was delivered may be known before where the partition ends.
            let delivered = i64::try_from(self.in_flight).unwrap_or(i64::MAX);
            let lag = high.saturating_sub(self.settled).max(delivered);
            metrics.consumer_lag.set(labels, lag);
        }
    }

    fn forget_others(shown: &Shown, owned: BTreeSet<TopicPartition>, metrics: &Metrics) {
        let gauges = [
            &metrics.partition_stopped,
            &metrics.partition_standstill,
            &metrics.settled_offset,
            &metrics.records_in_flight,
            &metrics.consumer_lag,
        ];
        shown.only(owned, metrics, &gauges);
    }
}

/// What the owned partitions say against being ready.
fn partition_reasons(partitions: &Partitions, now: Instant) -> Vec<String> {
    let mut reasons = Vec::new();
    if partitions.count() == 0 {
        reasons.push("no partition is assigned to this instance".to_owned());
    }
    reasons.extend(partitions.stopped().into_iter().map(|(partition, stop)| {
        format!(
            "{partition} has stopped: {} of its last {} records are dead letters; repair what reads or writes them, then `homeostat dead-letters resume --topic {}`",
            stop.dead, stop.records, partition.topic
        )
    }));
    let standstills = partitions.standstills(now).into_iter();
    let long = standstills.filter(|(_, standstill)| standstill.lasting > IDLE_MAX);
    reasons.extend(long.map(
        |(
            partition,
            Standstill {
                lasting, obstacle, ..
            },
        )| {
            let why = obstacle
                .unwrap_or_else(|| "neither the log nor an actor has answered yet".to_owned());
            format!(
                "{partition}: nothing has been settled for {} s: {why}",
                lasting.as_secs()
            )
        },
    ));
    reasons
}

/// As created by this service; of a topic that was given more partitions later, only the actors watch the rest.
fn consumed_partitions() -> impl Iterator<Item = TopicPartition> {
    kinds::topics_read(&kinds::all())
        .into_iter()
        .flat_map(|topic| {
            (0..topic.partitions).map(|partition| TopicPartition {
                topic: topic.name.to_owned(),
                partition,
            })
        })
}

/// Records were delivered and do not get settled: the consumer starts over, then the process.
fn watch_handling(
    watching: &Watching<'_>,
    state: &Arc<ServiceState>,
    partition: &TopicPartition,
) -> Watch {
    let (probed, owner) = (Arc::clone(state), Arc::clone(state));
    let (of_probe, of_step) = (partition.clone(), partition.clone());
    let supervisor = watching.supervisor.clone();
    let probe = move || {
        let status = status(&probed, &of_probe)?;
        let partitions = probed.partitions()?;
        let standstill = partitions.standstill_of(&of_probe, Instant::now())?;
        Some(Pulse {
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
    let steps = vec![restart, end_process(watching.hopeless)];
    let name = format!("{partition} handling");
    watching
        .watchdog
        .watch(name, watching.stall_max, probe, steps)
}

/// The log has records and none is delivered, without an error: a new client, once. Where reading fails with an error, a new
/// client would get the same; readiness says why.
fn watch_delivery(
    watching: &Watching<'_>,
    state: &Arc<ServiceState>,
    partition: &TopicPartition,
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
        Some(Pulse {
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
            tracing::error!(%error, "cannot start a thread to rejoin the consumer group");
        }
    });
    let report = Step::new("report_stall", |name| {
        tracing::warn!(
            name,
            "the log has records that are not delivered, also to a new client"
        );
    });
    let (name, steps) = (format!("{partition} delivery"), vec![rejoin, report]);
    watching
        .watchdog
        .watch(name, watching.stall_max, probe, steps)
}

/// `None` while the log's server is away, another instance owns the partition, or it has stopped for too many dead letters:
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_follows_the_settled_offset_and_ends_with_the_ownership() {
        let metrics = Metrics::new([], 0).unwrap();
        let shown = Shown::default();
        let place = TopicPartition {
            topic: "data.ingested".to_owned(),
            partition: 1,
        };
        let gauges = |high, in_flight| PartitionGauges {
            settled: 7,
            high,
            in_flight,
            stopped: true,
            standstill: 0,
        };
        // Nothing is known of the end; it is; more was delivered than it says.
        for (high, in_flight, lag) in [
            (None, 2, None),
            (Some(9), 2, Some(2)),
            (Some(9), 3, Some(3)),
        ] {
            gauges(high, in_flight).show(&place, &metrics);
            let text = metrics.render().unwrap();
            let found = text.lines().find_map(|line| {
                let lag = r#"homeostat_consumer_lag_records{partition="1",topic="data.ingested"} "#;
                line.strip_prefix(lag)
            });
            assert_eq!(found.map(|lag| lag.parse().unwrap()), lag);
        }
        let owned = BTreeSet::from([place]);
        PartitionGauges::forget_others(&shown, owned, &metrics);
        assert!(metrics.render().unwrap().contains(r#"partition="1""#));
        PartitionGauges::forget_others(&shown, BTreeSet::new(), &metrics);
        let text = metrics.render().unwrap();
        assert!(!text.contains(r#"partition="1""#), "{text}");
    }
}
