//! What only the embedded log promises: kill -9, one opener, retention, a disk that refuses.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenError};
use homeostat_actors::ports::log::{EventLog, LogError, TopicSettings};

use crate::support::recorder::{PATIENCE, Recorder};
use crate::support::world::{World, fill, group, place, record, run, topic, unique};

/// Set in the environment of this test program when it is its own child: the directory to append to.
const CHILD_DIRECTORY: &str = "HOMEOSTAT_TEST_CHILD_DIRECTORY";

/// Not a test of its own: the process that is killed, when started by one of the tests below.
#[test]
fn child_process() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else {
        return;
    };
    let log: Arc<dyn EventLog> =
        Arc::new(EmbeddedLog::open(EmbeddedSettings::new(directory)).unwrap());
    run(log.ensure_topics(vec![topic("killed", 2)])).unwrap();
    for number in 0_i32.. {
        let records = (0..8).map(|part| {
            record(
                "killed",
                part % 2,
                format!("{number}.{part}{}", "x".repeat(300)),
            )
        });
        for answer in run(log.append(records.collect())) {
            match answer {
                // The line is the acknowledgement: whoever reads it may rely on the record.
                Ok(appended) => {
                    println!("acked {} {} {number}", appended.partition, appended.offset);
                }
                Err(error) => println!("error {error}"),
            }
        }
    }
}

fn start_child(directory: &std::path::Path, limit: Option<&str>) -> std::process::Child {
    let program = std::env::current_exe().unwrap();
    let mut command = match limit {
        // A file size limit stands for a full disk; the signal that comes with it is ignored.
        Some(blocks) => {
            let mut shell = Command::new("sh");
            shell
                .args([
                    "-c",
                    &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""),
                    "sh",
                ])
                .arg(program);
            shell
        }
        None => Command::new(program),
    };
    command
        .args(["--exact", "embedded_only::child_process", "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Every acknowledged record of the child must be there once, at its place, and offsets must be dense.
fn check_acknowledged(directory: &std::path::Path, acknowledged: &[(i32, i64, String)]) {
    let log = EmbeddedLog::open(EmbeddedSettings::new(directory)).unwrap();
    for partition in 0..2 {
        let stored = run(log.read(place("killed", partition), 0, usize::MAX)).unwrap();
        let offsets: Vec<_> = stored.iter().map(|record| record.offset).collect();
        assert_eq!(
            offsets,
            (0..i64::try_from(stored.len()).unwrap()).collect::<Vec<_>>(),
            "dense"
        );
        for (_, offset, number) in acknowledged.iter().filter(|(of, ..)| *of == partition) {
            let record = &stored[usize::try_from(*offset).unwrap()];
            let value = String::from_utf8(record.value.clone().unwrap()).unwrap();
            assert!(
                value.starts_with(&format!("{number}.")),
                "offset {offset} holds {value}"
            );
        }
        let appended = run(log.append(vec![record("killed", partition, "after")]))
            .remove(0)
            .unwrap();
        assert_eq!(
            appended.offset,
            i64::try_from(stored.len()).unwrap(),
            "offsets go on"
        );
    }
}

fn parse_acknowledged(line: &str) -> Option<(i32, i64, String)> {
    let mut words = line.split_once("acked ")?.1.split(' ');
    Some((
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.to_owned(),
    ))
}

#[test]
fn every_acknowledged_record_survives_kill_9_in_the_middle_of_appends() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=3_usize {
        let mut child = start_child(directory.path(), None);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for line in lines {
            acknowledged.extend(parse_acknowledged(&line.unwrap()));
            if acknowledged.len() == round * 400 {
                // The pipe still holds acknowledgements written after this one; they count as well.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(
            acknowledged.len() >= round * 400,
            "the child was killed while it appended"
        );
        check_acknowledged(directory.path(), &acknowledged);
    }
}

#[test]
fn a_disk_that_refuses_loses_nothing_acknowledged_and_the_process_lives() {
    let directory = tempfile::tempdir().unwrap();
    run(EmbeddedLog::open(EmbeddedSettings::new(directory.path()))
        .unwrap()
        .ensure_topics(vec![topic("killed", 2)]))
    .unwrap();
    // 512-byte blocks: the log may grow its journal (preallocated at 64 MiB) by nothing.
    let mut child = start_child(directory.path(), Some("132000"));
    let mut acknowledged = Vec::new();
    let mut errors = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        acknowledged.extend(parse_acknowledged(&line));
        errors += usize::from(line.contains("error the event log did not answer"));
        if errors >= 100 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        errors >= 100,
        "the limit was reached, and appends were answered after it"
    );
    assert!(!acknowledged.is_empty());
    check_acknowledged(directory.path(), &acknowledged);
}

#[test]
fn a_second_opener_is_told_which_directory_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let _first = EmbeddedLog::open(EmbeddedSettings::new(directory.path())).unwrap();
    let Err(error) = EmbeddedLog::open(EmbeddedSettings::new(directory.path())) else {
        panic!("the second one must not open");
    };
    assert!(matches!(error, OpenError::InUse { .. }));
    assert!(
        error
            .to_string()
            .contains(&directory.path().display().to_string()),
        "{error}"
    );
}

/// Whatever file or folder of the database is taken away: the log says so, or everything is there.
#[test]
fn a_part_that_is_gone_is_told_and_never_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let log: Arc<dyn EventLog> =
        Arc::new(EmbeddedLog::open(EmbeddedSettings::new(directory.path())).unwrap());
    run(log.ensure_topics(vec![topic("kept", 2)])).unwrap();
    fill(&log, "kept", 0, 0, 10);
    fill(&log, "kept", 1, 0, 10);
    run(log.delete_before(place("kept", 0), 4)).unwrap();
    let recorder = Recorder::default();
    let subscription = log
        .subscribe(group("readers", "kept"), recorder.handler())
        .unwrap();
    recorder.wait("all records left", |seen| seen.values().len() == 16);
    let owned = recorder.seen().owned.clone();
    for (partition, assignment) in owned {
        subscription.settle(&partition, assignment.epoch, 10);
    }
    subscription.close(PATIENCE);
    log.close();
    let extents = |directory: &std::path::Path| {
        let log = EmbeddedLog::open(EmbeddedSettings::new(directory))?;
        let described = run(log.describe_topics(vec!["kept".to_owned()])).unwrap();
        Ok::<_, OpenError>(described.into_iter().next().map(|one| one.partitions))
    };
    let whole = extents(directory.path()).unwrap();
    let folders = std::fs::read_dir(directory.path().join("keyspaces")).unwrap();
    let mut parts: Vec<_> = folders.map(|one| one.unwrap().path()).collect();
    parts.push(directory.path().join("keyspaces"));
    parts.extend(journals(directory.path()));
    assert!(parts.len() >= 6, "{parts:?}");
    let mut told = 0;
    for part in parts {
        let part = part.strip_prefix(directory.path()).unwrap();
        let copy = tempfile::tempdir().unwrap();
        copy_all(directory.path(), copy.path());
        let gone = copy.path().join(part);
        if gone.is_dir() {
            std::fs::remove_dir_all(gone).unwrap();
        } else {
            std::fs::remove_file(gone).unwrap();
        }
        match extents(copy.path()) {
            Ok(found) => assert_eq!(found, whole, "without {}", part.display()),
            Err(OpenError::Damaged { .. }) => told += 1,
            Err(error) => panic!("without {}: {error}", part.display()),
        }
    }
    assert!(told > 0);
}

fn journals(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(directory).unwrap();
    let files = files.map(|one| one.unwrap().path());
    files
        .filter(|one| one.extension().is_some_and(|extension| extension == "jnl"))
        .collect()
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).unwrap();
        }
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "never happened: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn records_older_than_the_retention_go_and_readers_go_on_at_the_low_watermark() {
    let world = World::embedded();
    let name = unique("topic");
    let log = world.open();
    let settings = TopicSettings {
        retention: Some(Duration::from_millis(1)),
        ..topic(&name, 1)
    };
    run(log.ensure_topics(vec![settings])).unwrap();
    fill(&log, &name, 0, 0, 10);
    let low = |log: &Arc<dyn EventLog>| {
        run(log.describe_topics(vec![name.clone()])).unwrap()[0].partitions[0]
    };
    wait_until("the records go", || low(&log).low == 10);
    assert!(run(log.read(place(&name, 0), 0, 100)).unwrap().is_empty());
    log.close();
    drop(log);

    let log = world.open();
    assert_eq!(
        (low(&log).low, low(&log).high),
        (10, 10),
        "offsets survive the restart of an empty partition"
    );
    let member = Recorder::default();
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    let position = member
        .when("the partition", |seen| !seen.owned.is_empty())
        .owned[&place(&name, 0)]
        .position;
    assert_eq!(position, 10);
    subscription.close(PATIENCE);
}

#[test]
fn beyond_the_size_limit_the_oldest_records_go_but_never_the_ledgers_or_those_kept_by_key() {
    let directory = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings {
        max_bytes: Some(10_000),
        retention_check: Duration::from_millis(50),
        ..EmbeddedSettings::new(directory.path())
    };
    let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(settings).unwrap());
    run(log.ensure_topics(vec![
        topic("plain", 2),
        TopicSettings {
            append_time: true,
            ..topic("ledger", 1)
        },
        TopicSettings {
            compacted: true,
            retention: Some(Duration::from_millis(1)),
            ..topic("items", 1)
        },
    ]))
    .unwrap();
    let value = "x".repeat(1000);
    for partition in [0, 0, 1, 0] {
        let records = (0..5)
            .map(|_| record("plain", partition, value.clone()))
            .collect();
        assert!(run(log.append(records)).iter().all(Result::is_ok));
        for kept in ["ledger", "items"] {
            let records = (0..5).map(|_| record(kept, 0, value.clone())).collect();
            assert!(run(log.append(records)).iter().all(Result::is_ok));
        }
    }
    let marks = |name: &str| {
        run(log.describe_topics(vec![name.to_owned()]))
            .unwrap()
            .remove(0)
            .partitions
    };
    wait_until("the oldest ten go", || {
        marks("plain")
            .iter()
            .map(|marks| marks.high - marks.low)
            .sum::<i64>()
            <= 10
    });
    let kept: Vec<_> = marks("plain")
        .iter()
        .map(|marks| marks.high - marks.low)
        .collect();
    assert_eq!(kept, [5, 5], "the oldest went, and no more than had to");
    assert_eq!(marks("ledger")[0].low, 0);
    assert_eq!(marks("items")[0].low, 0, "neither by size nor by age");
}

#[test]
fn an_append_beyond_the_queue_is_answered_at_once() {
    let world = World::embedded();
    let (log, name) = world.with_topic(1);
    let large = "x".repeat(1024 * 1024);
    let batch = || {
        (0..30)
            .map(|_| record(&name, 0, large.clone()))
            .collect::<Vec<_>>()
    };
    let answers: Vec<_> = (0..6).map(|_| log.append(batch())).collect();
    let answers: Vec<_> = answers.into_iter().flat_map(run).collect();
    let full = |error: &LogError| matches!(error, LogError::Unavailable(why) if why.contains("queue is full"));
    assert!(answers.iter().any(Result::is_ok));
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(full)
    );
    assert!(
        answers.iter().any(Result::is_err),
        "180 MiB do not fit in the queue"
    );
}
