//! Consume, decode, route, decide: records per second through Kafka's client and the real actors, beside one thread that
//! polls a bare `BaseConsumer` and decodes the same records.
//!
//! The records lie in librdkafka's mock cluster, which keeps 5 MiB or 100,000 records per partition, hence 24 partitions
//! and lz4; with `KAFKA_BOOTSTRAP` set, in that broker. Two streams: events that are judged and need no record (the cost
//! of the way itself), and events that each yield a proposal, written by judge, `propose` and `encode` and acknowledged by
//! the log at once.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench ends at the first surprise and prints its result"
)]

#[path = "support/actors.rs"]
mod actors;
#[path = "support/kafka.rs"]
mod kafka;
mod support;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

use kafka::{Broker, Stream};
use support::compare;

/// Records per partition and round.
const RECORDS: i64 = 20_000;
/// The same in criterion's test mode, which only shows that it works.
const RECORDS_IN_TEST: i64 = 500;

fn pipeline(criterion: &mut Criterion) {
    let testing = std::env::args().any(|argument| argument == "--test");
    let records = if testing { RECORDS_IN_TEST } else { RECORDS };
    let broker = Broker::new();
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for stream in [&Stream::JUDGED, &Stream::PROPOSED] {
        let records = if stream.proposes {
            records / 8
        } else {
            records
        };
        broker.fill(stream, records);
        let total = u64::try_from(records).unwrap() * u64::from(kafka::PARTITIONS.unsigned_abs());
        let mut floor = || kafka::bare(&broker, stream, total);
        let ours = || kafka::ours(&broker, stream, total);
        compare(
            &mut group,
            stream.name,
            total,
            ours,
            &mut [("BaseConsumer + decode, one thread", &mut floor)],
        );
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
