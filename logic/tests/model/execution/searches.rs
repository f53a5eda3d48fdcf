//! The searches of "Execution": in every state of every one of these worlds every promise holds.

use homeostat_logic::ledger::record::Policy;

use super::{Faults, Setup, Worlds};
use crate::search::{Limits, search};
use crate::size::Size::{self, Always, Large};

pub(super) const NONE: Faults = Faults::NONE;
pub(super) const CRASH: Faults = Faults { crashes: 1, ..NONE };
pub(super) const CRASHES: Faults = Faults { crashes: 2, ..NONE };
pub(super) const RENEWAL: Faults = Faults {
    renewals: 1,
    ..NONE
};
pub(super) const FAILURE: Faults = Faults {
    failures: 1,
    ..NONE
};
pub(super) const SKEW: Faults = Faults {
    clock_steps: 1,
    ..NONE
};
pub(super) const ORDER: Faults = Faults { orders: 1, ..NONE };
pub(super) const FULL: Faults = Faults {
    refusals: 2,
    ..NONE
};

/// A search: its name, its world, and when it is run.
type Row = (&'static str, Setup, Size);

/// Which promises are asked of every state.
fn promises(policy: Policy) -> &'static str {
    match policy {
        Policy::Idempotent => "G1 G4 G7 G9 G10 not_after",
        Policy::Verify => "G1 G3 G4 G7 G9 G10 not_after",
        Policy::AtMostOnce => "G1 G2 G4 G7 G9 G10 not_after",
    }
}

pub(super) fn hold(name: &str, setup: Setup) {
    let name = format!("{:?}: {name}", setup.policy);
    search(&Worlds::new(setup), Limits::of_size()).must_hold(&name, promises(setup.policy));
}

fn run(rows: &[Row]) {
    for (name, setup, size) in rows {
        if size.is_wanted() {
            hold(name, *setup);
        }
    }
}

/// What every policy is searched with.
fn common(policy: Policy) -> Vec<Row> {
    let world = |plan, faults| Setup::new(policy, plan, faults);
    let both = Faults {
        renewals: 1,
        ..CRASH
    };
    let failure_and_crash = Faults {
        failures: 1,
        ..CRASH
    };
    vec![
        ("retry", world(&[1], NONE), Always),
        ("one crash", world(&[], CRASH), Always),
        ("one crash, retry", world(&[1], CRASH), Large),
        ("two crashes", world(&[], CRASHES), Always),
        ("two crashes, retry", world(&[1], CRASHES), Large),
        ("restart in a living process", world(&[], RENEWAL), Always),
        (
            "restart in a living process, retry",
            world(&[1], RENEWAL),
            Large,
        ),
        ("restart and crash", world(&[], both), Large),
        ("late report", world(&[1], NONE).apart(), Large),
        ("late report, crash", world(&[], CRASH).apart(), Always),
        ("append reported failed", world(&[], FAILURE), Always),
        ("append reported failed, retry", world(&[1], FAILURE), Large),
        (
            "append reported failed, crash",
            world(&[], failure_and_crash),
            Large,
        ),
        (
            "bids behind the log, crash",
            world(&[], CRASH).stale(),
            Always,
        ),
        (
            "bids behind the log, crash, retry",
            world(&[1], CRASH).stale(),
            Large,
        ),
        ("no room, retry", world(&[1], FULL), Always),
        ("no room, lease over", world(&[7], FULL), Large),
        ("lease over", world(&[1, 6], NONE), Large),
        ("lease over, crash", world(&[7], CRASH), Large),
        ("lease over, clock steps", world(&[1, 4], SKEW), Large),
        ("three instances", world(&[], NONE).instances(3), Always),
        (
            "three instances, crash",
            world(&[], CRASH).instances(3),
            Large,
        ),
        (
            "three instances, retry",
            world(&[1], NONE).instances(3),
            Large,
        ),
        (
            "not_after within the run",
            world(&[2], NONE).until(1),
            Always,
        ),
        (
            "not_after within the run, step by step",
            world(&[1, 1], NONE).until(1),
            Large,
        ),
        (
            "not_after within the run, crash",
            world(&[2], CRASH).until(1),
            Large,
        ),
        ("scheduled", world(&[1, 1], NONE).windows(&[(1, 2)]), Always),
        (
            "scheduled, two windows",
            world(&[1, 1, 1, 1, 1], NONE).windows(&[(1, 2), (4, 5)]),
            Large,
        ),
        (
            "scheduled, crash",
            world(&[1, 1], CRASH).windows(&[(1, 2)]),
            Large,
        ),
        ("an order", world(&[], ORDER), Always),
        ("an order, retry", world(&[1], ORDER), Large),
        (
            "an order, crash",
            world(
                &[],
                Faults {
                    crashes: 1,
                    ..ORDER
                },
            ),
            Large,
        ),
        (
            "parameters made absolute",
            world(&[1], NONE).resolving(),
            Always,
        ),
        (
            "parameters made absolute, crash",
            world(&[], CRASH).resolving(),
            Large,
        ),
    ]
}

#[test]
fn g1_g4_g9_g10_hold_in_every_state_under_idempotent() {
    run(&common(Policy::Idempotent));
}

#[test]
fn g1_g3_g4_g9_g10_hold_in_every_state_under_verify() {
    let world = |plan, faults| Setup::new(Policy::Verify, plan, faults);
    run(&common(Policy::Verify));
    run(&[
        ("probed", world(&[7], NONE).instances(1), Always),
        ("probed by two", world(&[7], NONE), Large),
        (
            "probed, answer late",
            world(&[7], NONE).instances(1).looks_apart(),
            Always,
        ),
        ("probed, crash", world(&[7], CRASH).instances(1), Always),
        (
            "probed, retry, closed late",
            world(&[1, 6, 1], NONE).instances(1),
            Always,
        ),
        ("probed, an order", world(&[7], ORDER).instances(1), Always),
        (
            "probed, clock steps",
            world(&[1, 1, 2, 1], SKEW).instances(1),
            Always,
        ),
        (
            "probed by two, clock steps",
            world(&[1, 1, 2, 1], SKEW),
            Large,
        ),
        (
            "cannot be asked",
            world(&[7, 61], NONE).instances(1).mute(),
            Always,
        ),
    ]);
}

#[test]
fn g1_g2_g4_g9_g10_hold_in_every_state_under_at_most_once() {
    let world = |plan, faults| Setup::new(Policy::AtMostOnce, plan, faults);
    let orders = Faults { orders: 2, ..NONE };
    let crash = Faults {
        crashes: 1,
        ..ORDER
    };
    run(&common(Policy::AtMostOnce));
    run(&[
        (
            "an order behind the lease",
            world(&[7], ORDER).instances(1),
            Always,
        ),
        (
            "an order behind the lease, two instances",
            world(&[7], ORDER),
            Large,
        ),
        (
            "two orders behind the lease",
            world(&[7], orders).instances(1),
            Large,
        ),
        (
            "an order behind the lease, crash",
            world(&[7], crash).instances(1),
            Large,
        ),
        ("D, T, E and J used up, then an order", used_up(), Always),
        (
            "D, T, E and J used up, then an order, two instances",
            used_up().instances(2),
            Large,
        ),
    ]);
}

/// The clock of the log steps ahead by J, so that a lease ends after D + T + E; the request may take all of them.
pub(super) fn used_up() -> Setup {
    let faults = Faults {
        clock_steps: 1,
        ..ORDER
    };
    Setup::new(Policy::AtMostOnce, &[1, 1, 2], faults).instances(1)
}
