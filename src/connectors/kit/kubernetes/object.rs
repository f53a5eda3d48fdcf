//! Fields that objects have in common, and who else writes an object.

use chrono::DateTime;
use homeostat_logic::ledger::record::Millis;
use serde_json::Value;

/// Reading an object by the paths of its fields.
pub(crate) trait Fields {
    /// The field of a JSON pointer; `null` if it is not there.
    fn at(&self, pointer: &str) -> &Value;
}

impl Fields for Value {
    fn at(&self, pointer: &str) -> &Value {
        self.pointer(pointer).unwrap_or(&Self::Null)
    }
}

/// Prefix of the labels and annotations that Homeostat writes.
macro_rules! own {
    ($name:literal) => {
        concat!("homeostat.dev/", $name)
    };
}
pub(crate) use own;

/// The version that a change of the object has to name, so that it is refused if others changed it.
pub(crate) fn version(object: &Value) -> &str {
    object
        .at("/metadata/resourceVersion")
        .as_str()
        .unwrap_or_default()
}

/// An annotation.
pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.at("/metadata/annotations").get(name)?.as_str()
}

/// A label.
pub(crate) fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.at("/metadata/labels").get(name)?.as_str()
}

/// Whether the controller of an object is the one with this uid.
pub(crate) fn is_controlled_by(object: &Value, uid: &str) -> bool {
    let owners = object.at("/metadata/ownerReferences").as_array();
    owners
        .into_iter()
        .flatten()
        .any(|owner| owner.at("/uid") == uid && owner.at("/controller") == true)
}

/// Whether a controller has seen the object as it is.
pub(crate) fn is_observed(object: &Value) -> bool {
    let generation = object.at("/metadata/generation").as_i64();
    let observed = object.at("/status/observedGeneration");
    // Argo Rollouts writes it as text.
    let observed = observed
        .as_i64()
        .or_else(|| observed.as_str()?.parse().ok());
    generation.is_none() || observed >= generation
}

/// The tool that keeps an object as a repository says, and puts changes by others back; `None` if no trace of one is there. A label
/// that Helm writes as well (`app.kubernetes.io/instance`) is no trace.
pub(crate) fn kept_by(object: &Value) -> Option<&'static str> {
    const ARGO_CD: &str = "Argo CD";
    const FLUX: &str = "Flux";
    let argo = annotation(object, "argocd.argoproj.io/tracking-id").is_some()
        || label(object, "argocd.argoproj.io/instance").is_some();
    let flux = ["kustomize", "helm"]
        .into_iter()
        .any(|part| label(object, &format!("{part}.toolkit.fluxcd.io/name")).is_some());
    let fields = object.at("/metadata/managedFields").as_array();
    let manages = |prefix: &str| {
        fields.into_iter().flatten().any(|entry| {
            let manager = entry.at("/manager").as_str();
            manager.is_some_and(|manager| manager.starts_with(prefix))
        })
    };
    if argo || manages("argocd-") {
        Some(ARGO_CD)
    } else if flux || manages("kustomize-controller") || manages("helm-controller") {
        Some(FLUX)
    } else {
        None
    }
}

/// When an object itself was changed last.
pub(crate) fn touched(object: &Value) -> Option<Millis> {
    let times = edits(object).filter_map(|entry| moment(entry.at("/time")));
    times.max()
}

/// A moment as Kubernetes writes it.
pub(crate) fn moment(text: &Value) -> Option<Millis> {
    let moment = DateTime::parse_from_rfc3339(text.as_str()?).ok()?;
    Some(moment.timestamp_millis())
}

/// Who set fields of an object, and when, without those about its status or scale.
pub(crate) fn edits(object: &Value) -> impl Iterator<Item = &Value> {
    let entries = object.at("/metadata/managedFields").as_array();
    let entries = entries.into_iter().flatten();
    entries.filter(|entry| entry.at("/subresource").as_str().is_none_or(str::is_empty))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_keeps_an_object_is_seen_by_what_each_tool_leaves() {
        let with = |metadata: Value| kept_by(&json!({ "metadata": metadata }));
        let table = [
            (json!({}), None),
            (
                json!({"labels": {"app.kubernetes.io/instance": "web"}}),
                None,
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:ml/web"}}),
                Some("Argo CD"),
            ),
            (
                json!({"labels": {"argocd.argoproj.io/instance": "web"}}),
                Some("Argo CD"),
            ),
            (
                json!({"managedFields": [{"manager": "argocd-controller"}]}),
                Some("Argo CD"),
            ),
            (json!({"managedFields": [{"manager": "kubectl"}]}), None),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
                Some("Flux"),
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}),
                Some("Flux"),
            ),
        ];
        for (metadata, expected) in table {
            assert_eq!(with(metadata.clone()), expected, "{metadata}");
        }
    }

    #[test]
    fn a_generation_is_observed_as_number_or_text() {
        let seen = |generation: Value, observed: Value| {
            is_observed(
                &json!({"metadata": {"generation": generation}, "status": {"observedGeneration": observed}}),
            )
        };
        assert!(seen(json!(2), json!(2)));
        assert!(seen(json!(2), json!("2")));
        assert!(!seen(json!(2), json!(1)));
        assert!(!seen(json!(2), Value::Null));
        assert!(seen(Value::Null, Value::Null));
    }
}
