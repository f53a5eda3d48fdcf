//! Faults of what comes in and of what is called: floods, poison, a bad target.

use std::time::Duration;

use homeostat_logic::ledger::record::Millis;

use crate::load::{RATE, now};
use crate::report::Row;
use crate::world::World;

/// How long it lasts.
const LASTS: Duration = Duration::from_secs(6);
/// Of a hundred records so many are no events.
const POISON: usize = 10;
/// So many times the usual number of events.
const BURST: usize = 10;
/// And for mailboxes of one message.
const FLOOD: usize = 15;

/// No fault: as many events as a burst brings, at the pace at which they are decided.
pub(super) fn calm(world: &World<'_>) -> Vec<Millis> {
    world.load.keep_undecided(RATE);
    std::thread::sleep(LASTS);
    world.load.keep_undecided(0);
    Vec::new()
}

/// The target fails as often as not.
pub(super) fn bad_target(world: &World<'_>) -> Vec<Millis> {
    let since = now();
    world.target.be_bad(true);
    std::thread::sleep(LASTS);
    world.target.be_bad(false);
    vec![since]
}

pub(super) fn poison(world: &World<'_>) -> Vec<Millis> {
    let since = now();
    world.load.poison(POISON);
    std::thread::sleep(LASTS);
    world.load.poison(0);
    vec![since]
}

pub(super) fn burst(world: &World<'_>) -> Vec<Millis> {
    world.load.rate(RATE * BURST);
    std::thread::sleep(LASTS);
    world.load.rate(RATE);
    vec![now()]
}

/// Instances whose mailboxes are full as soon as anything waits.
pub(super) fn shrink_mailboxes(world: &mut World<'_>) {
    let count = world.instances.len();
    for instance in world.instances.drain(..) {
        instance.service.stop();
    }
    for _ in 0..count {
        let launch = world
            .launch()
            .with("SUPERVISION__MAILBOX_MESSAGES_MAX", "1")
            .with("CONSUMER__BATCH_EVENTS_MAX", "4")
            .with("CONSUMER__IN_FLIGHT_RECORDS_MAX", "64");
        let instance = world.spawn(launch);
        world.instances.push(instance);
    }
    world.heal();
}

pub(super) fn flood(world: &World<'_>, row: &mut Row) -> Vec<Millis> {
    world.load.rate(RATE * FLOOD);
    std::thread::sleep(LASTS);
    world.load.rate(RATE);
    let rejected: f64 = world
        .instances
        .iter()
        .map(|one| rejected(&one.service.get("/metrics").text))
        .sum();
    row.notes
        .push(format!("{rejected} messages found a full mailbox"));
    if rejected == 0.0 {
        row.breaches.push("no mailbox was ever full".to_owned());
    }
    vec![now()]
}

/// Messages that were refused because a mailbox was full.
fn rejected(metrics: &str) -> f64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("homeostat_mailbox_rejected_total{"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
