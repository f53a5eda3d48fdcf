//! Actions that an operator forces.

use super::{HOUR, force};
use crate::actions::Action::Retrain;
use crate::ledger::fold::samples::*;
use crate::ledger::identity;
use crate::ledger::record::FinishOutcome::Done;
use crate::ledger::record::{Propose, Step};
use crate::ledger::state::OverrideVerdict;

fn forced(number: u32, step: Step) -> Propose {
    Propose {
        event_key: identity::forced_key(id(number)),
        ..propose(0, vec![step])
    }
}

#[test]
fn a_forced_action_skips_the_gates_takes_its_slot_and_respects_an_open_one() {
    let mut bench = Bench::new();
    let done = bench.propose(0, propose(1, vec![budgeted(Retrain, 1)]));
    // An open action of the key excludes it.
    assert_eq!(
        bench.order(1, 1, force(forced(1, budgeted(Retrain, 1)))),
        Err("key_busy")
    );
    bench.start(2, done, 1, 1);
    bench.finish(3, done, 1, 1, Done);
    // Budget and cooldown would both refuse it.
    bench.propose(4, propose(2, vec![budgeted(Retrain, 1)]));
    assert_eq!(bench.entered().unwrap().0, "suppressed");
    let order = force(forced(2, budgeted(Retrain, 1)));
    assert_eq!(bench.order(5, 2, order.clone()), Ok(()));
    let entered = bench.entered();
    assert_eq!(entered.unwrap(), ("ready", 0, String::new()));
    // Once.
    bench.order(6, 2, order).unwrap();
    assert_eq!(bench.entered(), None);
    let OverrideVerdict::Applied {
        action: Some(action),
    } = bench.fold.override_entry(id(2)).unwrap().verdict
    else {
        panic!("refused")
    };
    assert!(bench.start(7, action, 1, 7));
    let used: Vec<u32> = bench
        .fold
        .budgets(T0 + 8)
        .iter()
        .map(|budget| budget.used)
        .collect();
    assert_eq!(used, [2]);
}

#[test]
fn a_forced_action_that_is_none_is_refused() {
    let mut bench = Bench::new();
    let windows = Step {
        start: within(&[window(HOUR, 2 * HOUR)]),
        ..step(Retrain)
    };
    let another = Propose {
        event_key: id(7),
        ..forced(1, step(Retrain))
    };
    let empty = Propose {
        decisions: Vec::new(),
        ..forced(2, step(Retrain))
    };
    let late = Propose {
        not_after: T0 - 1,
        ..forced(4, step(Retrain))
    };
    assert_eq!(bench.order(1, 1, force(another)), Err("invalid"));
    assert_eq!(bench.order(1, 2, force(empty)), Err("invalid"));
    assert_eq!(bench.order(1, 3, force(forced(3, windows))), Err("invalid"));
    assert_eq!(bench.order(1, 4, force(late)), Err("time"));
    assert_eq!(bench.fold.open_actions().count(), 0);
}
