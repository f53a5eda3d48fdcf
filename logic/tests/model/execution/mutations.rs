//! Worlds in which something is wrong on purpose: each must break the promise that it is wrong about. They show that the
//! searches can see what they are there to see, V1 to V15 of ledger-protocol §11 among them.

use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{FinishOutcome, Policy};
use homeostat_logic::ledger::state::FoldState;

use super::searches::{CRASH, FAILURE, NONE, ORDER, SKEW, hold, used_up};
use super::world::Mutation;
use super::{Faults, Setup, Worlds};
use crate::records::UNIT;
use crate::search::{Limits, search};

/// The world must break this promise.
fn breaks(name: &str, setup: Setup, promise: &str) {
    search(&Worlds::new(setup), Limits::of_size()).must_break(name, promise);
}

const fn at_most_once(plan: &'static [i64], faults: Faults) -> Setup {
    Setup::new(Policy::AtMostOnce, plan, faults)
}

const fn verify(plan: &'static [i64], faults: Faults) -> Setup {
    Setup::new(Policy::Verify, plan, faults)
}

#[test]
fn v1_one_start_id_for_all_bids_of_a_process_sends_an_attempt_twice() {
    let setup = at_most_once(&[], CRASH).stale().but(Mutation::ReusedIds);
    breaks("V1 start_id reused", setup, "G1");
}

#[test]
fn v2_a_bid_given_up_and_forgotten_is_taken_for_the_next_one() {
    let faults = Faults {
        failures: 1,
        clock_steps: 1,
        ..ORDER
    };
    let setup = at_most_once(&[3, 1], faults).instances(1);
    breaks(
        "V2 given-up bids forgotten",
        setup.but(Mutation::ForgetsGivenUp),
        "G10",
    );
}

#[test]
fn v3_a_lease_one_unit_too_short_has_two_effects() {
    /// Without the clock's step, for a probe waits by the own clock as well: D + T + E, and a unit less.
    fn shorter(state: &mut FoldState) -> bool {
        shorten(state, 2 * UNIT)
    }
    let setup = verify(&[1, 1, 1], NONE)
        .instances(1)
        .apart()
        .tampered(shorter);
    breaks("V3 lease too short for a probe", setup, "G3");
}

#[test]
fn v3_v11_a_lease_one_unit_too_short_repeats_what_a_refire_orders() {
    fn shorter(state: &mut FoldState) -> bool {
        shorten(state, 5 * UNIT)
    }
    let setup = Setup {
        plan: &[1, 1, 1],
        ..used_up().tampered(shorter)
    };
    breaks("V11 lease one unit too short", setup, "G10");
}

fn shorten(state: &mut FoldState, lease_ms: i64) -> bool {
    let actions = state.actions.values_mut();
    let mut long = actions.filter(|action| action.step.lease_ms > lease_ms);
    let Some(action) = long.next() else {
        return false;
    };
    let mut step = (*action.step).clone();
    step.lease_ms = lease_ms;
    action.step = step.into();
    true
}

#[test]
fn v3_a_probe_without_waiting_for_the_own_lease_has_two_effects() {
    let setup = Setup {
        clock_step: 7,
        ..verify(&[], SKEW).but(Mutation::NoLocalWait)
    };
    breaks("V3 no local wait", setup, "G3");
}

#[test]
fn v3_a_target_later_than_e_or_a_clock_ahead_by_more_than_j_repeats_an_effect() {
    let later = Setup {
        lateness: used_up().lateness + 1,
        ..used_up()
    };
    breaks("V3 E one unit longer", later, "G10");
    let ahead = Setup {
        plan: &[1, 1, 1],
        clock_step: used_up().clock_step + 1,
        ..used_up()
    };
    breaks("V3 J one unit longer", ahead, "G10");
    let later = Setup {
        lateness: 8,
        ..verify(&[1, 6], NONE).instances(1)
    };
    breaks("V3 E longer than the lease, probed", later, "G3");
}

#[test]
fn v3_a_request_behind_its_deadline_repeats_an_effect() {
    let late = Setup {
        plan: &[2, 1, 1],
        ..used_up().but(Mutation::StandingClock)
    };
    breaks("V3 sent after D", late, "G10");
}

#[test]
fn v4_a_timeout_that_is_called_failed_has_two_effects() {
    let setup = verify(&[1], NONE).but(Mutation::NoAnswerIs(FinishOutcome::Failed));
    breaks("V4 timeout called failed", setup, "G3");
}

#[test]
fn a_sent_request_that_is_called_not_sent_is_sent_a_second_time() {
    let setup = at_most_once(&[1], NONE).but(Mutation::NoAnswerIs(FinishOutcome::NotSent));
    breaks("timeout called not_sent", setup, "G2");
}

#[test]
fn g3_needs_a_probe_that_tells_the_truth() {
    let setup = verify(&[7], NONE).instances(1).but(Mutation::LyingTarget);
    breaks("lying probe", setup, "G3");
}

#[test]
fn g4_parameters_of_the_own_bid_instead_of_the_first_differ() {
    let setup = Setup::new(Policy::Idempotent, &[1], NONE)
        .resolving()
        .but(Mutation::OtherParameters);
    breaks("own parameters", setup, "G4");
}

#[test]
fn v7_a_limit_that_the_record_does_not_carry_is_not_kept() {
    let setup = at_most_once(&[1], NONE)
        .until(0)
        .but(Mutation::OtherLimit(9));
    breaks("V7 not_after outside the record", setup, "not_after");
}

#[test]
fn an_executor_that_is_told_of_a_win_which_the_fold_denies_sends_nothing() {
    let faults = Faults { orders: 1, ..CRASH };
    let setup = at_most_once(&[], faults).but(Mutation::VoidIsWon);
    hold("void bid told as won", setup);
}

/// The first action's phase, if it has come to one like that.
fn put(state: &mut FoldState, from: fn(Phase) -> bool, ready: u32) -> bool {
    let now = state.now;
    let actions = state.actions.values_mut();
    let mut there = actions.filter(|action| from(action.phase));
    let Some(action) = there.next() else {
        return false;
    };
    action.end = None;
    action.phase = Phase::Ready {
        attempt: ready,
        from: now,
        window: None,
    };
    true
}

#[test]
fn v9_a_cancel_that_leaves_the_action_ready_is_followed_by_a_send() {
    fn uncancelled(state: &mut FoldState) -> bool {
        let none_won = state.actions.values().all(|one| one.winners.is_empty());
        none_won && put(state, |phase| phase == Phase::Cancelled, 1)
    }
    let setup = at_most_once(&[], ORDER).tampered(uncancelled);
    breaks("V9 start behind a cancel", setup, "G10");
}

#[test]
fn g1_a_second_start_of_an_attempt_that_is_accepted_is_seen() {
    fn reopened(state: &mut FoldState) -> bool {
        put(state, |phase| matches!(phase, Phase::Started { .. }), 1)
    }
    let setup = at_most_once(&[], NONE).tampered(reopened);
    breaks("second Start accepted", setup, "G1");
}

#[test]
fn g2_an_unknown_action_that_starts_again_by_itself_is_seen() {
    fn again(state: &mut FoldState) -> bool {
        put(state, |phase| matches!(phase, Phase::Unknown { .. }), 2)
    }
    let setup = at_most_once(&[1], NONE).tampered(again);
    breaks("unknown starts again", setup, "G2");
}

#[test]
fn g9_a_window_that_never_closes_is_seen() {
    /// Whoever decides looks at a longer window than whoever checks.
    fn without(state: &mut FoldState) -> bool {
        put(state, |phase| matches!(phase, Phase::Waiting { .. }), 1)
    }
    let setup = at_most_once(&[1], NONE).windows(&[(1, 2)]);
    breaks("started before its window", setup.tampered(without), "G9");
}

#[test]
fn v10_a_refire_while_the_request_may_be_under_way_is_seen() {
    fn no_lease(state: &mut FoldState) -> bool {
        shorten(state, 0)
    }
    let setup = at_most_once(&[], ORDER).instances(1).tampered(no_lease);
    breaks("V11 refire without waiting", setup, "G10");
}

#[test]
fn v11_an_attempt_in_doubt_that_is_taken_for_harmless_takes_effect_behind_a_refire() {
    fn harmless(state: &mut FoldState) -> bool {
        let winners = state
            .actions
            .values_mut()
            .flat_map(|one| one.winners.values_mut());
        let mut doubtful = winners.filter(|winner| !winner.without_effect);
        let found = doubtful.next();
        found.map(|winner| winner.without_effect = true).is_some()
    }
    let setup = at_most_once(&[], ORDER).instances(1).tampered(harmless);
    breaks("V11 doubt taken for harmless", setup, "G10");
}

#[test]
fn v15_a_record_that_was_read_and_is_lost_sends_an_attempt_twice() {
    let faults = Faults { losses: 1, ..NONE };
    breaks("V15 A1 off", at_most_once(&[], faults), "G1");
}

#[test]
fn v15_a_bid_taken_for_durable_before_its_report_sends_an_attempt_twice() {
    let faults = Faults {
        unreported: 1,
        ..NONE
    };
    hold(
        "a bid is lost before its report",
        at_most_once(&[], faults).apart(),
    );
    let early = at_most_once(&[], faults).apart().but(Mutation::EarlyReport);
    breaks("V15 sent before the report", early, "G1");
}

#[test]
fn v15_a_process_stopped_between_check_and_first_byte_sends_behind_a_refire() {
    let setup = at_most_once(&[7], ORDER)
        .instances(1)
        .but(Mutation::LateBytes);
    breaks("V15 A4 off", setup, "G10");
}

#[test]
fn an_append_that_is_reported_failed_is_never_sent() {
    hold("reported failed", at_most_once(&[], FAILURE));
}
