//! The answer of `GET /api/v1/recommendations/stats`.

use schemars::JsonSchema;
use serde::Serialize;

use super::arms::{Experiment, State};
use super::counts::{Counts, Day};
use super::experiment_report::{ExperimentReport, removed, report_of};
use super::inference::design_effect;
use super::names::EVERYTHING;
use super::ratio::Ratio;
use super::settings::StatisticsSettings;
use super::tables::{Counted, Row, Tables};
use super::verdict::{Subject, Watch};
use crate::clock_text::rfc3339;
use crate::ledger::record::Millis;

/// What was shown and clicked, and how the arms of experiments compare.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RecommendationStats {
    /// When it was computed.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Millis,
    /// Minutes after an impression in which a click counts for it.
    pub attribution_minutes: u32,
    /// Everything, in words.
    pub reading: String,
    /// All days together.
    pub total: Counted,
    /// What was not counted as an impression or a click, and why.
    pub left_out: LeftOut,
    /// By day of the impression, UTC, oldest first. Days that are no longer kept apart are `earlier`.
    pub days: Vec<Row>,
    /// By place in the list.
    pub positions: Vec<Row>,
    /// By segment of the user.
    pub segments: Vec<Row>,
    /// By model.
    pub models: Vec<Row>,
    /// Experiments that are declared, and those that were.
    pub experiments: Vec<ExperimentReport>,
    /// Drops that were found and go on.
    pub degraded: Vec<DegradedReport>,
}

/// What was not counted, over the days that are kept and those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Lists that were served again, and counted once.
    pub repeated_lists: u64,
    /// Clicks and negative feedback that came again.
    pub repeated_reactions: u64,
    /// Items shown beyond what counts of a user in an hour.
    pub excluded_impressions: u64,
    /// Clicks and negative feedback beyond that, or on items that were excluded.
    pub excluded_reactions: u64,
    /// Clicks and negative feedback for which no impression within the window was found.
    pub unattributed: u64,
    /// Lists of an arm that is not the user's first one: not part of the comparison.
    pub other_arm_lists: u64,
}

/// A drop that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DegradedReport {
    /// What dropped.
    pub model: String,
    /// Its experiment, if it was compared with another arm.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub experiment: String,
    /// Its arm.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arm: String,
    /// The metric.
    pub metric: super::metric::Metric,
    /// When it was found and published.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Millis,
}

impl RecommendationStats {
    /// The report of the sum of all shards.
    pub fn of(
        counts: &Counts,
        experiments: &[Experiment],
        watch: &Watch,
        settings: &StatisticsSettings,
        now: Millis,
    ) -> Self {
        let all = Tables::of(counts, EVERYTHING, None);
        let sums = counts
            .arms
            .get(&(EVERYTHING, EVERYTHING))
            .copied()
            .unwrap_or_default();
        let [clicks, ..] = sums;
        let effect = design_effect(&clicks);
        let mut reports: Vec<ExperimentReport> = experiments
            .iter()
            .map(|one| report_of(counts, one, settings, now))
            .collect();
        reports.extend(removed(counts, experiments));
        let total = Counted::of(&all.total, effect);
        Self {
            time: now,
            attribution_minutes: settings.attribution_minutes,
            reading: reading(&total, &clicks, &reports, watch),
            total,
            left_out: left_out(counts),
            days: all.days(effect, |day| day_effect(counts, day)),
            positions: all.positions(effect),
            segments: all.segments(counts, |_| Some(effect)),
            models: all.models(counts, effect),
            experiments: reports,
            degraded: watch
                .episodes()
                .iter()
                .map(|(subject, episode)| degraded(subject, episode.since))
                .collect(),
        }
    }
}

/// The design effect of a day, over its models.
fn day_effect(counts: &Counts, day: Day) -> Option<f64> {
    let first = (day, EVERYTHING, EVERYTHING, EVERYTHING);
    let of_day = counts
        .lines
        .range(first..)
        .take_while(|((one, ..), _)| *one == day);
    let of_all = of_day.filter(|((_, experiment, ..), _)| *experiment == EVERYTHING);
    let mut sum = Ratio::default();
    of_all.for_each(|(_, ratio)| sum.add(ratio));
    (sum.users >= 2.0).then(|| design_effect(&sum))
}

fn left_out(counts: &Counts) -> LeftOut {
    let mut sum = super::counts::Daily::default();
    counts.days.values().for_each(|day| sum.add(day));
    LeftOut {
        repeated_lists: sum.repeated_lists,
        repeated_reactions: sum.repeated_reactions,
        excluded_impressions: sum.excluded_impressions,
        excluded_reactions: sum.excluded_reactions,
        unattributed: sum.unattributed.saturating_sub(sum.attributed_later),
        other_arm_lists: sum.other_arm_lists,
    }
}

fn degraded(subject: &Subject, since: Millis) -> DegradedReport {
    DegradedReport {
        model: subject.model.clone(),
        experiment: subject.experiment.clone(),
        arm: subject.arm.clone(),
        metric: subject.metric,
        since,
    }
}

fn reading(total: &Counted, users: &Ratio, reports: &[ExperimentReport], watch: &Watch) -> String {
    let Some(rate) = total.click_through else {
        return "No recommendation was shown yet.".to_owned();
    };
    let mut sentences = vec![format!(
        "{} items were shown to {} users, and {} were clicked: {:.2} % ({:.2} to {:.2} %).",
        total.impressions,
        users.users,
        total.clicks,
        rate.value * 100.0,
        rate.low * 100.0,
        rate.high * 100.0,
    )];
    let running = reports.iter().filter(|one| one.state == State::Running);
    sentences.extend(running.map(|report| format!("{}: {}", report.name, report.reading)));
    sentences.extend(watch.episodes().iter().map(|(subject, _)| {
        let name = if subject.arm.is_empty() {
            &subject.model
        } else {
            &subject.arm
        };
        format!("{name} is degraded: {}.", subject.metric.words())
    }));
    sentences.join(" ")
}
