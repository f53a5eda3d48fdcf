//! What Alertmanager and Grafana have in common: a group of alerts, each with labels and annotations. Each alert becomes one
//! event of `system.alerts`, so that alerts about several targets are several decisions.
//!
//! The event type is the label `event_type`, else the alert's name in snake case. The severity is the label of that name, in
//! the sender's own word. An alert that starts, and its end, are one event each, however often a notification repeats them.

use serde_json::{Map, Value, json};

use super::draft::{Draft, Identity, readable};
use super::lookup::{at, text};
use super::{Form, Payload, Read};
use crate::envelope::alertmanager::snake_case;
use crate::event::RESOLVED;
use crate::events::{About, kind_of};
use crate::payload_fault::PayloadFault;
use crate::topic::SYSTEM_ALERTS;

/// Labels that name a model, the preferred one first.
const MODELS: [&str; 2] = ["model_name", "model"];
/// Labels that name a service.
const SERVICES: [&str; 2] = ["service", "service_name"];
/// Annotations that say it in a sentence.
const SENTENCES: [&str; 3] = ["summary", "message", "description"];

/// Reads a group of alerts.
pub(super) fn read(
    form: &dyn Form,
    kind: &'static str,
    payload: &Payload<'_>,
) -> Result<Read, PayloadFault> {
    let group = &payload.value;
    let alerts = at(group, &["alerts"]).and_then(Value::as_array);
    let (Some(alerts), Some(status)) = (alerts, text(group, &["status"])) else {
        let problem = "it has no `status` with a list `alerts`";
        return Err(PayloadFault::unlike(form.name(), problem));
    };
    let events = alerts.iter().enumerate().map(|(index, alert)| {
        let found = draft(form, kind, payload, (alert, status));
        let found = found.map_err(|problem| match problem {
            Problem::Unlike(problem) => {
                PayloadFault::unlike(form.name(), format!("alert {index} {problem}"))
            }
            Problem::Fault(fault) => fault,
        })?;
        Ok(found.event(form, payload))
    });
    let events = events.collect::<Result<Vec<_>, PayloadFault>>()?;
    let nothing = events
        .is_empty()
        .then(|| "the group has no alert".to_owned());
    Ok(Read { events, nothing })
}

enum Problem {
    Unlike(&'static str),
    Fault(PayloadFault),
}

fn draft(
    form: &dyn Form,
    kind: &'static str,
    payload: &Payload<'_>,
    (alert, of_group): (&Value, &str),
) -> Result<Draft, Problem> {
    let Some(labels) = at(alert, &["labels"]).filter(|labels| labels.is_object()) else {
        return Err(Problem::Unlike("has no `labels`"));
    };
    let label = |names: &[&str]| {
        let mut names = names.iter();
        names
            .find_map(|name| text(labels, &[name]))
            .map(str::to_owned)
    };
    let named = label(&["event_type"]).or_else(|| Some(snake_case(text(labels, &["alertname"])?)));
    let Some(event_type) = named.filter(|name| !name.is_empty()) else {
        return Err(Problem::Unlike(
            "has neither the label `alertname` nor `event_type`",
        ));
    };
    let status = text(alert, &["status"]).unwrap_or(of_group);
    let over = status.eq_ignore_ascii_case(RESOLVED);
    let said = payload.said;
    let model = label(&MODELS).or_else(|| said.model.clone());
    let service = label(&SERVICES).or_else(|| said.service.clone());
    if let Some(model) = &model {
        readable(model).map_err(Problem::Fault)?;
    }
    let of_model = kind_of(&event_type).about(&event_type) == About::Model;
    if of_model && model.is_none() && !over {
        let (form, where_) = (form.name(), " in a label `model` or `model_name`");
        return Err(Problem::Fault(PayloadFault::NoModel { form, where_ }));
    }
    let time = |name: &str| text(alert, &[name]).unwrap_or_default().to_owned();
    // Without a fingerprint its labels name it.
    let fingerprint =
        text(alert, &["fingerprint"]).map_or_else(|| labels.to_string(), str::to_owned);
    let mut identity = vec![fingerprint, time("startsAt")];
    identity.extend(over.then(|| time("endsAt")));
    let annotations = at(alert, &["annotations"]).unwrap_or(&Value::Null);
    let mut sentences = SENTENCES.iter();
    Ok(Draft {
        topic: SYSTEM_ALERTS,
        event_type,
        kind,
        severity: label(&["severity", "priority", "level"]),
        message: sentences
            .find_map(|name| text(annotations, &[name]))
            .map(str::to_owned),
        model,
        service,
        timestamp: None,
        identity: Identity::Own(identity),
        facts: vec![(
            "alertmanager",
            json!(if over { RESOLVED } else { "firing" }),
        )],
        kept: ("notification", kept(&payload.value, alert)),
    })
}

/// The notification with this alert alone.
fn kept(group: &Value, alert: &Value) -> String {
    let fields = group.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| *name != "alerts");
    let mut kept: Map<String, Value> = fields
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    kept.insert("alerts".to_owned(), json!([alert]));
    Value::Object(kept).to_string()
}

/// A group with one alert, for documents.
pub(super) fn example(fields: &[(&str, Value)]) -> Value {
    let mut group = json!({
        "receiver": "homeostat",
        "status": "firing",
        "alerts": [{
            "status": "firing",
            "labels": {
                "alertname": "PredictionLatencyHigh",
                "severity": "warning",
                "service": "fraud-api",
                "model": "fraud",
            },
            "annotations": {"summary": "p99 above 500 ms"},
            "startsAt": "2026-11-30T10:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": "c6eadffa33fcdf37",
        }],
    });
    if let Some(group) = group.as_object_mut() {
        let fields = fields.iter();
        group.extend(fields.map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    group
}
