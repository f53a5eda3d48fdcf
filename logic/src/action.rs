//! The closed list of actions Homeostat can take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the service may do about an event (SPEC §4).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Start a training job for a model.
    Retrain,
    /// Return a model to its previous stable version.
    Rollback,
    /// Add instances to a service.
    ScaleUp,
    /// Remove an instance from a service.
    ScaleDown,
    /// Tell people.
    Alert,
    /// Watch a model more closely for a while.
    Monitor,
    /// Only record that the event was seen.
    Ignore,
}

impl Action {
    /// Every action, in the order of the SPEC.
    pub const ALL: [Self; 7] = [
        Self::Retrain,
        Self::Rollback,
        Self::ScaleUp,
        Self::ScaleDown,
        Self::Alert,
        Self::Monitor,
        Self::Ignore,
    ];

    /// The name used in configuration, records, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retrain => "retrain",
            Self::Rollback => "rollback",
            Self::ScaleUp => "scale_up",
            Self::ScaleDown => "scale_down",
            Self::Alert => "alert",
            Self::Monitor => "monitor",
            Self::Ignore => "ignore",
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
