//! The fault harness: the built binary on a real Apache Kafka, hurt on purpose while events flow, and an oracle that knows what
//! must have come of them. `scripts/chaos` runs it at length, `scripts/test` a short set of it.
//!
//! Three things are believed: the source topics, the ledger as a fold of the harness's own reads it, and the file into which
//! the target wrote each request before it answered. What the instances say about themselves is only compared with those.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]

mod action_target;
mod faults;
mod ledger;
mod letters;
mod load;
mod memory;
mod offsets;
mod oracle;
mod proxy;
mod report;
mod settings;
mod world;

#[path = "../end_to_end/support/mod.rs"]
mod support;

use faults::Fault;
use report::Row;
use settings::Settings;
use support::broker::Broker;
use world::World;

/// Rounds in one world at most: an instance that starts reads the whole ledger first, so its recovery would come to depend on
/// how long the harness has been running.
const ROUNDS_PER_WORLD: usize = 10;

#[test]
fn nothing_is_lost_and_no_attempt_sent_twice_whatever_fails() {
    let settings = Settings::from_environment();
    let Some(broker) = Broker::new() else { return };
    println!("seed {}", settings.seed);
    let site = world::Site::start(broker);
    let mut rows: Vec<Row> = Vec::new();
    for faults in settings.worlds() {
        let mut left = settings.rounds;
        while left > 0 {
            let rounds = left.min(ROUNDS_PER_WORLD);
            left -= rounds;
            for row in run(&site, &settings, &faults, rounds) {
                match rows.iter_mut().find(|known| known.fault == row.fault) {
                    Some(known) => known.add(row),
                    None => rows.push(row),
                }
            }
        }
    }
    let breaches = report::print(&rows, settings.seed, !settings.separate);
    assert!(breaches.is_empty(), "seed {}: {breaches:#?}", settings.seed);
}

/// One world: each fault for so many rounds, then everything comes to rest and is compared.
fn run(site: &world::Site, settings: &Settings, faults: &[Fault], rounds: usize) -> Vec<Row> {
    let on_kafka: Vec<Fault> = faults
        .iter()
        .copied()
        .filter(|fault| *fault != Fault::DiskFull)
        .collect();
    let mut rows = Vec::new();
    if !on_kafka.is_empty() {
        let mut world = World::open(site, settings.seed);
        rows.extend(on_kafka.iter().map(|fault| world.hurt(*fault, rounds)));
        world.come_to_rest(&mut rows);
    }
    if faults.contains(&Fault::DiskFull) {
        rows.push(faults::disk::run(rounds, settings.seed));
    }
    rows
}
