//! A report of Evidently 0.7, as `run.json()` gives it: drifted columns become `data_drift_detected`, failed tests of model
//! quality `model_performance_degraded`, and failed tests of the data `data_quality_issues`.
//!
//! Severity: high if the share of drifted columns reaches the report's `drift_share`, medium if fewer columns drifted or a
//! test failed. A report has neither a model's name nor a time.

use serde_json::{Value, json};

use super::draft::{Draft, Identity, model};
use super::lookup::{counted, list, number, text};
use super::measure::{Direction, Measure, affected, strongest};
use super::{Form, Payload, Read, TypedEvent};
use crate::payload_fault::PayloadFault;

pub(super) struct Evidently;

/// Methods whose score is a p-value, by the names of `config.method`: what a user asks for, and what Evidently prints.
const P_VALUES: [&str; 20] = [
    "anderson",
    "anderson-darling",
    "chisquare",
    "cramer_von_mises",
    "cramer-von mises",
    "empirical_mmd",
    "epps-singleton",
    "es",
    "fisher_exact",
    "fisher's exact test",
    "g_test",
    "ks",
    "mann-whitney u-rank test",
    "mannw",
    "t_test",
    "total-variation-distance",
    "tvd",
    "z",
    "mmd",
    "chi-square",
];

/// Methods whose score is a distance, in the same way.
const DISTANCES: [&str; 14] = [
    "abs_text_content_drift",
    "absolute text content drift",
    "ed",
    "energy-distance",
    "hellinger",
    "hellinger distance",
    "jensen-shannon distance",
    "jensenshannon",
    "kl_div",
    "kullback-leibler divergence",
    "perc_text_content_drift",
    "percentile text content drift",
    "psi",
    "wasserstein",
];

/// Metrics of the data; failed tests of any other metric are about the model.
const OF_DATA: [&str; 26] = [
    "AlmostConstantColumnsCount",
    "AlmostDuplicatedColumnsCount",
    "CategoryCount",
    "ColumnCount",
    "ConstantColumnsCount",
    "DatasetMissingValueCount",
    "DuplicatedColumnsCount",
    "DuplicatedRowCount",
    "EmptyColumnsCount",
    "EmptyRowsCount",
    "InListValueCount",
    "InRangeValueCount",
    "MaxValue",
    "MeanValue",
    "MedianValue",
    "MinValue",
    "MissingValueCount",
    "OutListValueCount",
    "OutRangeValueCount",
    "QuantileValue",
    "RowCount",
    "StdValue",
    "SumValue",
    "UniqueValueCount",
    "ColumnCorrelations",
    "DatasetCorrelations",
];

const DATASET: &str = "DriftedColumnsCount";
const COLUMN: &str = "ValueDrift";
/// What Evidently takes if a report does not say.
const SHARE: f64 = 0.5;

impl Form for Evidently {
    fn name(&self) -> &'static str {
        "evidently"
    }

    fn sender(&self) -> &'static str {
        "Evidently 0.7: what `run.json()` of a report gives"
    }

    fn example(&self) -> Value {
        json!({
            "metrics": [
                {
                    "id": "1",
                    "metric_name": "DriftedColumnsCount(drift_share=0.5)",
                    "config": {"type": "evidently:metric_v2:DriftedColumnsCount", "drift_share": 0.5},
                    "value": {"count": 1.0, "share": 0.25},
                },
                {
                    "id": "2",
                    "metric_name": "ValueDrift(column=age,method=K-S p_value,threshold=0.05)",
                    "config": {
                        "type": "evidently:metric_v2:ValueDrift",
                        "column": "age",
                        "method": "K-S p_value",
                        "threshold": 0.05,
                    },
                    "value": 0.0003,
                },
            ],
            "tests": [],
        })
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        let metrics = list(&payload.value, &["metrics"]);
        let tests = list(&payload.value, &["tests"]);
        let known = metrics
            .iter()
            .any(|metric| name_of(metric, &["config", "type"]).is_some());
        if !known && tests.is_empty() {
            let legacy = metrics
                .iter()
                .any(|metric| text(metric, &["metric"]).is_some());
            let problem = if legacy {
                "it is a report of Evidently 0.6 or older; 0.7 and newer are read"
            } else {
                "it has no `metrics` with a `config.type`; send what run.json() of a report gives"
            };
            return Err(PayloadFault::unlike(self.name(), problem));
        }
        let report = Report {
            payload,
            metrics,
            tests,
        };
        let model = model(self, payload, None, "")?;
        let drafts = [
            report.drift(),
            report.quality(Of::Model),
            report.quality(Of::Data),
        ];
        let events: Vec<TypedEvent> = drafts
            .into_iter()
            .flatten()
            .map(|draft| {
                Draft {
                    model: Some(model.clone()),
                    ..draft
                }
                .event(self, payload)
            })
            .collect();
        let nothing = events.is_empty().then(|| {
            let metrics = counted(metrics.len(), "metric");
            format!("no drifted column and no failed test in {metrics}")
        });
        Ok(Read { events, nothing })
    }
}

/// What a failed test is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Model,
    Data,
}

struct Report<'a> {
    payload: &'a Payload<'a>,
    metrics: &'a [Value],
    tests: &'a [Value],
}

/// `ValueDrift` of `evidently:metric_v2:ValueDrift`.
fn name_of<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    text(value, path)?.rsplit(':').next()
}

impl Report<'_> {
    fn of_type<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Value> {
        let is = move |metric: &&Value| name_of(metric, &["config", "type"]) == Some(wanted);
        self.metrics.iter().filter(is)
    }

    /// Whether a test of that metric failed; `None` without one.
    fn tested(&self, metric: &Value) -> Option<bool> {
        let id = text(metric, &["id"])?;
        let of_it = |test: &&Value| text(test, &["metric_config", "metric_id"]) == Some(id);
        let test = self.tests.iter().find(of_it)?;
        Some(text(test, &["status"])? == "FAIL")
    }

    fn measures(&self) -> Vec<Measure> {
        let measures = self.of_type(COLUMN).filter_map(|metric| {
            let method = text(metric, &["config", "method"])
                .unwrap_or("unknown")
                .to_owned();
            let (score, threshold) = (
                number(metric, &["value"]),
                number(metric, &["config", "threshold"]),
            );
            let direction = direction(&method);
            let judged = || match (direction?, score?, threshold?) {
                (Direction::PValue, score, threshold) => Some(score < threshold),
                (Direction::Distance, score, threshold) => Some(score >= threshold),
            };
            Some(Measure {
                feature: text(metric, &["config", "column"])?.to_owned(),
                direction,
                score,
                threshold,
                drifted: self.tested(metric).or_else(judged),
                comparable: true,
                method,
            })
        });
        measures.collect()
    }

    fn drift(&self) -> Option<Draft> {
        let measures = self.measures();
        let dataset = self.of_type(DATASET).next();
        let share = dataset.and_then(|metric| number(metric, &["value", "share"]));
        let count = dataset.and_then(|metric| number(metric, &["value", "count"]));
        let features = affected(&measures);
        let dataset_drifted = dataset.is_some_and(|metric| {
            let limit = number(metric, &["config", "drift_share"]).unwrap_or(SHARE);
            let reached = share.is_some_and(|share| share >= limit);
            self.tested(metric).unwrap_or(reached)
        });
        if features.is_empty() && !dataset_drifted && count.is_none_or(|count| count < 1.0) {
            return None;
        }
        let of = if measures.is_empty() {
            String::new()
        } else {
            format!(" of {}", measures.len())
        };
        let columns = features.len().max(count.map_or(0, whole));
        let facts = vec![
            ("drift_score", json!(share.or_else(|| strongest(&measures)))),
            ("affected_features", json!(features).take_unless_empty()),
            ("share_drifted", json!(share)),
            (
                "features",
                measures
                    .iter()
                    .map(Measure::json)
                    .collect::<Vec<_>>()
                    .into(),
            ),
        ];
        let severity = if dataset_drifted { "high" } else { "medium" };
        let message = format!("{}{of} drifted", counted(columns, "column"));
        Some(Draft {
            facts,
            ..self.draft(
                "data.drift.detected",
                "data_drift_detected",
                severity,
                message,
            )
        })
    }

    /// The failed tests about the model, or about the data; those of drift are in [`Self::drift`].
    fn quality(&self, of: Of) -> Option<Draft> {
        let wanted = |test: &&Value| {
            let kind = name_of(test, &["metric_config", "params", "type"]).unwrap_or_default();
            let is_of = if OF_DATA.contains(&kind) {
                Of::Data
            } else {
                Of::Model
            };
            text(test, &["status"]) == Some("FAIL")
                && kind != COLUMN
                && kind != DATASET
                && is_of == of
        };
        let failed: Vec<&Value> = self.tests.iter().filter(wanted).collect();
        if failed.is_empty() {
            return None;
        }
        let said = failed
            .iter()
            .filter_map(|test| text(test, &["description"]));
        let message = said.collect::<Vec<_>>().join("; ");
        let names: Vec<&str> = failed
            .iter()
            .filter_map(|test| text(test, &["name"]))
            .collect();
        let mut facts = vec![("failed_tests", json!(names))];
        let (topic, event_type) = match of {
            Of::Model => {
                if let [test] = failed.as_slice() {
                    facts.extend([
                        ("current_performance", json!(self.value_of(test))),
                        (
                            "baseline_performance",
                            json!(number(test, &["test_config", "threshold"])),
                        ),
                    ]);
                }
                ("model.performance.degraded", "model_performance_degraded")
            }
            Of::Data => ("data.quality.issues", "data_quality_issues"),
        };
        Some(Draft {
            facts,
            ..self.draft(topic, event_type, "medium", message)
        })
    }

    /// The value of the metric that a test is about.
    fn value_of(&self, test: &Value) -> Option<f64> {
        let id = text(test, &["metric_config", "metric_id"])?;
        let metric = self
            .metrics
            .iter()
            .find(|metric| text(metric, &["id"]) == Some(id))?;
        number(metric, &["value"])
    }

    fn draft(
        &self,
        topic: &'static str,
        event_type: &'static str,
        severity: &str,
        message: String,
    ) -> Draft {
        Draft {
            topic,
            event_type: event_type.to_owned(),
            kind: "ai.evidently.report",
            severity: Some(severity.to_owned()),
            message: Some(message),
            model: None,
            service: None,
            timestamp: None,
            identity: Identity::Content(event_type),
            facts: Vec::new(),
            kept: ("evidently", self.payload.text.to_owned()),
        }
    }
}

/// Of a method that is not known nothing is guessed.
fn direction(method: &str) -> Option<Direction> {
    let name = method.trim().to_lowercase();
    let is_p_value = name.contains("p_value") || name.contains("p-value");
    if is_p_value || P_VALUES.contains(&name.as_str()) {
        return Some(Direction::PValue);
    }
    let is_distance = DISTANCES.contains(&name.as_str()) || name.starts_with("wasserstein");
    is_distance.then_some(Direction::Distance)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of columns, not negative and far below the limit"
)]
fn whole(count: f64) -> usize {
    count.clamp(0.0, 1e6) as usize
}

/// A list that says nothing is left out.
trait Meaningful {
    fn take_unless_empty(self) -> Value;
}

impl Meaningful for Value {
    fn take_unless_empty(self) -> Value {
        if self.as_array().is_some_and(Vec::is_empty) {
            return Self::Null;
        }
        self
    }
}
