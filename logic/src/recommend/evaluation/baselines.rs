//! The plain methods beside which ours is measured: what is popular, and items by cosine.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::super::row::Row;
use super::dataset::Event;
use super::recommender::{Asked, RANKED, Ranking, Recommender};

/// Newest items of a user that cosine pairs and scores.
const WINDOW: usize = 50;
/// Neighbours that an item keeps, as ours.
const NEIGHBOURS_MAX: usize = 1_000;

/// The items with the most events.
pub(super) struct Popularity {
    events: Vec<u32>,
    /// Items by events, most first.
    order: Vec<u32>,
    place: Vec<u32>,
}

impl Popularity {
    pub(super) fn new(items: usize) -> Self {
        Self {
            events: vec![0; items],
            order: (0..items as u32).collect(),
            place: (0..items as u32).collect(),
        }
    }

    fn count(&self, item: u32) -> u32 {
        self.events.get(item as usize).copied().unwrap_or(0)
    }
}

impl Recommender for Popularity {
    fn recommend(&mut self, asked: &Asked<'_>, ranking: &mut Ranking) {
        let unseen = self.order.iter().filter(|item| asked.allows(**item));
        ranking.extend(
            unseen
                .take_while(|item| self.count(**item) > 0)
                .take(RANKED)
                .map(|item| (*item, self.count(*item) as f32)),
        );
    }

    fn learn(&mut self, event: &Event) {
        let item = event.item as usize;
        let count = self.count(event.item);
        // The first item with as many events; the two change places.
        let first = self
            .order
            .partition_point(|other| self.count(*other) > count);
        let from = self.place.get(item).map_or(first, |place| *place as usize);
        if let Some(other) = self.order.get(first).copied() {
            self.order.swap(first, from);
            for (item, place) in [(event.item, first), (other, from)] {
                if let Some(entry) = self.place.get_mut(item as usize) {
                    *entry = place as u32;
                }
            }
        }
        if let Some(events) = self.events.get_mut(item) {
            *events += 1;
        }
    }
}

/// Plain item-kNN: the sum of cosines with the user's newest items, whatever their order.
pub(super) struct Cosine {
    users: Vec<f32>,
    rows: Vec<Row>,
    /// Items and their times, newest last.
    history: Vec<Vec<(u32, i64)>>,
    sums: HashMap<u32, f32, FixedState>,
}

impl Cosine {
    pub(super) fn new(users: usize, items: usize) -> Self {
        Self {
            users: vec![0.0; items],
            rows: vec![Row::default(); items],
            history: vec![Vec::new(); users],
            sums: HashMap::default(),
        }
    }

    fn of(&self, item: u32) -> f32 {
        self.users.get(item as usize).copied().unwrap_or(0.0)
    }
}

impl Recommender for Cosine {
    fn recommend(&mut self, asked: &Asked<'_>, ranking: &mut Ranking) {
        self.sums.clear();
        let history = self.history.get(asked.event.user as usize);
        for (item, time) in history.into_iter().flatten() {
            if asked.before_ms.is_some_and(|before| *time >= before) {
                continue;
            }
            let own = self.of(*item);
            for (other, together) in self
                .rows
                .get(*item as usize)
                .into_iter()
                .flat_map(Row::iter)
            {
                let norm = (own * self.users.get(other as usize).copied().unwrap_or(1.0)).sqrt();
                *self.sums.entry(other).or_insert(0.0) += together / norm.max(1.0);
            }
        }
        for (item, sum) in &self.sums {
            let full = ranking.len() >= RANKED;
            if full && ranking.last().is_some_and(|(_, last)| last >= sum) || !asked.allows(*item) {
                continue;
            }
            let place = ranking.partition_point(|(_, other)| other > sum);
            ranking.insert(place, (*item, *sum));
            ranking.truncate(RANKED);
        }
    }

    fn learn(&mut self, event: &Event) {
        let Some(history) = self.history.get_mut(event.user as usize) else {
            return;
        };
        if history.iter().any(|(item, _)| *item == event.item) {
            return;
        }
        if let Some(users) = self.users.get_mut(event.item as usize) {
            *users += 1.0;
        }
        for (other, _) in history.iter() {
            for (to, item) in [(*other, event.item), (event.item, *other)] {
                let Some(row) = self.rows.get_mut(to as usize) else {
                    continue;
                };
                if !row.increase(item, 1.0) {
                    if row.len() >= NEIGHBOURS_MAX {
                        row.prune(NEIGHBOURS_MAX - NEIGHBOURS_MAX / 8, |slot| slot);
                    }
                    row.insert(item, 1.0);
                }
            }
        }
        history.push((event.item, event.time_ms));
        let over = history.len().saturating_sub(WINDOW);
        history.drain(..over);
    }
}
