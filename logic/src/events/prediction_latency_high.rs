//! `prediction_latency_high`: a service that answers too slowly.

use super::{About, EventKind};

pub(super) struct PredictionLatencyHigh;

impl EventKind for PredictionLatencyHigh {
    fn name(&self) -> &'static str {
        "prediction_latency_high"
    }

    fn about(&self, _: &str) -> About {
        About::Service
    }
}
