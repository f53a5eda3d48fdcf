//! What a user has contributed to an arm, and to a day of a model.

use serde::{Deserialize, Serialize};

use super::counts::Day;
use super::metric::Metric;
use super::ratio::Part;

/// A user in an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exposure {
    /// Name of the experiment; empty for all lists.
    pub(super) experiment: String,
    /// The first arm in which the user was seen.
    pub(super) arm: String,
    /// Segment of the user then.
    pub(super) segment: String,
    /// What was shown and done.
    pub(super) totals: Totals,
}

impl Exposure {
    pub(super) fn new(experiment: &str, arm: &str, segment: &str) -> Self {
        Self {
            experiment: experiment.to_owned(),
            arm: arm.to_owned(),
            segment: segment.to_owned(),
            totals: Totals::default(),
        }
    }
}

/// Sums of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f64; 6]", from = "[f64; 6]")]
pub(super) struct Totals {
    pub(super) impressions: f64,
    pub(super) clicks: f64,
    pub(super) negatives: f64,
    pub(super) lists_timed: f64,
    pub(super) latency_ms: f64,
    pub(super) asked: f64,
}

impl From<Totals> for [f64; 6] {
    fn from(one: Totals) -> Self {
        [
            one.impressions,
            one.clicks,
            one.negatives,
            one.lists_timed,
            one.latency_ms,
            one.asked,
        ]
    }
}

impl From<[f64; 6]> for Totals {
    fn from(
        [
            impressions,
            clicks,
            negatives,
            lists_timed,
            latency_ms,
            asked,
        ]: [f64; 6],
    ) -> Self {
        Self {
            impressions,
            clicks,
            negatives,
            lists_timed,
            latency_ms,
            asked,
        }
    }
}

impl Totals {
    pub(super) fn add(&mut self, more: &Self) {
        let mut sums = <[f64; 6]>::from(*self);
        for (sum, more) in sums.iter_mut().zip(<[f64; 6]>::from(*more)) {
            *sum += more;
        }
        *self = sums.into();
    }

    fn part(&self, metric: Metric) -> Part {
        let (below, above) = match metric {
            Metric::ClickThrough => (self.impressions, self.clicks),
            Metric::NegativeFeedback => (self.impressions, self.negatives),
            Metric::LatencyMs => (self.lists_timed, self.latency_ms),
            Metric::Coverage => (self.asked, self.impressions),
        };
        Part { below, above }
    }

    /// The metrics whose parts differ, with both.
    pub(super) fn parts(self, after: &Self) -> impl Iterator<Item = (Metric, Part, Part)> {
        let after = *after;
        let both = Metric::ALL.map(|metric| (metric, self.part(metric), after.part(metric)));
        both.into_iter().filter(|(_, was, is)| was != is)
    }
}

/// A user on a day of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    day: Day,
    experiment: String,
    arm: String,
    model: String,
    /// Items shown and clicked.
    pub(super) clicks: Part,
}

impl Line {
    /// The one of a day; a new one if there is none, in place of the oldest if there are `max`.
    pub(super) fn find<'a>(
        lines: &'a mut Vec<Self>,
        day: Day,
        (experiment, arm): (&str, &str),
        model: &str,
        max: usize,
    ) -> &'a mut Self {
        // Only this day and the one before are still changed.
        lines.retain(|line| line.day.0 >= day.0 - 1);
        let is_it = |line: &Self| {
            line.day == day
                && line.experiment == experiment
                && line.arm == arm
                && line.model == model
        };
        let index = lines.iter().position(is_it).unwrap_or_else(|| {
            if lines.len() >= max {
                lines.remove(0);
            }
            lines.push(Self {
                day,
                experiment: experiment.to_owned(),
                arm: arm.to_owned(),
                model: model.to_owned(),
                clicks: Part::default(),
            });
            lines.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "found, or pushed just now")]
        &mut lines[index]
    }
}
