//! What is in flight: one watermark, each record settled once, nothing of an old epoch.

use std::sync::atomic::{AtomicUsize, Ordering};

use homeostat_logic::dead_letters::breaker::{BreakerSettings, Disposal};
use homeostat_logic::topic;
use proptest::prelude::*;

use super::*;
use crate::ports::log::{PartitionStatus, RecordView};

/// Number of the one reader of most tests; not the first, so that a mix-up shows.
pub(crate) const READER: usize = 2;
const ONE: Readers = Readers::one(READER);

/// Notes the positions it is given.
#[derive(Default)]
struct Positions(Mutex<Vec<i64>>);

impl Subscription for Positions {
    fn settle(&self, _: &TopicPartition, epoch: Epoch, next: i64) {
        assert_eq!(epoch, Epoch(3));
        self.0.lock().push(next);
    }

    fn status(&self) -> Vec<PartitionStatus> {
        Vec::new()
    }

    fn idle(&self) -> Duration {
        Duration::ZERO
    }

    fn close(&self, _: Duration) {}
}

impl Positions {
    fn all(&self) -> Vec<i64> {
        self.0.lock().clone()
    }
}

/// A flight from offset 0 with nothing in it, and where its positions go.
fn flight_with(limits: FlightLimits) -> (Flight, Arc<Positions>) {
    flight_for(ONE, limits)
}

fn flight_for(readers: Readers, limits: FlightLimits) -> (Flight, Arc<Positions>) {
    let positions = Arc::new(Positions::default());
    let subscription: Arc<dyn Subscription> = Arc::clone(&positions) as _;
    let partition = TopicPartition {
        topic: "data.drift.detected".to_owned(),
        partition: 1,
    };
    let topic = topic::find(&partition.topic).unwrap();
    let slot = Arc::new(RwLock::new(Some(subscription)));
    let assignment = Assignment {
        partition,
        epoch: Epoch(3),
        position: 0,
        created_again: false,
    };
    let flight = Flight::new(assignment, topic, readers, limits, slot);
    (flight, positions)
}

pub(crate) fn flight() -> Flight {
    flight_with(FlightLimits {
        records_max: 100,
        bytes_max: 1_000,
        breaker: NEVER,
    })
    .0
}

fn path() -> Arc<str> {
    "homeostat/roles/drift".into()
}

fn is_open(flight: &Flight, offset: i64) -> bool {
    !flight.open(offset, ONE).is_empty()
}

fn condemn(flight: &Flight, offset: i64) -> Option<Disposal> {
    let (disposal, readers) = flight.condemn(offset, ONE)?;
    assert_eq!(readers, ONE);
    Some(disposal)
}

fn again(flight: &Flight) -> Vec<i64> {
    let again = flight.to_do_again().into_iter();
    again.map(|(offset, _)| offset).collect()
}

/// Delivers records of ten bytes.
pub(crate) fn deliver(flight: &Flight, offsets: impl IntoIterator<Item = i64>) -> Arc<Batch> {
    let mut batch = Batch::default();
    for offset in offsets {
        batch.push(RecordView {
            offset,
            timestamp: 0,
            key: None,
            value: Some(b"0123456789"),
            headers: &[],
        });
    }
    let batch = Arc::new(batch);
    flight.delivered(&batch);
    batch
}

const NEVER: BreakerSettings = BreakerSettings::new(100, 1.0);

const WIDE: FlightLimits = FlightLimits {
    records_max: 1_000,
    bytes_max: 1_000_000,
    breaker: NEVER,
};

#[test]
fn the_position_moves_over_what_is_settled_without_a_gap() {
    let (flight, positions) = flight_with(WIDE);
    deliver(&flight, [0, 1, 2]);
    deliver(&flight, [5, 6]);
    flight.settle(ONE, [1, 5]);
    assert!(positions.all().is_empty());
    flight.settle(ONE, [0]);
    flight.settle(ONE, [2, 6]);
    assert_eq!(positions.all(), [2, 7]);
    assert_eq!(flight.in_flight(), 0);
}

#[test]
fn a_standstill_lasts_from_the_last_move_and_tells_what_the_log_said_last() {
    let (flight, _) = flight_with(WIDE);
    let (soon, late) = (Duration::from_secs(100), Duration::from_secs(200));
    let at = |ahead| flight.standstill(Instant::now() + ahead);
    assert_eq!(at(soon), None, "nothing is in flight");
    deliver(&flight, [0, 1]);
    let standing = at(soon).unwrap();
    assert!(standing.lasting >= soon && standing.lasting < late);
    assert_eq!((standing.obstacle, standing.refusals), (None, 0));
    flight.held_up("no leader".to_owned());
    flight.held_up("no permission".to_owned());
    // Behind the record that waits: that is no progress.
    flight.settle(ONE, [1]);
    let standing = at(soon).unwrap();
    assert_eq!(standing.obstacle.as_deref(), Some("no permission"));
    assert_eq!(standing.refusals, 2);
    deliver(&flight, [2]);
    flight.settle(ONE, [0]);
    assert_eq!(at(soon).unwrap().obstacle, None, "the watermark has moved");
    flight.settle(ONE, [2]);
    assert_eq!(at(late), None);
}

#[test]
fn a_limit_of_records_or_bytes_leaves_no_credit_until_something_is_settled() {
    let (flight, _) = flight_with(FlightLimits {
        records_max: 3,
        bytes_max: 1_000,
        breaker: NEVER,
    });
    deliver(&flight, [0, 1]);
    assert_eq!(flight.credit(), 1);
    deliver(&flight, [2]);
    assert_eq!(flight.credit(), 0);
    // Settled behind one that is not: still in flight.
    flight.settle(ONE, [1, 2]);
    assert_eq!(flight.credit(), 0);
    flight.settle(ONE, [0]);
    assert_eq!(flight.credit(), 3);

    let (flight, _) = flight_with(FlightLimits {
        records_max: 100,
        bytes_max: 20,
        breaker: NEVER,
    });
    deliver(&flight, [0]);
    assert_eq!(flight.credit(), 99);
    deliver(&flight, [1, 2]);
    assert_eq!(flight.credit(), 0);
    flight.settle(ONE, [0, 1, 2]);
    assert_eq!(flight.credit(), 100);
}

#[test]
fn an_epoch_that_is_over_takes_nothing_and_tells_nothing() {
    let (flight, positions) = flight_with(WIDE);
    deliver(&flight, [0, 1]);
    flight.give_back(READER, &path(), None, [1]);
    flight.end();
    flight.settle(ONE, [0, 1]);
    flight.give_back(READER, &path(), Some(0), [1]);
    flight.refuse(READER, 1, "refused", "no".to_owned());
    assert!(positions.all().is_empty());
    assert!(flight.take_returned().is_empty());
    assert_eq!(condemn(&flight, 0), None);
    assert_eq!(flight.credit(), 0);
    assert!(flight.find(0).is_none());
    assert!(!flight.wait_until_settled(Duration::from_mins(1)));
}

#[test]
fn failures_of_a_record_are_counted_and_bystanders_are_not_blamed() {
    let flight = flight();
    deliver(&flight, 0..3);
    let returned = |offset, cause| Returned {
        offset,
        readers: ONE,
        cause,
    };
    let failed = |times| Cause::Failed {
        times,
        path: path(),
    };
    flight.give_back(READER, &path(), Some(1), [0, 2]);
    let expected = [
        returned(1, failed(1)),
        returned(0, Cause::Bystander),
        returned(2, Cause::Bystander),
    ];
    assert_eq!(flight.take_returned(), expected);
    flight.give_back(READER, &path(), Some(1), []);
    flight.refuse(READER, 2, "refused", "never".to_owned());
    let expected = [
        returned(1, failed(2)),
        returned(2, Cause::Refused("refused", "never".to_owned())),
    ];
    assert_eq!(flight.take_returned(), expected);
}

#[test]
fn what_is_settled_meanwhile_is_not_taken_back() {
    let flight = flight();
    deliver(&flight, 0..3);
    flight.give_back(READER, &path(), Some(0), [1, 2]);
    flight.settle(ONE, [0, 1]);
    let left: Vec<_> = flight
        .take_returned()
        .iter()
        .map(|one| one.offset)
        .collect();
    assert_eq!(left, [2]);
}

#[test]
fn a_record_is_condemned_once_and_never_when_it_is_settled() {
    let flight = flight();
    deliver(&flight, 0..2);
    assert!(condemn(&flight, 0) == Some(Disposal::Bury) && is_open(&flight, 1));
    assert!(condemn(&flight, 0).is_none() && !is_open(&flight, 0));
    flight.settle(ONE, [0, 1]);
    assert_eq!([0, 1, 7].map(|offset| condemn(&flight, offset)), [None; 3]);
}

#[test]
fn a_consumer_that_starts_over_gets_what_it_took_and_nobody_else_will_bring() {
    let flight = flight();
    let first = deliver(&flight, 0..6);
    deliver(&flight, 6..8);
    assert!(again(&flight).is_empty(), "all is in the mailbox");
    flight.taken(&first);
    flight.settle(ONE, [0, 3]);
    flight.give_back(READER, &path(), None, [4]);
    condemn(&flight, 5);
    assert_eq!(again(&flight), [1, 2]);
}

#[test]
fn the_record_being_decoded_is_to_blame_for_a_failure_in_between() {
    let flight = flight();
    deliver(&flight, 0..2);
    assert_eq!(flight.take_undecodable(), None);
    flight.decoding(Some((1, READER)));
    flight.decoding(None);
    assert_eq!(flight.take_undecodable(), None);
    for failures in 1..=3 {
        flight.decoding(Some((1, READER)));
        assert_eq!(flight.take_undecodable(), Some((1, READER, failures)));
        assert_eq!(flight.take_undecodable(), None);
    }
}

#[test]
fn a_drain_waits_for_the_last_record_and_has_handed_the_position_over() {
    let (flight, positions) = flight_with(WIDE);
    let flight = Arc::new(flight);
    assert!(flight.wait_until_settled(Duration::ZERO));
    deliver(&flight, 0..50);
    assert!(!flight.wait_until_settled(Duration::from_millis(1)));
    let settler = std::thread::spawn({
        let flight = Arc::clone(&flight);
        move || (0..50).for_each(|offset| assert_eq!(flight.settle(ONE, [offset]), 1))
    });
    assert!(flight.wait_until_settled(Duration::from_mins(1)));
    assert_eq!(positions.all().last(), Some(&50));
    settler.join().unwrap();
}

#[test]
fn positions_never_go_backwards_whoever_settles() {
    let (flight, positions) = flight_with(WIDE);
    deliver(&flight, 0..1_000);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Ok(offset) = i64::try_from(next.fetch_add(1, Ordering::Relaxed))
                    && offset < 1_000
                {
                    flight.settle(ONE, [offset]);
                }
            });
        }
    });
    let positions = positions.all();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_eq!(positions.last(), Some(&1_000));
}

#[test]
fn each_reader_settles_its_share_and_the_last_one_the_record() {
    let (first, second) = (Readers::one(0), Readers::one(5));
    let (flight, positions) = flight_for(first.with(second), WIDE);
    flight.taken(&deliver(&flight, 0..3));
    assert_eq!(flight.settle(first, [0, 1, 2]), 0);
    assert_eq!(flight.settle(first, [0]), 0, "a second time");
    assert_eq!(
        flight.to_do_again(),
        [0, 1, 2].map(|offset| (offset, second))
    );
    // One that fails for the second reader comes back to it alone.
    flight.give_back(5, &path(), Some(1), []);
    let returned = flight.take_returned();
    assert_eq!(
        returned.first().map(|one| (one.offset, one.readers)),
        Some((1, second))
    );
    assert_eq!(flight.settle(second, [0]), 1);
    assert_eq!(positions.all(), [1]);
    assert_eq!(flight.condemn(1, first), None, "its share is settled");
    let all = first.with(second);
    assert_eq!(flight.condemn(1, all), Some((Disposal::Bury, second)));
    assert_eq!(flight.settle(second, [1, 2]), 2);
    assert_eq!(positions.all(), [1, 3]);
}

proptest! {
    /// However records are delivered, given back and settled: bytes and records return to nothing, and each record is in
    /// one place.
    #[test]
    fn what_was_delivered_leaves_nothing_behind_when_all_is_settled(
        sizes in prop::collection::vec(1_i64..8, 1..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let (flight, positions) = flight_with(WIDE);
        let mut end = 0;
        for size in sizes {
            flight.taken(&deliver(&flight, end..end + size));
            end += size;
        }
        let offsets: Vec<i64> = (0..end).collect();
        for (turn, index) in order.iter().enumerate() {
            let offset = *index.get(&offsets);
            match turn % 4 {
                0 => { flight.settle(ONE, [offset]); }
                1 => flight.give_back(READER, &path(), Some(offset), []),
                2 => flight.give_back(READER, &path(), None, [offset]),
                _ => { condemn(&flight, offset); }
            }
            let again = again(&flight);
            prop_assert!(again.iter().all(|one| is_open(&flight, *one)));
        }
        flight.settle(ONE, offsets);
        prop_assert_eq!(flight.in_flight(), 0);
        prop_assert_eq!(flight.credit(), WIDE.records_max);
        prop_assert!(flight.take_returned().is_empty());
        let state = flight.lock();
        prop_assert_eq!(state.bytes, 0);
        prop_assert!(state.batches.is_empty() && state.failures.is_empty() && state.condemned.is_empty());
        drop(state);
        let last = positions.all().pop();
        prop_assert_eq!(last, Some(end));
    }
}

#[test]
fn a_stopped_partition_takes_nothing_buries_nothing_and_hands_out_again_what_it_held() {
    let breaker = BreakerSettings::new(2, 0.5);
    let (flight, positions) = flight_with(FlightLimits { breaker, ..WIDE });
    deliver(&flight, 0..5);
    assert_eq!(condemn(&flight, 0), Some(Disposal::Bury));
    flight.settle(ONE, [0]);
    assert!(matches!(condemn(&flight, 1), Some(Disposal::Stop(_))));
    assert_eq!(condemn(&flight, 2), Some(Disposal::Stopped));
    assert_eq!((flight.credit(), flight.stopped().is_some()), (0, true));
    // What was on its way still settles, but the position does not pass what is held.
    flight.settle(ONE, [3, 4]);
    assert_eq!(again(&flight), [] as [i64; 0]);
    assert!(is_open(&flight, 1) && is_open(&flight, 2) && !is_open(&flight, 3));
    assert!(
        !flight.wait_until_settled(Duration::from_mins(10)),
        "does not wait"
    );
    assert!(flight.resume() && !flight.resume());
    let returned: Vec<i64> = flight
        .take_returned()
        .iter()
        .map(|one| one.offset)
        .collect();
    assert_eq!(returned, [1, 2]);
    assert!(flight.credit() > 0 && flight.stopped().is_none());
    flight.settle(ONE, [1, 2]);
    let last = positions.0.lock().last().copied();
    assert_eq!(last, Some(5));
}
