//! What an Alibi Detect server of Seldon or `KServe` sends as CloudEvents: `io.seldon.serving.inference.drift` becomes
//! `data_drift_detected`, an outlier `data_quality_issues`. Knative, its usual carrier, writes the attributes into headers
//! `ce-*`; `inferenceservicename` names the model.
//!
//! Severity: medium; the rules raise it by the drift score and the number of features. The detector itself says whether
//! there is drift; by features, those count whose p-value is below the detector's threshold (as it corrected it), or whose
//! distance is above it where there are no p-values.

use serde_json::{Value, json};

use super::draft::{Draft, Identity, model};
use super::lookup::{at, counted, flag, text};
use super::measure::{Direction, Measure, affected, strongest};
use super::{Form, Payload, Read};
use crate::payload_fault::PayloadFault;

pub(super) struct Seldon;

/// Measures whose distance is between 0 and 1.
const COMPARABLE: [&str; 3] = ["KSDrift", "FETDrift", "CVMDrift"];

impl Form for Seldon {
    fn name(&self) -> &'static str {
        "seldon"
    }

    fn sender(&self) -> &'static str {
        "Alibi Detect behind Seldon or KServe: its CloudEvents"
    }

    fn example(&self) -> Value {
        json!({
            "data": {
                "is_drift": 1,
                "distance": {"age": 0.533, "income": 0.021},
                "p_val": {"age": 0.0001, "income": 0.6},
                "threshold": 0.0016,
                "drift_type": "feature",
            },
            "meta": {"name": "KSDrift", "detector_type": "offline", "data_type": null},
        })
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        // Some servers put one more object around it.
        let inner = at(&payload.value, &["drift"]).or_else(|| at(&payload.value, &["outlier"]));
        let found = inner.unwrap_or(&payload.value);
        let Some(data) = at(found, &["data"]).filter(|data| data.is_object()) else {
            let problem = "it has no object `data`; send the CloudEvent of an Alibi Detect server";
            return Err(PayloadFault::unlike(self.name(), problem));
        };
        let attribute = |name: &str| payload.attributes.get(name).cloned();
        let name = attribute("inferenceservicename").filter(|name| !name.is_empty());
        let where_ = " in the header ce-inferenceservicename";
        let model = model(self, payload, name, where_)?;
        let detector = text(found, &["meta", "name"]).unwrap_or("detector");
        let (draft, nothing) = if let Some(is_drift) = at(data, &["is_drift"]).and_then(flag) {
            (is_drift.then(|| drift(data, detector)), "no drift")
        } else if let Some(outliers) = at(data, &["is_outlier"]).and_then(Value::as_array) {
            let count = outliers
                .iter()
                .filter(|one| flag(one) == Some(true))
                .count();
            let of = outliers.len();
            (
                (count > 0).then(|| outlier(count, of, detector)),
                "no outlier",
            )
        } else {
            let problem = "its `data` has neither `is_drift` nor a list `is_outlier`";
            return Err(PayloadFault::unlike(self.name(), problem));
        };
        // An id alone is not unique; with its source a CloudEvent's is.
        let own = attribute("id").or_else(|| attribute("requestid"));
        let identity = own.map_or(Identity::Content("alibi"), |id| {
            Identity::Own(vec![attribute("source").unwrap_or_default(), id])
        });
        let nothing = draft
            .is_none()
            .then(|| format!("{detector} found {nothing}"));
        let service = attribute("inferenceservicename").map(|name| match attribute("namespace") {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name,
        });
        let draft = draft.map(|draft| Draft {
            model: Some(model),
            service,
            identity,
            timestamp: attribute("time").map(Value::String),
            kept: ("alibi_detect", payload.text.to_owned()),
            ..draft
        });
        let events = draft
            .map(|draft| draft.event(self, payload))
            .into_iter()
            .collect();
        Ok(Read { events, nothing })
    }
}

fn drift(data: &Value, detector: &str) -> Draft {
    let measures = measures(data, detector);
    let names = affected(&measures);
    let features: Vec<Value> = measures.iter().map(Measure::json).collect();
    // Of a detector of the whole batch the score stands alone.
    let of_batch = at(data, &["distance"]).and_then(Value::as_f64);
    let message = if names.is_empty() {
        format!("{detector} found drift of the whole batch")
    } else {
        format!(
            "{detector} found drift of {}: {}",
            counted(names.len(), "feature"),
            names.join(", ")
        )
    };
    let affected = if names.is_empty() {
        Value::Null
    } else {
        json!(names)
    };
    let facts = vec![
        ("drift_score", json!(strongest(&measures).or(of_batch))),
        ("affected_features", affected),
        ("features", json!(features)),
    ];
    draft("data.drift.detected", "data_drift_detected", message, facts)
}

fn outlier(count: usize, of: usize, detector: &str) -> Draft {
    let message = format!("{detector} found {} among {of}", counted(count, "outlier"));
    let facts = vec![("outliers", json!(count)), ("instances", json!(of))];
    draft("data.quality.issues", "data_quality_issues", message, facts)
}

fn draft(
    topic: &'static str,
    event_type: &str,
    message: String,
    facts: Vec<(&'static str, Value)>,
) -> Draft {
    Draft {
        topic,
        event_type: event_type.to_owned(),
        kind: "io.seldon.serving.inference",
        severity: Some("medium".to_owned()),
        message: Some(message),
        model: None,
        service: None,
        timestamp: None,
        identity: Identity::Content("alibi"),
        facts,
        kept: ("alibi_detect", String::new()),
    }
}

/// A feature's values are in objects by its name, or in lists by its place.
fn measures(data: &Value, detector: &str) -> Vec<Measure> {
    let values = |name: &str| -> Vec<(String, f64)> {
        match at(data, &[name]) {
            Some(Value::Object(named)) => {
                let named = named.iter();
                named
                    .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
                    .collect()
            }
            Some(Value::Array(placed)) => {
                let placed = placed.iter().enumerate();
                let value = |(place, value): (usize, &Value)| {
                    Some((format!("feature {place}"), value.as_f64()?))
                };
                placed.filter_map(value).collect()
            }
            _ => Vec::new(),
        }
    };
    let p_values = values("p_val");
    let (direction, scores) = if p_values.is_empty() {
        (Direction::Distance, values("distance"))
    } else {
        (Direction::PValue, p_values)
    };
    let distances = values("distance");
    let threshold = |feature: &str| match at(data, &["threshold"]) {
        Some(Value::Object(named)) => named.get(feature)?.as_f64(),
        other => other?.as_f64(),
    };
    let measure = |(feature, score): (String, f64)| {
        let threshold = threshold(&feature);
        let drifted = threshold.map(|limit| match direction {
            Direction::PValue => score < limit,
            Direction::Distance => score > limit,
        });
        // A distance says how far, a p-value only how sure; where both are given and distances compare, they are the score.
        let distance = distances
            .iter()
            .find(|(name, _)| *name == feature)
            .map(|(_, it)| *it);
        let distance = distance.filter(|_| COMPARABLE.contains(&detector));
        let by_distance = distance.filter(|_| drifted.is_some());
        Measure {
            direction: Some(by_distance.map_or(direction, |_| Direction::Distance)),
            score: Some(by_distance.unwrap_or(score)),
            threshold: threshold.filter(|_| by_distance.is_none()),
            drifted,
            comparable: COMPARABLE.contains(&detector),
            method: detector.to_owned(),
            feature,
        }
    };
    scores.into_iter().map(measure).collect()
}
