//! Recommendations for one user, by the formulas of docs/recommendations.md.

use std::cmp::Ordering;

use super::Model;
use super::interaction::seconds;
use super::items::{Item, Items};
use super::names::Slot;
use super::scoring::Scoring;
use super::taste::{Taste, TasteError};
use super::trial::Base;
use super::user::{Recent, User, with_distance};

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Id of the user; an unknown one gets what is trending.
    pub user: &'a str,
    /// Most recommendations; fewer are given if nothing else is known.
    pub count: usize,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Only history before this time counts; `None`: all. Boosts and items seen are not affected.
    pub before_ms: Option<i64>,
    /// Constants of the score; `None`: those of the model's settings.
    pub scoring: Option<&'a Scoring>,
    /// Whether an item can be recommended: it is in the catalog and available. Asked for few items only.
    pub allow: &'a dyn Fn(&str) -> bool,
}

/// An item recommended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recommendation<'a> {
    /// Id of the item.
    pub item: &'a str,
    /// Larger is better; comparable within one answer only.
    pub score: f32,
    /// Why.
    pub reason: Reason<'a>,
}

/// Why an item is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The user chose this item; of all, it contributes most to the score. It can be the item recommended, to be chosen again.
    Chose(&'a str),
    /// Many choose it lately; that contributes more than the user's items.
    Trending,
    /// Many choose it; none of the user's items is known to go with it.
    Popular,
}

/// Working memory, reused between recommendations: 8 bytes per item known.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    cells: Vec<Cell>,
    touched: Vec<Slot>,
    round: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    sum: f32,
    round: u32,
}

impl Scratch {
    fn begin(&mut self, width: usize) {
        self.touched.clear();
        self.cells
            .resize(width.max(self.cells.len()), Cell::default());
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.cells.fill(Cell::default());
            self.round = 1;
        }
    }

    /// Adds to an item, which is a candidate from now on. One that is excluded stays so.
    fn add(&mut self, slot: Slot, sum: f32) {
        let Some(cell) = self.cells.get_mut(slot as usize) else {
            return;
        };
        if cell.round == self.round {
            cell.sum += sum;
            return;
        }
        *cell = Cell {
            sum,
            round: self.round,
        };
        self.touched.push(slot);
    }

    fn exclude(&mut self, slot: Slot) {
        if let Some(cell) = self.cells.get_mut(slot as usize) {
            *cell = Cell {
                sum: f32::NEG_INFINITY,
                round: self.round,
            };
        }
    }

    fn sum(&self, slot: Slot) -> f32 {
        self.cells.get(slot as usize).map_or(0.0, |cell| cell.sum)
    }
}

/// The user's items with what each counts.
struct Interest {
    items: Vec<(Slot, f32)>,
    /// Sum of what they count.
    whole: f32,
    trend_weight: f32,
    /// How likely an item is whatever the history.
    base: Base,
    /// Pairs that are presumed.
    presumed: f32,
    /// Items that the user can choose again, the newest with 1, others with less; few, and none unless seen items are recommended.
    again: Vec<(Slot, f32)>,
    /// How likely the newest of them is the next, and any other item is.
    repeats: [f32; 2],
    repeat_weight: f32,
}

#[derive(Clone, Copy)]
struct Scored {
    slot: Slot,
    score: f32,
    /// The shares of pairs, trend and having been chosen before, without boosts.
    pairs: f32,
    trend: f32,
    again: f32,
}

impl Model {
    /// The best items for a user, best first; of equals, the smaller id.
    pub fn recommend(
        &self,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Recommendation<'_>> {
        let nothing = User::default();
        let user = self.user(request.user).unwrap_or(&nothing);
        self.recommend_to(user, request, scratch)
    }

    /// The same for a user who is kept elsewhere, and is not put in.
    ///
    /// # Errors
    /// The taste cannot be.
    pub fn recommend_for(
        &self,
        taste: &Taste,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Recommendation<'_>>, TasteError> {
        taste.check(request.user)?;
        let items = taste.items.iter();
        let slots: Vec<Option<Slot>> = items.map(|item| self.items.names.find(item)).collect();
        let user = self.user_of(taste, &slots);
        Ok(self.recommend_to(&user, request, scratch))
    }

    fn recommend_to(
        &self,
        user: &User,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Recommendation<'_>> {
        let now = seconds(request.now_ms);
        let history = match request.before_ms.map(seconds) {
            None => &user.recent,
            Some(before) => {
                let place = user.recent.partition_point(|recent| recent.at < before);
                user.recent.get(..place).unwrap_or_default()
            }
        };
        let scoring = request.scoring.unwrap_or(&self.scoring);
        let interest = self.interest(history, now, scoring);
        scratch.begin(self.items.names.width());
        for (item, unwanted) in user.known() {
            if unwanted || !scoring.recommend_seen {
                scratch.exclude(item);
            }
        }
        self.collect(&interest, user, scratch);
        let best = self.rank(&interest, user, now, request, scratch);
        let name = |slot| self.items.names.name(slot);
        best.into_iter()
            .map(|scored| Recommendation {
                item: name(scored.slot),
                score: scored.score,
                reason: match self.cause(&interest, &scored) {
                    Some(item) => Reason::Chose(name(item)),
                    None if scored.trend >= scored.pairs => Reason::Trending,
                    None => Reason::Popular,
                },
            })
            .collect()
    }

    fn interest(&self, history: &[Recent], now: u32, scoring: &Scoring) -> Interest {
        let idle_after = scoring.idle_after_seconds;
        let is_idle = |at: u32| f64::from(now.saturating_sub(at)) > idle_after;
        let skip = history.len().saturating_sub(scoring.scored_max);
        let items: Vec<(Slot, f32)> = with_distance(history)
            .skip(skip)
            .map(|(recent, distance)| {
                let near = scoring.decay.get(distance).copied().unwrap_or(0.0);
                let idle = if is_idle(recent.at) {
                    scoring.idle_factor
                } else {
                    1.0
                };
                (recent.item, near * idle * self.items.get(recent.item).damp)
            })
            .collect();
        let again: Vec<(Slot, f32)> = with_distance(history)
            .filter(|_| scoring.recommend_seen)
            .map(|(recent, distance)| {
                let near = self.learn_decay.get(distance).copied().unwrap_or(0.0);
                (recent.item, near)
            })
            .collect();
        let active = history.last().is_some_and(|newest| !is_idle(newest.at));
        let trend_weight = if active {
            scoring.trend_weight
        } else {
            scoring.idle_trend_weight
        };
        let evidence = &self.items.evidence;
        let set = |set: f64, found: f64| if set > 0.0 { set } else { found };
        let pairs_prior = set(scoring.prior, evidence.pairs_prior(scoring.recommend_seen));
        let trend_prior = set(scoring.trend_prior, evidence.trend_prior());
        let repeats = evidence.repeats() as f32;
        let near: f32 = again.iter().map(|(_, near)| near).sum();
        Interest {
            whole: items.iter().map(|(_, counts)| counts).sum(),
            items,
            again,
            repeats: [repeats / near.max(1.0), 1.0 - repeats],
            repeat_weight: scoring.repeat_weight,
            trend_weight: trend_weight as f32,
            base: self.items.base(trend_prior, now),
            presumed: self.items.presumed_pairs(pairs_prior) as f32,
        }
    }

    /// Adds up what stored neighbours have beyond the prior, and names the other candidates.
    fn collect(&self, interest: &Interest, user: &User, scratch: &mut Scratch) {
        for (item, counts) in &interest.items {
            let Some(row) = self.items.row(*item) else {
                continue;
            };
            for (other, count) in row.iter() {
                let presumed = interest.presumed(&self.items, other);
                let beyond = (presumed + count).sqrt() - presumed.sqrt();
                scratch.add(other, counts * beyond);
            }
        }
        let boards = [&self.items.frequent, &self.items.trending];
        let boosted = user.boosts.iter().map(|boost| boost.item);
        let again = interest.again.iter().map(|(item, _)| *item);
        let others = boosted.chain(again);
        let others = others.filter(|item| self.items.get(*item).is_counted);
        for other in boards
            .iter()
            .flat_map(|board| board.members().iter().copied())
            .chain(others)
        {
            scratch.add(other, 0.0);
        }
    }

    fn rank(
        &self,
        interest: &Interest,
        user: &User,
        now: u32,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Vec<Scored> {
        let touched = std::mem::take(&mut scratch.touched);
        let (mut score_max, mut share_max) = (0.0_f32, 0.0_f32);
        for slot in &touched {
            let item = self.items.get(*slot);
            let cell = scratch.cells.get_mut(*slot as usize);
            let Some(cell) = cell.filter(|cell| cell.sum > f32::NEG_INFINITY) else {
                continue;
            };
            let share = interest.share(&item);
            let base = (interest.presumed * share).sqrt();
            cell.sum = item.damp * (base * interest.whole + cell.sum);
            score_max = score_max.max(cell.sum);
            share_max = share_max.max(share);
        }
        let pairs_unit = if score_max > 0.0 {
            1.0 / score_max
        } else {
            0.0
        };
        let trend_unit = if share_max > 0.0 {
            interest.trend_weight / share_max
        } else {
            0.0
        };
        let [repeat, other] = interest.repeats;
        let repeat_unit = if share_max > 0.0 {
            interest.repeat_weight * (repeat / (other * share_max)).min(1.0)
        } else {
            interest.repeat_weight
        };
        let mut best: Vec<Scored> = Vec::with_capacity(request.count.min(touched.len()) + 1);
        for slot in &touched {
            let sum = scratch.sum(*slot);
            if sum == f32::NEG_INFINITY {
                continue;
            }
            let (pairs, trend) = (
                sum * pairs_unit,
                interest.share(&self.items.get(*slot)) * trend_unit,
            );
            let boost = self.boost_of(user, *slot, now);
            let again = interest.again.iter().find(|(item, _)| item == slot);
            let again = again.map_or(0.0, |(_, share)| *share * repeat_unit);
            let scored = Scored {
                slot: *slot,
                score: (pairs + trend + again) * boost,
                pairs,
                trend,
                again,
            };
            self.place(scored, &mut best, request);
        }
        scratch.touched = touched;
        best
    }

    /// Puts an item at its rank among the best, if it is one of them and allowed.
    fn place(&self, scored: Scored, best: &mut Vec<Scored>, request: &Request<'_>) {
        let name = |slot| self.items.names.name(slot);
        let after = |other: &Scored| match other.score.total_cmp(&scored.score) {
            Ordering::Equal => name(other.slot) < name(scored.slot),
            order => order == Ordering::Greater,
        };
        let is_full = best.len() >= request.count;
        if is_full && best.last().is_none_or(after) {
            return;
        }
        let item = name(scored.slot);
        if item.is_empty() || !(request.allow)(item) {
            return;
        }
        let rank = best.partition_point(after);
        best.insert(rank, scored);
        best.truncate(request.count);
    }

    /// The item of the user that contributes most, which can be the item itself, unless the trend contributes more than all.
    fn cause(&self, interest: &Interest, scored: &Scored) -> Option<Slot> {
        if scored.again > scored.pairs.max(scored.trend) {
            return Some(scored.slot);
        }
        if scored.trend > scored.pairs {
            return None;
        }
        let presumed = interest.presumed(&self.items, scored.slot);
        let mut most = (0.0, None);
        for (item, counts) in &interest.items {
            let Some(count) = self.items.row(*item).and_then(|row| row.get(scored.slot)) else {
                continue;
            };
            let part = counts * (presumed + count).sqrt();
            // Of equals the newer one.
            if part >= most.0 && part > 0.0 {
                most = (part, Some(*item));
            }
        }
        most.1
    }
}

impl Interest {
    /// How likely an item is whatever the history.
    fn share(&self, item: &Item) -> f32 {
        self.base.of(item.trend, item.choices) as f32
    }

    /// Pairs that an item has with every other before any is seen.
    fn presumed(&self, items: &Items, slot: Slot) -> f32 {
        self.presumed * self.share(&items.get(slot))
    }
}
