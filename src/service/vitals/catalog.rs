//! The catalog: how much it holds, what it did not take, and partitions of its topic that cannot be read.

use std::sync::Arc;

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::service::state::ServiceState;

pub(super) struct Items(pub(super) Arc<ServiceState>);

impl Vital for Items {
    fn warnings(&self) -> Vec<String> {
        let Some(followed) = self.0.followed() else {
            return Vec::new();
        };
        followed.obstacles()
    }

    fn gauges(&self, metrics: &Metrics) {
        let catalog = self.0.catalog();
        for (outcome, count) in catalog.taken() {
            metrics.catalog_records.raise_to([outcome], count);
        }
        let held = catalog.read();
        let (counts, bytes) = (held.counts(), held.bytes());
        drop(held);
        metrics.catalog_items.set(["known"], counts.items);
        metrics.catalog_items.set(["removed"], counts.removed);
        metrics.catalog_bytes.set([], bytes);
        for (what, count) in [
            ("items", counts.refused),
            ("fields", counts.without_fields),
            ("genres", counts.genres_left_out),
        ] {
            metrics.catalog_left_out.raise_to([what], count);
        }
    }
}
