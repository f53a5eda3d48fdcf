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

/// Floor and ours by turns. Each closure does `items` pieces of work and says how long that took.
pub(crate) fn compare(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    items: u64,
    mut ours: impl FnMut() -> Duration,
    floors: &mut [(&str, &mut dyn FnMut() -> Duration)],
) {
    let mut rounds: Vec<(Duration, Vec<Duration>)> = Vec::new();
    group.throughput(Throughput::Elements(items));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let (mut own, mut others) = (Duration::ZERO, vec![Duration::ZERO; floors.len()]);
            for _ in 0..iterations {
                for ((_, floor), spent) in floors.iter_mut().zip(&mut others) {
                    *spent += floor();
                }
                own += ours();
            }
            let each = |spent: Duration| spent.div_f64(iterations as f64);
            rounds.push((each(own), others.into_iter().map(each).collect()));
            own
        });
    });
    let own = median(rounds.iter().map(|(own, _)| own.as_secs_f64()));
    if floors.is_empty() {
        row(name, items, own, None);
    }
    for (index, (floor, _)) in floors.iter().enumerate() {
        let spent = rounds.iter().map(|(_, others)| others[index].as_secs_f64());
        let ratios = rounds
            .iter()
            .map(|(own, others)| others[index].div_duration_f64(*own));
        row(
            name,
            items,
            own,
            Some((floor, median(spent), median(ratios))),
        );
    }
}

/// Repeats a small function as one piece of work for [`compare`].
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let began = std::time::Instant::now();
    work();
    began.elapsed()
}

fn row(name: &str, items: u64, own: f64, floor: Option<(&str, f64, f64)>) {
    let rate = |seconds: f64| amount(items as f64 / seconds);
    let text = match floor {
        Some((floor, spent, ratio)) => {
            format!(
                "| {name} | {}/s | {floor}: {}/s | {ratio:.2} |",
                rate(own),
                rate(spent)
            )
        }
        None => format!("| {name} | {}/s | - | - |", rate(own)),
    };
    note(&text);
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
