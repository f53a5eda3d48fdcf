//! What decoding one event costs, per type, beside `serde_json` reading the same bytes into a minimal struct.
//!
//! Ours bounds size, depth and names, takes any type in any field and shares names; the floor does none of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench ends at the first surprise and prints its result"
)]

mod support;

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homeostat_logic::envelope::decode_record;
use homeostat_logic::event::Names;
use serde::Deserialize;

use support::events::SAMPLES;
use support::{compare, timed};

/// Events of each type, all different.
const EVENTS: u64 = 512;

/// What rules look at, and nothing else.
#[derive(Deserialize)]
struct Minimal<'a> {
    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    severity: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    service: Option<Cow<'a, str>>,
    drift_score: Option<f64>,
    performance_drop: Option<f64>,
}

impl Minimal<'_> {
    /// Touches every field, so that none is optimised away.
    fn weight(&self) -> usize {
        [
            &self.event_type,
            &self.severity,
            &self.model_version,
            &self.model_name,
            &self.service,
        ]
        .into_iter()
        .flatten()
        .map(|text| text.len())
        .sum::<usize>()
            + usize::from(self.drift_score.or(self.performance_drop).is_some())
    }
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for sample in &SAMPLES {
        let topic = sample.topic();
        let events: Vec<String> = (0..EVENTS).map(sample.event).collect();
        let mut names = Names::default();
        let known = decode_record(Some(events[0].as_bytes()), &[], topic, &mut names).unwrap();
        assert_eq!(&*known.event.event_type, sample.name);
        let ours = || {
            timed(|| {
                for event in &events {
                    let event =
                        decode_record(Some(black_box(event.as_bytes())), &[], topic, &mut names);
                    black_box(event.unwrap());
                }
            })
        };
        let mut floor = || {
            timed(|| {
                for event in &events {
                    let event: Minimal<'_> = serde_json::from_str(black_box(event)).unwrap();
                    black_box(event.weight());
                }
            })
        };
        let name = format!("decode {} ({} B)", sample.name, events[0].len());
        compare(
            &mut group,
            &name,
            EVENTS,
            ours,
            &mut [("serde_json into a struct", &mut floor)],
        );
        // Bytes per second too.
        let bytes: usize = events.iter().map(String::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("bytes of {}", sample.name), |bencher| {
            let mut names = Names::default();
            bencher.iter(|| {
                for event in &events {
                    let event = decode_record(Some(event.as_bytes()), &[], topic, &mut names);
                    black_box(event.unwrap());
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
