//! What only Kafka has: the traps of kafka-client §2 repeated on the real broker, holes in the offsets, a broker that
//! is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::{BrokerSettings, EventLog, LogError, TopicSettings};
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::kafka::{bootstrap, restart_command, transact};
use crate::support::recorder::{PATIENCE, Recorder};
use crate::support::world::{World, fill, group, place, record, run, topic, unique};

const CLOSE: Duration = Duration::from_secs(10);

/// The committed offset as the broker tells it to a stranger.
fn committed(address: &str, group: &str, topic: &str, partition: i32) -> Option<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let list = consumer.committed_offsets(list, CLOSE).unwrap();
    let offset = list.find_partition(topic, partition).unwrap().offset();
    // A list that outlives its client hangs it (P12).
    drop(list);
    match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// P1 and P8: what was fetched or delivered but not settled is never committed, and the commit is the settled offset.
#[test]
fn only_what_was_settled_is_committed_however_much_was_fetched() {
    let Some((world, address)) = World::kafka().zip(bootstrap()) else {
        return;
    };
    let (log, name) = world.with_topic(2);
    fill(&log, &name, 0, 0, 2000);
    fill(&log, &name, 1, 0, 10);
    let group = group(&unique("group"), &name);
    let member = Recorder::default();
    member.seen().credit = Some(50);
    let subscription = log.subscribe(group.clone(), member.handler()).unwrap();
    let epoch = {
        let seen = member.when("fifty records", |seen| {
            seen.credit == Some(0) && seen.owned.len() == 2 && !seen.offsets(0).is_empty()
        });
        seen.owned[&place(&name, 0)].epoch
    };
    subscription.settle(&place(&name, 0), epoch, 5);
    subscription.close(CLOSE);
    drop(subscription);
    assert_eq!(committed(&address, &group.group, &name, 0), Some(5));
    assert!(committed(&address, &group.group, &name, 1).unwrap_or(0) == 0);
}

/// P2: who lost a partition cannot move its committed offset any more.
#[test]
fn a_former_owner_cannot_rewind_or_advance_the_committed_offset() {
    let Some((world, address)) = World::kafka().zip(bootstrap()) else {
        return;
    };
    let (log, name) = world.with_topic(2);
    fill(&log, &name, 0, 0, 20);
    fill(&log, &name, 1, 0, 20);
    let group = group(&unique("group"), &name);
    let (first, second) = (Recorder::default(), Recorder::default());
    let former = log.subscribe(group.clone(), first.handler()).unwrap();
    first.wait("everything", |seen| seen.records.len() == 40);
    let newcomer = log.subscribe(group.clone(), second.handler()).unwrap();
    second.wait("its half", |seen| seen.records.len() == 20);
    let (moved, old) = first.seen().revoked[0].clone();
    let new = second.seen().owned[&moved].epoch;
    former.settle(&moved, old, 19);
    newcomer.settle(&moved, new, 7);
    former.settle(&moved, old, 20);
    newcomer.close(CLOSE);
    former.close(CLOSE);
    assert_eq!(
        committed(&address, &group.group, &name, moved.partition),
        Some(7)
    );
}

/// P3: a partition that went away and came back delivers again: its queue is split at every assignment.
#[test]
fn a_partition_that_comes_back_delivers_again() {
    let Some(world) = World::kafka() else { return };
    let (log, name) = world.with_topic(2);
    let group = group(&unique("group"), &name);
    let first = Recorder::default();
    let stays = log.subscribe(group.clone(), first.handler()).unwrap();
    first.wait("both partitions", |seen| seen.owned.len() == 2);
    for round in 1..=2 {
        let second = Recorder::default();
        let visits = log.subscribe(group.clone(), second.handler()).unwrap();
        second.wait("one partition", |seen| seen.owned.len() == 1);
        visits.close(CLOSE);
        first.wait("both again", |seen| seen.owned.len() == 2);
        let before = first.seen().records.len();
        fill(&log, &name, 0, 0, 50);
        fill(&log, &name, 1, 0, 50);
        first.wait("the records of both", |seen| {
            let since = &seen.records[before..];
            let fresh = |partition| {
                since.iter().any(|(of, _, record)| {
                    of.partition == partition && record.offset == round * 50 - 1
                })
            };
            fresh(0) && fresh(1)
        });
    }
    stays.close(CLOSE);
}

/// Aborted transactions and their markers leave holes in the offsets.
#[test]
fn holes_in_the_offsets_are_passed_over() {
    let Some((world, address)) = World::kafka().zip(bootstrap()) else {
        return;
    };
    let (log, name) = world.with_topic(1);
    for commit in [true, false, true] {
        transact(&address, &name, 0, 2, commit);
    }
    // Two kept, a marker, two aborted, a marker, two kept, a marker.
    let expected = [0, 1, 6, 7];
    let member = Recorder::default();
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    member.wait("the kept ones", |seen| seen.records.len() >= 4);
    let tail_recorder = Recorder::default();
    let _tail = log
        .tail(place(&name, 0), 0, tail_recorder.tail_sink(place(&name, 0)))
        .unwrap();
    tail_recorder.wait("the kept ones", |seen| seen.records.len() >= 4);
    assert_eq!(member.seen().offsets(0), expected);
    assert_eq!(tail_recorder.seen().offsets(0), expected);
    let read = run(log.read(place(&name, 0), 0, 100)).unwrap();
    assert_eq!(
        read.iter().map(|record| record.offset).collect::<Vec<_>>(),
        expected
    );
    subscription.close(CLOSE);
}

#[test]
fn a_partition_tailed_twice_delivers_to_both() {
    let Some(world) = World::kafka() else { return };
    let (log, name) = world.with_topic(1);
    let (one, other) = (Recorder::default(), Recorder::default());
    let _one = log
        .tail(place(&name, 0), 0, one.tail_sink(place(&name, 0)))
        .unwrap();
    let _other = log
        .tail(place(&name, 0), 0, other.tail_sink(place(&name, 0)))
        .unwrap();
    fill(&log, &name, 0, 0, 3);
    one.wait("all", |seen| seen.records.len() == 3);
    other.wait("all", |seen| seen.records.len() == 3);
}

/// Needs no broker: nothing listens on port 1.
#[test]
fn without_a_broker_the_log_opens_and_answers_that_it_is_unavailable() {
    let settings = KafkaSettings::new("127.0.0.1:1");
    let log: Arc<dyn EventLog> = Arc::new(KafkaLog::open(settings).unwrap());
    let member = Recorder::default();
    let subscription = log
        .subscribe(group("group", "topic"), member.handler())
        .unwrap();
    let error = run(log.ensure_topics(vec![topic("topic", 1)])).unwrap_err();
    assert!(matches!(error, LogError::Unavailable(_)), "{error}");
    let answers = run(log.append(vec![record("topic", 0, "x")]));
    assert!(
        matches!(answers[0], Err(LogError::Unavailable(_))),
        "{:?}",
        answers[0]
    );
    assert!(member.seen().failed.is_none());
    subscription.close(CLOSE);
}

/// The broker is stopped and started while records flow; needs one that the test may stop (`KAFKA_RESTARTABLE`).
#[test]
fn a_broker_restart_under_load_loses_nothing_acknowledged() {
    let Some(command) = restart_command() else {
        return;
    };
    let address = command("start");
    let settings = KafkaSettings {
        session_timeout: Duration::from_secs(6),
        ..KafkaSettings::new(address)
    };
    let (log, name) = World::Kafka(settings).with_topic(2);
    let member = Recorder::default();
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    member.seen().settle_by = Some(Arc::clone(&subscription));
    member.wait("both partitions", |seen| seen.owned.len() == 2);
    let restart = std::thread::spawn(move || {
        command("stop");
        command("start");
    });
    let mut acknowledged = Vec::new();
    let begun = Instant::now();
    let mut number = 0;
    // Until the broker is back and has taken records for a while.
    while !restart.is_finished() || acknowledged.len() < 500 {
        assert!(
            begun.elapsed() < 3 * PATIENCE,
            "the broker did not come back"
        );
        let answers = run(log.append(vec![record(&name, number % 2, number.to_string())]));
        if answers[0].is_ok() {
            acknowledged.push(number.to_string());
        }
        number += 1;
    }
    restart.join().unwrap();
    member.wait("every acknowledged record", |seen| {
        let values = seen.values();
        acknowledged.iter().all(|number| values.contains(number))
    });
    assert!(member.seen().failed.is_none());
    member.seen().settle_by = None;
    subscription.close(CLOSE);
}

/// What the start of the service judges the ledger's topic by.
#[test]
fn a_topic_of_the_ledgers_kind_is_created_safe_and_described_as_it_is() {
    let Some(world) = World::kafka() else { return };
    let log = world.open();
    let name = unique("ledger");
    let settings = |name: &str, append_time, retention| TopicSettings {
        append_time,
        retention,
        ..topic(name, 2)
    };
    let other = unique("other");
    run(log.ensure_topics(vec![
        settings(&name, true, None),
        settings(&other, false, Some(Duration::from_hours(1))),
    ]))
    .unwrap();
    // An append waits for leaders; describing would tell that there are none yet.
    for topic in [&name, &other] {
        (0..2).for_each(|partition| fill(&log, topic, partition, 0, 1));
    }
    let described = run(log.describe_topics(vec![name, other])).unwrap();
    let (ledger, other) = (&described[0], &described[1]);
    assert_eq!(ledger.retention_ms, Some(-1));
    let expected = BrokerSettings {
        replicas: 1,
        min_insync_replicas: Some(1),
        unclean_election: Some(false),
        retention_bytes: Some(-1),
        max_message_bytes: Some(1_310_720),
    };
    assert_eq!(ledger.brokers.as_ref(), Some(&expected));
    assert_eq!(other.retention_ms, Some(3_600_000));
    assert_eq!(other.append_time, Some(false));
}

fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config.create().unwrap()
}

/// Sixteen records, of which only the sixth is larger than 2,000 bytes: it alone is refused, and the others keep their order.
fn append_one_too_large_among_sixteen(log: &Arc<dyn EventLog>, name: &str, next: i64) {
    let value = |number: usize| {
        let bytes = if number == 5 { 5_000 } else { 400 };
        // What compresses well would fit after all.
        let noise = (0..bytes).map(|_| fastrand::alphanumeric());
        format!("{number} {}", noise.collect::<String>())
    };
    let values: Vec<String> = (0..16).map(value).collect();
    let records = values.iter().map(|value| record(name, 0, value.as_str()));
    let answers = run(log.append(records.collect()));
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Ok(_) => assert_ne!(number, 5),
            Err(LogError::TooLarge(reason)) => {
                assert_eq!(number, 5, "{reason}");
                assert!(reason.contains(name) && reason.contains("max.message.bytes"));
            }
            Err(other) => panic!("record {number}: {other}"),
        }
    }
    let stored = run(log.read(place(name, 0), next, 100)).unwrap();
    let stored: Vec<_> = stored
        .into_iter()
        .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
        .collect();
    let taken: Vec<_> = values
        .into_iter()
        .filter(|value| value.len() < 2_000)
        .collect();
    assert_eq!(stored, taken);
}

/// Issue 13, row 13: a batch that the topic refuses for its size is split down to the one record that is too large.
#[test]
fn a_record_that_its_topic_finds_too_large_is_refused_alone_and_its_batch_is_not() {
    let Some((World::Kafka(settings), address)) = World::kafka().zip(bootstrap()) else {
        return;
    };
    for codec in ["none", "lz4", "zstd"] {
        let mut settings = settings.clone();
        let codec = ("compression.type".to_owned(), codec.to_owned());
        settings.options.insert(codec.0, codec.1);
        let world = World::Kafka(settings);
        // The limit is known before the first record.
        let name = unique("narrow");
        let narrow = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
        let narrow = narrow.set("max.message.bytes", "2000");
        let options = AdminOptions::new();
        run(admin(&address).create_topics(&[narrow], &options)).unwrap()[0]
            .as_ref()
            .unwrap();
        let log = world.open();
        // Left as it is; brokers may tell of it a moment after it was created.
        run(log.ensure_topics(vec![topic(&name, 1)])).unwrap();
        append_one_too_large_among_sixteen(&log, &name, 0);
        append_one_too_large_among_sixteen(&log, &name, 15);
        // The limit is lowered while the log is open.
        let (log, name) = world.with_topic(1);
        fill(&log, &name, 0, 0, 3);
        let lowered = AlterConfig::new(ResourceSpecifier::Topic(&name));
        let lowered = lowered.set("max.message.bytes", "2000");
        run(admin(&address).alter_configs(&[lowered], &options)).unwrap()[0]
            .as_ref()
            .unwrap();
        append_one_too_large_among_sixteen(&log, &name, 3);
        append_one_too_large_among_sixteen(&log, &name, 18);
    }
}
