//! Faults of membership: instances come and go.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use homeostat_logic::ledger::record::Millis;

use crate::load::now;
use crate::offsets::consumed;
use crate::report::Row;
use crate::support::service::Service;
use crate::world::World;

/// Pause between two changes of membership.
const STEP: Duration = Duration::from_secs(2);
/// Changes in a storm.
const STEPS: usize = 8;
/// Before throughput is measured, and for how long without a storm.
const WARM: Duration = Duration::from_secs(2);
const STEADY: Duration = Duration::from_secs(8);
/// Events kept undecided while throughput is measured: enough that nothing waits for events.
const UNDECIDED: usize = 400;
/// Of the throughput without a storm, so much is left in one at least (percent).
const PROGRESS_MIN: f64 = 30.0;
/// Instances after scaling out, and the longest wait until each has its share.
const SCALED: usize = 3;
const SPREAD: Duration = Duration::from_secs(30);

/// As many events as are decided, first in calm and then while an instance comes or goes every two seconds.
pub(super) fn storm(world: &mut World<'_>, row: &mut Row) -> Vec<Millis> {
    world.load.keep_undecided(UNDECIDED);
    std::thread::sleep(WARM);
    let steady = throughput(world, |_| std::thread::sleep(STEADY));
    let since = now();
    let mut leaving: Vec<Service> = Vec::new();
    let stormy = throughput(world, |world| {
        for step in 0..STEPS {
            if step % 2 == 0 {
                let instance = world.spawn(world.launch());
                world.instances.push(instance);
            } else {
                let index = world.any();
                let service = world.instances.swap_remove(index).service;
                service.signal("TERM");
                leaving.push(service);
            }
            std::thread::sleep(STEP);
        }
    });
    world.load.keep_undecided(0);
    for mut service in leaving {
        let (status, said) = service.ended();
        if status.code() != Some(0) {
            row.breaches
                .push(format!("a leaving instance ended {status}: {said}"));
        }
    }
    let percent = stormy / steady * 100.0;
    row.notes.push(format!(
        "{steady:.0} events a second were decided in calm, {stormy:.0} while rebalancing: {percent:.0} %"
    ));
    if percent < PROGRESS_MIN {
        row.breaches
            .push(format!("progress fell to {percent:.0} %"));
    }
    vec![since]
}

/// Events decided a second while something happens.
fn throughput(world: &mut World<'_>, happens: impl FnOnce(&mut World<'_>)) -> f64 {
    let (before, begun) = (world.ledger.decisions(), Instant::now());
    happens(world);
    let decided = world.ledger.decisions() - before;
    decided as f64 / begun.elapsed().as_secs_f64()
}

/// From one instance to three, under load.
pub(super) fn add(world: &mut World<'_>, row: &mut Row) -> Vec<Millis> {
    while world.instances.len() > 1 {
        world.instances.pop().unwrap().service.stop();
    }
    let since = now();
    while world.instances.len() < SCALED {
        let instance = world.spawn(world.launch());
        world.instances.push(instance);
    }
    let until = Instant::now() + SPREAD;
    while !is_spread(world) {
        if Instant::now() > until {
            row.breaches
                .push("partitions are not spread over all instances".to_owned());
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    row.notes.push(format!(
        "partitions were spread over {SCALED} instances after {:.1} s",
        (now() - since) as f64 / 1_000.0
    ));
    vec![since]
}

/// Of `homeostat.users`, as the service creates it; nothing is written there.
const USERS_PARTITIONS: usize = 12;

/// Each instance reads partitions, no partition is read twice, and none is left out.
fn is_spread(world: &World<'_>) -> bool {
    let owned: Vec<BTreeSet<String>> = world
        .instances
        .iter()
        .map(|instance| partitions(&instance.service))
        .collect();
    let all: BTreeSet<&String> = owned.iter().flatten().collect();
    let sum: usize = owned.iter().map(BTreeSet::len).sum();
    let consumed = consumed().len() + USERS_PARTITIONS;
    owned.iter().all(|one| !one.is_empty()) && sum == all.len() && sum == consumed
}

fn partitions(service: &Service) -> BTreeSet<String> {
    let listing = service.get("/api/v1/actors").json();
    let actors = listing["items"].as_array().unwrap().iter();
    let read = actors.filter(|actor| actor["kind"] == "partition" && actor["state"] == "running");
    read.map(|actor| actor["path"].as_str().unwrap().to_owned())
        .collect()
}
