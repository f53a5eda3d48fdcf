//! The Job of an action: made of a CronJob's template, completed, and given what the action says.

use homeostat_actors::ports::connector::Order;
use serde_json::{Map, Value, json};

use crate::connectors::kit::kubernetes::object::{Fields as _, own};
use crate::connectors::kit::kubernetes::{Place, Resource};

/// The label that names the action.
pub(super) const ACTION_ID: &str = own!("action-id");
/// Seconds for which a finished Job can be looked up.
const KEPT_SECONDS: i64 = 3_600;
/// What `kubectl create job --from` writes.
const BY_HAND: &str = "cronjob.kubernetes.io/instantiate";

/// A Job of a CronJob's template, as `kubectl create job --from` makes it.
pub(super) fn of_cronjob(place: &Place, cronjob: &Value) -> Value {
    let template = cronjob.at("/spec/jobTemplate");
    let mut metadata = Map::new();
    for field in ["labels", "annotations"] {
        if template.at(&format!("/metadata/{field}")).is_object() {
            metadata.insert(
                field.to_owned(),
                template.at(&format!("/metadata/{field}")).clone(),
            );
        }
    }
    let kept = |field: &str| cronjob.at(&format!("/spec/{field}")).as_i64() != Some(0);
    if kept("successfulJobsHistoryLimit") && kept("failedJobsHistoryLimit") {
        let owner = json!([{
            "apiVersion": "batch/v1", "kind": "CronJob", "controller": true,
            "name": place.name, "uid": cronjob.at("/metadata/uid"),
        }]);
        metadata.insert("ownerReferences".to_owned(), owner);
    }
    let mut job = json!({ "metadata": metadata, "spec": template.at("/spec") });
    set(&mut job, "annotations", BY_HAND, "manual");
    job
}

/// Sets a label or an annotation.
fn set(job: &mut Value, field: &str, name: &str, value: &str) -> Option<()> {
    let metadata = job.as_object_mut()?.entry("metadata");
    let metadata = metadata.or_insert_with(|| json!({})).as_object_mut()?;
    let table = metadata.entry(field).or_insert_with(|| json!({}));
    table.as_object_mut()?.insert(name.to_owned(), value.into());
    Some(())
}

/// What every Job of an action has.
pub(super) fn complete(job: &mut Value, place: &Place, order: &Order) -> Option<()> {
    let fields = job.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), Resource::JOB.api_version().into());
    fields.insert("kind".to_owned(), Resource::JOB.kind.into());
    let id = order.action_id.to_string();
    set(job, "labels", "app.kubernetes.io/managed-by", "homeostat")?;
    set(job, "labels", ACTION_ID, &id)?;
    set(job, "annotations", own!("action"), order.action.name())?;
    set(
        job,
        "annotations",
        own!("target"),
        &order.target.to_string(),
    )?;
    set(job, "annotations", own!("event-type"), &order.event_type)?;
    set(job, "annotations", own!("event-id"), &order.event_id)?;
    let metadata = job.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), place.name.clone().into());
    metadata.insert("namespace".to_owned(), place.namespace.clone().into());
    let spec = job.get_mut("spec")?.as_object_mut()?;
    if let Some(seconds) = spec.get_mut("ttlSecondsAfterFinished")
        && seconds
            .as_i64()
            .is_some_and(|seconds| seconds < KEPT_SECONDS)
    {
        *seconds = KEPT_SECONDS.into();
    }
    Some(())
}

/// Gives every container these variables, in place of its own of that name.
pub(super) fn give(job: &mut Value, env: &[(String, String)]) {
    if env.is_empty() {
        return;
    }
    for list in ["initContainers", "containers"] {
        let containers = job.pointer_mut(&format!("/spec/template/spec/{list}"));
        let containers = containers.and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            let own = container.entry("env").or_insert_with(|| json!([]));
            if let Some(own) = own.as_array_mut() {
                own.retain(|one| env.iter().all(|(name, _)| one.at("/name") != name.as_str()));
                let given = env.iter();
                own.extend(given.map(|(name, value)| json!({"name": name, "value": value})));
            }
        }
    }
}
