//! What operators configure: one rule per event type, resolved per target.
//!
//! Settings are layered, the more specific winning: global, `rules.<event_type>`, `targets.<target>`,
//! `targets.<target>.rules.<event_type>`. The sections deserialise from `config/default.toml` as they stand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::ledger::record::{Backoff, Policy};
use crate::severity::Severity;

/// The sections of the configuration that decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// Section `[severity]`.
    pub severity: SeveritySettings,
    /// Section `[working_hours]`.
    pub working_hours: WorkingHours,
    /// Section `[cooldown]`.
    pub cooldown: Cooldown,
    /// Section `[budget]`.
    pub budget: Budget,
    /// Section `[maintenance]`: when scheduled actions run.
    pub maintenance: Maintenance,
    /// Section `[defaults]`: names used when an event has none.
    pub defaults: Defaults,
    /// Tables `[rules.<event_type>]`; `other` answers every type without one.
    pub rules: BTreeMap<String, RuleOverlay>,
    /// Tables `[targets.<name>]`, about the model and the service of that name, or `[targets."model/<name>"]` and
    /// `[targets."service/<name>"]`.
    pub targets: BTreeMap<String, TargetOverlay>,
    /// Tables `[actions.<action>]`.
    pub actions: BTreeMap<Action, ActionSettings>,
}

/// How severities of other systems are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeveritySettings {
    /// Word or number → severity; compared as [`crate::severity::normalized`] writes them.
    pub synonyms: BTreeMap<String, Severity>,
}

/// When retraining and rollback are allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingHours {
    /// Whether working hours gate at all.
    pub enabled: bool,
    /// First working hour, 0 to 23.
    pub start: u32,
    /// Last working hour, 0 to 23, included. A start after the end spans midnight.
    pub end: u32,
    /// IANA name.
    pub timezone: chrono_tz::Tz,
    /// Whether CRITICAL events are gated too.
    pub gate_critical: bool,
    /// Whether actions scheduled for a maintenance window are gated too.
    pub gate_scheduled: bool,
}

/// Cooldowns in minutes per action; fractions are allowed, 0 switches one off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the action of its name")]
pub struct Cooldown {
    pub retrain_minutes: f64,
    pub rollback_minutes: f64,
    pub scale_up_minutes: f64,
    pub scale_down_minutes: f64,
    pub alert_minutes: f64,
    pub monitor_minutes: f64,
}

/// The same, each optional, in overlays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is the action of its name")]
pub struct CooldownOverlay {
    pub retrain_minutes: Option<f64>,
    pub rollback_minutes: Option<f64>,
    pub scale_up_minutes: Option<f64>,
    pub scale_down_minutes: Option<f64>,
    pub alert_minutes: Option<f64>,
    pub monitor_minutes: Option<f64>,
}

/// How many responses of full strength an event type and target may have, and how often actions may be taken at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// In any sliding hour; the next one becomes `monitor`.
    pub responses_per_hour: u32,
    /// Events older than this are recorded and not acted on, in minutes.
    pub max_event_age_minutes: f64,
    /// Whether an event's own time counts for its age, as well as the log's.
    pub trust_event_time: bool,
    /// Tables `[budget.<name>]`; a key that nobody knows is no table and is refused.
    #[serde(flatten)]
    pub further: BTreeMap<String, FurtherBudget>,
}

/// A budget of each target over all event types: in any sliding window, at most so many of these actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherBudget {
    /// The actions that it counts and closes.
    pub actions: Vec<Action>,
    /// Length of the window.
    pub window_minutes: f64,
    /// Actions in it at most.
    pub cap: u32,
}

/// The same for one target, each part optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is that of FurtherBudget")]
pub struct FurtherBudgetOverlay {
    pub actions: Option<Vec<Action>>,
    pub window_minutes: Option<f64>,
    pub cap: Option<u32>,
}

/// The weekly windows in which scheduled actions start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Days on which a window begins: `mon` … `sun`.
    pub days: Vec<chrono::Weekday>,
    /// Local time of its start, `HH:MM`.
    pub start: String,
    /// Local time of its end, `HH:MM`; not after the start = on the next day.
    pub end: String,
    /// IANA name.
    pub timezone: chrono_tz::Tz,
}

/// Names used when an event has none (SPEC §3, §4); an empty one is no default, and people are alerted instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Model.
    pub model: String,
    /// Service.
    pub service: String,
}

/// One event type's rule, every part optional so that layers can be laid over each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleOverlay {
    /// Action at severity low.
    pub low: Option<Action>,
    /// Action at severity medium.
    pub medium: Option<Action>,
    /// Action at severity high.
    pub high: Option<Action>,
    /// Action at severity critical.
    pub critical: Option<Action>,
    /// Severity of an event that declares none, or an unknown one.
    pub default_severity: Option<Severity>,
    /// Context: `raise.critical.drift_score = 0.8` raises to critical when the field is above 0.8. A list counts as its
    /// length. Context never lowers.
    #[serde(default)]
    pub raise: BTreeMap<Severity, BTreeMap<String, f64>>,
    /// Severities whose retraining waits for the next maintenance window.
    pub scheduled: Option<Vec<Severity>>,
    /// Cooldowns of this event type.
    #[serde(default)]
    pub cooldown: CooldownOverlay,
    /// Budget of this event type.
    pub responses_per_hour: Option<u32>,
    /// Oldest event acted on.
    pub max_event_age_minutes: Option<f64>,
    /// Whether the event's own time counts for its age.
    pub trust_event_time: Option<bool>,
    /// Working hours of this event type.
    #[serde(default)]
    pub working_hours: WorkingHoursOverlay,
}

/// Working hours, every part optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is that of WorkingHours")]
pub struct WorkingHoursOverlay {
    pub enabled: Option<bool>,
    pub start: Option<u32>,
    pub end: Option<u32>,
    pub timezone: Option<chrono_tz::Tz>,
    pub gate_critical: Option<bool>,
    pub gate_scheduled: Option<bool>,
}

/// What is different for one model or service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetOverlay {
    /// Cooldowns.
    #[serde(default)]
    pub cooldown: CooldownOverlay,
    /// Budget.
    pub responses_per_hour: Option<u32>,
    /// Tables `[targets.<name>.budget.<budget>]`.
    #[serde(default)]
    pub budget: BTreeMap<String, FurtherBudgetOverlay>,
    /// Working hours.
    #[serde(default)]
    pub working_hours: WorkingHoursOverlay,
    /// Rules of single event types.
    #[serde(default)]
    pub rules: BTreeMap<String, RuleOverlay>,
}

/// How an action is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSettings {
    /// Connector by name.
    pub connector: String,
    /// Whether it waits for a person's approval.
    pub approval: bool,
    /// What an attempt in doubt means.
    pub policy: Policy,
    /// Attempts at most, 1 to 10.
    pub max_attempts: u32,
    /// Pause between attempts.
    pub backoff: Backoff,
}
