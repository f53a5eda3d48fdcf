//! Whether users are divided between arms as declared: a sample-ratio mismatch means that the experiment is broken, whatever
//! its rates say.
//!
//! The sequential multinomial test of Lindon & Malek (2022, "Anytime-valid inference for multinomial count data"): the Bayes
//! factor of a Dirichlet mixture around the declared shares against these. Under the declared shares it ever exceeds
//! 1 / alpha with probability at most alpha, so that it can be looked at after every user.

use std::collections::BTreeMap;

/// Concentration of the mixture: deviations of about a percentage point are found fastest.
const CONCENTRATION: f64 = 1_000.0;

/// Counts beside declared weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Users by arm.
    pub users: BTreeMap<String, u64>,
    /// Users by arm that were to be expected.
    pub expected: BTreeMap<String, f64>,
    /// Probability of as large a deviation at any time, if users are divided as declared.
    pub p: f64,
}

impl Mismatch {
    /// The reading of the users that each arm has. An arm of weight 0 that has users is a certain mismatch.
    pub fn of(weights: &BTreeMap<String, f64>, users: &BTreeMap<String, u64>) -> Self {
        let sum: f64 = weights.values().sum();
        let total: u64 = users.values().sum();
        let share = |arm: &str| weights.get(arm).map_or(0.0, |weight| weight / sum);
        let arms = weights.keys().chain(users.keys());
        let counts: BTreeMap<String, u64> = arms
            .map(|arm| (arm.clone(), users.get(arm).copied().unwrap_or_default()))
            .collect();
        let evidence = evidence(
            counts
                .iter()
                .map(|(arm, users)| (share(arm), *users as f64)),
        );
        Self {
            expected: counts
                .keys()
                .map(|arm| (arm.clone(), share(arm) * total as f64))
                .collect(),
            users: counts,
            p: (-evidence).exp().min(1.0),
        }
    }
}

/// Logarithm of the Bayes factor, of shares and counts.
fn evidence(arms: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut evidence, mut total) = (0.0, 0.0);
    for (share, count) in arms {
        if count == 0.0 {
            continue;
        }
        if share <= 0.0 {
            return f64::INFINITY;
        }
        let prior = CONCENTRATION * share;
        evidence += ln_gamma(prior + count) - ln_gamma(prior) - count * share.ln();
        total += count;
    }
    evidence + ln_gamma(CONCENTRATION) - ln_gamma(CONCENTRATION + total)
}

/// Logarithm of the gamma function above 0, by Stirling's series for 10 and more and its recurrence below; relative error below 1e-12.
fn ln_gamma(value: f64) -> f64 {
    let (mut value, mut below) = (value, 0.0);
    while value < 10.0 {
        below += value.ln();
        value += 1.0;
    }
    let square = value * value;
    let series = 1.0 / 12.0
        - (1.0 / 360.0
            - (1.0 / 1_260.0 - (1.0 / 1_680.0 - 1.0 / (1_188.0 * square)) / square) / square)
            / square;
    let half_ln_two_pi = 0.918_938_533_204_672_7;
    (value - 0.5) * value.ln() - value + half_ln_two_pi + series / value - below
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "1 and 0 are exact")]

    use super::*;

    fn of<const N: usize>(arms: [(&str, f64, u64); N]) -> Mismatch {
        let weights = arms
            .iter()
            .map(|(arm, weight, _)| ((*arm).to_owned(), *weight));
        let users = arms
            .iter()
            .map(|(arm, _, users)| ((*arm).to_owned(), *users));
        Mismatch::of(&weights.collect(), &users.collect())
    }

    #[test]
    fn the_gamma_function_is_that_of_the_tables() {
        // math.lgamma of Python.
        let cases = [
            (0.5, 0.572_364_942_924_700_1),
            (1.0, 0.0),
            (2.0, 0.0),
            (10.0, 12.801_827_480_081_467),
            (333.3, 1_600.868_694_070_529_7),
            (1e6, 12_815_504.569_147_611),
        ];
        for (value, expected) in cases {
            let found = ln_gamma(value);
            assert!(
                (found - expected).abs() <= 1e-11 * expected.abs().max(1.0),
                "{value}: {found}"
            );
        }
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "these are exact")]
    fn what_is_expected_is_no_mismatch_and_what_cannot_be_is_one() {
        let half = of([("candidate", 1.0, 5_000), ("control", 1.0, 5_000)]);
        assert_eq!(half.p, 1.0);
        assert_eq!(half.expected["control"], 5_000.0);
        assert_eq!(of([("a", 1.0, 0), ("b", 1.0, 0)]).p, 1.0);
        assert_eq!(of([("a", 1.0, 10), ("b", 0.0, 1)]).p, 0.0);
        let one_in_ten = of([("a", 9.0, 9_000), ("b", 1.0, 1_000)]);
        assert_eq!(one_in_ten.p, 1.0);
    }

    #[test]
    fn two_percentage_points_are_found_within_twenty_thousand_users() {
        assert!(of([("a", 1.0, 520), ("b", 1.0, 480)]).p > 0.1);
        assert!(of([("a", 1.0, 10_400), ("b", 1.0, 9_600)]).p < 0.001);
    }
}
