//! Each row of the module's table, and the times.

use super::*;

const LIMITS: BreakerLimits = BreakerLimits {
    failures: 3,
    open: Duration::from_secs(4),
    open_max: Duration::from_secs(20),
};

fn at(second: u64) -> Duration {
    Duration::from_secs(second)
}

/// Fails as often as it takes from closed.
fn opened(now: u64) -> Breaker {
    let mut breaker = Breaker::new(at(0));
    for _ in 0..LIMITS.failures {
        assert!(breaker.admits(at(now)));
        assert!(!breaker.leaves(at(now)));
        breaker.failed(false, Some(LIMITS), at(now));
    }
    breaker
}

/// A trial at this second.
fn trial(breaker: &mut Breaker, now: u64) {
    assert!(breaker.admits(at(now)), "{breaker:?}");
    assert!(breaker.leaves(at(now)));
    assert!(!breaker.admits(at(now)), "one at a time");
    assert_eq!(breaker.state(at(now)), BreakerState::HalfOpen);
}

#[test]
fn only_failures_in_a_row_open_it() {
    // f: failed, a: answered.
    for (heard, open) in [
        ("", false),
        ("ff", false),
        ("fff", true),
        ("ffaff", false),
        ("ffafff", true),
        ("aaaa", false),
    ] {
        let mut breaker = Breaker::new(at(0));
        for one in heard.chars() {
            match one {
                'f' => breaker.failed(false, Some(LIMITS), at(1)),
                _ => breaker.answered(false, at(1)),
            }
        }
        assert_eq!(breaker.state(at(1)) == BreakerState::Open, open, "{heard}");
        assert_eq!(breaker.admits(at(1)), !open, "{heard}");
    }
}

#[test]
fn it_is_open_for_its_time_and_then_lets_one_request_through_whose_answer_closes_it() {
    let mut breaker = opened(10);
    assert_eq!(breaker.since(at(11)), at(10));
    assert_eq!(breaker.next_try(at(11)), Some(at(14)));
    for second in [10, 13] {
        assert!(!breaker.admits(at(second)), "{second}");
    }
    assert_eq!(breaker.state(at(14)), BreakerState::HalfOpen);
    assert_eq!(
        (breaker.since(at(15)), breaker.next_try(at(15))),
        (at(14), None)
    );
    trial(&mut breaker, 14);
    // What left before says nothing now.
    breaker.answered(false, at(15));
    breaker.failed(false, Some(LIMITS), at(15));
    breaker.ended(false);
    assert!(!breaker.admits(at(15)));
    breaker.answered(true, at(16));
    breaker.ended(true);
    assert_eq!(breaker.state(at(16)), BreakerState::Closed);
    assert!(breaker.admits(at(16)) && !breaker.leaves(at(16)));
    assert_eq!((breaker.opened, breaker.failures), (1, 0));
}

#[test]
fn each_trial_that_fails_doubles_the_time_up_to_its_limit_until_one_is_answered() {
    let mut breaker = opened(0);
    let mut now = 0;
    for lasts in [4, 8, 16, 20, 20] {
        assert!(!breaker.admits(at(now + lasts - 1)), "{lasts}");
        now += lasts;
        trial(&mut breaker, now);
        breaker.failed(true, Some(LIMITS), at(now));
        breaker.ended(true);
    }
    assert_eq!(breaker.opened, 6);
    now += 20;
    trial(&mut breaker, now);
    breaker.answered(true, at(now));
    for _ in 0..3 {
        breaker.failed(false, Some(LIMITS), at(now));
    }
    assert_eq!(
        breaker.next_try(at(now)),
        Some(at(now + 4)),
        "from the start"
    );
}

#[test]
fn a_trial_that_ends_without_a_word_leaves_the_next_request_to_try() {
    let mut breaker = opened(0);
    trial(&mut breaker, 4);
    breaker.ended(true);
    trial(&mut breaker, 5);
}

#[test]
fn a_pause_shuts_it_for_as_long_and_is_no_failure() {
    let mut breaker = Breaker::new(at(0));
    breaker.failed(false, Some(LIMITS), at(1));
    breaker.pause(at(7), at(2));
    assert_eq!(breaker.state(at(3)), BreakerState::Paused);
    assert_eq!(breaker.next_try(at(3)), Some(at(9)));
    // A longer wish counts, a shorter one does not.
    breaker.pause(at(1), at(3));
    assert_eq!(breaker.next_try(at(3)), Some(at(9)));
    breaker.pause(at(9), at(3));
    assert_eq!(breaker.next_try(at(3)), Some(at(12)));
    assert_eq!(
        (breaker.paused, breaker.opened, breaker.failures),
        (1, 0, 1)
    );
    trial(&mut breaker, 12);
    // Once more asked to wait: one request for each pause.
    breaker.pause(at(5), at(13));
    breaker.ended(true);
    assert!(!breaker.admits(at(17)));
    trial(&mut breaker, 18);
    // A failure is one of a row, as if it had been closed.
    breaker.failed(true, Some(LIMITS), at(19));
    breaker.ended(true);
    assert_eq!(breaker.state(at(19)), BreakerState::Closed);
    assert_eq!(breaker.failures, 2);
}

#[test]
fn an_open_one_stays_open_for_its_time_when_a_shorter_pause_is_asked_for() {
    let mut breaker = opened(0);
    breaker.pause(at(1), at(1));
    assert_eq!(breaker.next_try(at(1)), Some(at(4)));
    assert_eq!(breaker.state(at(1)), BreakerState::Open);
}

#[test]
fn limits_that_know_no_breaker_or_no_pause_close_it() {
    let none = Limits {
        breaker: None,
        ..Limits::DEFAULT
    };
    let deaf = Limits {
        pause_max: Duration::ZERO,
        ..Limits::DEFAULT
    };
    let paused = || {
        let mut breaker = Breaker::new(at(0));
        breaker.pause(at(60), at(0));
        breaker
    };
    for (mut breaker, limits, closes) in [
        (opened(0), none, true),
        (opened(0), deaf, false),
        (paused(), none, false),
        (paused(), deaf, true),
    ] {
        breaker.follow(&limits, at(1));
        assert_eq!(breaker.admits(at(1)), closes, "{limits:?}");
    }
}
