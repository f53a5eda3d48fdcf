//! What is known of items: counts, trend, neighbours, and the users who have them.

use super::board::{Board, Entry, Key};
use super::evidence::Evidence;
use super::names::{Names, Slot};
use super::pending::Gain;
use super::row::Row;
use super::settings::RecommendSettings;

/// Half-lives after which trends are brought to a later reference time, long before they overflow.
const HALF_LIVES_MAX: f64 = 64.0;

/// The numbers of one item, together in memory since a score reads them all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Item {
    /// Weights of its events.
    pub(super) count: f64,
    /// Weights of its events, each times 2^(age of the reference time / half-life).
    pub(super) trend: f64,
    /// Users' first choices of it, unweighted; those while it is among a user's newest count once.
    pub(super) choices: u32,
    /// choices^-frequency_power; 0 without events.
    pub(super) damp: f32,
    /// Users who have it.
    pub(super) holders: u32,
    /// Second of its newest event.
    pub(super) last: u32,
    /// It was learned or merged, and counts for the bound on items. Others are only named by users: of a delta that is not
    /// merged yet, or dropped at the bound.
    pub(super) is_counted: bool,
    pub(super) is_frequent: bool,
    pub(super) is_trending: bool,
}

/// All items.
#[derive(Clone)]
pub(super) struct Items {
    pub(super) names: Names,
    pub(super) all: Vec<Item>,
    pub(super) rows: Vec<Row>,
    /// Users of each item that are compared, in the order they came.
    pub(super) holders: Vec<Vec<Slot>>,
    /// Items that are counted.
    pub(super) counted: usize,
    /// Neighbours over all rows.
    pub(super) pairs: usize,
    /// Pairs at which all rows are pruned.
    pairs_bound: usize,
    /// First choices of an item by a user, unweighted.
    pub(super) events: f64,
    /// Weights of all events.
    pub(super) counts: f64,
    /// Sum of the trends.
    pub(super) trend_whole: f64,
    pub(super) evidence: Evidence,
    /// Second of the newest event.
    pub(super) newest: u32,
    /// Second to which the trends refer; `None` before the first event.
    pub(super) reference: Option<u32>,
    pub(super) half_life: f64,
    frequency_power: f32,
    neighbours_max: usize,
    pairs_max: usize,
    pub(super) holders_max: usize,
    pub(super) frequent: Board,
    pub(super) trending: Board,
}

impl Items {
    pub(super) fn new(settings: &RecommendSettings, seed: u64) -> Self {
        Self {
            names: Names::new(seed),
            all: Vec::new(),
            rows: Vec::new(),
            holders: Vec::new(),
            counted: 0,
            pairs: 0,
            pairs_bound: settings.pairs_max,
            events: 0.0,
            counts: 0.0,
            trend_whole: 0.0,
            evidence: Evidence::default(),
            newest: 0,
            reference: None,
            half_life: settings.trend_half_life_hours * 3_600.0,
            frequency_power: settings.frequency_power as f32,
            neighbours_max: settings.neighbours_max,
            pairs_max: settings.pairs_max,
            holders_max: settings.holders_max,
            frequent: Board::new(settings.candidates_max),
            trending: Board::new(settings.candidates_max),
        }
    }

    pub(super) fn get(&self, slot: Slot) -> Item {
        self.all.get(slot as usize).copied().unwrap_or_default()
    }

    pub(super) fn row(&self, slot: Slot) -> Option<&Row> {
        self.rows.get(slot as usize)
    }

    /// The slot of an id, a new one if need be.
    pub(super) fn intern(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.names.find(name) {
            return Some(slot);
        }
        let slot = self.names.add(name)?;
        let width = self.names.width();
        self.all.resize(width.max(self.all.len()), Item::default());
        self.rows.resize(width.max(self.rows.len()), Row::default());
        self.holders
            .resize(width.max(self.holders.len()), Vec::new());
        Some(slot)
    }

    /// The item counts for the bound from now on.
    pub(super) fn count_in(&mut self, slot: Slot) {
        if let Some(item) = self.all.get_mut(slot as usize)
            && !item.is_counted
        {
            item.is_counted = true;
            self.counted += 1;
        }
    }

    /// What one event at this second adds to a trend, per weight; also the factor that brings trends which refer to that second
    /// to this model's reference.
    pub(super) fn trend_unit(&mut self, at: u32) -> f64 {
        let reference = *self.reference.get_or_insert(at);
        let half_lives = (f64::from(at) - f64::from(reference)) / self.half_life;
        if half_lives <= HALF_LIVES_MAX {
            return half_lives.exp2();
        }
        let factor = (-half_lives).exp2();
        for item in &mut self.all {
            item.trend *= factor;
        }
        self.trend_whole *= factor;
        self.trending.shrunk();
        self.reference = Some(at);
        1.0
    }

    /// Adds to the counts of an item, and to their sums.
    pub(super) fn increase(&mut self, slot: Slot, gain: &Gain) {
        let Some(item) = self.all.get_mut(slot as usize) else {
            return;
        };
        item.count += gain.count;
        item.trend += gain.trend;
        item.choices = item.choices.saturating_add(gain.choices);
        item.holders = item.holders.saturating_add(gain.holders);
        item.last = item.last.max(gain.last);
        item.damp = if item.count > 0.0 {
            (item.choices.max(1) as f32).powf(-self.frequency_power)
        } else {
            0.0
        };
        let item = *item;
        self.newest = self.newest.max(gain.last);
        self.counts += gain.count;
        self.trend_whole += gain.trend;
        let (all, names) = (&self.all, &self.names);
        let count_of = |slot| (of(all, slot).count, names.tie(slot));
        let trend_of = |slot| (of(all, slot).trend, names.tie(slot));
        let is_new = !item.is_frequent && item.count > 0.0;
        let frequent = is_new.then(|| self.frequent.offer(slot, count_of(slot), count_of));
        let is_new = !item.is_trending && item.trend > 0.0;
        let trending = is_new.then(|| self.trending.offer(slot, trend_of(slot), trend_of));
        if let Some(entry) = frequent {
            enter(&mut self.all, slot, &entry, |item, is| {
                item.is_frequent = is;
            });
        }
        if let Some(entry) = trending {
            enter(&mut self.all, slot, &entry, |item, is| {
                item.is_trending = is;
            });
        }
    }

    /// Adds to a pair, in both rows.
    pub(super) fn pair(&mut self, one: Slot, other: Slot, by: f32) {
        self.add(one, other, by);
        self.add(other, one, by);
    }

    /// Adds to one row only.
    pub(super) fn add(&mut self, to: Slot, slot: Slot, by: f32) {
        if self.pairs >= self.pairs_bound {
            self.prune_all();
        }
        let Some(row) = self.rows.get_mut(to as usize) else {
            return;
        };
        if row.increase(slot, by) {
            return;
        }
        if row.len() >= self.neighbours_max {
            let keep = self.neighbours_max - self.neighbours_max / 8;
            self.pairs -= row.prune(keep, |slot| self.names.tie(slot));
        }
        if self.pairs < self.pairs_max {
            row.insert(slot, by);
            self.pairs += 1;
        }
    }

    /// Every item of 8 neighbours or more loses an eighth. If that frees less than a sixteenth of the bound, the next try
    /// waits until as many were freed elsewhere: a full table must not be searched at each event.
    fn prune_all(&mut self) {
        for row in &mut self.rows {
            self.pairs -= row.prune(row.len() - row.len() / 8, |slot| self.names.tie(slot));
        }
        let enough = self.pairs + self.pairs_max / 16 <= self.pairs_max;
        self.pairs_bound = if enough { self.pairs_max } else { usize::MAX };
    }

    /// Whether the table of neighbours is so full that new ones are not kept.
    pub(super) const fn is_full(&self) -> bool {
        self.pairs_bound == usize::MAX
    }

    /// As it was before a restart.
    pub(super) const fn fill(&mut self) {
        self.pairs_bound = usize::MAX;
    }

    /// So many more users have the item.
    pub(super) fn add_holders(&mut self, item: Slot, many: u32) {
        if let Some(item) = self.all.get_mut(item as usize) {
            item.holders = item.holders.saturating_add(many);
        }
    }

    /// The user is compared by this item from now on.
    pub(super) fn hold(&mut self, item: Slot, user: Slot) {
        if let Some(holders) = self.holders.get_mut(item as usize) {
            if holders.len() >= self.holders_max {
                holders.drain(..(self.holders_max / 8).max(1));
            }
            holders.push(user);
        }
    }

    /// The user is no longer compared by this item.
    pub(super) fn let_go(&mut self, item: Slot, user: Slot) {
        if let Some(holders) = self.holders.get_mut(item as usize) {
            holders.retain(|holder| *holder != user);
        }
    }

    /// Makes both boards from all items.
    pub(super) fn rebuild_boards(&mut self, size: usize) {
        for item in &mut self.all {
            (item.is_frequent, item.is_trending) = (false, false);
        }
        let values = |value: fn(&Item) -> f64| -> Vec<(Key, Slot)> {
            (0..)
                .zip(&self.all)
                .map(|(slot, item)| ((value(item), self.names.tie(slot)), slot))
                .collect()
        };
        self.frequent = Board::of(size, values(|item| item.count));
        self.trending = Board::of(size, values(|item| item.trend));
        for slot in self.frequent.members() {
            if let Some(item) = self.all.get_mut(*slot as usize) {
                item.is_frequent = true;
            }
        }
        for slot in self.trending.members() {
            if let Some(item) = self.all.get_mut(*slot as usize) {
                item.is_trending = true;
            }
        }
    }

    /// Removes items for which `gone` holds, wherever they occur here. Those for which `is_named` holds keep their id and
    /// slot, and who has them.
    pub(super) fn remove(&mut self, gone: &dyn Fn(Slot) -> bool, is_named: &dyn Fn(Slot) -> bool) {
        for slot in 0..self.names.width() as Slot {
            let Some(row) = self.rows.get_mut(slot as usize) else {
                continue;
            };
            if !gone(slot) {
                self.pairs -= row.remove(gone);
                continue;
            }
            self.pairs -= std::mem::take(row).len();
            if let Some(item) = self.all.get_mut(slot as usize) {
                self.counted -= usize::from(item.is_counted);
                *item = Item::default();
            }
            if is_named(slot) {
                continue;
            }
            if let Some(holders) = self.holders.get_mut(slot as usize) {
                *holders = Vec::new();
            }
            self.names.remove(slot);
        }
        self.pairs_bound = self.pairs_max;
    }
}

fn of(all: &[Item], slot: Slot) -> Item {
    all.get(slot as usize).copied().unwrap_or_default()
}

/// Notes who is on a board now.
fn enter(all: &mut [Item], slot: Slot, entry: &Entry, set: impl Fn(&mut Item, bool)) {
    if let Entry::Instead(other) = entry
        && let Some(item) = all.get_mut(*other as usize)
    {
        set(item, false);
    }
    if *entry != Entry::Refused
        && let Some(item) = all.get_mut(slot as usize)
    {
        set(item, true);
    }
}
