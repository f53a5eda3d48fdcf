//! What pairs and the trend are to be believed, by what they would have said of the events that came.
//!
//! Before an event is learned, its item is looked up: how much likelier do the pairs with the user's items make it than its
//! frequency alone, and the trend, if so many events are presumed beforehand? The logarithms add up, over events and over
//! instances. The presumption with the largest sum is the one under which what users did was the likeliest. Where it is that of
//! none, histories say nothing, and recommendations are by popularity.

use super::items::{Item, Items};
use super::names::Slot;
use super::user::{Recent, with_distance};

/// Events that can be presumed.
pub(super) const PRIORS: [f64; 5] = [10.0, 100.0, 1e3, 1e4, 1e5];
/// Shares of events that can be repeats: of an item among the user's newest.
pub(super) const REPEATS: [f64; 5] = [0.9, 0.5, 0.2, 0.05, 0.01];
/// What is presumed where none of them is believed: no data ever weighs against it.
const FREQUENCY_ALONE: f64 = 1e9;
/// What is believed before there is evidence.
const PRIOR_AT_FIRST: f64 = 100.0;
pub(super) const REPEATS_AT_FIRST: f64 = 0.9;
/// By how much another sum has to be ahead of that one: chance seldom reaches it.
const CAUTION: f64 = 3.0;
/// Newest items of a user that are looked at.
const NEWEST: usize = 10;
/// Tests after which what was found before counts half, so that it can change.
const TESTS_MAX: f64 = 200_000.0;
/// Half-lives to the reference time of trends beyond which a double has no room.
const HALF_LIVES_MAX: f64 = 900.0;

/// How much likelier events were than by frequency alone: sums of logarithms, by what is presumed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Events that were looked up.
    pub tests: f64,
    /// By pairs with the user's items; of first choices.
    pub pairs: [f64; PRIORS.len()],
    /// By the trend; of first choices.
    pub trend: [f64; PRIORS.len()],
    /// By pairs; of all choices, for where an item can be chosen again.
    pub pairs_of_all: [f64; PRIORS.len()],
    /// By what the user chose lately, by the share of choices that are repeats; of all choices.
    pub repeats: [f64; REPEATS.len()],
}

impl Evidence {
    pub(super) fn is_empty(&self) -> bool {
        self.tests <= 0.0
    }

    pub(super) fn sums(&self) -> impl Iterator<Item = f64> {
        let first = self.pairs.into_iter().chain(self.trend);
        first.chain(self.pairs_of_all).chain(self.repeats)
    }

    pub(super) fn sums_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        let first = self.pairs.iter_mut().chain(&mut self.trend);
        first.chain(&mut self.pairs_of_all).chain(&mut self.repeats)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        for (sum, more) in self.sums_mut().zip(other.sums()) {
            *sum += more;
        }
        if self.tests > TESTS_MAX {
            self.tests /= 2.0;
            for sum in self.sums_mut() {
                *sum /= 2.0;
            }
        }
    }

    /// Events presumed for the pairs of an item; `again`: where an item can be chosen again.
    pub(super) fn pairs_prior(&self, again: bool) -> f64 {
        let sums = if again {
            &self.pairs_of_all
        } else {
            &self.pairs
        };
        likeliest(sums, PRIORS, PRIOR_AT_FIRST).unwrap_or(FREQUENCY_ALONE)
    }

    /// Events presumed for the trend.
    pub(super) fn trend_prior(&self) -> f64 {
        likeliest(&self.trend, PRIORS, PRIOR_AT_FIRST).unwrap_or(FREQUENCY_ALONE)
    }

    /// Share of choices that are repeats.
    pub(super) fn repeats(&self) -> f64 {
        likeliest(&self.repeats, REPEATS, REPEATS_AT_FIRST).unwrap_or(0.0)
    }
}

/// The value with the largest sum, of equals the last; none if all are below zero. What is believed at first is so until another
/// is ahead by more than chance.
fn likeliest<const N: usize>(sums: &[f64; N], values: [f64; N], at_first: f64) -> Option<f64> {
    let mut best = (0.0, None);
    for (sum, value) in sums.iter().zip(values) {
        let is_first = value.total_cmp(&at_first).is_eq();
        let sum = sum + if is_first { CAUTION } else { 0.0 };
        if sum >= best.0 {
            best = (sum, Some(value));
        }
    }
    best.1
}

/// How likely an item is for any user: the share of its trend, with so many events presumed by frequency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    of_trend: f64,
    of_choices: f64,
}

impl Items {
    /// Of an item, by its trend and its choices.
    pub(super) fn base(&self, prior: f64, at: u32) -> Base {
        let presumed = prior * self.unit_at(at);
        let whole = (self.trend_whole.max(0.0) + presumed).max(f64::MIN_POSITIVE);
        Base {
            of_trend: 1.0 / whole,
            of_choices: presumed / whole / self.events.max(1.0),
        }
    }

    /// Pairs that are presumed with any item, in weights of events.
    pub(super) fn presumed_pairs(&self, prior: f64) -> f64 {
        prior * self.counts / self.events.max(1.0)
    }

    /// What an event at this second counts beside the trends as they are. Before the newest event it is as then: later events are
    /// in the trends.
    fn unit_at(&self, at: u32) -> f64 {
        let reference = f64::from(self.reference.unwrap_or(at));
        let at = f64::from(at.max(self.newest));
        let half_lives = (at - reference) / self.half_life;
        half_lives.clamp(-HALF_LIVES_MAX, HALF_LIVES_MAX).exp2()
    }

    /// Looks an event up before it is learned. `past` is what the user chose before, which the item is among unless it
    /// `is_first`; `decay` is what a pair counts, by distance.
    pub(super) fn test(
        &self,
        past: &[Recent],
        item: Slot,
        at: u32,
        is_first: bool,
        decay: &[f32],
    ) -> Option<Evidence> {
        let own = self.get(item);
        if own.choices == 0 {
            return None;
        }
        let base = self.base(self.evidence.trend_prior(), at);
        let share = base.of(own.trend, own.choices);
        let pairs = self.test_pairs(past, item, share, &base, decay);
        let (of_first, trend) = if is_first {
            (pairs, self.test_trend(past, &own, at))
        } else {
            Default::default()
        };
        Some(Evidence {
            tests: 1.0,
            pairs: of_first,
            trend,
            pairs_of_all: pairs,
            repeats: test_repeats(past, item, share, decay),
        })
    }

    /// None of the user's items could have been a first choice, so that they are left out of all shares.
    fn test_trend(&self, past: &[Recent], own: &Item, at: u32) -> [f64; PRIORS.len()] {
        let (mut trend, mut open) = (self.trend_whole, self.events);
        for recent in past {
            let seen = self.get(recent.item);
            trend -= seen.trend;
            open -= f64::from(seen.choices);
        }
        let choices = f64::from(own.choices);
        let (trend, open) = (trend.max(own.trend), open.max(choices));
        let unit = self.unit_at(at) / self.events.max(1.0);
        PRIORS.map(|prior| {
            let presumed = prior * unit;
            let likely = (own.trend + presumed * choices) / (trend + presumed * open);
            (likely * open / choices).max(f64::MIN_POSITIVE).ln()
        })
    }

    fn test_pairs(
        &self,
        past: &[Recent],
        item: Slot,
        share: f64,
        base: &Base,
        decay: &[f32],
    ) -> [f64; PRIORS.len()] {
        let (mut whole, mut likely) = (0.0, [0.0; PRIORS.len()]);
        let presumed = PRIORS.map(|prior| self.presumed_pairs(prior));
        let skip = past.len().saturating_sub(NEWEST);
        for (recent, distance) in with_distance(past).skip(skip) {
            let Some(row) = self.row(recent.item) else {
                continue;
            };
            let near = f64::from(decay.get(distance).copied().unwrap_or(0.0)).powi(3);
            let other = self.get(recent.item);
            // An item has no pair with itself, so that its pairs are shared by the others.
            let others = 1.0 - base.of(other.trend, other.choices).min(0.99);
            let pair = f64::from(row.get(item).unwrap_or(0.0)) * others / share;
            let pairs = f64::from(row.whole());
            for (likely, presumed) in likely.iter_mut().zip(presumed) {
                *likely += near * (pair + presumed) / (pairs + presumed);
            }
            whole += near;
        }
        likely.map(|likely| {
            if whole > 0.0 {
                (likely / whole).max(f64::MIN_POSITIVE).ln()
            } else {
                0.0
            }
        })
    }
}

fn test_repeats(past: &[Recent], item: Slot, share: f64, decay: &[f32]) -> [f64; REPEATS.len()] {
    let (mut own, mut all) = (0.0, 0.0);
    for (recent, distance) in with_distance(past) {
        let near = f64::from(decay.get(distance).copied().unwrap_or(0.0));
        all += near;
        own += if recent.item == item { near } else { 0.0 };
    }
    let times = if all > 0.0 { own / all / share } else { 1.0 };
    REPEATS.map(|repeats| (repeats * times + 1.0 - repeats).ln())
}

impl Base {
    /// Of an item with this trend and so many first choices.
    pub(super) fn of(&self, trend: f64, choices: u32) -> f64 {
        trend * self.of_trend + f64::from(choices) * self.of_choices
    }
}
