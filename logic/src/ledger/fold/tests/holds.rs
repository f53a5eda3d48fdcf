//! Who holds a partition back, why, and until when (ledger-protocol §9; issue 13, row 24).

use crate::ledger::fold::samples::*;
use crate::ledger::record::{Millis, OverrideOrder};
use crate::ledger::state::{Hold, Holds};
use crate::target::Target;

fn silence(minutes: Millis, target: Option<&str>) -> OverrideOrder {
    OverrideOrder::Silence {
        until: T0 + minutes * MINUTE,
        target: target.map(Target::model),
    }
}

fn listed(bench: &Bench, at: Millis) -> Vec<Hold> {
    bench.fold.hold_orders(T0 + at).cloned().collect()
}

#[test]
fn each_hold_is_listed_with_who_when_why_and_until() {
    let mut bench = Bench::new();
    bench.order(1, 1, silence(10, Some("churn"))).unwrap();
    bench.order(2, 2, OverrideOrder::Pause).unwrap();
    bench.order(3, 3, silence(5, None)).unwrap();
    let of = |at, until: Option<Millis>, target: Option<&str>| Hold {
        until: until.map(|minutes| T0 + minutes * MINUTE),
        who: "anna".to_owned(),
        reason: "because".to_owned(),
        at: T0 + at,
        target: target.map(Target::model),
    };
    let all = [
        of(1, Some(10), Some("churn")),
        of(2, None, None),
        of(3, Some(5), None),
    ];
    assert_eq!(listed(&bench, 4), all);
    let holds = Holds {
        paused: true,
        silenced_until: Some(T0 + 10 * MINUTE),
    };
    assert_eq!(bench.fold.holds(), holds, "a silence shows while paused");
    // By the clock of who asks, and then by log time.
    assert_eq!(listed(&bench, 5 * MINUTE), all[..2]);
    bench.tick(10 * MINUTE);
    assert_eq!(bench.fold.state().holds, all[1..2]);
    bench.order(11 * MINUTE, 4, OverrideOrder::Resume).unwrap();
    assert_eq!(listed(&bench, 11 * MINUTE), []);
    assert!(!bench.fold.held(T0 + 11 * MINUTE));
}

#[test]
fn holds_beyond_the_bound_leave_and_none_of_them_ends_earlier() {
    let mut bench = Bench::new();
    bench.order(0, 0, silence(1_000, None)).unwrap();
    for number in 1..100 {
        let minutes = Millis::from(number);
        bench
            .order(minutes, number, silence(minutes, None))
            .unwrap();
    }
    assert_eq!(bench.fold.state().holds.len(), Hold::MAX);
    let longest = Some(T0 + 1_000 * MINUTE);
    assert_eq!(bench.fold.holds().silenced_until, longest);
    for number in 100..200 {
        bench.order(200, number, OverrideOrder::Pause).unwrap();
    }
    assert_eq!(bench.fold.state().holds.len(), Hold::MAX);
    assert!(bench.fold.holds().paused);
    bench.order(201, 200, OverrideOrder::Resume).unwrap();
    assert!(!bench.fold.held(T0 + 201), "resume ends them all");
}
