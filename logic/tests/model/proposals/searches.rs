//! What is searched: the promises within each setup, and each variant that must break one.

use homeostat_logic::ledger::record::Record;
use homeostat_logic::ledger::state::FoldState;

use super::{CALM, Proposals, Setup};
use crate::records::{T0, UNIT, log_time};
use crate::search::{Limits, search};
use crate::size::Size;

const LIMITS: Limits = Limits::of_size();

#[test]
fn events_are_decided_once_and_never_lost_by_two_configurations() {
    let crash = Setup { crashes: 1, ..CALM };
    let failure = Setup {
        failures: 1,
        ..CALM
    };
    let budgets = Setup {
        budgets: true,
        ..CALM
    };
    let scheduled = Setup {
        scheduled: true,
        ..CALM
    };
    let cleared = Setup { clears: 1, ..CALM };
    let rows = [
        (
            "proposals",
            Setup {
                plan: &[1, 2],
                ..CALM
            },
            Size::Always,
        ),
        (
            "proposals, crash",
            Setup {
                plan: &[3],
                ..crash
            },
            Size::Always,
        ),
        (
            "proposals, append repeated",
            Setup {
                plan: &[3],
                ..failure
            },
            Size::Always,
        ),
        (
            "proposals, budgets",
            Setup {
                plan: &[1, 3],
                ..budgets
            },
            Size::Always,
        ),
        (
            "proposals, rules differ, crash",
            Setup {
                rules_differ: true,
                plan: &[3],
                ..crash
            },
            Size::Always,
        ),
        ("proposals, scheduled", scheduled, Size::Always),
        ("proposals, a cooldown cleared", cleared, Size::Always),
        (
            "proposals, long",
            Setup {
                plan: &[1, 1, 1, 1, 1],
                ..CALM
            },
            Size::Large,
        ),
        (
            "proposals, crash, long",
            Setup {
                plan: &[1, 1, 2],
                crashes: 2,
                ..crash
            },
            Size::Large,
        ),
        (
            "proposals, two cooldowns cleared, an outcome told again, crash",
            Setup {
                plan: &[1, 1],
                clears: 2,
                corrections: 1,
                ..crash
            },
            Size::Large,
        ),
        (
            "proposals, budgets, crash",
            Setup {
                plan: &[1, 1, 3],
                crashes: 1,
                ..budgets
            },
            Size::Large,
        ),
        (
            "proposals, scheduled, crash",
            Setup {
                plan: &[1, 1, 1, 1],
                crashes: 1,
                ..scheduled
            },
            Size::Large,
        ),
    ];
    for (name, setup, size) in rows {
        if size.is_wanted() {
            search(&Proposals::new(setup), LIMITS).must_hold(name, "G5 G7 G8 G9 G11");
        }
    }
}

#[test]
fn v5_an_identity_with_the_rule_in_it_decides_an_event_twice() {
    let setup = Setup {
        keyed_by_rule: true,
        rules_differ: true,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V5 rule in the identity", "G11");
}

#[test]
fn v6_a_proposal_skipped_by_the_own_view_loses_its_event() {
    let setup = Setup {
        skips: true,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V6 free skip", "G5");
}

#[test]
fn v10_clearing_the_cooldown_of_an_open_action_opens_its_key() {
    fn opened(state: &mut FoldState) -> bool {
        let cleared = !state.overrides.is_empty();
        let targets = state.targets.values_mut();
        let mut keys = targets.flat_map(|target| target.keys.values_mut());
        cleared && keys.any(|key| key.open.take().is_some())
    }
    let setup = Setup {
        tamper: opened,
        clears: 1,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V10 open action cleared", "G7");
}

#[test]
fn v12_a_cooldown_from_acceptance_is_too_short() {
    fn from_acceptance(state: &mut FoldState) -> bool {
        let (actions, targets) = (&state.actions, &mut state.targets);
        let mut keys = targets
            .values_mut()
            .flat_map(|target| target.keys.values_mut());
        let Some(last) = keys.find_map(|key| key.last.as_mut()) else {
            return false;
        };
        let accepted = actions
            .get(&last.action)
            .map_or(last.end, |action| action.accepted_at);
        std::mem::replace(&mut last.end, accepted) != accepted
    }
    let setup = Setup {
        tamper: from_acceptance,
        plan: &[1, 1, 1, 1],
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V12 cooldown from acceptance", "G7");
}

#[test]
fn v14_slots_that_are_given_back_exceed_a_budget() {
    fn given_back(state: &mut FoldState) -> bool {
        let targets = state.targets.values_mut();
        let mut scopes = targets.flat_map(|target| target.scopes.values_mut());
        scopes.any(|scope| scope.slots.pop_front().is_some())
    }
    let setup = Setup {
        tamper: given_back,
        budgets: true,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V14 slots given back", "G8");
}

#[test]
fn nothing_begins_before_its_time() {
    // The clock of the model and of its records is the same.
    assert_eq!(log_time(3, &Record::Tick), T0 + 3 * UNIT + 1);
}
