//! Rights, as a refusal names them.

use super::place::Resource;

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    pub(super) group: String,
    /// Plural, with a subresource as in RBAC: `deployments/scale`.
    pub(super) resource: String,
    pub(super) verb: &'static str,
}

impl Right {
    pub(crate) fn on(resource: &Resource, subresource: &str, verb: &'static str) -> Self {
        let slash = if subresource.is_empty() { "" } else { "/" };
        Self {
            group: resource.group.to_string(),
            resource: format!("{}{slash}{subresource}", resource.plural),
            verb,
        }
    }
}

/// As a rule of RBAC.
impl std::fmt::Display for Right {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            group,
            resource,
            verb,
        } = self;
        write!(
            formatter,
            "{{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [{verb}]}}"
        )
    }
}
