//! Places over several partitions, whatever happens to those who hold them.

use std::sync::atomic::{AtomicU64, Ordering};

use homeostat_logic::ledger::execution::{Admission as _, Answer};
use homeostat_logic::ledger::record::Id;
use homeostat_logic::traffic::BreakerState;

use super::*;

#[derive(Default)]
struct StillClock(AtomicU64);

impl StillClock {
    fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Millis {
        1_000_000 + i64::try_from(self.0.load(Ordering::Relaxed)).unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Two connections of two places each.
fn connections() -> Connections {
    let mut connections = Connections::default();
    let limits = Limits {
        concurrency_max: 2,
        ..Limits::DEFAULT
    };
    connections.limit("jobs", limits);
    connections.limit("alerts", limits);
    connections
}

fn id(number: u8) -> Id {
    Id([number; 16])
}

fn answer(outcome: FinishOutcome) -> Answer {
    Answer {
        outcome,
        detail: "a detail".to_owned(),
        retry_after_ms: None,
        permanent: false,
    }
}

struct Rig {
    clock: Arc<StillClock>,
    traffic: Arc<Traffic>,
    connections: Connections,
}

impl Rig {
    fn new() -> Self {
        let clock = Arc::new(StillClock::default());
        Self {
            traffic: Traffic::new(Arc::clone(&clock) as Arc<dyn Clock>),
            clock,
            connections: connections(),
        }
    }

    fn places(&self, partition: i32) -> Places {
        Places::new(Arc::clone(&self.traffic), partition)
    }

    fn of(&self, name: &str) -> ConnectionTraffic {
        let all = self.traffic.snapshot(&self.connections);
        all.into_iter().find(|one| one.connection == name).unwrap()
    }

    fn in_flight(&self, name: &str) -> usize {
        self.of(name).health.in_flight
    }
}

#[test]
fn partitions_share_the_places_of_a_connection_and_each_connection_has_its_own() {
    let rig = Rig::new();
    let (mut one, mut other) = (rig.places(0), rig.places(1));
    assert!(one.admitting(&rig.connections).admit("jobs", id(1), 5));
    assert!(other.admitting(&rig.connections).admit("jobs", id(2), 5));
    assert!(!one.admitting(&rig.connections).admit("jobs", id(3), 5));
    assert!(one.admitting(&rig.connections).admit("alerts", id(4), 5));
    assert_eq!((rig.in_flight("jobs"), rig.in_flight("alerts")), (2, 1));
    other.keep(|_| false);
    assert!(one.admitting(&rig.connections).admit("jobs", id(3), 5));
}

#[test]
fn what_waits_in_one_partition_holds_younger_ones_of_others_back_until_it_waits_no_more() {
    let rig = Rig::new();
    let (mut old, mut young) = (rig.places(0), rig.places(1));
    let mut admitting = old.admitting(&rig.connections);
    assert!(admitting.admit("jobs", id(1), 5) && admitting.admit("jobs", id(2), 5));
    assert!(!admitting.admit("jobs", id(3), 6));
    admitting.waits("jobs", 7, 6);
    drop(admitting);
    let health = rig.of("jobs").health;
    assert_eq!((health.waiting, health.wait), (7, Some(Wait::Concurrency)));
    old.keep(|action| action == id(1));
    assert!(!young.admitting(&rig.connections).admit("jobs", id(9), 8));
    assert!(old.admitting(&rig.connections).admit("jobs", id(3), 6));
    old.keep(|_| false);
    assert_eq!(rig.of("jobs").health.waiting, 0);
    assert!(young.admitting(&rig.connections).admit("jobs", id(9), 8));
}

#[test]
fn places_come_back_when_an_executor_ends_and_those_of_requests_when_these_end() {
    let rig = Rig::new();
    let mut places = rig.places(0);
    let mut admitting = places.admitting(&rig.connections);
    assert!(admitting.admit("jobs", id(1), 5) && admitting.admit("jobs", id(2), 5));
    admitting.waits("jobs", 3, 5);
    drop(admitting);
    let request = places.take(id(1)).unwrap();
    drop(places);
    assert_eq!(
        (rig.in_flight("jobs"), rig.of("jobs").health.waiting),
        (1, 0)
    );
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _request = request;
        panic!("the request's task fails");
    }));
    assert!(ended.is_err());
    assert_eq!(rig.in_flight("jobs"), 0);
    assert_eq!(rig.of("jobs").last, None);
}

#[test]
fn outcomes_are_counted_and_shown_and_failures_open_the_connection_until_one_is_answered() {
    let rig = Rig::new();
    let mut places = rig.places(0);
    let mut send = |number, outcome| {
        let admitted = places
            .admitting(&rig.connections)
            .admit("jobs", id(number), 0);
        if admitted {
            let answer = answer(outcome);
            let signal = Signal::of(outcome, outcome != FinishOutcome::Done, None);
            let heard = Heard {
                signal,
                detail: answer.detail.clone(),
            };
            places.take(id(number)).unwrap().answered(&answer, &heard);
        }
        admitted
    };
    for number in 0..5 {
        assert!(send(number, FinishOutcome::Unknown));
    }
    assert!(!send(5, FinishOutcome::Done));
    let shown = rig.of("jobs");
    assert_eq!(shown.health.state, BreakerState::Open);
    assert!(shown.health.tripped);
    assert_eq!(shown.outcomes["unknown"], 5);
    let last = shown.last.unwrap();
    assert_eq!((last.outcome, last.at), (FinishOutcome::Unknown, 1_000_000));
    assert_eq!(shown.next_try, Some(1_005_000));
    rig.clock.pass(Duration::from_secs(5));
    assert!(send(6, FinishOutcome::Done));
    let shown = rig.of("jobs");
    assert_eq!(shown.health.state, BreakerState::Closed);
    assert_eq!((shown.since, shown.outcomes["done"]), (1_005_000, 1));
}

#[test]
fn a_question_keeps_its_place_after_it_was_heard_for_the_bid_that_follows() {
    let rig = Rig::new();
    let mut places = rig.places(0);
    assert!(places.admitting(&rig.connections).admit("jobs", id(1), 0));
    places.hear(id(1), &Signal::Answered.into());
    assert_eq!(rig.in_flight("jobs"), 1);
    assert!(places.take(id(1)).is_some());
    assert_eq!(rig.in_flight("jobs"), 0);
}

#[test]
fn the_state_of_a_connection_outlives_a_reload_and_that_of_one_that_is_gone_does_not() {
    let mut rig = Rig::new();
    let mut places = rig.places(0);
    let mut admitting = places.admitting(&rig.connections);
    assert!(admitting.admit("jobs", id(1), 0) && admitting.admit("alerts", id(2), 0));
    drop(admitting);
    let request = places.take(id(2)).unwrap();
    let mut reloaded = Connections::default();
    reloaded.limit("jobs", Limits::DEFAULT);
    reloaded.limit("new", Limits::DEFAULT);
    rig.connections = reloaded;
    assert_eq!(rig.in_flight("jobs"), 1);
    assert!(places.admitting(&rig.connections).admit("new", id(3), 0));
    assert_eq!(
        rig.traffic.lines.lock().len(),
        3,
        "a request of the old one is under way"
    );
    drop(request);
    rig.connections.limit("newer", Limits::DEFAULT);
    assert!(places.admitting(&rig.connections).admit("newer", id(4), 0));
    assert_eq!(rig.traffic.lines.lock().len(), 3);
}

#[test]
fn names_that_no_configuration_has_share_one_state() {
    let rig = Rig::new();
    let mut places = rig.places(0);
    for number in 0..200 {
        let name = format!("of-an-earlier-configuration-{number}");
        places
            .admitting(&rig.connections)
            .admit(&name, id(number), 0);
    }
    assert_eq!(rig.traffic.lines.lock().len(), 1);
    assert_eq!(
        rig.traffic.snapshot(&rig.connections).len(),
        2,
        "and are not shown"
    );
}
