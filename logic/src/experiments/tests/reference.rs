//! Numbers of reference implementations, committed with how they were made.

use super::super::inference::{always_valid, wilson};
use super::super::mismatch::Mismatch;

/// `scripts/reference_intervals` prints this table, by `confseq` (Howard et al.): variance of the estimate, mixture variance, alpha;
/// half of the width of the interval.
const NORMAL_MIXTURE: &str = include_str!("reference/normal_mixture.csv");
/// The same by `savvi` 0.3.1 (Lindon): counts, declared weights, concentration 1000; p-value.
const MULTINOMIAL: &str = include_str!("reference/multinomial.csv");

fn rows(text: &str) -> Vec<Vec<f64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<f64>> = lines
        .map(|line| {
            line.split(',')
                .map(|cell| cell.trim().parse().unwrap())
                .collect()
        })
        .collect();
    assert!(rows.len() >= 10);
    rows
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-6 * expected.abs().max(1e-9)
}

#[test]
fn the_normal_mixture_is_that_of_confseq() {
    for row in rows(NORMAL_MIXTURE) {
        let [variance, mixture, alpha, half] = row[..] else {
            panic!("{row:?}");
        };
        let found = always_valid(0.0, variance, mixture, alpha).unwrap();
        assert!(
            close(found.interval.high, half),
            "{row:?}: {}",
            found.interval.high
        );
        // At the end of the interval, the p-value of no difference is alpha.
        let end = always_valid(half, variance, mixture, alpha).unwrap();
        assert!(close(end.p, alpha), "{row:?}: {}", end.p);
    }
}

#[test]
fn the_mismatch_is_that_of_savvi() {
    for row in rows(MULTINOMIAL) {
        let [a, b, c, weight_a, weight_b, weight_c, p] = row[..] else {
            panic!("{row:?}");
        };
        let weights = [("a", weight_a), ("b", weight_b), ("c", weight_c)];
        let users = [("a", a), ("b", b), ("c", c)];
        let found = Mismatch::of(
            &weights.map(|(arm, weight)| (arm.to_owned(), weight)).into(),
            &users
                .map(|(arm, users)| (arm.to_owned(), users as u64))
                .into(),
        );
        assert!(close(found.p, p), "{row:?}: {}", found.p);
    }
}

#[test]
fn the_fixed_interval_is_wilsons() {
    // statsmodels.stats.proportion.proportion_confint(count, total, method="wilson").
    let cases = [
        (0.0, 10.0, 0.0, 0.277_532_8),
        (5.0, 10.0, 0.236_593_1, 0.763_406_9),
        (10.0, 10.0, 0.722_467_2, 1.0),
        (30.0, 1_000.0, 0.021_093_7, 0.042_503_4),
    ];
    for (count, total, low, high) in cases {
        let found = wilson(count / total, total).unwrap();
        assert!(
            (found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6,
            "{found:?}"
        );
    }
    assert_eq!(wilson(0.5, 0.0), None);
    assert_eq!(wilson(f64::NAN, 10.0), None);
}
