//! What a reader makes of a partition of Kafka that holds more than records it can read: markers of transactions, and batches
//! that no client reads (issue 13, rows 2 and 3).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homeostat::log::kafka::KafkaSettings;
use homeostat_actors::ports::log::{LogError, PartitionStatus, Subscription};

use crate::support::kafka::{
    bootstrap, end_transaction, open_transaction, restart_command, transact,
};
use crate::support::recorder::Recorder;
use crate::support::segments::{Damage, damage};
use crate::support::world::{World, fill, group, place, record, run, unique};

const CLOSE: Duration = Duration::from_secs(10);

fn status(subscription: &Arc<dyn Subscription>) -> Vec<PartitionStatus> {
    let mut status = subscription.status();
    status.sort_by_key(|one| one.partition.partition);
    status
}

#[test]
fn transactions_leave_no_lag_and_their_markers_are_passed() {
    let Some((world, address)) = World::kafka().zip(bootstrap()) else {
        return;
    };
    let (log, name) = world.with_topic(5);
    // A committed one at the end; nothing but an aborted one; all kinds in turn; an open one; nothing at all.
    transact(&address, &name, 0, 2, true);
    transact(&address, &name, 1, 2, false);
    fill(&log, &name, 2, 0, 1);
    transact(&address, &name, 2, 2, false);
    transact(&address, &name, 2, 2, true);
    fill(&log, &name, 2, 0, 1);
    transact(&address, &name, 2, 1, false);
    transact(&address, &name, 2, 1, false);
    fill(&log, &name, 3, 0, 1);
    let open = open_transaction(&address, &name, 3, 1);
    let ends = [3, 3, 12, 1, 0];

    let member = Recorder::default();
    let group = group(&unique("group"), &name);
    let subscription = log.subscribe(group.clone(), member.handler()).unwrap();
    member.seen().settle_by = Some(Arc::clone(&subscription));
    member.wait("no lag anywhere", |_| {
        let status = status(&subscription);
        let settled: Vec<i64> = status.iter().map(|one| one.settled).collect();
        let high: Vec<Option<i64>> = status.iter().map(|one| one.high).collect();
        settled == ends && high == ends.map(Some)
    });
    // The broker writes a marker a moment after the commit is answered, so that offsets differ from run to run.
    let records = [0, 1, 2, 3, 4].map(|number| member.seen().offsets(number).len());
    assert_eq!(records, [2, 0, 4, 1, 0]);

    let tailed = Recorder::default();
    let _tails: Vec<_> = (0..5)
        .map(|number| {
            let place = place(&name, number);
            log.tail(place.clone(), 0, tailed.tail_sink(place)).unwrap()
        })
        .collect();
    tailed.wait("the markers are passed", |seen| {
        let passed = |number| seen.passed.get(&place(&name, number)).copied();
        [passed(0), passed(1), passed(2)] == [Some(3), Some(3), Some(12)]
    });
    let passed = |number| tailed.seen().passed.get(&place(&name, number)).copied();
    assert_eq!(
        [passed(3), passed(4)],
        [None, None],
        "an open transaction is the end"
    );

    end_transaction(&open, true);
    member.wait("the open one, once it is committed", |seen| {
        let status = &status(&subscription)[3];
        seen.offsets(3) == [0, 1] && (status.settled, status.high) == (3, Some(3))
    });
    member.seen().settle_by = None;
    subscription.close(CLOSE);
    drop(subscription);

    // Behind the last record settled there is nothing to read, and a record that comes is not passed over.
    let again = Recorder::default();
    let subscription = log.subscribe(group, again.handler()).unwrap();
    again.wait("no lag after a restart", |_| {
        let ends = [3, 3, 12, 3, 0];
        let settled: Vec<i64> = status(&subscription)
            .iter()
            .map(|one| one.settled)
            .collect();
        settled == ends
    });
    fill(&log, &name, 2, 9, 1);
    again.wait("the record behind the markers", |seen| {
        seen.offsets(2) == [12]
    });
    assert_eq!(status(&subscription)[2].settled, 12, "it is not settled");
    subscription.close(CLOSE);
}

#[test]
fn what_cannot_be_read_stops_its_partition_with_the_reason_until_it_is_removed() {
    let Some(command) = restart_command() else {
        return;
    };
    let address = command("start");
    let data = std::env::var("KAFKA_RESTARTABLE").unwrap();
    let data = Path::new(&data).join("data");
    if !data.is_dir() {
        eprintln!("not run: damaged batches (the broker's files are in a container)");
        return;
    }
    let settings = KafkaSettings {
        session_timeout: Duration::from_secs(6),
        ..KafkaSettings::new(address)
    };
    let kinds = Damage::ALL;
    let partitions = i32::try_from(kinds.len()).unwrap();
    let (log, name) = World::Kafka(settings).with_topic(partitions);
    for (number, kind) in (0..).zip(kinds) {
        // Behind a wrong checksum the unmended client jumps to somewhere in these zeros, takes them for a message of no size, and
        // ends the process (see client-patch/build.rs).
        let zeros = match kind {
            Damage::Checksum => "\0".repeat(20_000),
            _ => String::new(),
        };
        // Each a batch of its own.
        for value in ["first", &format!("damaged{zeros}"), "last"] {
            run(log.append(vec![record(&name, number, value)]))[0]
                .as_ref()
                .unwrap();
        }
    }
    command("stop");
    for (number, kind) in kinds.into_iter().enumerate() {
        damage(&data, &name, number, 1, kind);
    }
    command("start");

    let member = Recorder::default();
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    member.seen().settle_by = Some(Arc::clone(&subscription));
    let tailed = Recorder::default();
    let _tails: Vec<_> = (0..partitions)
        .map(|number| {
            let place = place(&name, number);
            log.tail(place.clone(), 0, tailed.tail_sink(place)).unwrap()
        })
        .collect();
    // Through several tries of the adapter.
    member.wait("every partition stands, and says where", |_| {
        let status = status(&subscription);
        status.len() == kinds.len()
            && status.iter().all(|one| {
                let stands = |refusal: &homeostat_actors::ports::log::ReadFailing| {
                    refusal.at == Some(1) && refusal.lasting > Duration::from_secs(12)
                };
                one.settled == 1 && one.refusal.as_ref().is_some_and(stands)
            })
    });
    for (number, kind) in (0..).zip(kinds) {
        assert_eq!(member.seen().offsets(number), [0], "{kind:?}");
        assert_eq!(tailed.seen().offsets(number), [0], "{kind:?}");
        let told = tailed.seen().obstacles[&place(&name, number)].clone();
        assert!(told.contains("offset 1"), "{kind:?}: {told}");
        let read = run(log.read(place(&name, number), 0, 10));
        assert!(
            matches!(read, Err(LogError::Refused(_))),
            "{kind:?}: {read:?}"
        );
        run(log.delete_before(place(&name, number), 2)).unwrap();
    }
    for (number, kind) in (0..).zip(kinds) {
        let what = format!("what is behind it: {kind:?}");
        member.wait(&what, |seen| seen.offsets(number) == [0, 2]);
        tailed.wait(&what, |seen| seen.offsets(number) == [0, 2]);
    }
    member.wait("nothing stands any more", |_| {
        let status = status(&subscription);
        status
            .iter()
            .all(|one| one.refusal.is_none() && one.settled == 3)
    });
    // A tail delivers the record behind the obstacle first, and takes the obstacle back after it.
    tailed.wait("no obstacle is left", |seen| seen.obstacles.is_empty());
    member.seen().settle_by = None;
    subscription.close(CLOSE);
}
