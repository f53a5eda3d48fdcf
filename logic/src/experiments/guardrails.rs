//! Guardrails: a metric that must not become worse than the control's by more than a margin.
//!
//! The question is put as one always-valid comparison, of the arm with the control's value less (or plus) the margin, so that
//! its answer can be looked at as often as one likes. It needs no other inference than a difference of arms does.

use schemars::JsonSchema;
use serde::Serialize;

use super::counts::Sums;
use super::inference::{Comparison, Contrast};
use super::metric::Metric;
use super::ratio::Ratio;
use super::settings::{Guardrail, StatisticsSettings};

/// What is known of a guardrail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// There are too few users or events.
    TooEarly,
    /// Both are possible.
    Open,
    /// It is not worse by more than the margin.
    Holds,
    /// It is worse by more than the margin.
    Breached,
}

/// A metric of an arm beside that of the control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The metric.
    pub metric: Metric,
    /// Share of the control's value by which it may be worse.
    pub margin: f64,
    /// Its sums in the arm.
    pub current: Ratio,
    /// Its sums in the control.
    pub baseline: Ratio,
    /// How far it is from the bound: above 0 on the good side.
    pub distance: Option<Contrast>,
    /// What is known.
    pub standing: Standing,
}

/// Whether there is enough of both to believe the inference.
pub(super) fn is_enough(
    metric: Metric,
    current: &Ratio,
    baseline: &Ratio,
    settings: &StatisticsSettings,
) -> bool {
    let users = current.users.min(baseline.users) >= settings.users_min as f64;
    let counts_events = matches!(metric, Metric::ClickThrough | Metric::NegativeFeedback);
    users && (!counts_events || current.above + baseline.above >= settings.clicks_min as f64)
}

/// Reads a guardrail, at a probability of a wrong answer of at most `alpha` at all times together.
pub fn read(
    metric: Metric,
    guardrail: Guardrail,
    arm: &Sums,
    control: &Sums,
    alpha: f64,
    settings: &StatisticsSettings,
) -> Reading {
    let of = |sums: &Sums| sums.get(metric as usize).copied().unwrap_or_default();
    let (current, baseline) = (of(arm), of(control));
    let sign = if metric.more_is_better() { 1.0 } else { -1.0 };
    let comparison = Comparison {
        factor: 1.0 - sign * guardrail.margin,
        is_share: metric.is_share(),
        ..Comparison::of(current, baseline)
    };
    let enough = is_enough(metric, &current, &baseline, settings);
    let distance = enough
        .then(|| comparison.read(alpha, settings.expected_effect))
        .flatten();
    let distance = distance.map(|contrast| contrast.signed(sign));
    let standing = distance.map_or(Standing::TooEarly, |distance| {
        if distance.interval.low > 0.0 {
            Standing::Holds
        } else if distance.interval.high < 0.0 {
            Standing::Breached
        } else {
            Standing::Open
        }
    });
    Reading {
        metric,
        margin: guardrail.margin,
        current,
        baseline,
        distance,
        standing,
    }
}
