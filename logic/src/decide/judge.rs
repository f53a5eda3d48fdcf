//! From an event to an action, in the order of SPEC §4: severity, matrix, working hours. Budget and cooldown are the
//! ledger's, because they hold across instances.

use std::fmt;
use std::sync::Arc;

use crate::actions::{Action, ActsOn, Strength};
use crate::event::{Declared, Event, OwnType};
use crate::events::{About, EventKind, Subject, kind_of};
use crate::language::Language;
use crate::ledger::record::{Millis, When};
use crate::naming::Naming;
use crate::rules::hours::OffHour;
use crate::rules::muting::Muted;
use crate::rules::{Rule, Rules};
use crate::severity::Severity;
use crate::target::{Target, TargetKind};
use crate::view::EventView;

/// What ought to be done, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it is about.
    pub target_kind: TargetKind,
    /// Its name.
    pub target: Arc<str>,
    /// Whose word that is.
    pub origin: TargetOrigin,
    /// Severity after context.
    pub severity: Severity,
    /// Why that severity.
    pub severity_reason: SeverityReason,
    /// Which rule spoke.
    pub rule: RuleSource,
    /// What it asked for.
    pub proposed: Action,
    /// What is asked for after doubts and working hours.
    pub action: Action,
    /// Set when the event is not certain enough to act on, which changed the action to an alert.
    pub doubt: Option<Doubt>,
    /// Set when working hours changed the action.
    pub after_hours: Option<OffHour>,
    /// When the action may start: now, in the coming maintenance windows, or, if it is an alert, once alerts are not muted.
    pub start: When,
    /// Set when it is an alert and alerts are muted.
    pub muted: Option<Muted>,
    /// Set when there is no maintenance window to wait for, which changed the action to an alert: it must neither start
    /// outside a window nor be forgotten. Only a clock beyond the calendar brings it about.
    pub no_window: bool,
}

/// Whose word the name of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetOrigin {
    /// The event's, also where what it says cannot be read.
    Event,
    /// The configuration's, because the event says nothing.
    Default,
}

/// What is not known well enough to act (issue 13, rows 6 and 9): people are alerted instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Which model is meant.
    Model,
    /// Which service is meant.
    Service,
    /// What happened.
    EventType,
    /// How old the event is.
    Age,
}

/// Which rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// A cell of the matrix.
    Matrix,
    /// The event's own `action_required`.
    ActionRequired,
    /// None: the event says that an alert is over.
    Resolved,
}

/// Why a severity is what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum SeverityReason {
    /// The event said so.
    Declared,
    /// The event said nothing.
    Missing,
    /// The event said so in another word.
    Synonym(Arc<str>),
    /// The event said something unknown.
    Unknown(Arc<str>),
    /// The event has a value of this kind there.
    Unreadable(&'static str),
    /// Context raised it.
    Raised {
        /// From which severity.
        from: Severity,
        /// By which field.
        field: String,
        /// Its value.
        value: f64,
        /// The threshold it is above.
        above: f64,
    },
}

impl fmt::Display for SeverityReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared => formatter.write_str("declared by the event"),
            Self::Missing => formatter.write_str("not declared; the rule's default"),
            Self::Synonym(word) => write!(formatter, "declared by the event as `{word}`"),
            Self::Unknown(word) => write!(
                formatter,
                "declared as `{word}`, which is not low, medium, high, critical or one of severity.synonyms; the rule's default"
            ),
            Self::Unreadable(kind) => write!(
                formatter,
                "severity is {kind}, not a word or a number; the rule's default"
            ),
            Self::Raised {
                from,
                field,
                value,
                above,
            } => {
                write!(
                    formatter,
                    "raised from {from}: {field} {value} is above {above}"
                )
            }
        }
    }
}

/// Judges an event. Its view is searched only when its type or a rule reads a field that is not decoded already.
pub fn judge(event: &Event, view: &EventView<'_>, rules: &Rules, now: Millis) -> Verdict {
    let kind = kind_of(&event.event_type);
    let about = about(event, kind, rules);
    let rule = rules.find(&event.event_type, about.kind, &about.name);
    let (severity, severity_reason) = severity_of(event, view, rule, rules);
    let required = || kind.required(view);
    let (source, proposed) = if event.resolved {
        (RuleSource::Resolved, Action::Ignore)
    } else if let Some(action) = required() {
        (RuleSource::ActionRequired, action)
    } else {
        (RuleSource::Matrix, rule.action(severity))
    };
    let scheduled = proposed.kind().schedulable
        && source == RuleSource::Matrix
        && rule.scheduled.contains(&severity);
    let acted_on = acted_on(about, proposed, event, rules);
    let doubt = match proposed {
        Action::Ignore => {
            let nothing_said = event.own_type == OwnType::Unreadable && !event.resolved;
            nothing_said.then_some(Doubt::EventType)
        }
        _ => acted_on.doubt,
    };
    let after_hours =
        outside_working_hours(rule, proposed, severity, scheduled, now).filter(|_| doubt.is_none());
    let start = if scheduled && doubt.is_none() && after_hours.is_none() {
        rule.timing.maintenance.next(now).map(When::Within)
    } else {
        Some(When::Now)
    };
    let no_window = start.is_none();
    let action = if doubt.is_some() || after_hours.is_some() || no_window {
        Action::Alert
    } else {
        proposed
    };
    let verdict = Verdict {
        target_kind: acted_on.kind,
        target: acted_on.name,
        origin: acted_on.origin,
        severity,
        severity_reason,
        rule: source,
        proposed,
        action,
        doubt,
        after_hours,
        start: start.unwrap_or_default(),
        muted: None,
        no_window,
    };
    verdict.unless_muted(rule, now)
}

/// A target, and how well it is known.
struct Aim {
    kind: TargetKind,
    name: Arc<str>,
    origin: TargetOrigin,
    doubt: Option<Doubt>,
}

/// A type of event is about a model or a service; otherwise the event is about the model that it names, or else about the
/// service.
fn about(event: &Event, kind: &dyn EventKind, rules: &Rules) -> Aim {
    let names_model = || match (&event.model, &event.service) {
        (Naming::Is { .. }, _) => true,
        (Naming::Unreadable(_), service) => service.name().is_none(),
        (Naming::Absent, _) => false,
    };
    let of_model = match kind.about(&event.event_type) {
        About::Model => true,
        About::Service => false,
        About::WhatItNames => names_model(),
    };
    if of_model {
        return aim(TargetKind::Model, &event.model, &rules.defaults.model);
    }
    aim(TargetKind::Service, &event.service, &rules.defaults.service)
}

fn aim(kind: TargetKind, named: &Naming, default: &str) -> Aim {
    let doubt = match kind {
        TargetKind::Model => Doubt::Model,
        TargetKind::Service => Doubt::Service,
    };
    let (name, origin, doubt) = match named {
        Naming::Is { name, .. } => (Arc::clone(name), TargetOrigin::Event, None),
        Naming::Unreadable(shown) => (Arc::clone(shown), TargetOrigin::Event, Some(doubt)),
        Naming::Absent if default.is_empty() => {
            (Arc::from(UNNAMED), TargetOrigin::Default, Some(doubt))
        }
        Naming::Absent => (Arc::from(default), TargetOrigin::Default, None),
    };
    Aim {
        kind,
        name,
        origin,
        doubt,
    }
}

/// The target of events that name none where the default is switched off. No reference is read as a name with a colon at
/// its end.
pub const UNNAMED: &str = "unnamed:";

/// What an action is carried out on can be something else than what the event is about: a service's event may name the
/// model to roll back, and then the cooldown belongs to that model. What is not known here is not known at all.
fn acted_on(about: Aim, proposed: Action, event: &Event, rules: &Rules) -> Aim {
    let defaults = &rules.defaults;
    let of_default = about.origin == TargetOrigin::Default;
    let acts_on = proposed.kind().acts_on;
    match (about.kind, acts_on) {
        (TargetKind::Service, ActsOn::Model | ActsOn::ModelOrDeployment) => match &event.model {
            Naming::Is { .. } | Naming::Unreadable(_) => {
                aim(TargetKind::Model, &event.model, &defaults.model)
            }
            // A named service has its own deployment, so that no model is needed.
            Naming::Absent
                if defaults.model.is_empty() && (of_default || acts_on == ActsOn::Model) =>
            {
                Aim {
                    doubt: about.doubt.or(Some(Doubt::Model)),
                    ..about
                }
            }
            Naming::Absent => about,
        },
        (TargetKind::Model, ActsOn::Service) => Aim {
            doubt: aim(TargetKind::Service, &event.service, &defaults.service).doubt,
            ..about
        },
        _ => about,
    }
}

/// Context only ever raises a declared severity.
fn severity_of(
    event: &Event,
    view: &EventView<'_>,
    rule: &Rule,
    rules: &Rules,
) -> (Severity, SeverityReason) {
    let (declared, reason) = declared(event, rule, rules);
    let raised = rule
        .raise
        .iter()
        .filter(|raise| raise.to > declared)
        .find_map(|raise| {
            let value = raise.shape.read(view, &raise.field).value()?;
            (value > raise.above).then_some((raise, value))
        });
    match raised {
        Some((raise, value)) => (
            raise.to,
            SeverityReason::Raised {
                from: declared,
                field: raise.field.clone(),
                value,
                above: raise.above,
            },
        ),
        None => (declared, reason),
    }
}

/// What the event itself says, before context.
pub(super) fn declared(event: &Event, rule: &Rule, rules: &Rules) -> (Severity, SeverityReason) {
    let default = rule.default_severity;
    match &event.declared {
        Declared::Known(severity) => (*severity, SeverityReason::Declared),
        Declared::Missing => (default, SeverityReason::Missing),
        Declared::Unreadable(kind) => (default, SeverityReason::Unreadable(kind)),
        Declared::Word(word) => match rules.synonym(word) {
            Some(severity) => (severity, SeverityReason::Synonym(Arc::clone(word))),
            None => (default, SeverityReason::Unknown(Arc::clone(word))),
        },
    }
}

fn outside_working_hours(
    rule: &Rule,
    action: Action,
    severity: Severity,
    scheduled: bool,
    now: Millis,
) -> Option<OffHour> {
    let hours = &rule.timing.hours;
    let settings = &hours.settings;
    let gated = settings.enabled
        && action.kind().in_working_hours
        && (settings.gate_critical || severity != Severity::Critical)
        && (settings.gate_scheduled || !scheduled);
    gated.then(|| hours.off(now)).flatten()
}

impl Verdict {
    /// The same, with an alert that waits while alerts are muted.
    #[must_use]
    pub(super) fn unless_muted(self, rule: &Rule, now: Millis) -> Self {
        let alerts = self.action.kind().strength == Strength::Notifies;
        let muted = alerts
            .then(|| rule.timing.muting.muted(self.severity, now))
            .flatten();
        let until = muted.as_ref().and_then(|muted| muted.until.clone());
        Self {
            start: until.map_or(self.start, When::Within),
            muted,
            ..self
        }
    }

    /// The target as the ledger keys it.
    pub fn target(&self) -> Target {
        Target {
            kind: self.target_kind,
            name: self.target.to_string(),
        }
    }

    /// What the event's texts are about.
    pub(super) fn subject<'a>(&'a self, event_type: &'a str, language: Language) -> Subject<'a> {
        Subject {
            event_type,
            target_kind: self.target_kind,
            target: &self.target,
            severity: self.severity,
            language,
        }
    }
}
