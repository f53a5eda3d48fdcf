//! Shared by the benches: sample events, and comparing with a floor in interleaved rounds.
//!
//! On a shared machine two functions measured one after the other meet different weather. So each of criterion's samples
//! runs the floor and ours in turn; criterion reports ours, and the ratio is the median over the pairs.
#![allow(dead_code, reason = "each bench uses its own part")]

pub(crate) mod events;

use std::io::Write as _;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};

/// Names a file that one Markdown row per comparison is appended to; `scripts/bench` makes the table of them.
const TABLE: &str = "BENCH_TABLE";

/// What one side of a comparison cost, in seconds.
#[derive(Clone, Copy, Default)]
struct Cost {
    time: f64,
    /// Of all threads of this process.
    processor: f64,
}

impl Cost {
    fn of(work: &mut dyn FnMut() -> Duration) -> (Duration, Self) {
        let began = processor_time();
        let time = work();
        let processor = processor_time().saturating_sub(began).as_secs_f64();
        let cost = Self {
            time: time.as_secs_f64(),
            processor,
        };
        (time, cost)
    }

    fn add(&mut self, other: Self) {
        self.time += other.time;
        self.processor += other.processor;
    }

    fn over(self, iterations: f64) -> Self {
        Self {
            time: self.time / iterations,
            processor: self.processor / iterations,
        }
    }

    fn median(costs: impl Iterator<Item = Self> + Clone) -> Self {
        Self {
            time: median(costs.clone().map(|cost| cost.time)),
            processor: median(costs.map(|cost| cost.processor)),
        }
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap()
}

/// Floor and ours by turns. Each closure does `items` pieces of work and says how long that took.
pub(crate) fn compare(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    items: u64,
    mut ours: impl FnMut() -> Duration,
    floors: &mut [(&str, &mut dyn FnMut() -> Duration)],
) {
    let mut rounds: Vec<(Cost, Vec<Cost>)> = Vec::new();
    group.throughput(Throughput::Elements(items));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut whole = Duration::ZERO;
            let (mut own, mut others) = (Cost::default(), vec![Cost::default(); floors.len()]);
            for _ in 0..iterations {
                for ((_, floor), spent) in floors.iter_mut().zip(&mut others) {
                    spent.add(Cost::of(floor).1);
                }
                let (time, cost) = Cost::of(&mut ours);
                whole += time;
                own.add(cost);
            }
            let each = |spent: Cost| spent.over(iterations as f64);
            rounds.push((each(own), others.into_iter().map(each).collect()));
            whole
        });
    });
    let own = Cost::median(rounds.iter().map(|(own, _)| *own));
    if floors.is_empty() {
        row(name, items, own, None);
    }
    for (index, (floor, _)) in floors.iter().enumerate() {
        let spent = Cost::median(rounds.iter().map(|(_, others)| others[index]));
        let ratios = rounds
            .iter()
            .map(|(own, others)| others[index].time / own.time);
        row(name, items, own, Some((floor, spent, median(ratios))));
    }
}

/// Repeats a small function as one piece of work for [`compare`].
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let began = std::time::Instant::now();
    work();
    began.elapsed()
}

fn row(name: &str, items: u64, own: Cost, floor: Option<(&str, Cost, f64)>) {
    let items = items as f64;
    let cost = |cost: Cost| {
        let (rate, processor) = (items / cost.time, cost.processor / items);
        format!("{}/s, {}", amount(rate), small(processor))
    };
    let text = match floor {
        Some((floor, spent, ratio)) => {
            format!(
                "| {name} | {} | {floor}: {} | {ratio:.2} |",
                cost(own),
                cost(spent)
            )
        }
        None => format!("| {name} | {} | - | - |", cost(own)),
    };
    note(&text);
}

/// Processor time of one piece of work.
fn small(seconds: f64) -> String {
    match seconds * 1e9 {
        nanos if nanos >= 9_995.0 => format!("{:.0} µs", nanos / 1e3),
        nanos if nanos >= 995.0 => format!("{:.1} µs", nanos / 1e3),
        nanos => format!("{nanos:.0} ns"),
    }
}

/// Shows a row, and keeps it for the table if there is one.
pub(crate) fn note(row: &str) {
    println!("{row}");
    if let Some(path) = std::env::var_os(TABLE) {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        writeln!(file.unwrap(), "{row}").unwrap();
    }
}

/// Three figures are more than a noisy machine is worth.
pub(crate) fn amount(number: f64) -> String {
    match number {
        _ if number >= 9.995e5 => format!("{:.2} M", number / 1e6),
        _ if number >= 1e4 => format!("{:.0} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
