//! `constraint_violations.json` of `SageMaker` Model Monitor: features with a `baseline_drift_check` become one
//! `data_drift_detected`, all other violations one `data_quality_issues`. The file has neither a model's name nor a time.
//!
//! Severity: medium; the rules raise it by the number of features. The drift score stands only in the description, from
//! which it is read where it has the usual words; the largest one counts.

use serde_json::{Value, json};

use super::draft::{Draft, Identity, model};
use super::lookup::{at, counted, text};
use super::{Form, Payload, Read, TypedEvent};
use crate::payload_fault::PayloadFault;

pub(super) struct SageMaker;

const DRIFT: &str = "baseline_drift_check";

impl Form for SageMaker {
    fn name(&self) -> &'static str {
        "sagemaker"
    }

    fn sender(&self) -> &'static str {
        "SageMaker Model Monitor: the file constraint_violations.json"
    }

    fn example(&self) -> Value {
        json!({"violations": [{
            "feature_name": "age",
            "constraint_check_type": "baseline_drift_check",
            "description": "Baseline drift distance: 0.3 exceeds threshold: 0.1",
        }]})
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        let Some(violations) = at(&payload.value, &["violations"]).and_then(Value::as_array) else {
            let problem = "it has no list `violations`";
            return Err(PayloadFault::unlike(self.name(), problem));
        };
        let check = |one: &Value| text(one, &["constraint_check_type"]).map(str::to_owned);
        if let Some(index) = violations.iter().position(|one| check(one).is_none()) {
            let problem = format!("violation {index} has no `constraint_check_type`");
            return Err(PayloadFault::unlike(self.name(), problem));
        }
        let model = model(self, payload, None, "")?;
        let is_drift = |one: &&Value| text(one, &["constraint_check_type"]) == Some(DRIFT);
        let (drift, quality): (Vec<&Value>, Vec<&Value>) = violations.iter().partition(is_drift);
        let drafts = [draft(&drift, true), draft(&quality, false)]
            .into_iter()
            .flatten();
        let events: Vec<TypedEvent> = drafts
            .map(|draft| {
                let kept = ("sagemaker", payload.text.to_owned());
                let model = Some(model.clone());
                Draft {
                    model,
                    kept,
                    ..draft
                }
                .event(self, payload)
            })
            .collect();
        let nothing = events
            .is_empty()
            .then(|| "the list `violations` is empty".to_owned());
        Ok(Read { events, nothing })
    }
}

fn draft(violations: &[&Value], is_drift: bool) -> Option<Draft> {
    if violations.is_empty() {
        return None;
    }
    let names = violations
        .iter()
        .filter_map(|one| text(one, &["feature_name"]));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let first = violations
        .iter()
        .find_map(|one| text(one, &["description"]));
    let count = counted(violations.len(), "violation");
    let message = first.map_or_else(|| count.clone(), |first| format!("{count}: {first}"));
    let (topic, event_type) = if is_drift {
        ("data.drift.detected", "data_drift_detected")
    } else {
        ("data.quality.issues", "data_quality_issues")
    };
    let scores = violations
        .iter()
        .filter_map(|one| score(text(one, &["description"])?));
    let score = is_drift.then(|| scores.max_by(f64::total_cmp)).flatten();
    let mut facts = vec![("drift_score", json!(score))];
    facts.push((
        if is_drift {
            "affected_features"
        } else {
            "affected"
        },
        json!(names),
    ));
    facts.push(("violations", json!(violations)));
    Some(Draft {
        topic,
        event_type: event_type.to_owned(),
        kind: "com.amazonaws.sagemaker.violations",
        severity: Some("medium".to_owned()),
        message: Some(message),
        model: None,
        service: None,
        timestamp: None,
        identity: Identity::Content(event_type),
        facts,
        kept: ("sagemaker", String::new()),
    })
}

/// The number behind `distance:`.
fn score(description: &str) -> Option<f64> {
    let (_, behind) = description.split_once("distance:")?;
    let number = behind.split_whitespace().next()?;
    number
        .trim_end_matches([',', ';', '.'])
        .parse()
        .ok()
        .filter(|score: &f64| score.is_finite())
}
