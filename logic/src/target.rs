//! What an action is about: a model or a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a target is a model or a service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A registered model, by name without version.
    Model,
    /// A running service.
    Service,
}

/// The thing an event is about and an action is aimed at. It is the key of the ledger: cooldowns and budgets belong to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Model or service.
    pub kind: TargetKind,
    /// The name, at most [`Target::NAME_BYTES_MAX`] bytes.
    pub name: String,
}

impl Target {
    /// Longest accepted name in bytes. It is part of keys of every record about the target, so it is bounded;
    /// Kafka bounds topic names at about the same.
    pub const NAME_BYTES_MAX: usize = 256;

    /// A model.
    pub fn model(name: impl Into<String>) -> Self {
        Self {
            kind: TargetKind::Model,
            name: name.into(),
        }
    }

    /// A service.
    pub fn service(name: impl Into<String>) -> Self {
        Self {
            kind: TargetKind::Service,
            name: name.into(),
        }
    }
}

impl TargetKind {
    /// Kind and name of a target that is written `kind/name`; `None` for any other text.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (kind, name) = text.split_once('/')?;
        let mut kinds = [Self::Model, Self::Service].into_iter();
        kinds
            .find(|one| one.name() == kind)
            .map(|kind| (kind, name))
    }

    /// The name used in records and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Service => "service",
        }
    }
}

/// Written `kind/name`, which is also the key of ledger records.
impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.kind.name(), self.name)
    }
}
