//! Orders about what may start: cooldowns cleared, partitions paused and silenced.

use super::HOUR;
use crate::actions::Action::{Alert, Retrain};
use crate::ledger::fold::samples::*;
use crate::ledger::record::FinishOutcome::Done;
use crate::ledger::record::{Id, Millis, OverrideOrder, Step};
use crate::ledger::times::HORIZON_MS;

const fn clear(action_id: Id, expect: i64) -> OverrideOrder {
    OverrideOrder::ClearCooldown { action_id, expect }
}

const fn silence(until: Millis) -> OverrideOrder {
    let target = None;
    OverrideOrder::Silence { until, target }
}

#[test]
fn a_cooldown_is_cleared_only_as_seen_and_only_when_the_key_is_closed() {
    let mut bench = Bench::new();
    let action = bench.propose(0, propose(1, vec![step(Retrain)]));
    let changed = bench.changed(action);
    // V10: an open action.
    assert_eq!(
        bench.order(1, 1, clear(action, changed)),
        Err("wrong_phase")
    );
    bench.start(2, action, 1, 1);
    bench.finish(3, action, 1, 1, Done);
    bench.propose(4, propose(2, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().2, "cooldown");
    let changed = bench.changed(action);
    assert_eq!(bench.order(5, 2, clear(action, changed)), Ok(()));
    assert_eq!(
        bench.order(5, 3, clear(action, changed)),
        Err("not_cooling")
    );
    let second = bench.propose(6, propose(3, vec![step(Retrain)]));
    assert_eq!(bench.entered().unwrap().0, "ready");
    assert_eq!(bench.order(7, 4, clear(action, changed)), Err("key_busy"));
    assert_eq!(bench.phase(second), "ready");
}

#[test]
fn pause_and_silence_hold_back_proposals_and_bids_and_nothing_else() {
    let mut bench = Bench::new();
    let sent = bench.propose(0, propose(1, vec![step(Retrain)]));
    bench.start(1, sent, 1, 1);
    let other = Step {
        cooldown_key: "other".to_owned(),
        ..step(Alert)
    };
    let waits = bench.propose(2, propose(2, vec![other]));
    assert_eq!(bench.order(3, 1, OverrideOrder::Pause), Ok(()));
    assert!(!bench.start(4, waits, 1, 2));
    assert_eq!(bench.void().unwrap(), "held back by an operator");
    bench.propose(5, propose(3, vec![step(Alert)]));
    assert_eq!(
        bench.entered().unwrap(),
        ("suppressed", 0, "held".to_owned())
    );
    // A request under way ends.
    bench.finish(6, sent, 1, 1, Done);
    assert_eq!(bench.phase(sent), "done");
    assert_eq!(bench.order(7, 2, OverrideOrder::Resume), Ok(()));
    assert!(bench.start(8, waits, 1, 3));
    // Silence ends by log time.
    let until = T0 + 10 * MINUTE;
    assert_eq!(bench.order(9, 3, silence(until)), Ok(()));
    // A shorter one ends it no earlier.
    let until = T0 + MINUTE;
    assert_eq!(bench.order(9, 4, silence(until)), Ok(()));
    let third = Step {
        cooldown_key: "third".to_owned(),
        ..step(Alert)
    };
    bench.propose(10 * MINUTE - 1, propose(4, vec![third.clone()]));
    assert_eq!(bench.entered().unwrap().2, "held");
    bench.propose(10 * MINUTE, propose(5, vec![third]));
    assert_eq!(bench.entered().unwrap().0, "ready");
    for until in [T0, T0 + HORIZON_MS + HOUR] {
        let number = u32::try_from(until % 1000).unwrap() + u32::from(until > T0) + 10;
        let refused = bench.order(10 * MINUTE, number, silence(until));
        assert_eq!(refused, Err("time"));
    }
}
