//! Counters of what was shown and clicked, by day, experiment, arm, model, segment and position. They add up: the counters of
//! two shards, whose users are different ones, merge to those of one shard that had seen all.
//!
//! Bounds: [`StatisticsSettings::counters_max`] counters, beyond which further ones of a day are counted as `other`;
//! [`GROUPS_MAX`] sums of each kind, beyond which further groups are counted as `other`; `NAMES_MAX` names, beyond which a
//! name is `other`. Days older than [`StatisticsSettings::days_max`] are added up as one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::names::{EVERYTHING, Name, Names, OTHER};
use super::position::Position;
use super::ratio::{Part, Ratio};
use super::settings::StatisticsSettings;
use crate::ledger::record::Millis;

/// Groups of users of a kind (arms; segments of arms; days of a model) whose sums are kept apart.
pub const GROUPS_MAX: usize = 5_000;
/// Days of which sums over users are kept: those that today can be compared with, and some that shards are behind.
const LINE_DAYS: i32 = 64;

/// A day since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Day {
    /// All days that are no longer kept apart.
    pub const EARLIER: Self = Self(i32::MIN);

    /// The day of a time.
    pub fn of(time: Millis) -> Self {
        let day = time.div_euclid(DAY_MS).clamp(-1_000_000, 1_000_000);
        Self(i32::try_from(day).unwrap_or_default())
    }

    /// Its first instant.
    pub fn start(self) -> Millis {
        Millis::from(self.0) * DAY_MS
    }
}

/// A day in milliseconds.
pub const DAY_MS: Millis = 86_400_000;

/// Where something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellKey {
    /// Day of the impression.
    pub day: Day,
    /// Experiment; [`EVERYTHING`] for all lists, in an experiment or not.
    pub experiment: Name,
    /// Its arm.
    pub arm: Name,
    /// The model that made the list.
    pub model: Name,
    /// Segment of the user.
    pub segment: Name,
    /// Place in the list.
    pub position: Position,
}

/// What is counted for items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Items shown.
    pub impressions: u64,
    /// Of these, clicked.
    pub clicks: u64,
    /// Of these, with negative feedback.
    pub negatives: u64,
}

impl Cell {
    /// Adds.
    pub const fn add(&mut self, other: &Self) {
        self.impressions += other.impressions;
        self.clicks += other.clicks;
        self.negatives += other.negatives;
    }
}

macro_rules! daily {
    ($($(#[$comment:meta])* $field:ident,)*) => {
        /// What is counted of a day beside its cells.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Daily {
            $($(#[$comment])* #[serde(skip_serializing_if = "is_zero")] pub $field: u64,)*
        }

        impl Daily {
            /// Adds.
            pub const fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

daily! {
    /// Lists that were counted.
    lists,
    /// Lists that came again, and were not.
    repeated_lists,
    /// Items shown beyond what counts of a user in an hour.
    excluded_impressions,
    /// Clicks on items that were counted as shown.
    clicks,
    /// The same for negative feedback.
    negatives,
    /// Clicks and negative feedback that came again.
    repeated_reactions,
    /// Those beyond what counts of a user in an hour, or on items that were excluded.
    excluded_reactions,
    /// Those without an impression within the window when they came.
    unattributed,
    /// Of the unattributed, those whose impression arrived later.
    attributed_later,
    /// Lists of an arm that is not the user's first one in the experiment; they are not part of its comparison.
    other_arm_lists,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Sums over users of each metric.
pub type Sums = [Ratio; Metric::ALL.len()];

/// All counters.
#[derive(Clone, Debug)]
pub struct Counts {
    pub(super) counters_max: usize,
    pub(super) days_max: i32,
    pub(super) names: Names,
    pub(super) newest: Option<Day>,
    pub(super) cells: BTreeMap<CellKey, Cell>,
    pub(super) days: BTreeMap<Day, Daily>,
    /// By experiment and arm.
    pub(super) arms: BTreeMap<(Name, Name), Sums>,
    /// By experiment, arm and segment.
    pub(super) segments: BTreeMap<(Name, Name, Name), Ratio>,
    /// By day, experiment, arm and model: users of that day.
    pub(super) lines: BTreeMap<(Day, Name, Name, Name), Ratio>,
    /// Users by experiment, division and arm.
    pub(super) entries: BTreeMap<(Name, Name, Name), u64>,
}

impl Counts {
    /// None.
    pub fn new(settings: &StatisticsSettings) -> Self {
        Self {
            counters_max: settings.counters_max,
            days_max: i32::try_from(settings.days_max).unwrap_or(i32::MAX),
            names: Names::default(),
            newest: None,
            cells: BTreeMap::new(),
            days: BTreeMap::new(),
            arms: BTreeMap::new(),
            segments: BTreeMap::new(),
            lines: BTreeMap::new(),
            entries: BTreeMap::new(),
        }
    }

    /// None, under the same bounds.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self {
            counters_max: self.counters_max,
            days_max: self.days_max,
            ..Self::new(&StatisticsSettings::default())
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty() && self.cells.is_empty() && self.arms.is_empty()
    }

    /// The newest day of which something was counted.
    pub const fn newest(&self) -> Option<Day> {
        self.newest
    }

    /// Bounds of other settings, from now on.
    #[must_use]
    pub fn bounded(mut self, settings: &StatisticsSettings) -> Self {
        self.counters_max = settings.counters_max;
        self.days_max = i32::try_from(settings.days_max).unwrap_or(i32::MAX);
        self.fold_old_days();
        self
    }

    pub(super) fn name(&mut self, text: &str) -> Name {
        self.names.intern(text)
    }

    /// The counters of a place, with the day that it is kept under.
    pub(super) fn cell(&mut self, mut key: CellKey) -> &mut Cell {
        key.day = self.advance(key.day);
        if self.cells.len() >= self.counters_max && !self.cells.contains_key(&key) {
            let known = key.experiment == EVERYTHING;
            let group = if known { EVERYTHING } else { OTHER };
            key = CellKey {
                day: key.day,
                experiment: group,
                arm: group,
                model: OTHER,
                segment: OTHER,
                position: Position::OTHER,
            };
        }
        self.cells.entry(key).or_default()
    }

    /// What else is counted of a day.
    pub(super) fn daily(&mut self, day: Day) -> &mut Daily {
        let day = self.advance(day);
        self.days.entry(day).or_default()
    }

    /// A user came into an arm.
    pub(super) fn enter(&mut self, experiment: Name, epoch: Name, arm: Name) {
        let key = (experiment, epoch, arm);
        *within(&mut self.entries, key, (OTHER, OTHER, OTHER)) += 1;
    }

    /// A user's contribution to a metric of an arm and of a segment of it became another.
    pub(super) fn change(
        &mut self,
        (experiment, arm, segment): (Name, Name, Name),
        metric: Metric,
        before: Part,
        after: Part,
    ) {
        let sums = within(&mut self.arms, (experiment, arm), (OTHER, OTHER));
        if let Some(sum) = sums.get_mut(metric as usize) {
            sum.change(before, after);
        }
        if metric == Metric::ClickThrough {
            let key = (experiment, arm, segment);
            within(&mut self.segments, key, (OTHER, OTHER, OTHER)).change(before, after);
        }
    }

    /// A user's contribution to a day of a model became another.
    pub(super) fn change_line(&mut self, key: (Day, Name, Name, Name), before: Part, after: Part) {
        if self.advance(key.0) == key.0 && key.0.0 > self.oldest_line() {
            within(&mut self.lines, key, (key.0, OTHER, OTHER, OTHER)).change(before, after);
        }
    }

    /// Adds the counters of a shard with other users. Both keep what the newest day of either keeps apart.
    pub fn merge(&mut self, other: &Self) {
        if let Some(newest) = other.newest {
            self.advance(newest);
        }
        let names: Vec<Name> = other
            .names
            .iter()
            .map(|text| self.names.intern(text))
            .collect();
        let own = |name: Name| name.of(&names);
        for (key, cell) in &other.cells {
            let key = CellKey {
                experiment: own(key.experiment),
                arm: own(key.arm),
                model: own(key.model),
                segment: own(key.segment),
                ..*key
            };
            self.cell(key).add(cell);
        }
        for (day, daily) in &other.days {
            self.daily(*day).add(daily);
        }
        for ((experiment, arm), sums) in &other.arms {
            let to = within(
                &mut self.arms,
                (own(*experiment), own(*arm)),
                (OTHER, OTHER),
            );
            to.iter_mut().zip(sums).for_each(|(to, sum)| to.add(sum));
        }
        let others = (OTHER, OTHER, OTHER);
        for ((experiment, arm, segment), sum) in &other.segments {
            let key = (own(*experiment), own(*arm), own(*segment));
            within(&mut self.segments, key, others).add(sum);
        }
        let oldest = self.oldest_line();
        for ((day, experiment, arm, model), sum) in &other.lines {
            let key = (*day, own(*experiment), own(*arm), own(*model));
            if day.0 > oldest {
                within(&mut self.lines, key, (*day, OTHER, OTHER, OTHER)).add(sum);
            }
        }
        for ((experiment, epoch, arm), users) in &other.entries {
            let key = (own(*experiment), own(*epoch), own(*arm));
            *within(&mut self.entries, key, others) += users;
        }
    }

    /// Moves the newest day on, and says under which day this one is kept.
    fn advance(&mut self, day: Day) -> Day {
        if day != Day::EARLIER && self.newest.is_none_or(|newest| day > newest) {
            self.newest = Some(day);
            self.fold_old_days();
        }
        if day.0 > self.oldest() {
            day
        } else {
            Day::EARLIER
        }
    }

    /// The newest day that is not kept apart.
    fn oldest(&self) -> i32 {
        let newest = self.newest.map_or(i32::MIN, |newest| newest.0);
        newest.saturating_sub(self.days_max)
    }

    fn oldest_line(&self) -> i32 {
        let newest = self.newest.map_or(i32::MIN, |newest| newest.0);
        newest.saturating_sub(LINE_DAYS)
    }

    fn fold_old_days(&mut self) {
        let (first, line) = (
            Day(self.oldest().saturating_add(1)),
            Day(self.oldest_line() + 1),
        );
        if self
            .days
            .first_key_value()
            .is_some_and(|(day, _)| *day < first)
        {
            let kept = self.days.split_off(&first);
            let old = std::mem::replace(&mut self.days, kept);
            let sum = self.days.entry(Day::EARLIER).or_default();
            for daily in old.values() {
                sum.add(daily);
            }
        }
        let old: Vec<CellKey> = self
            .cells
            .keys()
            .take_while(|key| key.day < first)
            .filter(|key| key.day != Day::EARLIER)
            .copied()
            .collect();
        for key in old {
            if let Some(cell) = self.cells.remove(&key) {
                self.cell(CellKey {
                    day: Day::EARLIER,
                    ..key
                })
                .add(&cell);
            }
        }
        self.lines.retain(|(day, ..), _| *day >= line);
    }
}

/// The value of a key; at the bound, that of the key for others.
fn within<K: Ord + Copy, V: Default>(map: &mut BTreeMap<K, V>, key: K, other: K) -> &mut V {
    let is_full = map.len() >= GROUPS_MAX && !map.contains_key(&key);
    map.entry(if is_full { other } else { key }).or_default()
}
