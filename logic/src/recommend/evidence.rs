//! What pairs and the trend are to be believed, by what they would have said of the events that came.
//!
//! Before an event is learned, its item is looked up: how much likelier do the pairs with the user's items make it than its
//! frequency alone, and the trend, if so many events are presumed beforehand? The logarithms add up, over events and over
//! instances. The presumption with the largest sum is the one under which what users did was the likeliest. Where it is that of
//! none, histories say nothing, and recommendations are by popularity.

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
/// Tests after which what was found before counts half, so that it can change.
const TESTS_MAX: f64 = 200_000.0;

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
