//! What is known of items, and which users are like one: beside lists for a user.

use homeostat_logic::activity::list::{Recommended, Why};

use super::asked::Asked;
use super::{UserError, Users};

/// An id, and how similar it is to what was asked about: above 0, at most 1.
pub type Alike = (String, f64);

impl Users {
    /// The items that were chosen most, or are chosen lately. Scores are the weights of their events.
    pub fn most_chosen(&self, asked: &Asked, lately: bool) -> Vec<Recommended> {
        let shared = self.model.read();
        let catalog = self.catalog.read();
        let allow = |item: &str| asked.allows(item, &catalog);
        let (model, count) = (shared.model(), asked.count);
        let (best, reason) = if lately {
            let now = self.clock.now();
            (model.trending(now, count, &allow), Why::Trending)
        } else {
            (model.popular(count, &allow), Why::Popular)
        };
        let best = best.into_iter().map(|(item, weight)| Recommended {
            item_id: item.to_owned(),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "a score is shown, not added up"
            )]
            score: weight as f32,
            reason: reason.clone(),
        });
        best.collect()
    }

    /// Items that are similar to one, most similar first. Those that cannot be recommended are left out.
    pub fn similar_items(&self, item: &str, asked: &Asked) -> Vec<Alike> {
        let shared = self.model.read();
        let catalog = self.catalog.read();
        let similar = shared.model().similar_items(item, 0.0, usize::MAX);
        let similar = similar
            .into_iter()
            .filter(|one| one.similarity > 0.0 && asked.allows(one.id, &catalog));
        let similar = similar.map(|one| (one.id.to_owned(), one.similarity));
        similar.take(asked.count).collect()
    }

    /// Users who are similar to one, among those in memory here, most similar first.
    ///
    /// # Errors
    /// The store does not answer, or holds something else.
    pub async fn similar_users(&self, user: &str, count: usize) -> Result<Vec<Alike>, UserError> {
        let profile = self.profile(user).await?.unwrap_or_default();
        let taste = profile.taste.unwrap_or_default();
        let shared = self.model.read();
        let model = shared.model();
        let similar = model.similar_users_of(user, &taste, 0.0, count);
        let similar = similar.map_err(|error| UserError::Unreadable(error.to_string()))?;
        let similar = similar.into_iter().filter(|one| one.similarity > 0.0);
        let similar = similar.map(|one| (one.id.to_owned(), one.similarity));
        Ok(similar.collect())
    }
}
