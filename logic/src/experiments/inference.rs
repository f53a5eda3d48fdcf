//! Rates with intervals: fixed ones, for reading once, and always-valid ones, for reading as often as one likes.
//!
//! Users are the unit: arms are drawn for users, and a user's clicks are not independent. So the variance of a rate is that of
//! a ratio over users ([`Ratio::variance`]), and never less than that of as many independent clicks.
//!
//! The always-valid interval is the two-sided normal mixture (Robbins 1970; Howard et al. 2021) as an asymptotic confidence
//! sequence (Waudby-Smith et al. 2024), which inverts the mixture sequential test of Johari et al. (2017). With estimate `d`,
//! its variance `V` and a mixture variance `T`, it is `d ± sqrt(V (V + T) / T · ln((V + T) / (V alpha²)))`. Asymptotic: it needs
//! [`StatisticsSettings::users_min`](super::StatisticsSettings::users_min) users before it is believed. docs/experiments.md has
//! the titles of these papers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ratio::Ratio;

/// From where to where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The 97.5 % quantile of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share (Wilson 1927), of `total` independent trials, which need not be a whole number.
/// `None` without trials.
pub fn wilson(share: f64, total: f64) -> Option<Interval> {
    if !(total > 0.0 && (0.0..=1.0).contains(&share)) {
        return None;
    }
    let square = Z95 * Z95;
    let centre = share + square / (2.0 * total);
    let spread = Z95 * (share * (1.0 - share) / total + square / (4.0 * total * total)).sqrt();
    let scale = 1.0 + square / total;
    Some(Interval {
        low: ((centre - spread) / scale).max(0.0),
        high: ((centre + spread) / scale).min(1.0),
    })
}

/// How many times the variance of independent trials that of the ratio over users is; at least 1.
pub fn design_effect(ratio: &Ratio) -> f64 {
    let effect = ratio.value().zip(ratio.variance()).map(|(rate, variance)| {
        let independent = rate * (1.0 - rate) / ratio.below;
        variance / independent
    });
    effect
        .filter(|effect| effect.is_finite())
        .map_or(1.0, |effect| effect.max(1.0))
}

/// Which comparison is made of two ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The arm.
    pub current: Ratio,
    /// What it is compared with.
    pub baseline: Ratio,
    /// Factor on the baseline: 1 for the difference; 0.9 to ask whether the arm lost more than 10 %.
    pub factor: f64,
    /// Variance beside that over users, such as that between days.
    pub extra_variance: f64,
    /// Whether both are shares, whose variance has a floor.
    pub is_share: bool,
}

/// An estimate that can be looked at as often as one likes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// The current ratio less `factor` times the baseline.
    pub estimate: f64,
    /// Its variance.
    pub variance: f64,
    /// Where it is, with probability 1 - alpha at all times together.
    pub interval: Interval,
    /// The always-valid p-value of no difference: at most alpha exactly when the interval leaves out 0.
    pub p: f64,
}

impl Comparison {
    /// The difference of two arms.
    pub const fn of(current: Ratio, baseline: Ratio) -> Self {
        Self {
            current,
            baseline,
            factor: 1.0,
            extra_variance: 0.0,
            is_share: true,
        }
    }

    /// The always-valid reading. `effect` is the relative difference that it finds fastest. `None` without data.
    pub fn read(&self, alpha: f64, effect: f64) -> Option<Contrast> {
        let (current, baseline) = (self.current.value()?, self.baseline.value()?);
        let [above, below] = [
            self.current.above + self.baseline.above,
            self.current.below + self.baseline.below,
        ];
        // Of a share, one more of either, so that what never or always happened has a variance.
        let pooled = if self.is_share {
            (above + 1.0) / (below + 2.0)
        } else {
            above / below
        };
        let of = |ratio: &Ratio| -> Option<f64> {
            let users = ratio.variance()?;
            let floor = (pooled * (1.0 - pooled) / ratio.below).max(0.0);
            Some(if self.is_share {
                users.max(floor)
            } else {
                users
            })
        };
        let variance = of(&self.current)?
            + self.factor * self.factor * of(&self.baseline)?
            + self.extra_variance;
        let scale = (effect * pooled).abs();
        always_valid(
            current - self.factor * baseline,
            variance,
            scale * scale,
            alpha,
        )
    }
}

/// The always-valid interval and p-value of an estimate with this variance; `mixture` is the variance of the differences that
/// are expected. `None` if a variance is not above 0.
pub fn always_valid(estimate: f64, variance: f64, mixture: f64, alpha: f64) -> Option<Contrast> {
    if !(variance > 0.0 && mixture > 0.0 && variance.is_finite() && estimate.is_finite()) {
        return None;
    }
    let sum = variance + mixture;
    let half = (variance * sum / mixture * (sum / (variance * alpha * alpha)).ln()).sqrt();
    // Logarithm of the mixture of likelihood ratios against no difference.
    let evidence =
        0.5 * (variance / sum).ln() + mixture * estimate * estimate / (2.0 * variance * sum);
    Some(Contrast {
        estimate,
        variance,
        interval: Interval {
            low: estimate - half,
            high: estimate + half,
        },
        p: (-evidence).exp().min(1.0),
    })
}

impl Contrast {
    /// The same with the other sign, if `sign` is below 0.
    #[must_use]
    pub(super) fn signed(self, sign: f64) -> Self {
        if sign >= 0.0 {
            return self;
        }
        Self {
            estimate: -self.estimate,
            interval: Interval {
                low: -self.interval.high,
                high: -self.interval.low,
            },
            ..self
        }
    }
}
