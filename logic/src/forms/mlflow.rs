//! What MLflow's registry webhooks send (3.x): a new version becomes `model_training_completed`, an alias that is set
//! `model_deployed`, a tag of a version `model_evaluation_completed`. An alias that is removed becomes
//! `model_alias_deleted`, of which people are alerted unless a rule says otherwise: what serves `models:/NAME@ALIAS` has
//! nothing to load. Anything else (prompts, budgets, empty models) means no event.
//!
//! Severity: low, because a change of the registry is news and no fault; a removed alias is medium.

use serde_json::{Value, json};

use super::draft::{Draft, Identity, model};
use super::lookup::{at, text, word};
use super::{Form, Payload, Read};
use crate::payload_fault::PayloadFault;
use crate::topic::SYSTEM_ALERTS;

pub(super) struct MlFlow;

impl Form for MlFlow {
    fn name(&self) -> &'static str {
        "mlflow"
    }

    fn sender(&self) -> &'static str {
        "MLflow 3: a webhook of the model registry"
    }

    fn example(&self) -> Value {
        json!({
            "entity": "model_version_alias",
            "action": "created",
            "timestamp": "2026-11-30T10:00:00.000000+00:00",
            "data": {"name": "fraud", "alias": "champion", "version": "3"},
        })
    }

    fn read(&self, payload: &Payload<'_>) -> Result<Read, PayloadFault> {
        let value = &payload.value;
        let (Some(entity), Some(action)) = (text(value, &["entity"]), text(value, &["action"]))
        else {
            let problem =
                "it has no `entity` and `action`; Databricks' older webhooks are not read";
            return Err(PayloadFault::unlike(self.name(), problem));
        };
        let data = at(value, &["data"]).unwrap_or(&Value::Null);
        let said = |name: &str| word(data, &[name]);
        let (topic, event_type, severity) = match (entity, action) {
            ("model_version", "created") => (
                "model.training.completed",
                "model_training_completed",
                "low",
            ),
            ("model_version_alias", "created") => ("model.deployed", "model_deployed", "low"),
            ("model_version_alias", "deleted") => (SYSTEM_ALERTS, "model_alias_deleted", "medium"),
            ("model_version_tag", "set" | "deleted") => (
                "model.evaluation.completed",
                "model_evaluation_completed",
                "low",
            ),
            _ => {
                let nothing = Some(format!(
                    "{entity} {action} says nothing about a model's version"
                ));
                let events = Vec::new();
                return Ok(Read { events, nothing });
            }
        };
        let name = model(self, payload, said("name"), " in `data.name`")?;
        let alias = said("alias");
        let message = match (&alias, said("version"), said("key")) {
            (Some(alias), Some(version), _) => format!("{name}@{alias} is version {version}"),
            (Some(alias), None, _) => format!("{name} has no alias {alias} any more"),
            (None, Some(version), Some(key)) => {
                let change =
                    said("value").map_or_else(|| "removed".to_owned(), |is| format!("= {is}"));
                format!("{name} version {version}: tag {key} {change}")
            }
            (None, version, _) => {
                format!("{name} has a new version {}", version.unwrap_or_default())
            }
        };
        let facts = ["alias", "run_id", "key", "value", "description", "tags"];
        let facts = facts.map(|field| (field, at(data, &[field]).cloned().unwrap_or_default()));
        let version = ("model_version", json!(said("version")));
        let draft = Draft {
            topic,
            event_type: event_type.to_owned(),
            kind: "org.mlflow.registry",
            severity: Some(severity.to_owned()),
            message: Some(message),
            model: Some(name),
            service: None,
            timestamp: at(value, &["timestamp"]).cloned(),
            // It holds the time of the change: sent again it is equal.
            identity: Identity::Own(vec![value.to_string()]),
            facts: facts.into_iter().chain([version]).collect(),
            kept: ("mlflow", payload.text.to_owned()),
        };
        let events = vec![draft.event(self, payload)];
        Ok(Read {
            events,
            nothing: None,
        })
    }
}
