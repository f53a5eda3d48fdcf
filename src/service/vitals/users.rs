//! Users: whether their store answers, and how far the model is.

use std::sync::Arc;
use std::time::Instant;

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::users::Users;

/// `None`: recommendations are switched off.
pub(super) struct OfUsers(pub(super) Option<Arc<Users>>);

impl Vital for OfUsers {
    fn reasons(&self, _: Instant) -> Vec<String> {
        let Some(users) = &self.0 else {
            return Vec::new();
        };
        let trouble = users.store.trouble();
        let trouble = trouble.map(|why| format!("events of users wait: the user store: {why}"));
        trouble.into_iter().collect()
    }

    fn warnings(&self) -> Vec<String> {
        let users = self.0.as_ref();
        let lost = users.and_then(|users| users.losses.in_words(Instant::now()));
        lost.into_iter().collect()
    }

    fn gauges(&self, metrics: &Metrics) {
        let Some(users) = &self.0 else { return };
        let shared = users.model.read();
        let size = shared.model().size();
        drop(shared);
        metrics.model_items.set([], size.items);
        metrics.model_pairs.set([], size.pairs);
        metrics.model_users.set([], size.users);
        metrics
            .model_unreadable
            .raise_to([], users.model.unreadable());
        let losses = users.losses.all();
        metrics.user_store_losses.raise_to([], losses.partitions);
        metrics.user_store_restored.raise_to([], losses.restored);
    }
}
