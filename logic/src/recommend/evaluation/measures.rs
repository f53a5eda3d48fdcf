//! Hit rate, NDCG, reciprocal rank and coverage, with intervals.

use serde::Serialize;

use super::LIST;
use super::random::Random;

/// Drawings of the bootstrap; fewer with very many users.
const DRAWINGS: usize = 1_000;
const DRAWINGS_MIN: usize = 200;
/// Users drawn in all.
const DRAWN_MAX: usize = 50_000_000;

/// A mean over events with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a method reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    /// Events for which items were recommended.
    pub scored: usize,
    /// Users that they are of.
    pub users: usize,
    /// Share of events whose item was among the ten.
    pub hit_rate: Figure,
    /// Normalised discounted cumulative gain: a hit at rank r counts 1 / log2(r + 1).
    pub ndcg: Figure,
    /// A hit at rank r counts 1 / r.
    pub reciprocal_rank: Figure,
    /// Share of all items that were recommended at least once.
    pub coverage: f64,
    #[serde(skip)]
    by_user: Vec<Sums>,
}

/// By how much a method is ahead of another on the same events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lead {
    /// Of the hit rate.
    pub hit_rate: Figure,
    /// Of NDCG.
    pub ndcg: Figure,
}

/// Sums of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    events: f64,
    gains: [f64; 3],
}

/// Collects ranks.
pub(super) struct Tally {
    by_user: Vec<Sums>,
    recommended: Vec<bool>,
}

impl Tally {
    pub(super) fn new(users: usize, items: usize) -> Self {
        Self {
            by_user: vec![Sums::default(); users],
            recommended: vec![false; items],
        }
    }

    /// Of an event of this user: what was recommended, best first, and which item was right. Up to one more than the list
    /// counts: it shows whether scores are equal across the list's end.
    pub(super) fn note(&mut self, user: u32, right: u32, ranking: &[(u32, f32)]) {
        for (item, _) in ranking.iter().take(LIST) {
            if let Some(recommended) = self.recommended.get_mut(*item as usize) {
                *recommended = true;
            }
        }
        let Some(sums) = self.by_user.get_mut(user as usize) else {
            return;
        };
        sums.events += 1.0;
        let score = ranking.iter().find(|(item, _)| *item == right);
        let rank = score.map_or(usize::MAX, |(_, score)| {
            ranking.iter().filter(|(_, other)| other >= score).count()
        });
        if rank <= LIST {
            let rank = rank as f64;
            for (sum, gain) in
                sums.gains
                    .iter_mut()
                    .zip([1.0, 1.0 / (rank + 1.0).log2(), 1.0 / rank])
            {
                *sum += gain;
            }
        }
    }

    pub(super) fn measures(&self, seed: u64) -> Measures {
        let users: Vec<Sums> = self
            .by_user
            .iter()
            .copied()
            .filter(|sums| sums.events > 0.0)
            .collect();
        let mut figures = figures(&users, seed).into_iter();
        let mut next = || figures.next().unwrap_or_default();
        let recommended = self.recommended.iter().filter(|is| **is).count();
        Measures {
            scored: users.iter().map(|sums| sums.events).sum::<f64>() as usize,
            users: users.len(),
            hit_rate: next(),
            ndcg: next(),
            reciprocal_rank: next(),
            coverage: recommended as f64 / (self.recommended.len() as f64).max(1.0),
            by_user: users,
        }
    }
}

impl Measures {
    /// How far this method is ahead of another that was measured in the same way on the same data. Users are drawn for both at
    /// once, so that what is hard for both is in no interval.
    pub fn lead(&self, other: &Self, seed: u64) -> Lead {
        let both = self.by_user.iter().zip(&other.by_user);
        let users: Vec<Sums> = both
            .map(|(one, other)| {
                let mut sums = *one;
                for (gain, other) in sums.gains.iter_mut().zip(other.gains) {
                    *gain -= other;
                }
                sums
            })
            .collect();
        let [hit_rate, ndcg, _] = figures(&users, seed);
        Lead { hit_rate, ndcg }
    }
}

/// Means with intervals from a bootstrap over users.
fn figures(users: &[Sums], seed: u64) -> [Figure; 3] {
    let drawings = (DRAWN_MAX / users.len().max(1)).clamp(DRAWINGS_MIN, DRAWINGS);
    let mut random = Random::new(seed);
    let mut drawn: [Vec<f64>; 3] = Default::default();
    for _ in 0..drawings {
        let indices = (0..users.len()).map(|_| random.below(users.len()));
        let means = means(indices.filter_map(|place| users.get(place).copied()));
        for (drawn, mean) in drawn.iter_mut().zip(means) {
            drawn.push(mean);
        }
    }
    let mut figures = [Figure::default(); 3];
    let means = means(users.iter().copied());
    for ((figure, mean), drawn) in figures.iter_mut().zip(means).zip(&mut drawn) {
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * (drawn.len() - 1) as f64).round();
            drawn.get(place as usize).copied().unwrap_or(mean)
        };
        *figure = Figure {
            mean,
            low: at(0.025),
            high: at(0.975),
        };
    }
    figures
}

fn means(users: impl Iterator<Item = Sums>) -> [f64; 3] {
    let mut all = Sums::default();
    for user in users {
        all.events += user.events;
        for (sum, gain) in all.gains.iter_mut().zip(user.gains) {
            *sum += gain;
        }
    }
    all.gains.map(|gain| gain / all.events.max(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "exact figures of small examples")]

    use super::*;

    /// Measures of one event whose right item is 1.
    fn of(ranking: &[(u32, f32)]) -> Measures {
        let mut tally = Tally::new(1, 20);
        tally.note(0, 1, ranking);
        tally.measures(0)
    }

    #[test]
    fn ranks_are_pessimistic() {
        for (ranking, rank) in [
            (&[(1, 3.0), (2, 2.0)][..], Some(1.0_f64)),
            (&[(1, 2.0), (2, 2.0)], Some(2.0)),
            (
                &[(3, 4.0), (1, 2.0), (2, 2.0), (4, 2.0), (5, 1.0)],
                Some(4.0),
            ),
            (&[(3, 4.0)], None),
            (&[], None),
        ] {
            let measures = of(ranking);
            let expected = rank.map_or([0.0; 3], |rank| {
                [1.0, 1.0 / (rank + 1.0).log2(), 1.0 / rank]
            });
            let found = [
                measures.hit_rate.mean,
                measures.ndcg.mean,
                measures.reciprocal_rank.mean,
            ];
            assert_eq!(found, expected, "{ranking:?}");
        }
    }

    #[test]
    fn equal_scores_across_the_end_of_the_list_are_no_hit() {
        let ranking: Vec<(u32, f32)> = (1..=11).map(|item| (item, 1.0)).collect();
        assert_eq!(of(&ranking).hit_rate.mean, 0.0);
        assert_eq!(of(&ranking[..10]).hit_rate.mean, 1.0);
        assert_eq!(of(&ranking).coverage, 0.5);
    }

    #[test]
    fn a_lead_is_of_the_same_users_and_so_its_interval_is_narrow() {
        let measures = |hits: fn(u32) -> bool| {
            let mut tally = Tally::new(200, 2);
            for user in 0..200 {
                tally.note(user, 1, &[(u32::from(hits(user)), 1.0)]);
            }
            tally.measures(7)
        };
        let one = measures(|user| user % 2 == 0);
        let better = measures(|user| user % 2 == 0 || user % 20 == 1);
        let lead = better.lead(&one, 7).hit_rate;
        assert!(lead.low > 0.0 && (lead.mean - 0.05).abs() < 1e-9 && lead.high < 0.1);
        assert!(one.hit_rate.high > better.hit_rate.low);
        assert!(one.lead(&better, 7).ndcg.high < 0.0);
        let none = one.lead(&one, 7).ndcg;
        assert_eq!((none.low, none.mean, none.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_interval_surrounds_the_mean_and_narrows_with_users() {
        let width = |users: u32| {
            let mut tally = Tally::new(users as usize, 2);
            for user in 0..users {
                tally.note(user, 1, &[(user % 2, 1.0)]);
            }
            let figure = tally.measures(7).hit_rate;
            assert!(figure.low <= 0.5 && figure.mean == 0.5 && figure.high >= 0.5);
            figure.high - figure.low
        };
        assert!(width(2_000) < width(20));
        assert!(width(20) > 0.1);
    }
}
