//! Finds the Kafka broker the tests shall use.

use std::sync::Once;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// Address of the broker, from `KAFKA_BOOTSTRAP`. Without it Kafka is not tested: said once, and an error where `CI` is
/// set, because there nobody reads.
pub(crate) fn bootstrap() -> Option<String> {
    static SAID: Once = Once::new();
    let address = std::env::var("KAFKA_BOOTSTRAP")
        .ok()
        .filter(|address| !address.is_empty());
    if address.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "KAFKA_BOOTSTRAP is not set; use scripts/test"
        );
        SAID.call_once(|| eprintln!("not run: Kafka (set KAFKA_BOOTSTRAP or use scripts/test)"));
    }
    address
}

/// Runs `scripts/kafka` on a broker of the test's own, in a directory that `KAFKA_RESTARTABLE` names; answers what it
/// printed. `None` without that variable: the shared broker must not be stopped under other tests.
pub(crate) fn restart_command() -> Option<impl Fn(&str) -> String + Send + 'static> {
    let directory = std::env::var("KAFKA_RESTARTABLE")
        .ok()
        .filter(|directory| !directory.is_empty());
    if directory.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "KAFKA_RESTARTABLE is not set; use scripts/test"
        );
    }
    let directory = directory?;
    Some(move |what: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka");
        let output = std::process::Command::new(script)
            .args([what, "--dir", &directory])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "scripts/kafka {what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// Longest wait for the broker in a transaction.
const TRANSACTION: Duration = Duration::from_secs(30);

/// A transaction of so many records to one partition that is still open.
pub(crate) fn open_transaction(
    address: &str,
    topic: &str,
    partition: i32,
    records: usize,
) -> BaseProducer {
    open_transaction_of(address, topic, partition, &vec!["transaction"; records])
}

/// A transaction of these values to one partition that is still open.
pub(crate) fn open_transaction_of(
    address: &str,
    topic: &str,
    partition: i32,
    values: &[&str],
) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set(
            "transactional.id",
            format!("transaction-{}", uuid::Uuid::new_v4()),
        )
        .create()
        .unwrap();
    producer.init_transactions(TRANSACTION).unwrap();
    producer.begin_transaction().unwrap();
    for value in values {
        let record = BaseRecord::<(), str>::to(topic).payload(value);
        let sent = producer.send(record.partition(partition));
        sent.map_err(|(error, _)| error).unwrap();
    }
    producer.flush(TRANSACTION).unwrap();
    producer
}

/// Ends a transaction. Its marker is one more offset of the partition.
pub(crate) fn end_transaction(producer: &BaseProducer, commit: bool) {
    let ended = if commit {
        producer.commit_transaction(TRANSACTION)
    } else {
        producer.abort_transaction(TRANSACTION)
    };
    ended.unwrap();
}

/// A whole transaction.
pub(crate) fn transact(address: &str, topic: &str, partition: i32, records: usize, commit: bool) {
    end_transaction(
        &open_transaction(address, topic, partition, records),
        commit,
    );
}
