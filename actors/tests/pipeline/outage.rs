//! The log takes nothing for a while, or never takes a record: nothing is skipped, nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use homeostat_actors::ports::log::TopicPartition;
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::record::{Id, Record};
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, SYSTEM_ALERTS};

use crate::bench::{Bench, Plan, drift, header, until};
use crate::memory_log::{Fault, place};

const DRIFT: &str = "data.drift.detected";

#[actix::test]
async fn proposals_wait_for_the_ledger_and_are_appended_with_the_same_bytes() {
    for fault in [Fault::Unavailable, Fault::Denied] {
        proposals_wait_while(fault).await;
    }
}

async fn proposals_wait_while(fault: Fault) {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.fail(LEDGER, fault);
    for offset in 0..20 {
        bench.log.produce(&partition, drift(format!("m{offset}")));
    }
    until("every proposal was tried again", || {
        tries(&bench)
            .values()
            .filter(|tries| tries.len() > 1)
            .count()
            == 20
    })
    .await;
    assert_eq!(bench.log.settled(&partition), 0);
    assert!(bench.decided(&partition).is_empty());
    assert!(obstacle(&bench, &partition).contains("event log"));
    bench.log.heal(LEDGER);
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), (0..20).collect());
    assert!(bench.dead_letters().is_empty());
    for (event, tries) in tries(&bench) {
        let distinct: BTreeSet<_> = tries.iter().collect();
        assert_eq!(distinct.len(), 1, "{event} was written in different ways");
    }
    bench.end().await;
}

/// Why the partition stands.
fn obstacle(bench: &Bench, partition: &TopicPartition) -> String {
    let standstill = bench.roster.partitions();
    let standstill = standstill.standstill_of(partition, Instant::now());
    standstill.and_then(|one| one.obstacle).unwrap_or_default()
}

/// Bytes of the proposals tried while the ledger was away, by event.
fn tries(bench: &Bench) -> BTreeMap<Id, Vec<Vec<u8>>> {
    let mut tries: BTreeMap<Id, Vec<Vec<u8>>> = BTreeMap::new();
    for tried in bench.log.tried() {
        let bytes = tried.value.unwrap();
        if let Record::Propose(propose) = codec::decode(&bytes).unwrap() {
            tries.entry(propose.event_key).or_default().push(bytes);
        }
    }
    tries
}

#[actix::test]
async fn an_event_whose_proposal_is_refused_is_buried_with_the_reason() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.fail(LEDGER, Fault::TooLarge(60_000));
    let large = format!(
        r#"{{"severity":"HIGH","model_version":"m@1","note":"{}"}}"#,
        "x".repeat(80_000)
    );
    bench.log.produce(&partition, drift("a"));
    bench.log.produce(&partition, large.as_str());
    bench.log.produce(&partition, drift("b"));
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), BTreeSet::from([0, 2]));
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_deref(), Some(large.as_bytes()));
    let error = header(&letters[0], "error");
    assert!(error.contains("too large"), "{error}");
    assert_eq!(header(&letters[0], "attempts"), "1");
    let rejected = bench.hearing.rejected.lock().unwrap().clone();
    assert_eq!(rejected, [(DRIFT.to_owned(), "refused".to_owned())]);
    bench.end().await;
}

#[actix::test]
async fn an_event_waits_until_its_drift_alert_is_durable() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.fail(SYSTEM_ALERTS, Fault::Unavailable);
    bench.log.produce(&partition, drift("m"));
    until("the alert was tried again", || bench.log.tried().len() > 2).await;
    assert_eq!(bench.decided(&partition), BTreeSet::from([0]));
    assert_eq!(bench.log.settled(&partition), 0);
    bench.log.heal(SYSTEM_ALERTS);
    bench.until_settled(&partition).await;
    let alerts = (0..2).map(|index| bench.log.records(SYSTEM_ALERTS, index).len());
    assert_eq!(alerts.sum::<usize>(), 1);
    bench.end().await;
}

#[actix::test]
async fn a_partition_waits_for_the_dead_letter_topic_and_others_go_on() {
    let (waiting, other) = (place(DRIFT, 0), place(DRIFT, 1));
    let bench = Bench::start(Plan::default(), &[&waiting, &other]).await;
    for fault in [Fault::Unavailable, Fault::Refused, Fault::Denied] {
        let settled = bench.log.settled(&waiting);
        let letters = bench.dead_letters().len();
        let tried = bench.log.tried().len();
        bench.log.fail(DEAD_LETTERS, fault);
        bench.log.produce(&waiting, "no event");
        bench.log.produce(&waiting, drift("m"));
        bench.log.produce(&other, drift("m"));
        bench.until_settled(&other).await;
        until("the letter was tried again", || {
            bench.log.tried().len() > tried + 1
        })
        .await;
        assert_eq!(bench.log.settled(&waiting), settled);
        assert!(obstacle(&bench, &waiting).contains("event log"));
        bench.log.heal(DEAD_LETTERS);
        bench.until_settled(&waiting).await;
        assert_eq!(bench.dead_letters().len(), letters + 1);
        let letter = bench.dead_letters().pop().unwrap();
        assert_eq!(letter.value.as_deref(), Some(&b"no event"[..]));
    }
    bench.end().await;
}

#[actix::test]
async fn a_letter_that_does_not_fit_is_written_without_its_value() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    bench.log.fail(DEAD_LETTERS, Fault::TooLarge(700));
    bench.log.produce(&partition, "x".repeat(701));
    bench.log.produce(&partition, "y".repeat(700));
    bench.until_settled(&partition).await;
    let mut letters = bench.dead_letters();
    letters.sort_by_key(|letter| header(letter, "offset"));
    assert_eq!(letters[0].value, None);
    assert_eq!(header(&letters[0], "value-omitted"), "701");
    assert_eq!(letters[1].value.as_ref().map(Vec::len), Some(700));
    assert_eq!(letters.len(), 2);
    bench.end().await;
}
