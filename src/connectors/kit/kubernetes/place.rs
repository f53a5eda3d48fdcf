//! Where an object is: its resource, namespace and name; and the templates of an action that say so.

use std::borrow::Cow;

use homeostat_actors::ports::connector::{Answer, Order};

use super::names;
use crate::connectors::kit::{Compile, Purpose, Template, refused};

/// A resource of the API, with all that is in its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Empty for the core group.
    pub(crate) group: Cow<'static, str>,
    pub(crate) version: Cow<'static, str>,
    pub(crate) plural: Cow<'static, str>,
    /// As people call it.
    pub(crate) kind: Cow<'static, str>,
}

impl Resource {
    pub(crate) const fn new(
        group: &'static str,
        version: &'static str,
        plural: &'static str,
        kind: &'static str,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
            kind: Cow::Borrowed(kind),
        }
    }

    pub(crate) const DEPLOYMENT: Self = Self::new("apps", "v1", "deployments", "Deployment");
    pub(crate) const STATEFUL_SET: Self = Self::new("apps", "v1", "statefulsets", "StatefulSet");
    pub(crate) const ROLLOUT: Self = Self::new("argoproj.io", "v1alpha1", "rollouts", "Rollout");
    pub(crate) const REPLICA_SET: Self = Self::new("apps", "v1", "replicasets", "ReplicaSet");
    pub(crate) const CONTROLLER_REVISION: Self =
        Self::new("apps", "v1", "controllerrevisions", "ControllerRevision");
    pub(crate) const JOB: Self = Self::new("batch", "v1", "jobs", "Job");
    pub(crate) const CRON_JOB: Self = Self::new("batch", "v1", "cronjobs", "CronJob");
    pub(crate) const AUTOSCALER: Self = Self::new(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
    );
    pub(crate) const SCALED_OBJECT: Self =
        Self::new("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject");

    pub(crate) const SERVICE_MONITOR: Self = Self::new(
        "monitoring.coreos.com",
        "v1",
        "servicemonitors",
        "ServiceMonitor",
    );
    pub(crate) const POD_MONITOR: Self =
        Self::new("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor");

    /// `PLURAL.VERSION.GROUP`, as kubectl takes it.
    pub(crate) fn qualified(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (plural, version, group) = (parts.next()?, parts.next()?, parts.next()?);
        let fine = names::object(plural).is_ok()
            && names::object(version).is_ok()
            && version.starts_with('v')
            && names::object(group).is_ok();
        fine.then(|| Self {
            group: Cow::Owned(group.to_owned()),
            version: Cow::Owned(version.to_owned()),
            plural: Cow::Owned(plural.to_owned()),
            kind: Cow::Owned(plural.to_owned()),
        })
    }

    /// A workload: one of the known kinds, or `PLURAL.VERSION.GROUP`.
    pub(crate) fn workload(text: &str) -> Option<Self> {
        let known = [Self::DEPLOYMENT, Self::STATEFUL_SET, Self::ROLLOUT];
        let mut known = known.into_iter();
        known
            .find(|known| known.kind == text)
            .or_else(|| Self::qualified(text))
    }

    /// `apiVersion` of its objects.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether a reference such as `scaleTargetRef` means objects of this resource, in whatever version.
    pub(crate) fn is_meant_by(&self, api_version: &str, kind: &str) -> bool {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = kind.to_ascii_lowercase();
        let own = self.kind.to_ascii_lowercase();
        group == self.group && (own == kind || self.plural.strip_prefix(&*kind).is_some())
    }

    fn root(&self) -> String {
        let root = if self.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        format!("{root}/{}", self.api_version())
    }

    /// Address of all objects in a namespace.
    pub(crate) fn path(&self, namespace: &str) -> String {
        format!("{}/namespaces/{namespace}/{}", self.root(), self.plural)
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Place {
    /// Its address, or that of a subresource.
    pub(crate) fn path(&self, subresource: &str) -> String {
        let all = self.resource.path(&self.namespace);
        let slash = if subresource.is_empty() { "" } else { "/" };
        format!("{all}/{}{slash}{subresource}", self.name)
    }

    /// Another object beside it.
    pub(crate) fn beside(&self, resource: Resource, name: impl Into<String>) -> Self {
        Self {
            resource,
            namespace: self.namespace.clone(),
            name: name.into(),
        }
    }
}

/// As people read it.
impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            resource,
            namespace,
            name,
        } = self;
        write!(formatter, "{} {namespace}/{name}", resource.kind)
    }
}

/// Templates of namespace and name.
#[derive(Clone, Debug)]
pub(crate) struct Where {
    namespace: Option<Template>,
    name: Template,
}

impl Where {
    pub(crate) fn compile(
        namespace: Option<&str>,
        name: &str,
        compile: &mut Compile<'_>,
    ) -> Option<Self> {
        let mut template = |key: &str, source: &str, check: fn(&str) -> Result<(), String>| {
            if !source.contains("{{")
                && !source.contains("{%")
                && let Err(problem) = check(source)
            {
                compile.problem(key, problem, "correct it");
                return None;
            }
            compile.template(key, source, Purpose::Plain)
        };
        let namespace = match namespace {
            Some(source) => Some(template("namespace", source, names::namespace)?),
            None => None,
        };
        Some(Self {
            namespace,
            name: template("name", name, names::object)?,
        })
    }

    /// Whether the action names a namespace.
    pub(crate) const fn has_namespace(&self) -> bool {
        self.namespace.is_some()
    }

    /// Where the object of an order is.
    pub(crate) fn find(
        &self,
        resource: &Resource,
        order: &Order,
        default: &str,
    ) -> Result<Place, Answer> {
        Ok(Place {
            resource: resource.clone(),
            namespace: self.namespace(order, default)?,
            name: rendered(&self.name, "name", order, names::object)?,
        })
    }

    /// The namespace of an order.
    pub(crate) fn namespace(&self, order: &Order, default: &str) -> Result<String, Answer> {
        match &self.namespace {
            Some(template) => rendered(template, "namespace", order, names::namespace),
            None => Ok(default.to_owned()),
        }
    }
}

/// A template that renders to a name.
pub(crate) fn rendered(
    template: &Template,
    key: &str,
    order: &Order,
    check: fn(&str) -> Result<(), String>,
) -> Result<String, Answer> {
    let text = template.fill(key, order)?;
    check(&text).map_err(|problem| {
        refused(format!(
            "the template `{key}` rendered to no usable name: {problem}; write `{key}` for this target, [targets.NAME.actions.ACTION.with]"
        ))
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_read_as_kubectl_takes_it() {
        let read = Resource::qualified("inferenceservices.v1beta1.serving.kserve.io").unwrap();
        assert_eq!(
            read.path("ml"),
            "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices"
        );
        for wrong in ["", "deployments", "a.b", "a.b.c", "../x.v1.y", "A.v1.b"] {
            assert_eq!(Resource::qualified(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_reference_means_a_resource_in_any_version() {
        let rollout = Resource::ROLLOUT;
        assert!(rollout.is_meant_by("argoproj.io/v1alpha1", "Rollout"));
        assert!(rollout.is_meant_by("argoproj.io/v1", "Rollout"));
        assert!(!rollout.is_meant_by("apps/v1", "Rollout"));
        assert!(!Resource::DEPLOYMENT.is_meant_by("apps/v1", "StatefulSet"));
        let custom = Resource::qualified("widgets.v1.example.com").unwrap();
        assert!(custom.is_meant_by("example.com/v1", "Widget"));
    }
}
