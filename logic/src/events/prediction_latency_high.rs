//! `prediction_latency_high`: a service that answers too slowly.

use super::{About, EventKind};
use crate::language::Language;

pub(super) struct PredictionLatencyHigh;

impl EventKind for PredictionLatencyHigh {
    fn name(&self) -> &'static str {
        "prediction_latency_high"
    }

    fn about(&self, _: &str) -> About {
        About::Service
    }

    fn words(&self, event_type: &str, language: Language) -> String {
        match language {
            Language::En => event_type.replace('_', " "),
            Language::Ko => "예측 지연 시간 증가".to_owned(),
        }
    }
}
