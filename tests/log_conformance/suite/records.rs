//! Records and topics: appended, read, refused, created, deleted.

use std::sync::Arc;

use homeostat_actors::ports::log::{
    EventLog, Header, LogError, NewRecord, TopicSettings, Watermarks,
};

use super::CLOSE;
use crate::support::recorder::Recorder;
use crate::support::world::{World, fill, group, place, record, run, topic, unique};

pub(crate) fn appended_records_read_back_with_all_their_bytes(world: &World) {
    let (log, name) = world.with_topic(1);
    let full = NewRecord {
        key: Some(vec![0, 255]),
        value: Some(b"value".to_vec()),
        headers: vec![
            Header::new("a", [1]),
            Header::new("b", ""),
            Header::new("a", [0]),
            Header::new(b"\xff\xfe\0", [255]),
            Header::new("", ""),
            Header {
                name: b"null".to_vec(),
                value: None,
            },
        ],
        ..record(&name, 0, "")
    };
    let tombstone = NewRecord {
        key: Some(b"key".to_vec()),
        value: None,
        ..record(&name, 0, "")
    };
    let empty = NewRecord {
        value: Some(Vec::new()),
        ..record(&name, 0, "")
    };
    let given = vec![full, tombstone, empty];
    let answers = run(log.append(given.clone()));
    let offsets: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().offset)
        .collect();
    assert_eq!(offsets, [0, 1, 2]);
    let stored = run(log.read(place(&name, 0), 0, 10)).unwrap();
    assert_eq!(stored.len(), 3);
    for (given, stored) in given.iter().zip(&stored) {
        assert_eq!(
            (&given.key, &given.value, &given.headers),
            (&stored.key, &stored.value, &stored.headers)
        );
    }
}

pub(crate) fn reading_starts_where_asked_and_stops_at_the_bound(world: &World) {
    let (log, name) = world.with_topic(1);
    fill(&log, &name, 0, 0, 20);
    let offsets = |from, max| {
        let records = run(log.read(place(&name, 0), from, max)).unwrap();
        records
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets(15, 3), [15, 16, 17]);
    assert_eq!(offsets(18, 100), [18, 19]);
    assert_eq!(offsets(20, 100), Vec::<i64>::new());
}

pub(crate) fn a_key_always_goes_to_the_same_partition_and_as_kafka_places_it(world: &World) {
    let (log, name) = world.with_topic(7);
    for key in ["a", "model-1", "user_42", ""] {
        let record = || NewRecord {
            key: Some(key.into()),
            partition: None,
            ..record(&name, 0, "v")
        };
        for answer in run(log.append(vec![record(), record()])) {
            let expected = homeostat::log::partition_of_key(key.as_bytes(), 7);
            assert_eq!(
                answer.unwrap().partition,
                i32::try_from(expected).unwrap(),
                "key {key:?}"
            );
        }
    }
}

pub(crate) fn records_of_a_caller_keep_their_order(world: &World) {
    let (log, name) = world.with_topic(2);
    let first: Vec<_> = (0..200)
        .map(|number| record(&name, number % 2, number.to_string()))
        .collect();
    let second: Vec<_> = (200..400)
        .map(|number| record(&name, number % 2, number.to_string()))
        .collect();
    // Called one after the other, awaited the other way round: the calls count.
    let (first, second) = (log.append(first), log.append(second));
    for answer in run(second).into_iter().chain(run(first)) {
        answer.unwrap();
    }
    for partition in 0..2 {
        let stored = run(log.read(place(&name, partition), 0, 1000)).unwrap();
        let numbers: Vec<i32> = stored
            .iter()
            .map(|record| {
                std::str::from_utf8(record.value.as_ref().unwrap())
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert_eq!(
            numbers,
            (0..400)
                .filter(|number| number % 2 == partition)
                .collect::<Vec<_>>()
        );
    }
}

pub(crate) fn an_unknown_topic_or_partition_is_denied_and_its_neighbours_are_not(world: &World) {
    let (log, name) = world.with_topic(1);
    let records = vec![
        record(&unique("absent"), 0, "x"),
        record(&name, 0, "y"),
        record(&name, 7, "z"),
    ];
    let answers = run(log.append(records));
    assert!(
        matches!(answers[0], Err(LogError::Denied(_))),
        "{:?}",
        answers[0]
    );
    assert_eq!(answers[1].as_ref().unwrap().offset, 0);
    assert!(
        matches!(answers[2], Err(LogError::Denied(_))),
        "{:?}",
        answers[2]
    );
}

pub(crate) fn a_record_that_is_too_large_is_refused(world: &World) {
    let (log, name) = world.with_topic(1);
    let large = "x".repeat(homeostat::log::MAX_RECORD_BYTES + 1);
    let largest = "x".repeat(homeostat::log::MAX_RECORD_BYTES - 1024);
    let answers = run(log.append(vec![record(&name, 0, large), record(&name, 0, largest)]));
    assert!(
        matches!(answers[0], Err(LogError::TooLarge(_))),
        "{:?}",
        answers[0]
    );
    assert_eq!(answers[1].as_ref().unwrap().offset, 0);
    // One among many fails alone, and the others keep their order.
    let value = |number: usize| match number {
        5 => "x".repeat(homeostat::log::MAX_RECORD_BYTES + 1),
        _ => number.to_string(),
    };
    let many = (0..16).map(|number| record(&name, 0, value(number)));
    let answers = run(log.append(many.collect()));
    let (large, taken): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_err);
    assert_eq!(large.len(), 1);
    let offsets = taken.into_iter().map(|answer| answer.unwrap().offset);
    assert_eq!(offsets.collect::<Vec<_>>(), (1..16).collect::<Vec<_>>());
}

pub(crate) fn topics_are_created_once_and_described(world: &World) {
    let (log, name) = world.with_topic(3);
    fill(&log, &name, 1, 0, 5);
    let again = TopicSettings {
        partitions: 9,
        ..topic(&name, 9)
    };
    run(log.ensure_topics(vec![again])).unwrap();
    let described = run(log.describe_topics(vec![name.clone(), unique("absent")])).unwrap();
    assert_eq!(described.len(), 1);
    assert_eq!(described[0].name, name);
    let marks = |high| Watermarks { low: 0, high };
    assert_eq!(described[0].partitions, [marks(0), marks(5), marks(0)]);
}

pub(crate) fn a_topic_that_is_kept_by_key_is_compacted(world: &World) {
    let log = world.open();
    let name = unique("items");
    run(log.ensure_topics(vec![TopicSettings {
        compacted: true,
        ..topic(&name, 1)
    }]))
    .unwrap();
    // Kafka takes no record without a key there.
    let kept = NewRecord {
        key: Some(b"a".to_vec()),
        ..record(&name, 0, "0")
    };
    for answer in run(log.append(vec![kept])) {
        answer.unwrap();
    }
    let described = run(log.describe_topics(vec![name])).unwrap();
    assert_eq!(described[0].cleanup_policy.as_deref(), Some("compact"));
}

pub(crate) fn a_topic_of_the_ledgers_kind_is_stamped_by_the_log_and_not_compacted(world: &World) {
    let log = world.open();
    let name = unique("ledger");
    run(log.ensure_topics(vec![TopicSettings {
        append_time: true,
        ..topic(&name, 1)
    }]))
    .unwrap();
    let described = run(log.describe_topics(vec![name.clone()])).unwrap();
    assert_eq!(described[0].append_time, Some(true));
    assert_eq!(described[0].cleanup_policy.as_deref(), Some("delete"));
    fill(&log, &name, 0, 0, 3);
    let stored = run(log.read(place(&name, 0), 0, 10)).unwrap();
    let times: Vec<_> = stored.iter().map(|record| record.timestamp).collect();
    assert!(
        times[0] > 1_600_000_000_000,
        "a time of this century, not {}",
        times[0]
    );
    assert!(times.is_sorted(), "{times:?}");
}

pub(crate) fn what_is_deleted_is_gone_for_every_reader_and_stays_gone(world: &World) {
    let (log, name) = world.with_topic(2);
    let group = group(&unique("group"), &name);
    fill(&log, &name, 0, 0, 10);
    fill(&log, &name, 1, 0, 10);
    let before = Recorder::default();
    let subscription = log.subscribe(group.clone(), before.handler()).unwrap();
    let seen = before.when("all of it", |seen| seen.records.len() == 20);
    let epoch = seen.owned[&place(&name, 0)].epoch;
    drop(seen);
    subscription.settle(&place(&name, 0), epoch, 2);
    subscription.close(CLOSE);
    drop(subscription);
    run(log.delete_before(place(&name, 0), 6)).unwrap();

    // Once in the log that deleted, once after a restart.
    let check = |log: &Arc<dyn EventLog>| {
        let described = run(log.describe_topics(vec![name.clone()])).unwrap();
        let marks = |low| Watermarks { low, high: 10 };
        assert_eq!(described[0].partitions, [marks(6), marks(0)]);
        let stored = run(log.read(place(&name, 0), 0, 100)).unwrap();
        let offsets: Vec<_> = stored.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, [6, 7, 8, 9]);
        let recorder = Recorder::default();
        let sink = recorder.tail_sink(place(&name, 0));
        let _tail = log.tail(place(&name, 0), 0, sink).unwrap();
        let seen = recorder.when("what is left", |seen| seen.records.len() >= 4);
        assert_eq!(seen.offsets(0), [6, 7, 8, 9], "a tail");
        drop(seen);
        let member = Recorder::default();
        let subscription = log.subscribe(group.clone(), member.handler()).unwrap();
        let seen = member.when("what is left", |seen| seen.records.len() >= 14);
        assert_eq!(seen.offsets(0), [6, 7, 8, 9], "a group positioned below");
        drop(seen);
        subscription.close(CLOSE);
    };
    check(&log);
    log.close();
    drop(log);
    let log = world.open();
    check(&log);
    fill(&log, &name, 0, 10, 1);
    let stored = run(log.read(place(&name, 0), 10, 100)).unwrap();
    assert_eq!(stored.len(), 1, "offsets go on");
}

pub(crate) fn deleting_what_is_not_there_is_an_error_or_nothing(world: &World) {
    let (log, name) = world.with_topic(1);
    fill(&log, &name, 0, 0, 5);
    let delete = |place, offset| run(log.delete_before(place, offset));
    let refused = |answer| matches!(answer, Err(LogError::Refused(_)));
    let denied = |answer| matches!(answer, Err(LogError::Denied(_)));
    assert!(refused(delete(place(&name, 0), 6)), "beyond the end");
    assert!(denied(delete(place(&name, 7), 1)), "no such partition");
    assert!(denied(delete(place(&unique("absent"), 0), 1)), "no topic");
    for (offset, low) in [(-1, 0), (0, 0), (3, 3), (1, 3), (5, 5)] {
        assert_eq!(delete(place(&name, 0), offset), Ok(()), "{offset}");
        let described = run(log.describe_topics(vec![name.clone()])).unwrap();
        let marks = Watermarks { low, high: 5 };
        assert_eq!(described[0].partitions, [marks], "{offset}");
    }
}

pub(crate) fn a_closed_log_takes_nothing(world: &World) {
    let (log, name) = world.with_topic(1);
    log.close();
    log.close();
    let answers = run(log.append(vec![record(&name, 0, "late")]));
    assert!(
        matches!(answers[0], Err(LogError::Unavailable(_))),
        "{:?}",
        answers[0]
    );
}
