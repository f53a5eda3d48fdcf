//! The searches of "Execution", and the worlds in which a promise must break: they show that the model can see it.

use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{FinishOutcome, Policy};
use homeostat_logic::ledger::state::FoldState;

use super::{Faults, Setup, Worlds};
use crate::search::{Limits, search};
use crate::size::{LARGE, Size};

const NONE: Faults = Setup::new(Policy::Verify).faults;
const CRASH: Faults = Faults { crashes: 1, ..NONE };
const FAILURE: Faults = Faults {
    failures: 1,
    ..NONE
};
const RENEWAL: Faults = Faults {
    renewals: 1,
    ..NONE
};
const ORDER: Faults = Faults { orders: 1, ..NONE };

/// A search: its name, its world, and when it is run.
type Row = (&'static str, Setup, Size);

fn with(policy: Policy, plan: &'static [i64], faults: Faults) -> Setup {
    Setup {
        plan,
        faults,
        ..Setup::new(policy)
    }
}

fn run(rows: &[Row]) {
    let wanted = rows.iter().filter(|(_, _, size)| size.is_wanted());
    for (name, setup, _) in wanted {
        let sample = 0;
        let limits = Limits {
            states: LARGE,
            sample,
        };
        search(&Worlds::new(*setup), limits).must_hold(&format!("{:?}: {name}", setup.policy));
    }
}

/// What every policy is searched with.
fn common(policy: Policy) -> Vec<Row> {
    let apart = |setup| Setup {
        reports_apart: true,
        ..setup
    };
    let stale = |setup| Setup {
        stale_start: true,
        ..setup
    };
    let both = Faults {
        renewals: 1,
        ..CRASH
    };
    let crashes = Faults { crashes: 2, ..NONE };
    let skew = Faults {
        clock_steps: 2,
        ..NONE
    };
    vec![
        ("retry, no crash", with(policy, &[1], NONE), Size::Always),
        ("one crash", with(policy, &[], CRASH), Size::Always),
        ("two crashes", with(policy, &[], crashes), Size::Always),
        (
            "restart in a living process",
            with(policy, &[], RENEWAL),
            Size::Always,
        ),
        ("restart and crash", with(policy, &[], both), Size::Large),
        ("late report", apart(with(policy, &[1], NONE)), Size::Always),
        (
            "late report, crash",
            apart(with(policy, &[1], CRASH)),
            Size::Large,
        ),
        (
            "append reported failed",
            with(policy, &[], FAILURE),
            Size::Always,
        ),
        (
            "append reported failed, retry",
            with(policy, &[1], FAILURE),
            Size::Large,
        ),
        (
            "bids behind the log, crash",
            stale(with(policy, &[], CRASH)),
            Size::Always,
        ),
        (
            "bids behind the log, crash, retry",
            stale(with(policy, &[1], CRASH)),
            Size::Large,
        ),
        ("lease over", with(policy, &[6], NONE), Size::Large),
        (
            "lease over, late bid",
            with(policy, &[1, 5], NONE),
            Size::Large,
        ),
        ("lease over, crash", with(policy, &[6], CRASH), Size::Large),
        ("clock steps", with(policy, &[4], skew), Size::Large),
        ("retry, crash", with(policy, &[1], CRASH), Size::Large),
        (
            "three instances",
            Setup {
                instances: 3,
                ..with(policy, &[], NONE)
            },
            Size::Always,
        ),
        (
            "three instances, retry",
            Setup {
                instances: 3,
                ..with(policy, &[1], NONE)
            },
            Size::Large,
        ),
        (
            "not_after within the run, step by step",
            Setup {
                not_after: Some(1),
                ..with(policy, &[1, 1], NONE)
            },
            Size::Large,
        ),
        (
            "not_after within the run, crash",
            Setup {
                not_after: Some(1),
                ..with(policy, &[2], CRASH)
            },
            Size::Large,
        ),
        (
            "not_after within the run",
            Setup {
                not_after: Some(1),
                ..with(policy, &[2], NONE)
            },
            Size::Always,
        ),
        (
            "scheduled",
            Setup {
                windows: &[(1, 2), (4, 5)],
                ..with(policy, &[1, 1, 1, 1, 1], NONE)
            },
            Size::Large,
        ),
        (
            "scheduled, short",
            Setup {
                windows: &[(1, 2)],
                ..with(policy, &[1, 1], NONE)
            },
            Size::Always,
        ),
        ("one order", with(policy, &[], ORDER), Size::Always),
        ("one order, retry", with(policy, &[1], ORDER), Size::Large),
    ]
}

#[test]
fn every_promise_holds_in_every_state_under_idempotent() {
    run(&common(Policy::Idempotent));
}

#[test]
fn every_promise_holds_in_every_state_under_verify() {
    run(&common(Policy::Verify));
}

#[test]
fn every_promise_holds_in_every_state_under_at_most_once() {
    let mut rows = common(Policy::AtMostOnce);
    let lease = with(Policy::AtMostOnce, &[6], ORDER);
    let orders = Faults { orders: 2, ..NONE };
    rows.extend([
        (
            "an order behind the lease",
            Setup {
                instances: 1,
                ..lease
            },
            Size::Always,
        ),
        (
            "an order behind the lease, two instances",
            lease,
            Size::Large,
        ),
        (
            "an order behind the lease, late bid",
            with(Policy::AtMostOnce, &[1, 5], ORDER),
            Size::Large,
        ),
        (
            "D, T, E and J used up, then an order",
            clock_and_order(),
            Size::Always,
        ),
        (
            "D, T, E and J used up, two instances",
            Setup {
                instances: 2,
                ..clock_and_order()
            },
            Size::Large,
        ),
        (
            "an order behind the lease, crash",
            Setup {
                faults: Faults {
                    crashes: 1,
                    ..ORDER
                },
                ..lease
            },
            Size::Large,
        ),
        (
            "two orders behind the lease",
            Setup {
                faults: orders,
                ..lease
            },
            Size::Large,
        ),
    ]);
    run(&rows);
}

/// The clock of the log steps ahead by J, so that a lease ends after D + T + E; the request may take all of them.
fn clock_and_order() -> Setup {
    let faults = Faults {
        clock_steps: 1,
        ..ORDER
    };
    Setup {
        instances: 1,
        ..with(Policy::AtMostOnce, &[1, 1, 2], faults)
    }
}

/// The world must break this promise.
fn breaks(name: &str, setup: Setup, promise: &str) {
    let limits = Limits {
        states: LARGE,
        sample: 0,
    };
    search(&Worlds::new(setup), limits).must_break(name, promise);
}

#[test]
fn v1_one_start_id_for_all_bids_of_a_process_sends_an_attempt_twice() {
    let setup = Setup {
        reuses_ids: true,
        stale_start: true,
        ..with(Policy::AtMostOnce, &[], CRASH)
    };
    breaks("V1 start_id reused", setup, "G1");
}

#[test]
fn v4_a_timeout_that_is_called_failed_has_two_effects() {
    let setup = Setup {
        missing_answer: FinishOutcome::Failed,
        ..with(Policy::Verify, &[1], NONE)
    };
    breaks("V4 timeout called failed", setup, "G3");
}

#[test]
fn v7_a_limit_that_the_record_does_not_carry_is_not_kept() {
    let setup = Setup {
        not_after: Some(0),
        not_after_written: Some(9),
        ..with(Policy::AtMostOnce, &[1], NONE)
    };
    breaks("V7 not_after outside the record", setup, "not_after");
}

#[test]
fn an_executor_that_is_told_of_a_win_which_the_fold_denies_sends_nothing() {
    let faults = Faults { orders: 1, ..CRASH };
    let setup = Setup {
        trusts_own_bid: true,
        ..with(Policy::AtMostOnce, &[], faults)
    };
    let limits = Limits {
        states: LARGE,
        sample: 0,
    };
    search(&Worlds::new(setup), limits).must_hold("void bid told as won");
}

#[test]
fn v9_a_cancel_that_leaves_the_action_ready_is_followed_by_a_send() {
    // As if a cancel had been noted, but a Start behind it were not void.
    fn uncancelled(state: &mut FoldState) -> bool {
        let now = state.now;
        let actions = state.actions.values_mut();
        let mut cancelled =
            actions.filter(|action| action.phase == Phase::Cancelled && action.winners.is_empty());
        let Some(action) = cancelled.next() else {
            return false;
        };
        action.end = None;
        action.phase = Phase::Ready {
            attempt: 1,
            from: now,
            window: None,
        };
        true
    }
    let setup = Setup {
        tamper: uncancelled,
        ..with(Policy::AtMostOnce, &[], ORDER)
    };
    breaks("V9 start behind a cancel", setup, "G10");
}

#[test]
fn v11_a_target_later_than_e_repeats_what_a_refire_orders() {
    let setup = Setup {
        lateness: clock_and_order().lateness + 1,
        ..clock_and_order()
    };
    breaks("V11, V3 E one unit longer", setup, "G10");
    let setup = Setup {
        plan: &[1, 1, 1],
        clock_step: clock_and_order().clock_step + 1,
        ..clock_and_order()
    };
    breaks("V11, V3 J one unit longer", setup, "G10");
}

#[test]
fn v15_a_record_that_was_read_and_is_lost_sends_an_attempt_twice() {
    let faults = Faults { losses: 1, ..NONE };
    breaks("V15 A1 off", with(Policy::AtMostOnce, &[], faults), "G1");
}

#[test]
fn v15_a_process_stopped_between_check_and_first_byte_sends_behind_a_refire() {
    let setup = Setup {
        late_bytes: true,
        ..with(Policy::AtMostOnce, &[6], ORDER)
    };
    breaks("V15 A4 off", setup, "G10");
}
