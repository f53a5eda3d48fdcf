//! Partitions that an open transaction of another producer holds, as people see them.

use std::sync::Arc;

use super::vital::{Shown, Vital};
use crate::metrics::Metrics;
use crate::service::state::ServiceState;

/// Partitions that open transactions hold.
pub(super) struct HeldPartitions {
    state: Arc<ServiceState>,
    shown: Shown,
}

impl HeldPartitions {
    pub(super) fn new(state: Arc<ServiceState>) -> Self {
        let shown = Shown::default();
        Self { state, shown }
    }
}

impl Vital for HeldPartitions {
    fn warnings(&self) -> Vec<String> {
        self.state.held().warnings(&self.state.status())
    }

    fn gauges(&self, metrics: &Metrics) {
        let status = self.state.status();
        for one in &status {
            let partition = one.partition.partition.to_string();
            let labels = [
                metrics.topic_label(&one.partition.topic),
                partition.as_str(),
            ];
            let seconds = one.held.map_or(0, |held| held.lasting.as_secs());
            metrics.partition_open_transaction.set(labels, seconds);
        }
        let owned = status.into_iter().map(|one| one.partition).collect();
        self.shown
            .only(owned, metrics, &[&metrics.partition_open_transaction]);
    }
}
