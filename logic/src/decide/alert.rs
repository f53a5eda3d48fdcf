//! The texts people read: an alert's title and message, made for drift, for performance and for anything else (SPEC §4).

use super::judge::Verdict;
use super::remarks::whole_instances;
use crate::field::{Field, Length, Text, lenient_struct};

lenient_struct! {
    /// What the texts quote from the event.
    pub(super) struct Quoted<'a> {
        pub(super) model_version: Text<'a>,
        message: Text<'a>,
        pub(super) drift_score: f64,
        affected_features: Length,
        performance_drop: f64,
        current_performance: f64,
        baseline_performance: f64,
        current_instances: f64,
    }
}

/// A title and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertText {
    /// One short line.
    pub title: String,
    /// The facts.
    pub message: String,
}

impl<'a> Quoted<'a> {
    pub(super) fn read(raw: &'a str) -> Self {
        serde_json::from_str(raw).unwrap_or_default()
    }

    /// Replicas the service has, when the event says so as a whole number.
    pub(super) fn instances(&self) -> Option<i64> {
        self.current_instances.value().and_then(whole_instances)
    }

    pub(super) fn alert_text(&self, event_type: &str, verdict: &Verdict) -> AlertText {
        let (target, severity) = (&verdict.target, verdict.severity);
        match event_type {
            "data_drift_detected" => {
                let features = match self.affected_features {
                    Field::Value(Length(1)) => "1 feature".to_owned(),
                    Field::Value(Length(count)) => format!("{count} features"),
                    Field::Missing | Field::Wrong(_) => "an unknown number of features".to_owned(),
                };
                AlertText {
                    title: format!("data drift: {target}"),
                    message: format!(
                        "data of model {target} drifted: score {}, {features} affected, severity {severity}",
                        decimals(self.drift_score)
                    ),
                }
            }
            "model_performance_degraded" => AlertText {
                title: format!("model performance degraded: {target}"),
                message: format!(
                    "model {target} lost {}: now {}, baseline {}, severity {severity}",
                    percent(self.performance_drop),
                    decimals(self.current_performance),
                    decimals(self.baseline_performance)
                ),
            },
            other => {
                let words = other.replace('_', " ");
                let said = match &self.message {
                    Field::Value(Text(text)) if !text.is_empty() => {
                        format!(": {}", text.chars().take(500).collect::<String>())
                    }
                    _ => String::new(),
                };
                AlertText {
                    title: format!("{words}: {target}"),
                    message: format!(
                        "{words} on {} {target}, severity {severity}{said}",
                        verdict.target_kind.name()
                    ),
                }
            }
        }
    }
}

fn decimals(field: Field<f64>) -> String {
    field
        .value()
        .map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"))
}

fn percent(field: Field<f64>) -> String {
    field.value().map_or_else(
        || "an unknown share".to_owned(),
        |value| format!("{:.1} %", value * 100.0),
    )
}
