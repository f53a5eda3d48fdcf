//! What the fold lists of itself for people: gates passed and closed, cooldowns and budgets in use.

use schemars::JsonSchema;
use serde::Serialize;

use super::id::Id;
use super::times::Millis;
use crate::actions::Action;
use crate::clock_text::{rfc3339, rfc3339_option};

/// A gate and what it counted.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GateVerdict {
    /// `budget`, `cooldown`, `in_progress`, `not_after`, `duplicate`.
    pub gate: &'static str,
    /// What was counted or locked.
    pub scope: String,
    /// Action of the step that the gate was asked about.
    pub action: Action,
    /// Whether the step passed.
    pub passed: bool,
    /// The counters in words, e.g. `4 of 4 in 3600 s`.
    pub detail: String,
}

/// A closed cooldown key, as listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ActiveCooldown {
    /// `kind/name` of the target.
    pub target: String,
    /// The cooldown key.
    pub key: String,
    /// Why it is closed: `cooldown` or `in_progress`.
    pub state: &'static str,
    /// The action that closed it.
    pub action_id: Option<Id>,
    /// Ledger offset of that action's last change: what an operator's order expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<i64>,
    /// When a cooldown ends by the cooldown of the action that closed it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "rfc3339_option"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Option<Millis>,
}

/// A budget in use, as listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ActiveBudget {
    /// `kind/name` of the target.
    pub target: String,
    /// What is counted.
    pub scope: String,
    /// Slots taken within the window.
    pub used: u32,
    /// Slots there are, as the newest action said.
    pub cap: u32,
    /// When the oldest slot taken becomes free.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub frees_at: Millis,
}
