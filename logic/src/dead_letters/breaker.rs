//! Distinguishes a schema roll-out from poison: when most of a partition's last records are dead, the partition stops, and nothing
//! more is buried until a person says so.
//!
//! The window is taken in the order of the log, not of the outcomes: a record that is no event is known to be dead at once,
//! one that was answered only after its proposal is durable, and a window over outcomes would see the dead first.

use std::collections::VecDeque;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    records: u32,
    dead_max: u32,
}

impl BreakerSettings {
    /// To stop when more than `stop_share` of the last `stop_after` records are dead: with fewer records nothing stops, and at
    /// a share of 1 nothing ever does.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_lossless,
        reason = "whole dead records are compared, the cast saturates, and `From` is not const"
    )]
    pub const fn new(stop_after: u32, stop_share: f64) -> Self {
        Self {
            records: stop_after,
            dead_max: (stop_share * stop_after as f64) as u32,
        }
    }
}

/// Why a partition has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Dead records among the window's.
    pub dead: usize,
    /// Size of the window.
    pub records: usize,
}

/// What to do with a dead record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// Into the dead letters.
    Bury,
    /// Nowhere: the partition has stopped with this one.
    Stop(Stop),
    /// Nowhere: the partition has stopped.
    Stopped,
}

/// The breaker of one partition. Bounded: it remembers the window and what was in flight when it was made.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    kept_max: usize,
    /// Offset, and whether the record is dead; in offset order.
    records: VecDeque<(i64, bool)>,
    stop: Option<Stop>,
}

impl Breaker {
    /// A closed one; at most `in_flight_max` records are delivered before the first of them has an outcome.
    pub const fn new(settings: BreakerSettings, in_flight_max: usize) -> Self {
        Self {
            settings,
            kept_max: (settings.records as usize).saturating_add(in_flight_max),
            records: VecDeque::new(),
            stop: None,
        }
    }

    /// A record was delivered. They come in offset order; what comes again counts once.
    pub fn delivered(&mut self, offset: i64) {
        if self.records.back().is_some_and(|(last, _)| *last >= offset) {
            return;
        }
        if self.records.len() >= self.kept_max {
            self.records.pop_front();
        }
        self.records.push_back((offset, false));
    }

    /// A record is dead. Judged by the window that ends with it.
    pub fn dead(&mut self, offset: i64) -> Disposal {
        if self.stop.is_some() {
            return Disposal::Stopped;
        }
        let Ok(index) = self
            .records
            .binary_search_by_key(&offset, |(offset, _)| *offset)
        else {
            return Disposal::Bury;
        };
        if let Some((_, dead)) = self.records.get_mut(index) {
            *dead = true;
        }
        let records = self.settings.records.max(1) as usize;
        let Some(first) = (index + 1).checked_sub(records) else {
            return Disposal::Bury;
        };
        let dead = self
            .records
            .range(first..=index)
            .filter(|(_, dead)| *dead)
            .count();
        if dead <= self.settings.dead_max as usize {
            return Disposal::Bury;
        }
        let stop = Stop { dead, records };
        self.stop = Some(stop);
        Disposal::Stop(stop)
    }

    /// Why the partition has stopped, if it has.
    pub const fn stopped(&self) -> Option<Stop> {
        self.stop
    }

    /// A person lets it go on: what was counted is forgotten, and `held`, the records kept from burial, count again. Says
    /// whether it stood.
    pub fn resume(&mut self, held: impl IntoIterator<Item = i64>) -> bool {
        if self.stop.take().is_none() {
            return false;
        }
        self.records.clear();
        for offset in held {
            self.delivered(offset);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn breaker(stop_after: u32, stop_share: f64) -> Breaker {
        Breaker::new(BreakerSettings::new(stop_after, stop_share), 1_000)
    }

    /// The offset at which a log of these records (`x` dead, anything else not) stops.
    fn stops_at(log: &str, stop_after: u32, share: f64) -> Option<usize> {
        let mut breaker = breaker(stop_after, share);
        (0..).zip(log.bytes()).find_map(|(offset, record)| {
            breaker.delivered(offset);
            let dead = record == b'x' && matches!(breaker.dead(offset), Disposal::Stop(_));
            dead.then(|| usize::try_from(offset).unwrap_or(0))
        })
    }

    #[test]
    fn it_stops_when_more_than_the_share_of_the_last_records_are_dead() {
        for (log, stop_after, share, expected) in [
            ("xxxx", 4, 0.5, Some(3)),
            // Too few to judge.
            ("xxx", 4, 0.5, None),
            // The share itself is not more than it.
            ("x.x.x.x.x.", 4, 0.5, None),
            (".xx.x", 4, 0.5, Some(4)),
            (".xxx", 4, 0.5, Some(3)),
            // Old ones leave the window.
            ("xx.....x.x", 4, 0.5, None),
            ("xxxx", 4, 1.0, None),
            ("x", 1, 0.0, Some(0)),
            ("....x", 4, 0.0, Some(4)),
            ("", 4, 0.5, None),
        ] {
            assert_eq!(
                stops_at(log, stop_after, share),
                expected,
                "{log} {stop_after} {share}"
            );
        }
    }

    #[test]
    fn the_dead_of_a_batch_that_are_known_before_its_good_ones_do_not_stop_it() {
        let mut breaker = breaker(10, 0.5);
        (0..1_000).for_each(|offset| breaker.delivered(offset));
        for offset in (0..1_000).filter(|offset| offset % 5 < 2) {
            assert_eq!(breaker.dead(offset), Disposal::Bury, "{offset}");
        }
    }

    #[test]
    fn once_stopped_nothing_is_buried_until_somebody_lets_it_go_on() {
        let mut breaker = breaker(2, 0.5);
        (0..6).for_each(|offset| breaker.delivered(offset));
        assert_eq!(breaker.dead(0), Disposal::Bury);
        let stop = Stop {
            dead: 2,
            records: 2,
        };
        assert_eq!(breaker.dead(1), Disposal::Stop(stop));
        assert_eq!(breaker.stopped(), Some(stop));
        assert_eq!(breaker.dead(2), Disposal::Stopped);
        assert!(breaker.resume([1, 2]));
        assert!(!breaker.resume([]));
        assert_eq!(breaker.stopped(), None);
        assert_eq!(breaker.dead(1), Disposal::Bury);
        assert_eq!(breaker.dead(2), Disposal::Stop(stop));
    }

    proptest! {
        /// Against the definition: in the order of the log, the first dead record whose window of the last records holds
        /// more dead than the share. When the dead become known does not matter as long as it is in order.
        #[test]
        fn it_stops_exactly_where_the_definition_says(
            log in prop::collection::vec(any::<bool>(), 0..200),
            stop_after in 1_u32..20,
            share in 0.0_f64..=1.0,
            ahead in 1_usize..50,
        ) {
            let mut breaker = Breaker::new(BreakerSettings::new(stop_after, share), 50);
            let window = stop_after as usize;
            let (mut found, mut delivered) = (None, 0);
            for (index, dead) in log.iter().enumerate() {
                while delivered < log.len() && delivered < index + ahead {
                    breaker.delivered(i64::try_from(delivered).unwrap_or(0) * 3);
                    delivered += 1;
                }
                let offset = i64::try_from(index).unwrap_or(0) * 3;
                if *dead && matches!(breaker.dead(offset), Disposal::Stop(_)) {
                    found.get_or_insert(index);
                }
            }
            let expected = (0..log.len()).find(|&end| {
                let first = (end + 1).checked_sub(window);
                let dead = first.map_or(0, |first| (first..=end).filter(|&one| log[one]).count());
                log[end] && dead as f64 > share * f64::from(stop_after)
            });
            prop_assert_eq!(found, expected);
            prop_assert!(breaker.records.len() <= window + 50);
        }
    }
}
