//! Limits at the same time, order among those that wait, and that every place comes back.

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const TWO: Limits = Limits {
    concurrency_max: 2,
    ..Limits::DEFAULT
};

/// The end of a request.
fn leave(gate: &mut Gate, mut pass: Pass, signal: Signal, limits: &Limits, now: Duration) {
    gate.hear(&mut pass, signal, limits, now);
    gate.leave(pass);
}

const fn claim(due: Millis) -> Claim {
    Claim {
        count: 3,
        due,
        wait: Wait::Concurrency,
    }
}

#[test]
fn so_many_are_in_flight_at_most_and_a_place_given_back_is_taken_again() {
    let mut gate = Gate::new(at(0));
    let first = gate.enter(&TWO, 0, 0, at(0)).unwrap();
    let _second = gate.enter(&TWO, 0, 0, at(0)).unwrap();
    assert_eq!(gate.enter(&TWO, 0, 0, at(0)), Err(Wait::Concurrency));
    leave(&mut gate, first, Signal::Nothing, &TWO, at(1));
    assert!(gate.enter(&TWO, 0, 0, at(1)).is_ok());
    // Fewer allowed than there are: nothing more until they are over.
    let one = Limits {
        concurrency_max: 0,
        ..TWO
    };
    assert_eq!(gate.enter(&one, 0, 0, at(1)), Err(Wait::Concurrency));
    assert_eq!(gate.health(at(1)).in_flight, 2);
}

#[test]
fn whoever_is_due_longer_goes_first_also_in_another_partition_but_not_for_ever() {
    let mut gate = Gate::new(at(0));
    gate.claim(7, Some(claim(100)), at(0));
    assert_eq!(gate.enter(&TWO, 1, 101, at(1)), Err(Wait::Concurrency));
    assert!(gate.enter(&TWO, 1, 100, at(1)).is_ok(), "equally long");
    assert!(gate.enter(&TWO, 7, 101, at(1)).is_ok(), "its own");
    let health = gate.health(at(1));
    assert_eq!((health.waiting, health.wait), (3, Some(Wait::Concurrency)));

    let mut gate = Gate::new(at(0));
    gate.claim(7, Some(claim(100)), at(0));
    assert!(gate.enter(&TWO, 1, 101, at(499)).is_err());
    assert!(
        gate.enter(&TWO, 1, 101, at(500)).is_ok(),
        "it does not look any more"
    );
    gate.claim(7, Some(claim(100)), at(501));
    gate.claim(7, None, at(502));
    assert!(gate.enter(&TWO, 1, 101, at(503)).is_ok());
    assert_eq!(gate.health(at(503)).wait, None);
}

#[test]
fn a_rate_makes_wait_and_a_charge_makes_those_behind_wait_longer() {
    let limits = Limits {
        rate_per_minute: Some(60),
        ..Limits::DEFAULT
    };
    let mut gate = Gate::new(at(0));
    let _first = gate.enter(&limits, 0, 0, at(0)).unwrap();
    assert_eq!(gate.enter(&limits, 0, 0, at(999)), Err(Wait::Rate));
    let _second = gate.enter(&limits, 0, 0, at(1_000)).unwrap();
    gate.charge(&limits, at(1_000));
    assert_eq!(gate.enter(&limits, 0, 0, at(2_999)), Err(Wait::Rate));
    assert!(gate.enter(&limits, 0, 0, at(3_000)).is_ok());
}

#[test]
fn each_signal_does_what_the_breaker_s_table_says() {
    use Signal::{Answered, Failed, Nothing, Pause};
    let wish = Pause(Duration::from_hours(1));
    let table: [(&[Signal], Result<(), Wait>); 6] = [
        (&[Failed; 5], Err(Wait::Breaker)),
        (&[Failed, Failed, Answered, Failed, Failed, Failed], Ok(())),
        (
            &[Failed, Failed, Nothing, Failed, Failed, Failed],
            Err(Wait::Breaker),
        ),
        (&[wish], Err(Wait::Pause)),
        (&[Pause(Duration::ZERO)], Ok(())),
        (&[Nothing; 9], Ok(())),
    ];
    for (signals, expected) in table {
        let mut gate = Gate::new(at(0));
        for signal in signals {
            let pass = gate.enter(&TWO, 0, 0, at(1)).unwrap();
            leave(&mut gate, pass, *signal, &TWO, at(1));
        }
        let entered = gate.enter(&TWO, 0, 0, at(2)).map(drop);
        assert_eq!(entered, expected, "{signals:?}");
    }
    let mut gate = Gate::new(at(0));
    let pass = gate.enter(&TWO, 0, 0, at(0)).unwrap();
    leave(&mut gate, pass, wish, &TWO, at(0));
    assert_eq!(
        gate.health(at(1)).next_try,
        Some(TWO.pause_max),
        "a wish is bounded"
    );
}

#[test]
fn what_an_answer_says_of_its_service() {
    use FinishOutcome::{Done, Failed, NotSent, Unknown};
    let pause = Signal::Pause(at(7));
    for (outcome, trouble, retry_after_ms, expected) in [
        (Done, false, None, Signal::Answered),
        (Done, false, Some(7), Signal::Answered),
        (Failed, false, None, Signal::Answered),
        (Failed, false, Some(7), pause),
        // 409: it answered, whatever became of the order.
        (Unknown, false, None, Signal::Answered),
        (Unknown, true, Some(7), pause),
        (Unknown, true, Some(0), Signal::Failed),
        (Unknown, true, None, Signal::Failed),
        (NotSent, true, None, Signal::Failed),
        (NotSent, false, None, Signal::Nothing),
    ] {
        let signal = Signal::of(outcome, trouble, retry_after_ms);
        assert_eq!(signal, expected, "{outcome:?} {trouble} {retry_after_ms:?}");
    }
}

#[test]
fn half_open_one_request_tries_and_its_end_frees_the_trial_whatever_it_was() {
    let mut gate = Gate::new(at(0));
    for _ in 0..5 {
        let pass = gate.enter(&TWO, 0, 0, at(0)).unwrap();
        leave(&mut gate, pass, Signal::Failed, &TWO, at(0));
    }
    assert_eq!(gate.enter(&TWO, 0, 0, at(4_999)), Err(Wait::Breaker));
    let trial = gate.enter(&TWO, 0, 0, at(5_000)).unwrap();
    assert_eq!(gate.enter(&TWO, 0, 0, at(5_000)), Err(Wait::Breaker));
    assert_eq!(gate.health(at(5_000)).state, BreakerState::HalfOpen);
    let mut trial = trial;
    gate.hear(&mut trial, Signal::Nothing, &TWO, at(5_000));
    assert_eq!(
        gate.enter(&TWO, 0, 0, at(5_000)),
        Err(Wait::Breaker),
        "it said nothing yet"
    );
    gate.leave(trial);
    let trial = gate.enter(&TWO, 0, 0, at(5_001)).unwrap();
    leave(&mut gate, trial, Signal::Answered, &TWO, at(5_002));
    let health = gate.health(at(5_002));
    assert_eq!((health.state, health.opened), (BreakerState::Closed, 1));
    assert!(gate.is_idle());
}

/// What happens to a gate in a test.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Enter(i32, Millis),
    Leave(usize, Signal),
    Claim(i32, Option<Millis>),
    Pass(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let signal = prop_oneof![
        Just(Signal::Answered),
        Just(Signal::Failed),
        Just(Signal::Nothing),
        (0_u64..90_000).prop_map(|pause| Signal::Pause(at(pause))),
    ];
    prop_oneof![
        4 => (0..4, 0_i64..50).prop_map(|(partition, due)| Happening::Enter(partition, due)),
        3 => (any::<usize>(), signal).prop_map(|(which, signal)| Happening::Leave(which, signal)),
        1 => (0..4, prop::option::of(0_i64..50)).prop_map(|(of, due)| Happening::Claim(of, due)),
        2 => (0_u64..8_000).prop_map(Happening::Pass),
    ]
}

proptest! {
    /// Whatever happens: never more than allowed in flight; only trials behind an opening; and once everything came back and
    /// the longest time has passed, a request can enter, so that nothing waits for ever.
    #[test]
    fn no_place_is_lost_and_none_is_given_twice(
        concurrency_max in 1_usize..4,
        rate_per_minute in prop::option::of(1_u32..600),
        happenings in prop::collection::vec(happening(), 0..200),
    ) {
        let limits = Limits { concurrency_max, rate_per_minute, ..Limits::DEFAULT };
        let (mut gate, mut now, mut out) = (Gate::new(at(0)), at(0), Vec::new());
        for one in happenings {
            match one {
                Happening::Enter(partition, due) => {
                    let before = gate.health(now).state;
                    if let Ok(pass) = gate.enter(&limits, partition, due, now) {
                        prop_assert!(matches!(before, BreakerState::Closed | BreakerState::HalfOpen));
                        prop_assert_eq!(pass.trial, before == BreakerState::HalfOpen);
                        out.push(pass);
                    }
                }
                Happening::Leave(which, signal) if !out.is_empty() => {
                    let pass = out.swap_remove(which % out.len());
                    leave(&mut gate, pass, signal, &limits, now);
                }
                Happening::Leave(..) => {}
                Happening::Claim(partition, due) => gate.claim(partition, due.map(claim), now),
                Happening::Pass(time) => now += at(time),
            }
            prop_assert!(out.len() <= concurrency_max);
            prop_assert_eq!(gate.health(now).in_flight, out.len());
        }
        for pass in out {
            leave(&mut gate, pass, Signal::Nothing, &limits, now);
        }
        prop_assert_eq!(gate.health(now).in_flight, 0);
        now += Duration::from_hours(6);
        prop_assert!(gate.enter(&limits, 0, 0, now).is_ok());
    }
}
