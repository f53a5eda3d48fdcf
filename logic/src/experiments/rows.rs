//! Counters as JSON: names once, then rows of numbers, sorted, so that equal counters give equal text.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::counts::{Cell, CellKey, Counts, Daily, Day, Sums};
use super::names::{Name, Names};
use super::position::Position;
use super::ratio::Ratio;
use super::settings::StatisticsSettings;

/// Largest number of rows that is read.
const ROWS_MAX: usize = 2_000_000;

/// Counters as they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rows {
    names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Day>,
    cells: Vec<CellRow>,
    days: Vec<(Day, Daily)>,
    arms: Vec<(Name, Name, Sums)>,
    segments: Vec<(Name, Name, Name, Ratio)>,
    lines: Vec<(Day, Name, Name, Name, Ratio)>,
    entries: Vec<(Name, Name, Name, u64)>,
}

/// Day, experiment, arm, model, segment, position; impressions, clicks, negative feedback.
type CellRow = (Day, Name, Name, Name, Name, Position, u64, u64, u64);

/// Why rows are no counters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CountsError {
    /// More than is ever written.
    #[error("the counters have {0} rows; the limit is {ROWS_MAX}")]
    TooMany(usize),
    /// Its names are not those that every set begins with.
    #[error("the names of the counters do not begin with \"\" and \"other\"")]
    Names,
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Rows::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Rows::deserialize(deserializer)?;
        Self::try_from(rows).map_err(Error::custom)
    }
}

impl PartialEq for Counts {
    /// By what is counted, whatever the order in which names came.
    fn eq(&self, other: &Self) -> bool {
        Rows::of(self) == Rows::of(other)
    }
}

impl Rows {
    /// Names are numbered by their text, whatever the order in which they came.
    fn of(counts: &Counts) -> Self {
        let mut texts: Vec<&str> = counts.names.iter().skip(2).collect();
        texts.sort_unstable();
        let mut sorted = Names::default();
        for text in texts {
            sorted.intern(text);
        }
        let mut renamed = Counts {
            names: sorted,
            newest: None,
            ..Counts::new(&StatisticsSettings::default())
        };
        renamed.counters_max = usize::MAX;
        renamed.days_max = i32::MAX;
        renamed.merge(counts);
        let cells = renamed.cells.iter().map(|(key, cell)| {
            (
                key.day,
                key.experiment,
                key.arm,
                key.model,
                key.segment,
                key.position,
                cell.impressions,
                cell.clicks,
                cell.negatives,
            )
        });
        let arms = renamed.arms.iter();
        let segments = renamed.segments.iter();
        let lines = renamed.lines.iter();
        let entries = renamed.entries.iter();
        Self {
            cells: cells.collect(),
            days: renamed
                .days
                .iter()
                .map(|(day, daily)| (*day, *daily))
                .collect(),
            arms: arms.map(|((a, b), sums)| (*a, *b, *sums)).collect(),
            segments: segments
                .map(|((a, b, c), sum)| (*a, *b, *c, *sum))
                .collect(),
            lines: lines
                .map(|((a, b, c, d), sum)| (*a, *b, *c, *d, *sum))
                .collect(),
            entries: entries
                .map(|((a, b, c), users)| (*a, *b, *c, *users))
                .collect(),
            names: renamed.names.iter().map(str::to_owned).collect(),
            newest: counts.newest,
        }
    }
}

impl TryFrom<Rows> for Counts {
    type Error = CountsError;

    fn try_from(rows: Rows) -> Result<Self, CountsError> {
        let all = [
            rows.cells.len(),
            rows.segments.len(),
            rows.lines.len(),
            rows.days.len(),
        ];
        let all: usize = all.iter().sum();
        if all > ROWS_MAX {
            return Err(CountsError::TooMany(all));
        }
        let mut counts = Self::new(&StatisticsSettings::default());
        counts.counters_max = usize::MAX;
        counts.days_max = i32::MAX;
        let mut first = rows.names.iter().map(String::as_str);
        if first.next() != Some("") || first.next() != Some("other") {
            return Err(CountsError::Names);
        }
        for text in &rows.names {
            counts.names.intern(text);
        }
        counts.newest = rows.newest;
        for (day, experiment, arm, model, segment, position, impressions, clicks, negatives) in
            rows.cells
        {
            let key = CellKey {
                day,
                experiment,
                arm,
                model,
                segment,
                position,
            };
            let cell = Cell {
                impressions,
                clicks,
                negatives,
            };
            counts.cells.entry(key).or_default().add(&cell);
        }
        counts.days = rows.days.into_iter().collect();
        counts.arms = rows
            .arms
            .into_iter()
            .map(|(a, b, sums)| ((a, b), sums))
            .collect();
        let segments = rows.segments.into_iter();
        counts.segments = segments.map(|(a, b, c, sum)| ((a, b, c), sum)).collect();
        let lines = rows.lines.into_iter();
        counts.lines = lines.map(|(a, b, c, d, sum)| ((a, b, c, d), sum)).collect();
        let entries = rows.entries.into_iter();
        counts.entries = entries.map(|(a, b, c, users)| ((a, b, c), users)).collect();
        Ok(counts)
    }
}
