//! Experiments from the arm to the report: tables, properties, and simulations of what is claimed of error rates.

#![allow(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "exact figures of small examples; numbers of simulations are small"
)]

mod arms;
mod counting;
mod dice;
mod drops;
mod joining;
mod looking;
mod pasts;
mod reference;
mod reports;

use super::arms::Experiment;
use super::counts::Counts;
use super::impressions::Viewer;
use super::seen::{Happening, Impression, Reaction, Sort};
use super::settings::{ExperimentSettings, StatisticsSettings};
use crate::ledger::record::Millis;

/// 2026-03-02T00:00:00Z.
const MONDAY: Millis = 1_772_409_600_000;
const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

fn experiment(text: &str) -> Experiment {
    let settings: ExperimentSettings = toml::from_str(text).unwrap();
    Experiment::new("ranking", &settings).unwrap()
}

fn halves() -> Experiment {
    experiment("arms = { control = 1, candidate = 1 }")
}

fn list(id: &str, items: &[&str], time: Millis) -> Impression {
    Impression {
        list: id.to_owned(),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
        model: "recommender@1".to_owned(),
        segment: "returning".to_owned(),
        time,
        ..Impression::default()
    }
}

fn click(item: &str, time: Millis) -> Happening {
    Happening::Reaction(Reaction {
        sort: Sort::Click,
        item: item.to_owned(),
        list: None,
        time,
    })
}

/// One user on one shard.
struct One {
    viewer: Viewer,
    counts: Counts,
    settings: StatisticsSettings,
}

impl One {
    fn new(settings: StatisticsSettings) -> Self {
        Self {
            viewer: Viewer::default(),
            counts: Counts::new(&settings),
            settings,
        }
    }

    fn apply(&mut self, happening: &Happening) -> super::seen::Seen {
        let position = self.viewer.position() + 1;
        let now = MONDAY + 300 * DAY;
        self.viewer
            .apply(position, happening, now, &self.settings, &mut self.counts)
    }

    fn total(&self) -> super::counts::Cell {
        let tables = super::tables::Tables::of(&self.counts, super::names::EVERYTHING, None);
        tables.total
    }

    fn daily(&self) -> super::counts::Daily {
        let mut sum = super::counts::Daily::default();
        self.counts.days.values().for_each(|day| sum.add(day));
        sum
    }
}
