//! Results of `NannyML` 0.13 as a table: `results.filter(period="analysis").to_df(multilevel=False).to_json(orient="records")`.
//! Each chunk with an alert becomes one event per kind of alert: `data_drift_detected`, `model_performance_degraded` or
//! `data_quality_issues`. Chunks of the reference period are left out; of chunks without dates only the last one counts,
//! because the others are not news.
//!
//! Severity: medium; the rules raise it by the drift score and the number of features. `NannyML` itself decides what is an
//! alert. Performance above its upper threshold (of an error: below its lower one) is no degradation.

use serde_json::{Value, json};

use super::draft::{Draft, Identity, model};
use super::lookup::{counted, flag};
use super::measure::{Direction, Measure, affected, strongest};
use super::table::{Row, rows};
use super::{Form, Payload, Read, TypedEvent};
use crate::payload_fault::PayloadFault;

pub(super) struct NannyMl;

/// Methods of drift of one feature, and whether their values are between 0 and 1.
const METHODS: [(&str, bool); 6] = [
    ("jensen_shannon", true),
    ("kolmogorov_smirnov", true),
    ("chi2", false),
    ("l_infinity", true),
    ("wasserstein", false),
    ("hellinger", true),
];

/// Methods of drift of all features together.
const MULTIVARIATE: [&str; 2] = ["reconstruction_error", "domain_classifier_auroc"];

/// Performance of which more is better.
const SCORES: [&str; 9] = [
    "accuracy",
    "average_precision",
    "business_value",
    "f1",
    "precision",
    "recall",
    "roc_auc",
    "specificity",
    "true_positive",
];

/// Performance of which less is better.
const ERRORS: [&str; 6] = ["mae", "mape", "mse", "msle", "rmse", "rmsle"];

const ALERT: &str = "_alert";

impl Form for NannyMl {
    fn name(&self) -> &'static str {
        "nannyml"
    }

    fn sender(&self) -> &'static str {
        "NannyML 0.13: results as a table, `to_df(multilevel=False).to_json(orient=\"records\")`"
    }

    fn example(&self) -> Value {
        json!([{
            "chunk_key": "2026-11",
            "chunk_index": 3,
            "chunk_start_date": "2026-11-01T00:00:00",
            "chunk_end_date": "2026-11-30T23:59:59",
            "chunk_period": "analysis",
            "age_jensen_shannon_value": 0.197,
            "age_jensen_shannon_upper_threshold": 0.024,
            "age_jensen_shannon_lower_threshold": null,
            "age_jensen_shannon_alert": true,
        }])
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        let unlike = |problem| PayloadFault::unlike(self.name(), problem);
        let all = rows(&payload.value).map_err(unlike)?;
        let is_chunk = |row: &&Row| row.keys().any(|name| name.ends_with(ALERT));
        if !all.iter().all(|row| is_chunk(&row)) || all.is_empty() {
            let problem = "its rows are no chunks with columns `…_alert`";
            return Err(unlike(problem));
        }
        let model = model(self, payload, None, "")?;
        let analysed = |row: &&Row| text(row, "chunk_period") != Some("reference");
        let chunks: Vec<&Row> = all.iter().filter(analysed).collect();
        let last = chunks.len().saturating_sub(1);
        let news = chunks.iter().enumerate();
        let news = news.filter(|(index, row)| *index == last || date(row).is_some());
        let news: Vec<Chunk<'_>> = news.map(|(_, row)| Chunk::of(row)).collect();
        let drafts = news.iter().flat_map(Chunk::drafts);
        let events: Vec<TypedEvent> = drafts
            .map(|draft| {
                Draft {
                    model: Some(model.clone()),
                    ..draft
                }
                .event(self, payload)
            })
            .collect();
        let nothing = events.is_empty().then(|| {
            let chunks = counted(news.len(), "chunk");
            format!("no alert in {chunks} (of {} in the table)", all.len())
        });
        Ok(Read { events, nothing })
    }
}

fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.get(name)?.as_str()
}

/// The end of a chunk: text, or milliseconds since 1970.
fn date(row: &Row) -> Option<&Value> {
    row.get("chunk_end_date").filter(|date| !date.is_null())
}

/// What an alert is about.
enum Alert {
    Feature(Measure),
    Multivariate(Measure),
    Performance { metric: String, fell: bool },
    Quality(String),
}

struct Chunk<'a> {
    row: &'a Row,
    /// Every measure with a flag, alert or not.
    found: Vec<(Alert, bool)>,
}

impl<'a> Chunk<'a> {
    fn of(row: &'a Row) -> Self {
        let flags = row.iter().filter_map(|(name, value)| {
            let subject = name.strip_suffix(ALERT)?;
            Some((alert(row, subject, flag(value)), flag(value) == Some(true)))
        });
        Self {
            row,
            found: flags.collect(),
        }
    }

    fn drafts(&self) -> impl Iterator<Item = Draft> {
        [self.drift(), self.performance(), self.quality()]
            .into_iter()
            .flatten()
    }

    fn drift(&self) -> Option<Draft> {
        let (mut features, mut whole) = (Vec::new(), Vec::new());
        for (alert, _) in &self.found {
            match alert {
                Alert::Feature(measure) => features.push(measure.clone()),
                Alert::Multivariate(measure) => whole.push(measure.clone()),
                Alert::Performance { .. } | Alert::Quality(_) => {}
            }
        }
        let drifted = |measures: &[Measure]| measures.iter().any(|one| one.drifted == Some(true));
        if !drifted(&features) && !drifted(&whole) {
            return None;
        }
        let names = affected(&features);
        let message = if names.is_empty() {
            format!("the features together drifted in chunk {}", self.key())
        } else {
            let count = counted(names.len(), "feature");
            format!(
                "{count} drifted in chunk {}: {}",
                self.key(),
                names.join(", ")
            )
        };
        let all = features.iter().chain(&whole).map(Measure::json);
        let all: Vec<Value> = all.collect();
        let score = strongest(&features);
        let names = if names.is_empty() {
            Value::Null
        } else {
            json!(names)
        };
        let facts = vec![
            ("drift_score", json!(score)),
            ("affected_features", names),
            ("features", json!(all)),
        ];
        Some(self.draft("data.drift.detected", "data_drift_detected", message, facts))
    }

    fn performance(&self) -> Option<Draft> {
        let fell = self.found.iter().filter_map(|(alert, raised)| match alert {
            Alert::Performance { metric, fell } if *fell && *raised => Some(metric.as_str()),
            _ => None,
        });
        let fell: Vec<&str> = fell.collect();
        let first = fell.first()?;
        let number = |metric: &str, what: &str| self.row.get(&format!("{metric}_{what}"))?.as_f64();
        let limit = |metric: &str| {
            let which = if ERRORS.contains(&metric) {
                "upper"
            } else {
                "lower"
            };
            number(metric, &format!("{which}_threshold"))
        };
        let measured = |metric: &&str| {
            let estimated = self.row.contains_key(&format!("{metric}_realized"));
            json!({
                "metric": metric,
                "value": number(metric, "value"),
                "estimated": estimated,
                "threshold": limit(metric),
            })
        };
        let facts = vec![
            ("current_performance", json!(number(first, "value"))),
            ("baseline_performance", json!(limit(first))),
            (
                "performance",
                fell.iter().map(measured).collect::<Vec<_>>().into(),
            ),
        ];
        let message = format!(
            "{} beyond its threshold in chunk {}",
            fell.join(", "),
            self.key()
        );
        let topic = "model.performance.degraded";
        Some(self.draft(topic, "model_performance_degraded", message, facts))
    }

    fn quality(&self) -> Option<Draft> {
        let names = self.found.iter().filter_map(|(alert, raised)| match alert {
            Alert::Quality(name) if *raised => Some(name.as_str()),
            _ => None,
        });
        let names: Vec<&str> = names.collect();
        if names.is_empty() {
            return None;
        }
        let message = format!(
            "{} beyond its threshold in chunk {}",
            names.join(", "),
            self.key()
        );
        let facts = vec![("affected", json!(names))];
        Some(self.draft("data.quality.issues", "data_quality_issues", message, facts))
    }

    fn key(&self) -> &str {
        text(self.row, "chunk_key").unwrap_or("without a key")
    }

    fn draft(
        &self,
        topic: &'static str,
        event_type: &str,
        message: String,
        facts: Vec<(&'static str, Value)>,
    ) -> Draft {
        let row = json!(self.row).to_string();
        Draft {
            topic,
            event_type: event_type.to_owned(),
            kind: "com.nannyml.chunk",
            severity: Some("medium".to_owned()),
            message: Some(message),
            model: None,
            service: None,
            timestamp: date(self.row).cloned(),
            // A chunk computed again with the same result is the same; with another result it is not.
            identity: Identity::Own(vec![row.clone()]),
            facts,
            kept: ("nannyml", row),
        }
    }
}

/// What the columns `{subject}_value`, `{subject}_alert` … measure.
fn alert(row: &Row, subject: &str, raised: Option<bool>) -> Alert {
    let number = |what: &str| row.get(&format!("{subject}_{what}"))?.as_f64();
    let measure = |feature: &str, method: &str, comparable| Measure {
        feature: feature.to_owned(),
        method: method.to_owned(),
        direction: Some(Direction::Distance),
        score: number("value"),
        threshold: number("upper_threshold"),
        drifted: raised,
        comparable,
    };
    let of_feature = METHODS.iter().find_map(|(method, comparable)| {
        let feature = subject.strip_suffix(method)?.strip_suffix('_')?;
        (!feature.is_empty()).then(|| measure(feature, method, *comparable))
    });
    if let Some(measure) = of_feature {
        return Alert::Feature(measure);
    }
    if MULTIVARIATE.contains(&subject) {
        return Alert::Multivariate(measure("*", subject, false));
    }
    let beyond =
        |limit: &str, is_worse: fn(f64, f64) -> bool| match (number("value"), number(limit)) {
            (Some(value), Some(limit)) => is_worse(value, limit),
            // Without numbers NannyML's word counts.
            _ => true,
        };
    if ERRORS.contains(&subject) {
        let fell = beyond("upper_threshold", |value, limit| value > limit);
        return Alert::Performance {
            metric: subject.to_owned(),
            fell,
        };
    }
    if SCORES.contains(&subject) || subject.starts_with("true_") {
        let fell = beyond("lower_threshold", |value, limit| value < limit);
        return Alert::Performance {
            metric: subject.to_owned(),
            fell,
        };
    }
    Alert::Quality(subject.to_owned())
}
