//! What operators configure: one rule per event type, resolved per target.
//!
//! Settings are layered, the more specific winning: global, `rules.<event_type>`, `targets.<target>`,
//! `targets.<target>.rules.<event_type>`. The sections deserialise from `config/default.toml` as they stand.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cooldown::{self, Cooldown};
use super::intervals::{self, TimeInterval};
use super::schema::{self, HORIZON_MINUTES};
use crate::actions::Action;
use crate::language::Language;
use crate::ledger::record::{Backoff, Policy};
use crate::severity::Severity;
use crate::texts::TextTables;

/// The sections of the configuration that decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// Language of the texts of alerts: en (English) or ko (Korean), also per target. Reasons and logs are English.
    #[schemars(extend("default" = "en"))]
    pub language: Language,
    /// Tables `[texts.<event_type>]`, and `[texts.default]` for every type without its own: `title` and `message` of alerts as
    /// minijinja templates, in place of the built-in texts. `homeostat templates list` names the variables.
    pub texts: TextTables,
    /// Section `[severity]`.
    pub severity: SeveritySettings,
    /// Section `[working_hours]`.
    pub working_hours: WorkingHours,
    /// Section `[cooldown]`.
    #[schemars(schema_with = "cooldown::with_defaults")]
    pub cooldown: Cooldown,
    /// Section `[budget]`.
    pub budget: Budget,
    /// Section `[maintenance]`: when scheduled actions run.
    pub maintenance: Maintenance,
    /// Section `[alerts]`: when alerts wait.
    pub alerts: Alerts,
    /// Lists `[[time_intervals.<name>]]`: times in Alertmanager's form, by a name of your own.
    #[schemars(schema_with = "intervals::by_name")]
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Section `[defaults]`: names used when an event has none.
    pub defaults: Defaults,
    /// Tables `[rules.<event_type>]`; `other` answers every type without one.
    pub rules: BTreeMap<String, RuleOverlay>,
    /// Tables `[targets.<name>]`, about the model and the service of that name, or `[targets."model/<name>"]` and
    /// `[targets."service/<name>"]`.
    pub targets: BTreeMap<String, TargetOverlay>,
    /// Tables `[actions.<action>]`. As they are written, `[actions.default]` holds what is the same for all of them; it is laid
    /// under each before they are read.
    #[schemars(schema_with = "schema::by_action::<ActionSettings>")]
    pub actions: BTreeMap<Action, ActionSettings>,
}

/// How severities of other systems are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeveritySettings {
    /// What severities of other systems mean: a word or a number, and low, medium, high or critical. Case does not count, nor do
    /// blanks, - and _ inside, so that "SEV-1" is sev1; a number may be a number or text. Add words of your own, or give these
    /// another meaning. The four severities mean themselves. An event with any other word has its rule's `default_severity`, and
    /// its reasons name the word.
    pub synonyms: BTreeMap<String, Severity>,
}

/// When retraining and rollback are allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkingHours {
    /// Whether working hours gate at all. Outside them retrain and rollback become alert, so that a person is near.
    #[schemars(extend("default" = true))]
    pub enabled: bool,
    /// Working hours by their names in `[time_intervals]`. Empty = the hours below, every day.
    #[schemars(schema_with = "schema::names", extend("default" = []))]
    pub during: Vec<String>,
    /// First working hour, 0 to 23, local time. Earlier hours are outside.
    #[schemars(range(max = 23), extend("default" = 6))]
    pub start: u32,
    /// Last working hour, included: 22 means that 22:59 is inside. A start after the end spans midnight.
    #[schemars(range(max = 23), extend("default" = 22))]
    pub end: u32,
    /// Time zone of the hours, an IANA name; daylight saving time is followed.
    #[schemars(schema_with = "schema::time_zone", extend("default" = "UTC"))]
    pub timezone: chrono_tz::Tz,
    /// Whether critical events are gated too. False lets them retrain and roll back at night.
    #[schemars(extend("default" = true))]
    pub gate_critical: bool,
    /// Whether retraining that is scheduled for a maintenance window is gated by the hour of its event as well.
    #[schemars(extend("default" = true))]
    pub gate_scheduled: bool,
}

/// How many responses of full strength an event type and target may have, and how often actions may be taken at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// Responses of full strength per event type and target in a sliding hour; one more becomes monitor.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 4))]
    pub responses_per_hour: u32,
    /// Older events, in minutes, are recorded and not acted on. docs/events.md: which time counts.
    #[schemars(range(min = 0.001, max = HORIZON_MINUTES), extend("default" = 1_440))]
    pub max_event_age_minutes: f64,
    /// Whether the event's own time counts at all. False = only the log's: for replaying history.
    #[schemars(extend("default" = true))]
    pub trust_event_time: bool,
    /// Tables `[budget.<name>]`; any other key is not a table and is refused.
    #[serde(flatten)]
    pub further: BTreeMap<String, FurtherBudget>,
}

/// Tables `[budget.<name>]` at most: a step asks each budget of its action, and names it in its record.
pub const FURTHER_BUDGETS_MAX: usize = 7;

/// A budget of each target over all event types: in any sliding window, at most so many of these actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FurtherBudget {
    /// The actions that it counts: retrain, rollback, `scale_up`, `scale_down`, alert, monitor.
    #[schemars(schema_with = "schema::actions")]
    pub actions: Vec<Action>,
    /// Length of the window in minutes, 0.1 to 11520 (8 days).
    #[schemars(range(min = 0.1, max = HORIZON_MINUTES))]
    pub window_minutes: f64,
    /// Actions within it at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub cap: u32,
}

/// The same for one target, each part optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is that of FurtherBudget")]
pub struct FurtherBudgetOverlay {
    #[schemars(schema_with = "schema::actions")]
    pub actions: Option<Vec<Action>>,
    #[schemars(range(min = 0.1, max = HORIZON_MINUTES))]
    pub window_minutes: Option<f64>,
    #[schemars(range(min = 1, max = 1_000_000))]
    pub cap: Option<u32>,
}

/// The windows in which scheduled actions start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Windows by their names in `[time_intervals]`. Empty = the weekly ones below.
    #[schemars(schema_with = "schema::names", extend("default" = []))]
    pub windows: Vec<String>,
    /// Days on which a window begins: mon, tue, wed, thu, fri, sat, sun.
    #[schemars(schema_with = "schema::days", extend("default" = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]))]
    pub days: Vec<chrono::Weekday>,
    /// Local time at which a window opens, HH:MM. Early: little traffic, and done before people come.
    #[schemars(schema_with = "schema::time_of_day", extend("default" = "02:00"))]
    pub start: String,
    /// Local time at which it closes, HH:MM; not after the start = on the next day.
    #[schemars(schema_with = "schema::time_of_day", extend("default" = "05:00"))]
    pub end: String,
    /// Time zone of both, an IANA name.
    #[schemars(schema_with = "schema::time_zone", extend("default" = "UTC"))]
    pub timezone: chrono_tz::Tz,
}

/// Maintenance windows, every part optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is that of Maintenance")]
pub struct MaintenanceOverlay {
    #[schemars(schema_with = "schema::names")]
    pub windows: Option<Vec<String>>,
    #[schemars(schema_with = "schema::days")]
    pub days: Option<Vec<chrono::Weekday>>,
    #[schemars(schema_with = "schema::time_of_day")]
    pub start: Option<String>,
    #[schemars(schema_with = "schema::time_of_day")]
    pub end: Option<String>,
    #[schemars(schema_with = "schema::time_zone")]
    pub timezone: Option<chrono_tz::Tz>,
}

/// When alerts wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Names of times during which alerts wait. What says that an action failed is sent at once all the same.
    #[schemars(schema_with = "schema::names", extend("default" = []))]
    pub mute: Vec<String>,
    /// Times by their names outside which alerts wait. Empty = none.
    #[schemars(schema_with = "schema::names", extend("default" = []))]
    pub active: Vec<String>,
    /// Whether alerts of severity critical wait too.
    #[schemars(extend("default" = false))]
    pub mute_critical: bool,
}

/// The same, every part optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is that of Alerts")]
pub struct AlertsOverlay {
    #[schemars(schema_with = "schema::names")]
    pub mute: Option<Vec<String>>,
    #[schemars(schema_with = "schema::names")]
    pub active: Option<Vec<String>>,
    pub mute_critical: Option<bool>,
}

/// Names used when an event has none (SPEC §3, §4); an empty one is no default, and people are alerted instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Model of an event that names none.
    #[schemars(extend("default" = "movie_recommender"))]
    pub model: String,
    /// Service of an event that names none, and the one that `scale_up` and `scale_down` change for it.
    #[schemars(extend("default" = "mlops-api"))]
    pub service: String,
}

/// One event type's rule, every part optional so that layers can be laid over each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Action at each severity without its own key in this table.
    pub default: Option<Action>,
    /// Severity of an event that declares none, or an unknown one: medium unless it is written.
    pub default_severity: Option<Severity>,
    /// Context: `raise.critical.drift_score = 0.8` raises to critical when the field is above 0.8. A list counts as its length.
    /// Context never lowers a severity.
    #[serde(default)]
    #[schemars(schema_with = "schema::thresholds")]
    pub raise: BTreeMap<Severity, BTreeMap<String, f64>>,
    /// Severities whose retraining waits for the next maintenance window.
    #[schemars(schema_with = "schema::severities")]
    pub scheduled: Option<Vec<Severity>>,
    /// Cooldowns of this event type.
    #[serde(default)]
    pub cooldown: Cooldown,
    /// Budget of this event type.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub responses_per_hour: Option<u32>,
    /// Oldest event acted on, in minutes.
    #[schemars(range(min = 0.001, max = HORIZON_MINUTES))]
    pub max_event_age_minutes: Option<f64>,
    /// Whether the event's own time counts for its age.
    pub trust_event_time: Option<bool>,
    /// Working hours of this event type.
    #[serde(default)]
    pub working_hours: WorkingHoursOverlay,
    /// Maintenance windows of this event type.
    #[serde(default)]
    pub maintenance: MaintenanceOverlay,
    /// When alerts of this event type wait.
    #[serde(default)]
    pub alerts: AlertsOverlay,
}

/// Working hours, every part optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is that of WorkingHours")]
pub struct WorkingHoursOverlay {
    pub enabled: Option<bool>,
    #[schemars(schema_with = "schema::names")]
    pub during: Option<Vec<String>>,
    #[schemars(range(max = 23))]
    pub start: Option<u32>,
    #[schemars(range(max = 23))]
    pub end: Option<u32>,
    #[schemars(schema_with = "schema::time_zone")]
    pub timezone: Option<chrono_tz::Tz>,
    pub gate_critical: Option<bool>,
    pub gate_scheduled: Option<bool>,
}

/// What is different for one model or service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetOverlay {
    /// Language of its alerts.
    pub language: Option<Language>,
    /// Tables `[targets.<name>.texts.<event_type>]`.
    #[serde(default)]
    pub texts: TextTables,
    /// Cooldowns.
    #[serde(default)]
    pub cooldown: Cooldown,
    /// Budget.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub responses_per_hour: Option<u32>,
    /// Tables `[targets.<name>.budget.<budget>]`.
    #[serde(default)]
    pub budget: BTreeMap<String, FurtherBudgetOverlay>,
    /// Working hours.
    #[serde(default)]
    pub working_hours: WorkingHoursOverlay,
    /// Maintenance windows.
    #[serde(default)]
    pub maintenance: MaintenanceOverlay,
    /// When alerts wait.
    #[serde(default)]
    pub alerts: AlertsOverlay,
    /// Rules of single event types.
    #[serde(default)]
    pub rules: BTreeMap<String, RuleOverlay>,
    /// Tables `[targets.<name>.actions.<action>]`, each laid over the action's own before they are read.
    #[serde(default)]
    #[schemars(schema_with = "schema::by_action::<ActionSettings>")]
    pub actions: BTreeMap<Action, ActionSettings>,
}

/// How an action is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionSettings {
    /// What carries it out: one of `[connections.NAME]`, or log = only record and publish what would be done.
    #[schemars(length(min = 1))]
    pub connection: String,
    /// Whether each one waits for `homeostat approve ID --reason WHY`, or expires with an alert. Not for alerts.
    pub approval: bool,
    /// Without a clear answer: idempotent = send again, verify = ask first, `at_most_once` = a person decides.
    pub policy: Policy,
    /// Attempts at most, 1 to 10; after the last one a person is alerted.
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// Pause between two attempts.
    pub backoff: Backoff,
    /// Parameters of its own; `schema::by_action` has what its kind declares.
    #[serde(default)]
    #[schemars(skip)]
    pub parameters: serde_json::Map<String, serde_json::Value>,
}
