//! Each difference alone, all together, and what the operator reads of them.

use homeostat_actors::ports::log::Watermarks;

use super::*;

fn good() -> TopicDescription {
    TopicDescription {
        name: LEDGER.to_owned(),
        partitions: vec![Watermarks { low: 0, high: 0 }; 4],
        append_time: Some(true),
        cleanup_policy: Some("delete".to_owned()),
        retention_ms: Some(-1),
        brokers: Some(BrokerSettings {
            replicas: 3,
            min_insync_replicas: Some(2),
            unclean_election: Some(false),
            retention_bytes: Some(-1),
            max_message_bytes: Some(1_048_588),
        }),
    }
}

fn with(change: impl FnOnce(&mut TopicDescription, &mut BrokerSettings)) -> TopicDescription {
    let mut ledger = good();
    let mut brokers = ledger.brokers.take().unwrap();
    change(&mut ledger, &mut brokers);
    ledger.brokers = Some(brokers);
    ledger
}

/// Differences refused and warned of, in production.
fn counts(ledger: &TopicDescription) -> (usize, usize) {
    let findings = examine(ledger, 4, Durability::Production);
    (findings.refused.len(), findings.warned.len())
}

#[test]
fn a_ledger_as_it_must_be_is_taken_in_silence() {
    assert_eq!(counts(&good()), (0, 0));
    let embedded = TopicDescription {
        brokers: None,
        ..good()
    };
    assert_eq!(counts(&embedded), (0, 0), "no brokers, nothing to ask them");
}

#[test]
fn each_difference_that_breaks_the_fold_is_refused_everywhere() {
    let cases = [
        with(|ledger, _| ledger.partitions.truncate(3)),
        with(|ledger, _| ledger.append_time = Some(false)),
        with(|ledger, _| ledger.cleanup_policy = Some("compact,delete".to_owned())),
        with(|ledger, _| ledger.retention_ms = Some(RETENTION_MS_MIN - 1)),
        with(|_, brokers| brokers.retention_bytes = Some(1 << 40)),
        with(|_, brokers| brokers.max_message_bytes = Some(MESSAGE_BYTES_MIN - 1)),
    ];
    for ledger in cases {
        for durability in [Durability::Production, Durability::Development] {
            let findings = examine(&ledger, 4, durability);
            assert_eq!(findings.refused.len(), 1, "{ledger:?}");
            assert!(findings.warned.is_empty(), "{ledger:?}");
        }
    }
}

#[test]
fn a_finite_retention_that_is_long_enough_is_warned_of() {
    let ledger = with(|ledger, _| ledger.retention_ms = Some(RETENTION_MS_MIN));
    assert_eq!(counts(&ledger), (0, 1));
}

#[test]
fn what_loses_an_acknowledged_record_is_refused_in_production_and_warned_of_in_development() {
    let cases = [
        with(|_, brokers| brokers.replicas = 2),
        with(|_, brokers| brokers.min_insync_replicas = Some(1)),
        with(|_, brokers| brokers.min_insync_replicas = None),
        with(|_, brokers| brokers.unclean_election = Some(true)),
        with(|_, brokers| brokers.unclean_election = None),
    ];
    for ledger in cases {
        assert_eq!(counts(&ledger), (1, 0), "{ledger:?}");
        let findings = examine(&ledger, 4, Durability::Development);
        let counts = (findings.refused.len(), findings.warned.len());
        assert_eq!(counts, (0, 1), "{ledger:?}");
    }
}

#[test]
fn all_differences_are_told_at_once_with_one_command() {
    let ledger = with(|ledger, brokers| {
        ledger.partitions.truncate(3);
        ledger.append_time = Some(false);
        ledger.cleanup_policy = Some("compact".to_owned());
        brokers.replicas = 1;
        brokers.min_insync_replicas = Some(1);
    });
    let findings = examine(&ledger, 4, Durability::Production);
    let text = describe(&findings.refused, Some("kafka:9092"));
    for part in [
        "(1) it has 3 partitions and the configuration says 4",
        "(3) cleanup.policy is compact",
        "(4) it has 1 of the 3 copies",
        "set ledger.partitions = 3",
        "kafka-reassign-partitions.sh",
        "`kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name homeostat.ledger \
         --add-config message.timestamp.type=LogAppendTime,cleanup.policy=delete,min.insync.replicas=2`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
