//! External models: how often their lists were used, and why not.

use std::sync::Arc;

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::recommendations::external::External;

pub(super) struct Models(pub(super) Vec<Arc<External>>);

impl Vital for Models {
    fn gauges(&self, metrics: &Metrics) {
        for model in &self.0 {
            for (outcome, count) in model.counts() {
                metrics
                    .external_lists
                    .raise_to([model.name(), outcome], count);
            }
        }
    }
}
