//! Requests per minute, spread evenly: the generic cell rate algorithm. One time is kept, however high the rate.
//!
//! A crate for it (`governor`) reads its own clock and cannot be charged beyond its limit; this is called with the time, and a
//! request that follows from an admitted one (a bid after a question) is charged although it does not wait.

use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// When the next request is due if all came evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) next: Duration,
}

impl Rate {
    /// Time from which one more request is allowed.
    pub(super) fn free_at(self, per_minute: u32) -> Duration {
        let burst = per_minute.div_ceil(60).saturating_sub(1);
        let ahead = interval(per_minute).saturating_mul(burst);
        self.next.saturating_sub(ahead)
    }

    /// Counts one request.
    pub(super) fn charge(&mut self, per_minute: u32, now: Duration) {
        self.next = self.next.max(now).saturating_add(interval(per_minute));
    }
}

fn interval(per_minute: u32) -> Duration {
    MINUTE / per_minute.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_spread_evenly_with_a_second_s_worth_at_once() {
        // Per minute, and the milliseconds after which the first requests leave if all want to at once.
        for (per_minute, expected) in [
            (1, &[0, 60_000, 120_000][..]),
            (30, &[0, 2_000, 4_000]),
            (60, &[0, 1_000, 2_000]),
            (120, &[0, 0, 500, 1_000]),
            (240, &[0, 0, 0, 0, 250, 500]),
        ] {
            let begin = Duration::from_secs(100);
            let (mut rate, mut now) = (Rate::default(), begin);
            for after in expected {
                now = now.max(rate.free_at(per_minute));
                rate.charge(per_minute, now);
                assert_eq!(
                    now.checked_sub(begin).unwrap().as_millis(),
                    *after,
                    "{per_minute}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_the_rate_and_a_second_s_worth(
            per_minute in 1_u32..1_000,
            pauses in prop::collection::vec(0_u64..3_000, 1..400),
        ) {
            let (mut rate, mut now) = (Rate::default(), Duration::from_hours(1));
            let mut left = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                if rate.free_at(per_minute) <= now {
                    rate.charge(per_minute, now);
                    left.push(now);
                }
            }
            let most = (per_minute + per_minute.div_ceil(60)) as usize;
            for from in &left {
                let within = left.iter().filter(|at| (*from..*from + MINUTE).contains(at));
                prop_assert!(within.count() <= most);
            }
        }
    }
}
