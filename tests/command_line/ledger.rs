//! The ledger shown, and started empty by order.

use std::path::Path;
use std::time::{Duration, Instant};

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::{EventLog, NewRecord, TopicPartition, TopicSettings};
use homeostat_logic::ledger::codec::{decode, encode};
use homeostat_logic::ledger::record::{Genesis, Id, Record};
use homeostat_logic::topic::LEDGER;

use crate::outside::Outside;
use crate::running::{err, homeostat, order, out};

#[test]
fn the_ledger_is_shown_as_a_running_service_folds_it() {
    let outside = Outside::with_operator(Duration::from_secs(10));
    let silence = ["silence", "--minutes", "30", "--reason", "known drift"];
    order(&outside, &silence);
    order(&outside, &["pause", "--reason", "release", "--who", "ada"]);
    let (code, told, _) = order(&outside, &["ledger", "status"]);
    let lines: Vec<Vec<&str>> = told
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!((code, lines.len()), (Some(0), 1 + 2 * 3 + 1), "{told}");
    assert_eq!(lines[4][..6], ["1", "no", "live", "1", "3", "0"], "{told}");
    let until = "2026-01-01T00:30:00.000Z";
    assert_eq!(lines[4][7..], ["paused,", "silenced", "until", until]);
    for line in [
        format!("until {until}: known drift\n"),
        "pause by ada at ".to_owned(),
        " until resume: release\n".to_owned(),
        "warning: look at it\n".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
}

/// Does something with the embedded log of a folder.
fn with_log<T>(folder: &Path, work: impl AsyncFnOnce(&EmbeddedLog) -> T) -> T {
    let settings = EmbeddedSettings {
        retention_check: Duration::from_millis(50),
        ..EmbeddedSettings::new(folder.join("data/log"))
    };
    let log = EmbeddedLog::open(settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime.unwrap().block_on(work(&log));
    log.close();
    done
}

/// A ledger of two partitions, the second of which has lost its first records.
fn cut_ledger(folder: &Path, kept: Duration) {
    with_log(folder, async |log| {
        let settings = TopicSettings {
            name: LEDGER.to_owned(),
            partitions: 2,
            replication_factor: 1,
            retention: Some(kept),
            append_time: true,
            compacted: false,
        };
        log.ensure_topics(vec![settings]).await.unwrap();
        let tick = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(1),
            value: Some(encode(&Record::Tick).unwrap()),
            ..NewRecord::default()
        };
        log.append(vec![tick.clone(), tick]).await;
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            let ledger = log.describe_topics(vec![LEDGER.to_owned()]).await.unwrap();
            if ledger[0].partitions[1].low == 2 {
                break;
            }
            assert!(Instant::now() < until, "the records never go");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn an_empty_start_is_ordered_only_where_no_other_is_possible() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("overlay.toml");
    let data = folder.path().join("data");
    std::fs::write(&config, format!("data_dir = {data:?}\n")).unwrap();
    // Long enough for what is written below to stay while it is looked at.
    cut_ledger(folder.path(), Duration::from_secs(5));
    let run = |arguments: &[&str]| {
        let mut all = vec!["ledger", "--config", config.to_str().unwrap()];
        all.extend(arguments);
        let output = homeostat(&all, "");
        (output.status.code(), out(&output), err(&output))
    };
    let (code, _, told) = run(&["start-empty"]);
    assert_eq!((code, told.contains("--yes")), (Some(2), true), "{told}");
    let (code, _, told) = run(&["upgrade", "--to", "99"]);
    assert_eq!(
        (code, told.contains("knows the versions")),
        (Some(2), true),
        "{told}"
    );

    let (code, told, problem) = run(&["start-empty", "--yes", "--who", "ada"]);
    assert_eq!(code, Some(0), "{problem}");
    assert!(
        told.contains("partition 0: left alone, its first record is there"),
        "{told}"
    );
    assert!(told.contains("partition 1: written at offset 2"), "{told}");
    let told_first = told;
    let (code, told, problem) = run(&["start-empty", "--yes"]);
    assert_eq!(
        (code, problem.contains("refused")),
        (Some(1), true),
        "{told}"
    );
    assert!(
        told.contains("partition 1: left alone, it has a checkpoint to start from"),
        "{told}"
    );
    let (code, told, _) = run(&["upgrade", "--to", "1"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        told,
        "partition 0: written at offset 0\npartition 1: written at offset 3\n"
    );

    let records = with_log(folder.path(), async |log| {
        let partition = |partition| TopicPartition {
            topic: LEDGER.to_owned(),
            partition,
        };
        let mut records = log.read(partition(1), 2, 10).await.unwrap();
        records.extend(log.read(partition(0), 0, 10).await.unwrap());
        records
    });
    let records: Vec<Record> = records
        .iter()
        .map(|record| decode(record.value.as_deref().unwrap()).unwrap())
        .collect();
    let [
        Record::Checkpoint(empty),
        Record::Upgrade(first),
        Record::Upgrade(second),
    ] = records.as_slice()
    else {
        panic!("{records:?}");
    };
    let start = empty.empty_start.as_ref().unwrap();
    assert_eq!(
        (start.ordered_by.as_str(), empty.state.as_str()),
        ("ada", "")
    );
    assert!(told_first.contains(&format!(
        "partition 1: NEW installation {}",
        start.installation
    )));
    assert_eq!((first.fold_version, second.fold_version), (1, 1));
}

#[test]
fn an_empty_start_keeps_the_installation_that_another_partition_tells() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("overlay.toml");
    let data = folder.path().join("data");
    std::fs::write(&config, format!("data_dir = {data:?}\n")).unwrap();
    cut_ledger(folder.path(), Duration::from_secs(10));
    let installation = Id([7; 16]);
    with_log(folder.path(), async |log| {
        let genesis = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(0),
            value: Some(encode(&Record::Genesis(Genesis::new(installation))).unwrap()),
            ..NewRecord::default()
        };
        log.append(vec![genesis]).await.pop().unwrap().unwrap();
    });
    let arguments = [
        "ledger",
        "--config",
        config.to_str().unwrap(),
        "start-empty",
        "--yes",
    ];
    let output = homeostat(&arguments, "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let told = out(&output);
    let kept = format!("partition 1: installation {installation}, as before");
    assert!(told.contains(&kept), "{told}");
}
