//! Sums of counters by one of their dimensions, with their rates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::counts::{Cell, Counts, Day};
use super::inference::wilson;
use super::names::Name;
use super::position::Position;
use crate::clock_text::format_time;

/// Counts of a group, with its click-through rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Counted {
    /// Items shown.
    pub impressions: u64,
    /// Of these, clicked within the window.
    pub clicks: u64,
    /// Of these, with negative feedback.
    pub negative_feedback: u64,
    /// Clicks for each item shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_through: Option<Rate>,
}

/// A rate with a fixed 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Rate {
    /// The rate.
    pub value: f64,
    /// Lower end of Wilson's 95 % interval, where as many clicks of one user count as fewer independent ones. It is right for
    /// one look at a time fixed before; the intervals of comparisons are right for any number of looks.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Counts of a part.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// Which part.
    pub name: String,
    /// Its counts.
    #[serde(flatten)]
    pub counted: Counted,
}

impl Counted {
    /// Of a group; `effect` is how many times the variance is that of independent clicks.
    pub(super) fn of(group: &Group, effect: f64) -> Self {
        Self {
            impressions: group.impressions,
            clicks: group.clicks,
            negative_feedback: group.negatives,
            click_through: rate(group.clicks as f64, group.impressions as f64, effect),
        }
    }
}

/// A rate, if there is something below the line.
pub(super) fn rate(above: f64, below: f64, effect: f64) -> Option<Rate> {
    let value = (below > 0.0).then(|| (above / below).min(1.0))?;
    let interval = wilson(value, below / effect.max(1.0))?;
    Some(Rate {
        value,
        low: interval.low,
        high: interval.high,
    })
}

/// What a day is called.
fn day_name(day: Day) -> String {
    if day == Day::EARLIER {
        return "earlier".to_owned();
    }
    format_time(day.start()).chars().take(10).collect()
}

/// Counters of a group.
pub(super) type Group = Cell;

/// The counters of an experiment, or of one arm of it, by each dimension.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) total: Group,
    days: BTreeMap<Day, Group>,
    positions: BTreeMap<Position, Group>,
    segments: BTreeMap<Name, Group>,
    models: BTreeMap<Name, Group>,
}

impl Tables {
    pub(super) fn of(counts: &Counts, experiment: Name, arm: Option<Name>) -> Self {
        let mut tables = Self::default();
        for (key, cell) in &counts.cells {
            let is_wanted = key.experiment == experiment && arm.is_none_or(|arm| key.arm == arm);
            if is_wanted {
                tables.total.add(cell);
                tables.days.entry(key.day).or_default().add(cell);
                tables.positions.entry(key.position).or_default().add(cell);
                tables.segments.entry(key.segment).or_default().add(cell);
                tables.models.entry(key.model).or_default().add(cell);
            }
        }
        tables
    }

    /// `of_day` gives the design effect of a day, where its users are known.
    pub(super) fn days(&self, effect: f64, of_day: impl Fn(Day) -> Option<f64>) -> Vec<Row> {
        let effect = |day| of_day(day).unwrap_or(effect);
        let rows = self
            .days
            .iter()
            .map(|(day, group)| row(day_name(*day), group, effect(*day)));
        rows.collect()
    }

    /// In the order of the list; what has no place is at the end.
    pub(super) fn positions(&self, effect: f64) -> Vec<Row> {
        let other = self
            .positions
            .iter()
            .filter(|(one, _)| **one == Position::OTHER);
        let placed = self
            .positions
            .iter()
            .filter(|(one, _)| **one != Position::OTHER);
        let rows = placed
            .chain(other)
            .map(|(place, group)| row(place.label(), group, effect));
        rows.collect()
    }

    /// `of_segment` gives the design effect of a segment, where its users are known.
    pub(super) fn segments(
        &self,
        counts: &Counts,
        of_segment: impl Fn(Name) -> Option<f64>,
    ) -> Vec<Row> {
        named(&self.segments, counts, |name| {
            of_segment(name).unwrap_or(1.0)
        })
    }

    pub(super) fn models(&self, counts: &Counts, effect: f64) -> Vec<Row> {
        named(&self.models, counts, |_| effect)
    }
}

/// Those with most impressions first.
fn named(
    groups: &BTreeMap<Name, Group>,
    counts: &Counts,
    effect: impl Fn(Name) -> f64,
) -> Vec<Row> {
    let rows = groups
        .iter()
        .map(|(name, group)| row(counts.names.text(*name).to_owned(), group, effect(*name)));
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_by(|a, b| {
        let by_size = b.counted.impressions.cmp(&a.counted.impressions);
        by_size.then_with(|| a.name.cmp(&b.name))
    });
    rows
}

fn row(name: String, group: &Group, effect: f64) -> Row {
    Row {
        name,
        counted: Counted::of(group, effect),
    }
}
