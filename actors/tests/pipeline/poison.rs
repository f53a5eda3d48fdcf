//! Events that nobody can handle: they end in the dead letters, and everything else goes on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use homeostat_actors::ports::log::{Header, NewRecord};
use homeostat_actors::ports::observer::Consumed;
use homeostat_actors::roster_settings::RetrySettings;
use homeostat_actors::supervision::Intensity;
use homeostat_logic::envelope::{Decoded, HeaderView, decode_record};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::topic::{DEAD_LETTERS, Topic};

use crate::bench::{Bench, Plan, drift, header, until};
use crate::memory_log::{Fault, place};

const DRIFT: &str = "data.drift.detected";

fn all_but(count: i64, poison: &[i64]) -> BTreeSet<i64> {
    (0..count)
        .filter(|offset| !poison.contains(offset))
        .collect()
}

fn failing_on(word: &'static str) -> Plan {
    Plan {
        judge: Box::new(move |raw| assert!(!raw.contains(word), "cannot stand {word}")),
        ..Plan::default()
    }
}

#[actix::test]
async fn an_event_that_a_role_panics_on_is_buried_and_all_others_are_decided_once() {
    let (with_poison, beside) = (place(DRIFT, 0), place(DRIFT, 1));
    let other_role = place("model.performance.degraded", 0);
    let plan = failing_on("arsenic");
    let bench = Bench::start(plan, &[&with_poison, &beside, &other_role]).await;
    let poison = r#"{ "severity":"HIGH",  "model_version":"arsenic@1", "more":[1,2] }"#;
    for offset in 0..40 {
        for partition in [&with_poison, &beside] {
            bench
                .log
                .produce(partition, drift(format!("m{}", offset % 7)));
        }
        bench.log.produce(&other_role, r#"{"model_name":"x"}"#);
        if offset == 20 {
            bench.log.produce_record(NewRecord {
                topic: DRIFT.to_owned(),
                partition: Some(0),
                key: Some(b"k".to_vec()),
                value: Some(poison.into()),
                headers: vec![Header::new("trace", "t-1")],
            });
        }
    }
    for partition in [&with_poison, &beside, &other_role] {
        bench.until_settled(partition).await;
    }
    assert_eq!(bench.decided(&with_poison), all_but(41, &[21]));
    assert_eq!(bench.decided(&beside), all_but(40, &[]));
    assert_eq!(bench.decided(&other_role), all_but(40, &[]));

    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.value.as_deref(), Some(poison.as_bytes()));
    assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
    let expected = [
        ("topic", DRIFT),
        ("partition", "0"),
        ("offset", "21"),
        ("attempts", "3"),
        ("original.trace", "t-1"),
    ];
    for (name, value) in expected {
        assert_eq!(header(letter, name), value, "{name}");
    }
    let error = header(letter, "error");
    assert!(
        error.contains("homeostat/roles/drift") && error.contains("cannot stand arsenic"),
        "{error}"
    );
    assert_eq!(bench.actor("homeostat/roles/drift").restarts, 3);
    assert_eq!(bench.actor("homeostat/roles/performance").restarts, 0);
    assert_eq!(
        *bench.hearing.rejected.lock().unwrap(),
        [(DRIFT.to_owned(), "handler".to_owned())]
    );
    bench.end().await;
}

#[actix::test]
async fn a_partition_passes_a_dead_event_only_when_its_letter_is_durable() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(failing_on("arsenic"), &[&partition]).await;
    bench.log.fail(DEAD_LETTERS, Fault::Unavailable);
    for model in ["a", "arsenic", "b", "c"] {
        bench.log.produce(&partition, drift(model));
    }
    until("the letter is tried", || !bench.log.tried().is_empty()).await;
    until("the others are decided", || {
        bench.decided(&partition) == all_but(4, &[1])
    })
    .await;
    until("what comes before the letter is settled", || {
        bench.log.settled(&partition) == 1
    })
    .await;
    bench.log.heal(DEAD_LETTERS);
    bench.until_settled(&partition).await;
    assert_eq!(bench.dead_letters().len(), 1);
    bench.end().await;
}

#[actix::test]
async fn what_is_no_event_is_buried_once_at_the_first_try() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let bad: [&[u8]; 5] = [b"", b"[1,2]", b"\xff\xfe{}", b"{\"a\":", deep.as_bytes()];
    for value in bad {
        bench.log.produce(&partition, value);
        bench.log.produce(&partition, drift("m"));
    }
    bench.log.produce_record(NewRecord {
        topic: DRIFT.to_owned(),
        partition: Some(0),
        ..NewRecord::default()
    });
    bench.until_settled(&partition).await;
    let letters = bench.dead_letters();
    let mut values: Vec<_> = letters.iter().map(|one| one.value.clone()).collect();
    let mut expected: Vec<_> = bad.iter().map(|value| Some(value.to_vec())).collect();
    expected.push(None);
    values.sort();
    expected.sort();
    assert_eq!(values, expected);
    assert!(letters.iter().all(|one| header(one, "attempts") == "1"));
    assert_eq!(bench.decided(&partition), all_but(11, &[0, 2, 4, 6, 8, 10]));
    until("all are counted", || {
        bench.consumed(DRIFT, Consumed::DeadLettered) == 6
            && bench.consumed(DRIFT, Consumed::Settled) == 5
    })
    .await;
    bench.end().await;
}

/// Decodes, and panics on one word.
fn brittle(
    value: Option<&[u8]>,
    headers: &[HeaderView<'_>],
    topic: &Topic,
    names: &mut Names,
) -> Result<Decoded, Reject> {
    let raw = String::from_utf8_lossy(value.unwrap_or_default());
    assert!(!raw.contains("cyanide"), "cannot read cyanide");
    decode_record(value, headers, topic, names)
}

#[actix::test]
async fn a_record_that_the_consumer_panics_on_is_buried_and_all_others_are_decided_once() {
    let (with_poison, beside) = (place(DRIFT, 0), place(DRIFT, 1));
    let plan = Plan {
        decode: brittle,
        ..failing_on("arsenic")
    };
    let bench = Bench::start(plan, &[&with_poison, &beside]).await;
    for offset in 0..60 {
        let model = match offset {
            13 | 47 => "cyanide".to_owned(),
            20 => "arsenic".to_owned(),
            _ => format!("m{}", offset % 5),
        };
        bench.log.produce(&with_poison, drift(model));
        bench.log.produce(&beside, drift("m"));
    }
    bench.until_settled(&with_poison).await;
    bench.until_settled(&beside).await;
    assert_eq!(bench.decided(&with_poison), all_but(60, &[13, 20, 47]));
    assert_eq!(bench.decided(&beside), all_but(60, &[]));
    let mut buried: Vec<_> = bench.dead_letters();
    buried.sort_by_key(|letter| header(letter, "offset"));
    let offsets: Vec<_> = buried.iter().map(|one| header(one, "offset")).collect();
    assert_eq!(offsets, ["13", "20", "47"]);
    let error = header(&buried[0], "error");
    let path = "homeostat/partitions/data.drift.detected/0";
    assert!(
        error.contains(path) && error.contains("cannot read cyanide"),
        "{error}"
    );
    assert_eq!(header(&buried[0], "attempts"), "3");
    assert_eq!(
        buried[0].value.as_deref(),
        Some(drift("cyanide").as_bytes())
    );
    bench.end().await;
}

#[actix::test]
async fn a_letter_under_way_when_the_consumer_fails_is_written_once() {
    let partition = place(DRIFT, 0);
    let plan = Plan {
        decode: brittle,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.fail(DEAD_LETTERS, Fault::Unavailable);
    bench.log.produce(&partition, "not an event");
    until("the letter is tried", || !bench.log.tried().is_empty()).await;
    bench.log.produce(&partition, drift("cyanide"));
    until("the second letter is tried", || {
        let tried = bench.log.tried();
        tried
            .iter()
            .any(|one| one.value.as_deref() == Some(drift("cyanide").as_bytes()))
    })
    .await;
    bench.log.heal(DEAD_LETTERS);
    bench.until_settled(&partition).await;
    assert_eq!(bench.dead_letters().len(), 2);
    bench.end().await;
}

#[actix::test]
async fn a_role_that_always_fails_makes_the_whole_tree_give_up() {
    static JUDGED: AtomicU32 = AtomicU32::new(0);
    let partition = place(DRIFT, 0);
    let mut plan = Plan {
        judge: Box::new(|_| {
            JUDGED.fetch_add(1, Ordering::Relaxed);
            panic!("always");
        }),
        ..Plan::default()
    };
    plan.settings.intensity = Intensity::new(2, Duration::from_mins(1));
    plan.settings.retry = RetrySettings {
        attempts_max: 1_000,
        ..plan.settings.retry
    };
    let bench = Bench::start(plan, &[&partition]).await;
    let gave_up = bench.roster.supervisor().gave_up();
    bench.log.produce(&partition, drift("m"));
    until("the tree gave up", || gave_up.borrow().is_some()).await;
    let reason = gave_up.borrow().clone().unwrap();
    assert_eq!(reason.path, "homeostat/roles/drift");
    assert_eq!(reason.failure.text(), "always");
    assert!(JUDGED.load(Ordering::Relaxed) >= 3);
    // Nothing was skipped: the next start reads the event again.
    assert_eq!(bench.log.settled(&partition), 0);
    assert_eq!(bench.dead_letters().len(), 0);
    bench.end().await;
}

#[actix::test]
async fn too_many_dead_letters_stop_the_partition_and_nothing_is_lost_or_buried_until_it_is_resumed()
 {
    let (rolled_out, other) = (place(DRIFT, 0), place(DRIFT, 1));
    let bench = Bench::start(Plan::default(), &[&rolled_out, &other]).await;
    for offset in 0..100 {
        bench.log.produce(&rolled_out, drift(format!("m{offset}")));
    }
    bench.until_settled(&rolled_out).await;
    for _ in 0..300 {
        bench.log.produce(&rolled_out, "of another schema");
    }
    let partitions = bench.roster.partitions();
    until("the partition has stopped", || {
        partitions.is_stopped(&rolled_out)
    })
    .await;
    // 50 of the last 100 may be dead; the 51st is not buried.
    until("what was condemned is buried", || {
        bench.dead_letters().len() == 50
    })
    .await;
    // Offsets are settled a moment after their letters are durable.
    until("what was buried is settled", || {
        bench.log.settled(&rolled_out) == 150
    })
    .await;
    bench.log.produce(&other, drift("beside"));
    bench.until_settled(&other).await;
    assert_eq!(
        (bench.dead_letters().len(), bench.log.settled(&rolled_out)),
        (50, 150)
    );
    let stopped: Vec<_> = partitions
        .stopped()
        .into_iter()
        .map(|(one, _)| one)
        .collect();
    assert_eq!(stopped, std::slice::from_ref(&rolled_out));
    // Not mended: it stops again, further on.
    assert_eq!(partitions.resume(Some("data.ingested")), []);
    let resumed = partitions.resume(Some(DRIFT));
    assert_eq!(resumed, std::slice::from_ref(&rolled_out));
    until("it has stopped again", || {
        partitions.is_stopped(&rolled_out)
    })
    .await;
    assert!(bench.log.settled(&rolled_out) < 400);
    let settled = || bench.log.settled(&rolled_out);
    until("every order lets it go on", || {
        partitions.resume(None);
        settled() == 400
    })
    .await;
    bench.log.produce(&rolled_out, drift("after"));
    bench.until_settled(&rolled_out).await;
    // Each record once: in the dead letters, or decided.
    let buried: BTreeSet<String> = bench
        .dead_letters()
        .iter()
        .map(|one| header(one, "offset"))
        .collect();
    assert_eq!((buried.len(), bench.dead_letters().len()), (300, 300));
    assert_eq!(bench.decided(&rolled_out).len(), 101);
    bench.end().await;
}

#[actix::test]
async fn a_replayed_event_is_decided_once_however_often_it_is_replayed() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition, &place(DRIFT, 1)]).await;
    let replay = |of: &str, first: &str| {
        let header = |name: &str, value: &str| Header::new(name, value);
        bench.log.produce_record(NewRecord {
            topic: DRIFT.to_owned(),
            partition: Some(0),
            key: None,
            value: Some(drift("m").into()),
            headers: vec![
                header("homeostat-replay-of", of),
                header("homeostat-replay-position", first),
            ],
        });
    };
    // Twice the same letter, a second letter of the same record, and an event that had been decided before it was buried.
    let first = format!("{DRIFT}/1/700");
    replay("0-1", &first);
    replay("0-1", &first);
    replay("0-2", &first);
    let decided = bench.log.produce(&place(DRIFT, 1), drift("m"));
    bench.until_settled(&place(DRIFT, 1)).await;
    bench.until_settled(&partition).await;
    replay("0-3", &format!("{DRIFT}/1/{decided}"));
    bench.until_settled(&partition).await;
    let mut duplicates = Vec::new();
    for (_, changes) in bench.fold() {
        for change in changes {
            if let ChangeKind::Entered(entered) = change.kind {
                let duplicate = entered.gates.iter().any(|gate| gate.gate == "duplicate");
                let src = &entered.propose.src;
                duplicates.push((src.partition, src.offset, duplicate));
            }
        }
    }
    duplicates.sort_unstable();
    // Batches of a partition are appended side by side: any of the first three may reach the ledger first, and counts.
    let (first, rest) = duplicates.split_at(3);
    let decided = first.iter().filter(|(.., duplicate)| !duplicate);
    assert_eq!(decided.count(), 1, "{duplicates:?}");
    assert_eq!(rest, [(0, 3, true), (1, 0, false)]);
    bench.end().await;
}
