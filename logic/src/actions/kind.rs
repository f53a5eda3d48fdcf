//! What an action is: what it is carried out on, how much it changes, when it may be taken, its parameters in the
//! configuration, and the typed intent that a connector receives.

use std::fmt::Debug;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::language::Language;
use crate::params::Params;
use crate::severity::Severity;
use crate::target::TargetKind;
use crate::view::EventView;

/// What is particular to one action; a file in this directory each.
#[derive(Clone, Copy, Debug)]
pub struct ActionKind {
    /// Its name in Korean texts.
    pub in_korean: &'static str,
    /// What it is carried out on.
    pub acts_on: ActsOn,
    /// How much it changes.
    pub strength: Strength,
    /// Whether working hours gate it: a person should be near.
    pub in_working_hours: bool,
    /// Whether a rule may let it wait for a maintenance window (`scheduled`).
    pub schedulable: bool,
    /// Its cooldown, unless configured otherwise.
    pub cooldown: Cooldown,
    /// What it reads of an event and cannot take, one sentence each.
    pub remarks: fn(&EventView<'_>) -> Vec<String>,
    /// The schema of `[actions.<action>.parameters]`.
    pub parameters: fn(&mut SchemaGenerator) -> Schema,
    /// Reads `[actions.<action>.parameters]`.
    pub configure: Configure,
}

/// Reads a table of parameters.
pub type Configure = fn(&Map<String, Value>) -> Result<Arc<dyn Intents>, serde_json::Error>;

impl ActionKind {
    /// An action with parameters of this type that changes the platform at any time, whatever it is about.
    pub(super) const fn of<Parameters>() -> Self
    where
        Parameters: Intents + DeserializeOwned + JsonSchema + 'static,
    {
        Self {
            in_korean: "",
            acts_on: ActsOn::Subject,
            strength: Strength::Changes,
            in_working_hours: false,
            schedulable: false,
            cooldown: Cooldown {
                minutes: 0,
                meaning: "Minutes after the action.",
            },
            remarks: |_| Vec::new(),
            parameters: SchemaGenerator::subschema_for::<Parameters>,
            configure: |parameters| {
                let value = Value::Object(parameters.clone());
                let parameters: Parameters = serde_json::from_value(value)?;
                Ok(Arc::new(parameters))
            },
        }
    }
}

/// How long an action is not repeated for a target by default.
#[derive(Clone, Copy, Debug)]
pub struct Cooldown {
    /// From its end on.
    pub minutes: u32,
    /// What is written about it in the configuration.
    pub meaning: &'static str,
}

/// What an action is carried out on, where that can be something else than what the event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActsOn {
    /// A model: the one that the event names, else the default one.
    Model,
    /// The same, or the deployment of a service that names no model.
    ModelOrDeployment,
    /// A service: the one that the event names, else the default one.
    Service,
    /// Whatever the event is about.
    Subject,
}

impl ActsOn {
    /// Whether an action can be carried out on a target of this kind by the target's name alone.
    pub const fn fits(self, target: TargetKind) -> bool {
        match self {
            Self::Model => matches!(target, TargetKind::Model),
            Self::Service => matches!(target, TargetKind::Service),
            Self::ModelOrDeployment | Self::Subject => true,
        }
    }
}

/// How much an action changes, from nothing to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// It is only recorded that the event was seen.
    Records,
    /// The target is watched; people are not disturbed.
    Watches,
    /// People read about it.
    Notifies,
    /// The platform changes. People are alerted where its budgets are used up.
    Changes,
}

/// A configured action, which says what its connector is to do.
pub trait Intents: Debug + Send + Sync {
    /// What to do about an event.
    fn params(&self, view: &EventView<'_>, facts: &Facts<'_>) -> Params;
}

/// What the intents are made of: an event as it was judged.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Name of what the event is about.
    pub target: &'a str,
    /// Model that the event names, else the default one, if there is one.
    pub model: Option<&'a str>,
    /// Version of the model that the event names.
    pub model_version: Option<&'a str>,
    /// Service that the event names, else the default one, if there is one.
    pub service: Option<&'a str>,
    /// Service that the event names.
    pub named_service: Option<&'a str>,
    /// Whether the event is about a service, other than the default one, of which it is not known which model it serves.
    pub serves_unknown_model: bool,
    /// Severity after context.
    pub severity: Severity,
    /// Why a model is trained.
    pub reason: &'a str,
    /// One line for people.
    pub title: &'a str,
    /// The facts for people.
    pub message: &'a str,
    /// The language of both.
    pub language: Language,
    /// The whole event.
    pub event: Quoted<'a>,
    /// The present, ISO 8601.
    pub now: &'a str,
}

/// An event within parameters.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Quoted<'a> {
    /// Byte for byte.
    Whole(&'a RawValue),
    /// By its id, because it is too large to travel inside parameters.
    Named {
        /// Its id.
        event_id: &'a str,
        /// Its size.
        omitted_bytes: usize,
    },
}
