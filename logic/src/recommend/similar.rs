//! Items that the same users have, and users who have the same items.
//!
//! Both are the overlap with shrinkage: `co / min(n, m) · co / (co + shrink)`, where `co` is what two have in common and `n` and
//! `m` what each has. Of items, `co` is counted among the users of the item that came last (`holders_max`).

use std::cmp::Ordering;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Model;
use super::names::Slot;
use super::taste::{Taste, TasteError};
use super::user::User;

/// Users that are compared in full, those with most in common first.
const COMPARED_MAX: usize = 500;

/// An item or a user similar to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similar<'a> {
    /// Its id.
    pub id: &'a str,
    /// From 0 to 1.
    pub similarity: f64,
}

impl Model {
    /// Items of at least that similarity to this one, most similar first, of equals the smaller id. At most `count`.
    pub fn similar_items(&self, item: &str, least: f64, count: usize) -> Vec<Similar<'_>> {
        let Some(item) = self.items.names.find(item) else {
            return Vec::new();
        };
        let holders = self.items.holders.get(item as usize);
        let holders: &[Slot] = holders.map_or(&[], |all| all);
        let mut common = counts();
        for user in holders
            .iter()
            .filter_map(|slot| self.users.get(*slot as usize))
        {
            for (other, unwanted) in user.known() {
                if other != item && !unwanted {
                    *common.entry(other).or_insert(0_u32) += 1;
                }
            }
        }
        let all = f64::from(self.items.get(item).holders);
        // Only the users who came last are counted: what they have in common stands for all.
        let scale = all / (holders.len() as f64).max(1.0);
        let similar = common.into_iter().map(|(other, co)| {
            let co = f64::from(co);
            let least = all.min(f64::from(self.items.get(other).holders));
            let overlap = (co * scale / least.max(1.0)).min(1.0);
            let shrink = self.settings.similar_items_shrink;
            (self.items.names.name(other), overlap * co / (co + shrink))
        });
        best(similar, least, count)
    }

    /// Users of at least that similarity to this one, most similar first, of equals the smaller id. At most `count`.
    pub fn similar_users(&self, user: &str, least: f64, count: usize) -> Vec<Similar<'_>> {
        let Some((own, user)) = self.user_names.find(user).zip(self.user(user)) else {
            return Vec::new();
        };
        self.like(Some(own), user, least, count)
    }

    /// The same for a user who is kept elsewhere.
    ///
    /// # Errors
    /// The taste cannot be.
    pub fn similar_users_of(
        &self,
        user: &str,
        taste: &Taste,
        least: f64,
        count: usize,
    ) -> Result<Vec<Similar<'_>>, TasteError> {
        taste.check(user)?;
        let items = taste.items.iter();
        let slots: Vec<Option<Slot>> = items.map(|item| self.items.names.find(item)).collect();
        let own = self.user_names.find(user);
        Ok(self.like(own, &self.user_of(taste, &slots), least, count))
    }

    fn like(&self, own: Option<Slot>, user: &User, least: f64, count: usize) -> Vec<Similar<'_>> {
        let mut common = counts();
        for recent in &user.recent {
            for holder in self
                .items
                .holders
                .get(recent.item as usize)
                .into_iter()
                .flatten()
            {
                if Some(*holder) != own {
                    *common.entry(*holder).or_insert(0_u32) += 1;
                }
            }
        }
        let mut nearest: Vec<(u32, Slot)> =
            common.into_iter().map(|(slot, co)| (co, slot)).collect();
        nearest.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        nearest.truncate(COMPARED_MAX);
        let mut has = counts();
        for (item, _) in user.known().filter(|(_, unwanted)| !unwanted) {
            has.insert(item, 1_u32);
        }
        let similar = nearest.into_iter().filter_map(|(_, slot)| {
            let other = self.users.get(slot as usize)?;
            let wanted = other.known().filter(|(_, unwanted)| !unwanted);
            let many = wanted.clone().count();
            let co = wanted.filter(|(item, _)| has.contains_key(item)).count() as f64;
            let overlap = co / (has.len().min(many) as f64).max(1.0);
            let shrink = self.settings.similar_users_shrink;
            Some((self.user_names.name(slot), overlap * co / (co + shrink)))
        });
        best(similar, least, count)
    }
}

fn counts() -> HashMap<Slot, u32, FixedState> {
    HashMap::default()
}

fn best<'a>(
    all: impl Iterator<Item = (&'a str, f64)>,
    least: f64,
    count: usize,
) -> Vec<Similar<'a>> {
    let mut similar: Vec<Similar<'_>> = all
        .filter(|(id, similarity)| *similarity >= least && !id.is_empty())
        .map(|(id, similarity)| Similar { id, similarity })
        .collect();
    similar.sort_unstable_by(|one, other| -> Ordering {
        let order = other.similarity.total_cmp(&one.similarity);
        order.then(one.id.cmp(other.id))
    });
    similar.truncate(count);
    similar
}
