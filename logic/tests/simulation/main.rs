//! Deterministic simulation (ledger-protocol §11): the whole path from source records to effects at targets, with the
//! product's decoding, rules, fold, executor and watermark, under a seeded scheduler with crashes, duplicates, delays,
//! rebalances, zombies and failing targets. A seed is a world; a failure prints it and how to see it again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the runner takes its seeds from the environment and says how long it took; worlds read neither"
)]

mod consumer;
mod dice;
mod events;
mod executor;
mod faults;
mod groups;
mod happening;
mod log;
mod process;
mod profile;
mod promises;
mod retention;
mod target;
mod traffic;
mod variants;
mod world;

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use profile::Sabotage;
use world::{Outcome, World};

/// Seeds of every run of the tests; always the same ones. `scripts/simulate` runs five times as many.
const SEEDS: Range<u64> = 0..2_000;
/// Events shown of a world that broke a promise.
const TRACE_SHOWN: usize = 60;
/// Seeds within which a fault in the glue must be found.
const SABOTAGED_SEEDS: Range<u64> = 0..400;

fn simulate(seed: u64, sabotage: Sabotage, trace: bool) -> Outcome {
    World::new(seed, sabotage, variants::rules(), trace).run()
}

/// What the seeds of a range had in them.
#[derive(Default)]
struct Total {
    worlds: u64,
    steps: u64,
    records: usize,
    actions: usize,
    sends: usize,
    milder: usize,
    approvals: usize,
    truncated: usize,
}

/// Runs worlds on two threads until one breaks a promise; tells which one.
fn first_violation(seeds: Range<u64>, sabotage: Sabotage) -> (Option<u64>, Total) {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(None::<u64>));
    let total = Mutex::new(Total::default());
    let work = || {
        while found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
        {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            // A panic of the product is a finding like any other.
            let outcome = std::panic::catch_unwind(|| simulate(seed, sabotage, false));
            let broken = outcome
                .as_ref()
                .map_or(true, |outcome| outcome.violation.is_some());
            if broken {
                found
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(seed);
            } else if let Ok(outcome) = outcome {
                let mut total = total.lock().unwrap();
                total.worlds += 1;
                total.steps += outcome.steps;
                total.records += outcome.records;
                total.actions += outcome.actions;
                total.sends += outcome.sends;
                total.milder += outcome.milder;
                total.approvals += outcome.approvals;
                total.truncated += outcome.truncated;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    (found.into_inner().unwrap(), total.into_inner().unwrap())
}

/// Shows a world that broke a promise: the same seed gives the same world, now with its events.
fn show(seed: u64) {
    eprintln!("seed {seed} breaks a promise; see it again: scripts/simulate --seed {seed} --trace");
    let outcome = simulate(seed, Sabotage::Nothing, true);
    let all = std::env::var_os("HOMEOSTAT_TRACE").is_some();
    let from = if all {
        0
    } else {
        outcome.trace.len().saturating_sub(TRACE_SHOWN)
    };
    for line in &outcome.trace[from..] {
        eprintln!("{line}");
    }
    if let Some(violation) = outcome.violation {
        eprintln!(
            "seed {seed} breaks {}: {}",
            violation.promise, violation.what
        );
    }
}

/// `HOMEOSTAT_SEEDS=17`, or `100..200`.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("HOMEOSTAT_SEEDS") else {
        return SEEDS;
    };
    if let Some((from, to)) = text.split_once("..") {
        return from.parse().unwrap()..to.parse().unwrap();
    }
    let seed = text.parse().unwrap();
    seed..seed + 1
}

#[test]
fn every_promise_holds_in_every_simulated_world() {
    let seeds = seeds();
    let began = std::time::Instant::now();
    let (violation, total) = first_violation(seeds.clone(), Sabotage::Nothing);
    if let Some(seed) = violation {
        show(seed);
        panic!(
            "seed {seed} breaks a promise; see it again: scripts/simulate --seed {seed} --trace"
        );
    }
    let Total {
        worlds,
        steps,
        records,
        actions,
        sends,
        milder,
        approvals,
        truncated,
    } = total;
    eprintln!(
        "seeds {}..{}: {worlds} worlds, {steps} steps, {records} ledger records, {actions} actions, {sends} requests, {milder} milder steps, {approvals} approvals, {truncated} truncated ledgers in {} s",
        seeds.start,
        seeds.end,
        began.elapsed().as_secs()
    );
    if worlds >= SEEDS.end {
        assert!(
            milder > 0 && approvals > 0,
            "worlds without what they prove"
        );
    }
}

#[test]
fn equal_seeds_give_equal_worlds() {
    for seed in 0..5 {
        let (one, other) = (
            simulate(seed, Sabotage::Nothing, false),
            simulate(seed, Sabotage::Nothing, true),
        );
        assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
    }
}

/// Two installations with the same events at the same positions, one after the other, against receivers that honour keys. It is
/// also one installation whose ledger was lost with its embedded folder.
fn side_by_side(seed: u64, sabotage: Sabotage) -> (Option<promises::Violation>, usize) {
    let installation = || World::new(seed, sabotage, variants::rules(), false);
    let first = installation().beside(1, BTreeSet::new()).run();
    let second = installation().beside(2, first.keys).run();
    (first.violation.or(second.violation), second.keys.len())
}

#[test]
fn x1_two_installations_with_the_same_events_share_no_key_at_one_receiver() {
    let mut effects = 0;
    for seed in 0..100 {
        let (violation, keys) = side_by_side(seed, Sabotage::Nothing);
        assert_eq!(violation, None, "seed {seed}");
        effects += keys;
    }
    assert!(effects > 100, "{effects}");
    // One identity for all is what it was before: found.
    let found = (0..100).find_map(|seed| side_by_side(seed, Sabotage::OneInstallationForAll).0);
    assert_eq!(found.map(|violation| violation.promise), Some("X1"));
}

/// A simulation that finds nothing proves nothing: each fault is built into the glue and must be found.
#[test]
fn every_fault_built_into_the_glue_is_found() {
    let faults = [
        (Sabotage::ReusedStartIds, "G1"),
        (Sabotage::SettledBeforeAcknowledged, "G5"),
        (Sabotage::FailedAppendForgotten, "G5"),
        (Sabotage::UnfencedCommit, "O2"),
        (Sabotage::TimeoutIsFailure, "G3"),
        (Sabotage::LyingProbe, "G3"),
        (Sabotage::ClientRepeats, "G1"),
        (Sabotage::RuleInIdentity, "G11"),
        (Sabotage::SkippedWhenCooling, "G5"),
        (Sabotage::FoldedFromFirstLeft, "G6"),
        (Sabotage::ProposedBeforeGenesis, "G5"),
    ];
    for (sabotage, promise) in faults {
        let (seed, _) = first_violation(SABOTAGED_SEEDS, sabotage);
        let Some(seed) = seed else {
            panic!("{sabotage:?} is not found within {SABOTAGED_SEEDS:?}");
        };
        let violation = simulate(seed, sabotage, false).violation.unwrap();
        eprintln!(
            "{sabotage:?} is found by seed {seed}: {} {}",
            violation.promise, violation.what
        );
        assert_eq!(
            violation.promise, promise,
            "{sabotage:?}, seed {seed}: {}",
            violation.what
        );
    }
}
