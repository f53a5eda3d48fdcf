//! Looking an event up before it is learned: how likely its item was by frequency, by pairs and by the trend. What comes of it is
//! summed in [`super::evidence`].

use super::evidence::{Evidence, PRIORS, REPEATS};
use super::items::{Item, Items};
use super::names::Slot;
use super::user::{Recent, with_distance};

/// Half-lives to the reference time of trends beyond which a double has no room.
const HALF_LIVES_MAX: f64 = 900.0;

/// Newest items of a user that are looked at.
const NEWEST: usize = 10;

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
