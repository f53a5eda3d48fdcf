//! What most users choose, and what they choose lately: the same for every user.

use super::Model;
use super::board::Board;
use super::interaction::seconds;
use super::items::Item;

impl Model {
    /// The items that were chosen most, with the weights of their events, the largest first, of equals the smaller id. Of those
    /// that `allow` lets through, at most `count`; no more than `candidates_max` items are looked at.
    pub fn popular(&self, count: usize, allow: &dyn Fn(&str) -> bool) -> Vec<(&str, f64)> {
        self.of_board(&self.items.frequent, count, allow, |item| item.count)
    }

    /// The same of the items that are chosen lately: each event counts half after `trend_half_life_hours`.
    pub fn trending(
        &self,
        now_ms: i64,
        count: usize,
        allow: &dyn Fn(&str) -> bool,
    ) -> Vec<(&str, f64)> {
        let age = f64::from(seconds(now_ms)) - f64::from(self.items.reference.unwrap_or(0));
        let unit = (-age / self.items.half_life).exp2();
        self.of_board(&self.items.trending, count, allow, |item| item.trend * unit)
    }

    fn of_board(
        &self,
        board: &Board,
        count: usize,
        allow: &dyn Fn(&str) -> bool,
        value: impl Fn(&Item) -> f64,
    ) -> Vec<(&str, f64)> {
        let members = board.members().iter();
        let valued = members.map(|slot| {
            let item = self.items.get(*slot);
            (self.items.names.name(*slot), value(&item))
        });
        let mut best: Vec<(&str, f64)> = valued
            .filter(|(id, value)| !id.is_empty() && *value > 0.0 && allow(id))
            .collect();
        best.sort_unstable_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(other.0)));
        best.truncate(count);
        best
    }
}
