//! Partitions come and go, too much comes at once, and some records demand nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use homeostat_actors::assignment::Assignments;
use homeostat_actors::flight::FlightLimits;
use homeostat_actors::ports::log::{Epoch, GroupHandler as _, Header, LogError, NewRecord};
use homeostat_actors::ports::observer::Consumed;
use homeostat_logic::ledger::record::Record;
use homeostat_logic::topic::{LEDGER, ORIGIN_HEADER};

use crate::bench::{BREAKER, Bench, Plan, drift, ledger, until};
use crate::memory_log::{Fault, place};

const DRIFT: &str = "data.drift.detected";

fn proposals(bench: &Bench) -> usize {
    let records = ledger(&bench.log).into_iter();
    records
        .filter(|record| matches!(record, Record::Propose(_)))
        .count()
}

#[actix::test]
async fn a_flood_is_held_back_in_its_partition_and_a_neighbour_goes_on() {
    const FLOOD: i64 = 1_500;
    let (flooded, neighbour) = (place(DRIFT, 0), place(DRIFT, 1));
    let mut plan = Plan {
        // So slow that the role cannot keep up.
        judge: Box::new(|_| std::thread::sleep(Duration::from_micros(300))),
        ..Plan::default()
    };
    plan.settings.mailbox_messages_max = 1;
    plan.settings.batch_events_max = 8;
    plan.settings.flight = FlightLimits {
        records_max: 32,
        bytes_max: 1_048_576,
        breaker: BREAKER,
    };
    let bench = Bench::start(plan, &[&flooded, &neighbour]).await;
    for _ in 0..FLOOD {
        bench.log.produce(&flooded, drift("m"));
    }
    until("the flood is not polled", || {
        bench.log.blocked(&flooded) > 3
    })
    .await;
    for _ in 0..20 {
        bench.log.produce(&neighbour, drift("n"));
    }
    bench.until_settled(&neighbour).await;
    assert!(bench.log.settled(&flooded) < FLOOD, "the flood was none");
    bench.until_settled(&flooded).await;
    for partition in [&flooded, &neighbour] {
        let most = bench.log.in_flight_high(partition);
        // The log hears of a batch settled a moment after the flight made room for the next one.
        assert!(most <= 32 + 8, "{most} in flight in {partition}");
    }
    for actor in bench.roster.supervisor().snapshot() {
        assert!(actor.mailbox.high_water <= 1, "{actor:?}");
    }
    assert_eq!(bench.decided(&flooded), (0..FLOOD).collect());
    assert_eq!(proposals(&bench), 1_520);
    bench.end().await;
}

#[actix::test]
async fn large_records_count_by_their_bytes() {
    let partition = place("prediction.request", 0);
    let mut plan = Plan::default();
    plan.settings.flight.bytes_max = 10_000;
    let bench = Bench::start(plan, &[&partition]).await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000));
    for _ in 0..200 {
        bench.log.produce(&partition, large.as_str());
    }
    bench.until_settled(&partition).await;
    // A batch is taken whole; the next one waits for it, and the log hears of it a moment later.
    let most = bench.log.in_flight_high(&partition);
    assert!(most <= 16 + 16, "{most} in flight");
    bench.end().await;
}

#[actix::test]
async fn a_revoked_partition_drains_and_its_next_owner_starts_behind() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.hold(LEDGER);
    for _ in 0..30 {
        bench.log.produce(&partition, drift("m"));
    }
    until("all are in flight", || {
        bench.log.in_flight_high(&partition) == 30
    })
    .await;
    bench.log.revoke(&partition, Duration::from_secs(10));
    // No other member has it yet: the drain waits.
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(bench.log.epoch(&partition).is_some());
    bench.log.release(LEDGER);
    until("it is given up", || bench.log.epoch(&partition).is_none()).await;
    assert_eq!(bench.log.settled(&partition), 30);
    until("its consumer has ended", || {
        bench.roster.partitions().count() == 0
            && bench
                .roster
                .supervisor()
                .snapshot()
                .iter()
                .all(|actor| actor.kind != "partition")
    })
    .await;
    bench.log.assign(&partition);
    for _ in 0..5 {
        bench.log.produce(&partition, drift("m"));
    }
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), (0..35).collect());
    assert_eq!(proposals(&bench), 35);
    bench.end().await;
}

#[actix::test]
async fn a_drain_ends_at_its_deadline_and_the_rest_is_read_again() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.fail(LEDGER, Fault::Unavailable);
    for _ in 0..10 {
        bench.log.produce(&partition, drift("m"));
    }
    until("a proposal was tried", || !bench.log.tried().is_empty()).await;
    bench.log.revoke(&partition, Duration::from_millis(50));
    until("it is given up", || bench.log.epoch(&partition).is_none()).await;
    assert_eq!(bench.log.settled(&partition), 0);
    bench.log.heal(LEDGER);
    bench.log.assign(&partition);
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), (0..10).collect());
    bench.end().await;
}

#[actix::test]
async fn what_a_lost_partition_had_under_way_settles_nothing() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.hold(LEDGER);
    for _ in 0..5 {
        bench.log.produce(&partition, drift("m"));
    }
    until("the proposals are under way", || bench.log.waiting() > 0).await;
    until("all are in flight", || {
        bench.log.in_flight_high(&partition) == 5
    })
    .await;
    bench.log.lose(&partition);
    until("it is gone", || bench.roster.partitions().count() == 0).await;
    bench.log.release(LEDGER);
    until("the proposals landed", || proposals(&bench) > 0).await;
    until("nothing is under way", || bench.log.waiting() == 0).await;
    assert_eq!(bench.log.settled(&partition), 0);
    assert_eq!(bench.consumed(DRIFT, Consumed::Settled), 0);
    // Read again, and decided once all the same.
    bench.log.assign(&partition);
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), (0..5).collect());
    bench.end().await;
}

#[actix::test]
async fn word_of_an_old_epoch_does_not_end_the_new_one() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    bench.until_settled(&partition).await;
    let old = [(partition.clone(), Epoch(0))];
    let mut handler = Assignments(std::sync::Arc::clone(bench.roster.partitions()));
    handler.lost(&old);
    handler.revoked(&old, Duration::ZERO);
    assert_eq!(bench.roster.partitions().count(), 1);
    bench.log.produce(&partition, drift("m"));
    bench.until_settled(&partition).await;
    bench.end().await;
}

#[actix::test]
async fn a_client_that_failed_for_good_is_told() {
    let bench = Bench::start(Plan::default(), &[]).await;
    let failed = bench.roster.partitions().failed();
    assert_eq!(*failed.borrow(), None);
    let error = LogError::Fatal("fenced".to_owned());
    let mut handler = Assignments(std::sync::Arc::clone(bench.roster.partitions()));
    handler.failed(error.clone());
    assert_eq!(*failed.borrow(), Some(error));
    bench.end().await;
}

#[actix::test]
async fn own_events_streams_and_samples_are_counted_and_leave_no_record() {
    let alerts = place("system.alerts", 0);
    let stream = place("prediction.request", 2);
    let metrics = place("system.metrics", 1);
    let bench = Bench::start(Plan::default(), &[&alerts, &stream, &metrics]).await;
    for _ in 0..3 {
        bench.log.produce_record(NewRecord {
            topic: alerts.topic.clone(),
            partition: Some(0),
            value: Some(br#"{"event_type":"drift_alert","severity":"HIGH"}"#.to_vec()),
            headers: vec![Header::new(ORIGIN_HEADER, "notice")],
            ..NewRecord::default()
        });
        bench.log.produce(&stream, r#"{"user_id":"u"}"#);
        bench.log.produce(&metrics, r#"{"cpu_usage":0.5}"#);
    }
    for partition in [&alerts, &stream, &metrics] {
        bench.until_settled(partition).await;
    }
    assert_eq!(proposals(&bench), 0);
    let counted = [
        (&alerts, Consumed::Skipped),
        (&stream, Consumed::Observed),
        (&metrics, Consumed::Observed),
    ];
    for (partition, outcome) in counted {
        until("all are counted", || {
            bench.consumed(&partition.topic, outcome) == 3
        })
        .await;
    }
    // What says what it is demands an answer, and its source makes it no event of our own.
    let overload = r#"{"event_type":"system_overload","severity":"HIGH","source":"mlops_system"}"#;
    bench.log.produce(&metrics, overload);
    bench.until_settled(&metrics).await;
    assert_eq!(bench.decided(&metrics), BTreeSet::from([3]));
    bench.end().await;
}
