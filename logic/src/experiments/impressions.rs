//! Impressions and clicks of one user, joined: a pure fold over the user's events, in the order of the log.
//!
//! Applied again, an event changes nothing: each has its position, and those up to the last one are left out. A click counts
//! for the newest list with the item within the window, once for each list. A click that comes before its impression is
//! unattributed, kept for a short while, and attributed when the impression arrives.
//!
//! Bounds of a user's state, about 4 KiB as JSON: [`LISTS_MAX`] lists (the oldest leaves; a click on it is unattributed),
//! [`EARLY_MAX`] early clicks (the oldest stays unattributed), [`EXPOSURES_MAX`] arms and [`LINES_MAX`] days of models (the one
//! that was quiet for longest leaves; if the user comes back to it, the user counts as another one).

use serde::{Deserialize, Serialize};

use super::arms::Assigned;
use super::bounded::{bounded, declared, hash};
use super::counts::{CellKey, Counts, Day};
use super::exposure::{Exposure, Line, Totals};
use super::names::Name;
use super::position::Position;
use super::seen::{Happening, ITEMS_MAX, Impression, LIST_BYTES_MAX, Reaction, Seen, Sort};
use super::settings::StatisticsSettings;
use crate::ledger::record::Millis;

/// Lists of a user that a click can count for.
pub const LISTS_MAX: usize = 16;
/// Clicks of a user that wait for their impression.
pub const EARLY_MAX: usize = 16;
/// Arms of a user whose sums are kept, one of them being that of all lists.
pub const EXPOSURES_MAX: usize = 9;
/// Days of a user's models whose sums are kept.
pub const LINES_MAX: usize = 24;

const MINUTE_MS: Millis = 60_000;
const HOUR_MS: Millis = 3_600_000;

/// What is known of a user's impressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Viewer {
    /// Position of the last event applied.
    position: i64,
    /// The newest hour, and what counted in it.
    hour: (i64, u32, u32),
    lists: Vec<List>,
    early: Vec<Early>,
    exposures: Vec<Exposure>,
    lines: Vec<Line>,
}

/// A list that was shown. Its JSON has short names: a user has several, and they are written with each event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct List {
    #[serde(rename = "l")]
    id: String,
    #[serde(rename = "t")]
    time: Millis,
    /// Whether it was counted.
    #[serde(rename = "c")]
    counted: bool,
    #[serde(rename = "f")]
    first_place: u32,
    /// Hashes of the items, in order.
    #[serde(rename = "i")]
    items: Vec<u32>,
    /// Items with a reaction, one bit each: clicks, negative feedback.
    #[serde(rename = "r")]
    reacted: [u64; 2],
    /// Experiment and arm.
    #[serde(rename = "a")]
    arms: Vec<(String, String)>,
    #[serde(rename = "m")]
    model: String,
    #[serde(rename = "s")]
    segment: String,
}

/// A click without impression so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Early {
    #[serde(rename = "i")]
    item: u32,
    #[serde(rename = "l")]
    list: Option<String>,
    #[serde(rename = "k")]
    sort: Sort,
    #[serde(rename = "t")]
    time: Millis,
}

impl Default for Viewer {
    fn default() -> Self {
        Self {
            position: -1,
            hour: (i64::MIN, 0, 0),
            lists: Vec::new(),
            early: Vec::new(),
            exposures: Vec::new(),
            lines: Vec::new(),
        }
    }
}

impl Viewer {
    /// Position of the last event applied; -1 before the first.
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// Applies an event of the user, and adds what follows to the counters. A time later than now counts as now.
    pub fn apply(
        &mut self,
        position: i64,
        happening: &Happening,
        now: Millis,
        settings: &StatisticsSettings,
        counts: &mut Counts,
    ) -> Seen {
        if position <= self.position {
            return Seen::Applied;
        }
        self.position = position;
        let mut work = Work {
            viewer: self,
            settings,
            counts,
        };
        match happening {
            Happening::Impression(impression) => {
                work.impression(impression, impression.time.clamp(0, now.max(0)))
            }
            Happening::Reaction(reaction) => {
                work.reaction(reaction, reaction.time.clamp(0, now.max(0)))
            }
        }
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        size_of_val(self)
            + self.lists.len() * 256
            + self.lines.len() * 96
            + self.exposures.len() * 160
    }

    /// How many of `wanted` more count in this hour. A late event counts for the newest hour.
    fn room(
        &mut self,
        time: Millis,
        wanted: u32,
        max: u32,
        which: fn(&mut Self) -> &mut u32,
    ) -> u32 {
        let hour = time.div_euclid(HOUR_MS);
        if hour > self.hour.0 {
            self.hour = (hour, 0, 0);
        }
        let used = which(self);
        let granted = wanted.min(max.saturating_sub(*used));
        *used += granted;
        granted
    }
}

/// One event being applied.
struct Work<'a> {
    viewer: &'a mut Viewer,
    settings: &'a StatisticsSettings,
    counts: &'a mut Counts,
}

impl Work<'_> {
    fn impression(&mut self, impression: &Impression, time: Millis) -> Seen {
        let day = Day::of(time);
        let mut items: Vec<u32> = impression
            .items
            .iter()
            .take(ITEMS_MAX)
            .map(|item| hash(item))
            .collect();
        if items.is_empty() {
            return Seen::Empty;
        }
        let id = Some(&impression.list).filter(|id| !id.is_empty() && id.len() <= LIST_BYTES_MAX);
        let same = |list: &&List| id.is_some_and(|id| list.id == *id);
        let known = self.viewer.lists.iter().filter(same).map(List::end).max();
        let first = impression.first_place.max(1);
        // A longer answer from the cache has the same id: what is behind the known items is shown for the first time.
        let skipped = known.map_or(0, |known| known.saturating_sub(first - 1));
        let items = items.split_off(items.len().min(skipped as usize));
        if items.is_empty() {
            self.counts.daily(day).repeated_lists += 1;
            return Seen::Repeated;
        }
        let impression = &Impression {
            first_place: first.saturating_add(skipped),
            asked: impression.asked.saturating_sub(skipped),
            items: Vec::new(),
            ..impression.clone()
        };
        let shown = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let max = self.settings.impressions_per_hour_max;
        // A list counts as a whole or not at all.
        let counted = self.viewer.room(time, shown, max, |one| &mut one.hour.1) == shown;
        let segment = bounded(&impression.segment);
        let arms = if counted {
            self.count_list(impression, day, segment, shown)
        } else {
            self.counts.daily(day).excluded_impressions += u64::from(shown);
            Vec::new()
        };
        let list = List {
            id: id.cloned().unwrap_or_default(),
            time,
            counted,
            first_place: impression.first_place,
            items,
            reacted: [0; 2],
            arms,
            model: bounded(&impression.model).to_owned(),
            segment: segment.to_owned(),
        };
        if self.viewer.lists.len() >= LISTS_MAX {
            self.viewer.lists.remove(0);
        }
        self.viewer.lists.push(list);
        self.join_early();
        if counted {
            Seen::Counted
        } else {
            Seen::Excluded
        }
    }

    /// Counts what is shown, and gives the arms for which a click on it counts.
    fn count_list(
        &mut self,
        impression: &Impression,
        day: Day,
        segment: &str,
        shown: u32,
    ) -> Vec<(String, String)> {
        self.counts.daily(day).lists += 1;
        let added = Totals {
            impressions: shown.into(),
            asked: f64::from(impression.asked.max(shown)),
            lists_timed: f64::from(u8::from(impression.latency_ms.is_some())),
            latency_ms: impression.latency_ms.unwrap_or_default(),
            ..Totals::default()
        };
        let model = bounded(&impression.model);
        let mut arms = Vec::new();
        for assigned in std::iter::once(None).chain(declared(&impression.assigned).map(Some)) {
            let (experiment, arm) = assigned.map_or(("", ""), Assigned::names);
            if !self.enter(assigned, segment) {
                self.counts.daily(day).other_arm_lists += 1;
                continue;
            }
            let key = self.key(day, (experiment, arm), model, segment);
            for (place, _) in (impression.first_place.max(1)..).zip(0..shown) {
                let position = Position::of(place);
                self.counts.cell(CellKey { position, ..key }).impressions += 1;
            }
            self.change(&key, (experiment, arm), model, &added);
            if assigned.is_some() {
                arms.push((experiment.to_owned(), arm.to_owned()));
            }
        }
        arms
    }

    fn reaction(&mut self, reaction: &Reaction, time: Millis) -> Seen {
        if reaction.item.is_empty() {
            return Seen::Empty;
        }
        let early = Early {
            item: hash(&reaction.item),
            list: reaction
                .list
                .clone()
                .filter(|id| id.len() <= LIST_BYTES_MAX),
            sort: reaction.sort,
            time,
        };
        let day = Day::of(time);
        let Some(found) = self.find(&early) else {
            let max = self.settings.reactions_per_hour_max;
            if self.viewer.room(time, 1, max, |one| &mut one.hour.2) == 0 {
                self.counts.daily(day).excluded_reactions += 1;
                return Seen::Excluded;
            }
            self.counts.daily(day).unattributed += 1;
            if self.viewer.early.len() >= EARLY_MAX {
                self.viewer.early.remove(0);
            }
            self.viewer.early.push(early);
            return Seen::Unattributed;
        };
        if self.is_repeated(found, early.sort) {
            self.counts.daily(day).repeated_reactions += 1;
            return Seen::Repeated;
        }
        let max = self.settings.reactions_per_hour_max;
        let counted = self
            .viewer
            .lists
            .get(found.0)
            .is_some_and(|list| list.counted);
        if !counted || self.viewer.room(time, 1, max, |one| &mut one.hour.2) == 0 {
            self.counts.daily(day).excluded_reactions += 1;
            return Seen::Excluded;
        }
        self.attribute(found, early.sort);
        Seen::Counted
    }

    /// The newest list that the reaction can be about, and which of its items.
    fn find(&self, reaction: &Early) -> Option<(usize, usize)> {
        let window = MINUTE_MS * Millis::from(self.settings.attribution_minutes);
        let before = MINUTE_MS * Millis::from(self.settings.out_of_order_minutes);
        let lists = self.viewer.lists.iter().enumerate();
        let within = lists.filter(|(_, list)| {
            let named = reaction.list.as_ref().is_none_or(|id| list.id == *id);
            named && (-before..=window).contains(&(reaction.time - list.time))
        });
        let with = within.filter_map(|(index, list)| {
            let item = list.items.iter().position(|item| *item == reaction.item)?;
            Some((list.time, index, item))
        });
        with.max().map(|(_, index, item)| (index, item))
    }

    fn is_repeated(&self, (list, item): (usize, usize), sort: Sort) -> bool {
        let list = self.viewer.lists.get(list);
        list.is_some_and(|list| list.bits(sort) & (1 << item) != 0)
    }

    /// Counts a reaction where the impression was counted.
    fn attribute(&mut self, (list, item): (usize, usize), sort: Sort) {
        let Some(list) = self.viewer.lists.get_mut(list) else {
            return;
        };
        *list.bits_mut(sort) |= 1 << item;
        let list = list.clone();
        let day = Day::of(list.time);
        let daily = self.counts.daily(day);
        let added = match sort {
            Sort::Click => {
                daily.clicks += 1;
                Totals {
                    clicks: 1.0,
                    ..Totals::default()
                }
            }
            Sort::Negative => {
                daily.negatives += 1;
                Totals {
                    negatives: 1.0,
                    ..Totals::default()
                }
            }
        };
        let place = u32::try_from(item).unwrap_or(u32::MAX);
        let position = Position::of(list.first_place.saturating_add(place));
        let arms = list
            .arms
            .iter()
            .map(|(experiment, arm)| (experiment.as_str(), arm.as_str()));
        for group in std::iter::once(("", "")).chain(arms) {
            let key = self.key(day, group, &list.model, &list.segment);
            let cell = self.counts.cell(CellKey { position, ..key });
            match sort {
                Sort::Click => cell.clicks += 1,
                Sort::Negative => cell.negatives += 1,
            }
            self.change(&key, group, &list.model, &added);
        }
    }

    /// Attributes reactions that came before the list that is the newest now, and forgets those that waited long enough.
    fn join_early(&mut self) {
        let newest = self.viewer.lists.last().map_or(0, |list| list.time);
        let before = MINUTE_MS * Millis::from(self.settings.out_of_order_minutes);
        let window = MINUTE_MS * Millis::from(self.settings.attribution_minutes);
        let mut waiting = std::mem::take(&mut self.viewer.early);
        waiting.retain(|early| {
            let Some(found) = self.find(early) else {
                return early.time + before.max(window) >= newest;
            };
            let counted = self
                .viewer
                .lists
                .get(found.0)
                .is_some_and(|list| list.counted);
            if counted && !self.is_repeated(found, early.sort) {
                self.attribute(found, early.sort);
                self.counts.daily(Day::of(early.time)).attributed_later += 1;
            }
            false
        });
        self.viewer.early = waiting;
    }

    /// Whether the user is in this arm. The first arm of an experiment in which the user is seen is the one that counts.
    fn enter(&mut self, assigned: Option<&Assigned>, segment: &str) -> bool {
        let (experiment, arm) = assigned.map_or(("", ""), Assigned::names);
        let exposures = &mut self.viewer.exposures;
        let known = exposures
            .iter()
            .position(|one| one.experiment == experiment);
        if let Some(known) = known {
            // The one used last is at the end.
            let exposure = exposures.remove(known);
            let same = exposure.arm == arm;
            exposures.push(exposure);
            return same;
        }
        if exposures.len() >= EXPOSURES_MAX {
            exposures.remove(0);
        }
        exposures.push(Exposure::new(experiment, arm, segment));
        if let Some(assigned) = assigned {
            let [experiment, epoch, arm] = [&assigned.experiment, &assigned.epoch, &assigned.arm]
                .map(|text| self.counts.name(bounded(text)));
            self.counts.enter(experiment, epoch, arm);
        }
        true
    }

    fn key(&mut self, day: Day, group: (&str, &str), model: &str, segment: &str) -> CellKey {
        let [experiment, arm, model, segment] =
            [group.0, group.1, model, segment].map(|text| self.counts.name(text));
        CellKey {
            day,
            experiment,
            arm,
            model,
            segment,
            position: Position::OTHER,
        }
    }

    /// The user's sums grow.
    fn change(&mut self, key: &CellKey, group: (&str, &str), model: &str, added: &Totals) {
        let Viewer {
            exposures, lines, ..
        } = &mut *self.viewer;
        let is_it = |one: &&mut Exposure| one.experiment == group.0 && one.arm == group.1;
        if let Some(exposure) = exposures.iter_mut().find(is_it) {
            let segment: Name = self.counts.name(&exposure.segment);
            let before = exposure.totals;
            exposure.totals.add(added);
            for (metric, was, is) in before.parts(&exposure.totals) {
                self.counts
                    .change((key.experiment, key.arm, segment), metric, was, is);
            }
        }
        let line = Line::find(lines, key.day, group, model, LINES_MAX);
        let before = line.clicks;
        line.clicks.below += added.impressions;
        line.clicks.above += added.clicks;
        if line.clicks != before {
            let place = (key.day, key.experiment, key.arm, key.model);
            self.counts.change_line(place, before, line.clicks);
        }
    }
}

impl List {
    /// Place of its last item.
    fn end(&self) -> u32 {
        let items = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.first_place.saturating_sub(1).saturating_add(items)
    }

    const fn bits(&self, sort: Sort) -> u64 {
        let [clicks, negatives] = self.reacted;
        match sort {
            Sort::Click => clicks,
            Sort::Negative => negatives,
        }
    }

    const fn bits_mut(&mut self, sort: Sort) -> &mut u64 {
        let [clicks, negatives] = &mut self.reacted;
        match sort {
            Sort::Click => clicks,
            Sort::Negative => negatives,
        }
    }
}
