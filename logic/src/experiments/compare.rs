//! The arms of an experiment beside its control, as verdicts and reports read them.

use std::collections::BTreeMap;

use super::arms::Experiment;
use super::counts::{Counts, Sums};
use super::guardrails::{self, Reading, is_enough};
use super::inference::{Comparison, Contrast};
use super::metric::Metric;
use super::mismatch::Mismatch;
use super::ratio::Ratio;
use super::settings::StatisticsSettings;

/// An arm beside the control.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compared {
    /// The arm.
    pub(super) arm: String,
    /// Its clicks.
    pub(super) current: Ratio,
    /// The control's.
    pub(super) baseline: Ratio,
    /// The difference of the click-through rates; `None` if it is too early.
    pub(super) contrast: Option<Contrast>,
    /// The guardrails.
    pub(super) guardrails: Vec<Reading>,
}

/// The sums of an arm.
pub(super) fn sums(counts: &Counts, experiment: &str, arm: &str) -> Sums {
    let names = (counts.names.find(experiment), counts.names.find(arm));
    let (Some(experiment), Some(arm)) = names else {
        return Sums::default();
    };
    counts
        .arms
        .get(&(experiment, arm))
        .copied()
        .unwrap_or_default()
}

/// Every arm but the control beside the control. The probability of a wrong answer of all of them together is alpha: each has
/// its share, and so has each guardrail.
pub(super) fn arms(
    counts: &Counts,
    experiment: &Experiment,
    settings: &StatisticsSettings,
) -> Vec<Compared> {
    let control = sums(counts, experiment.name(), experiment.control());
    let [baseline, ..] = control;
    let others = experiment
        .arms()
        .keys()
        .filter(|arm| *arm != experiment.control());
    let alpha = settings.alpha / (experiment.arms().len().max(2) - 1) as f64;
    let compared = others.map(|arm| {
        let own = sums(counts, experiment.name(), arm);
        let [current, ..] = own;
        let enough = is_enough(Metric::ClickThrough, &current, &baseline, settings);
        let comparison = Comparison::of(current, baseline);
        let contrast = enough
            .then(|| comparison.read(alpha, settings.expected_effect))
            .flatten();
        let of_each = alpha / experiment.guardrails().len().max(1) as f64;
        let guardrails = experiment.guardrails().iter().map(|(metric, guardrail)| {
            guardrails::read(*metric, *guardrail, &own, &control, of_each, settings)
        });
        Compared {
            arm: arm.clone(),
            current,
            baseline,
            contrast,
            guardrails: guardrails.collect(),
        }
    });
    compared.collect()
}

/// Users of each arm beside the declared weights, of those who came under these weights.
pub(super) fn mismatch(counts: &Counts, experiment: &Experiment) -> Mismatch {
    let names = (
        counts.names.find(experiment.name()),
        counts.names.find(experiment.epoch()),
    );
    let mut users = BTreeMap::new();
    if let (Some(name), Some(epoch)) = names {
        let entries = counts.entries.iter();
        let own = entries.filter(|((one, other, _), _)| (*one, *other) == (name, epoch));
        users.extend(own.map(|((.., arm), users)| (counts.names.text(*arm).to_owned(), *users)));
    }
    Mismatch::of(experiment.arms(), &users)
}

/// A value of a metric for people: shares in percent, times in milliseconds.
pub(super) fn shown(metric: Metric, value: f64) -> String {
    if metric.is_share() {
        format!("{:.2} %", value * 100.0)
    } else {
        format!("{value:.1} ms")
    }
}
