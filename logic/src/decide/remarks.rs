//! What an event says that could not be taken as it stands, as sentences for the reasons: fields of a wrong type (but for the
//! severity, which [`super::judge`] tells), defaults in place of names, contradictions, a type that the topic overrules
//! (issue 13, rows 6, 7 and 11).
//!
//! Every field that a rule or an action of this event reads is looked at; fields that nothing reads are not.

use super::judge::{Doubt, TargetOrigin, Verdict, read_number};
use crate::action::Action;
use crate::event::{ActionRequired, Event, OwnType};
use crate::field::{Field, Raw, Text, lenient_struct};
use crate::naming::{self, Naming, TargetFields, shown};
use crate::rules::{Rule, Rules};
use crate::target::TargetKind;

lenient_struct! {
    /// The fields that are remarked on.
    pub(super) struct Told<'a> {
        pub(super) timestamp: Raw<'a>,
        event_type: Text<'a>,
        event_id: Text<'a>,
        action_required: Text<'a>,
        current_performance: f64,
        baseline_performance: f64,
        current_instances: f64,
        message: Text<'a>,
        model_version: Raw<'a>,
        model_name: Raw<'a>,
        model: Raw<'a>,
        model_uri: Raw<'a>,
        model_id: Raw<'a>,
        service: Raw<'a>,
        service_name: Raw<'a>,
    }
}

/// Largest number of instances that is believed.
pub(super) const INSTANCES_MAX: f64 = 1e6;

impl<'a> Told<'a> {
    pub(super) fn read(raw: &'a str) -> Self {
        serde_json::from_str(raw).unwrap_or_default()
    }

    /// One sentence each.
    pub(super) fn remarks(
        &self,
        event: &Event,
        raw: &str,
        verdict: &Verdict,
        rule: &Rule,
        rules: &Rules,
    ) -> Vec<String> {
        let mut remarks = Vec::new();
        remarks.extend(on_context(event, raw, rule));
        remarks.extend(self.on_the_required_action(event));
        remarks.extend(self.on_the_texts(event, verdict));
        remarks.extend(wrong(
            "event_id",
            &self.event_id,
            "text; its position names it",
        ));
        remarks.extend(self.on_the_type(event));
        remarks.extend(self.on_the_target(event, verdict, rules));
        remarks
    }

    fn on_the_type(&self, event: &Event) -> Option<String> {
        let judged = &event.event_type;
        let own = match &self.event_type {
            Field::Value(Text(text)) if text.trim().is_empty() => "empty".to_owned(),
            Field::Value(Text(text)) => shown(text.trim()),
            Field::Missing | Field::Wrong(_) => {
                format!("{}, not text", self.event_type.wrong().unwrap_or("absent"))
            }
        };
        match event.own_type {
            OwnType::Same => None,
            OwnType::Other => Some(format!(
                "event_type is {own}; the topic fixes it as {judged}"
            )),
            OwnType::Unreadable => Some(format!(
                "event_type is {own}; the event is judged as {judged}"
            )),
        }
    }

    fn on_the_target(&self, event: &Event, verdict: &Verdict, rules: &Rules) -> Vec<String> {
        let fields = TargetFields {
            model_version: self.model_version,
            model_name: self.model_name,
            model: self.model,
            model_uri: self.model_uri,
            model_id: self.model_id,
            service: self.service,
            service_name: self.service_name,
        };
        let of_model = matches!(verdict.proposed, Action::Retrain | Action::Rollback);
        let of_service = matches!(verdict.proposed, Action::ScaleUp | Action::ScaleDown);
        let about_model = verdict.target_kind == TargetKind::Model;
        let mut remarks = Vec::new();
        if about_model || of_model {
            remarks.extend(naming::model_notes(&fields.model(&event.event_type)));
        }
        if !about_model || of_service || verdict.proposed == Action::Rollback {
            remarks.extend(naming::service_notes(&fields.service()));
        }
        let defaults = &rules.defaults;
        let by_default = verdict.origin == TargetOrigin::Default;
        if by_default {
            remarks.push(match verdict.target_kind {
                TargetKind::Model => default_taken("model", &defaults.model),
                TargetKind::Service => default_taken("service", &defaults.service),
            });
        }
        // The default service serves the default model; any other has its own deployment rolled back.
        let serves_default = by_default || *verdict.target == *defaults.service;
        let of_default_model = verdict.proposed == Action::Retrain || serves_default;
        if !about_model && of_model && of_default_model && event.model == Naming::Absent {
            remarks.push(default_taken("model", &defaults.model));
        }
        if about_model && of_service && event.service == Naming::Absent {
            remarks.push(default_taken("service", &defaults.service));
        }
        remarks
    }

    fn on_the_required_action(&self, event: &Event) -> Option<String> {
        if event.action_required != ActionRequired::Unknown
            || &*event.event_type != "model_performance_degraded"
        {
            return None;
        }
        let is = match &self.action_required {
            Field::Value(Text(text)) => format!("action_required is {}", shown(text.trim())),
            Field::Wrong(kind) => format!("action_required is {kind}"),
            Field::Missing => "action_required is".to_owned(),
        };
        Some(format!(
            "{is}, not RETRAIN, ROLLBACK or NONE; the matrix decided"
        ))
    }

    /// What the alert's text and the action's parameters quote.
    fn on_the_texts(&self, event: &Event, verdict: &Verdict) -> Vec<String> {
        let mut remarks = Vec::new();
        match &*event.event_type {
            "data_drift_detected" => {}
            "model_performance_degraded" => {
                let wanted = "a number; it is not quoted";
                remarks.extend(wrong(
                    "current_performance",
                    &self.current_performance,
                    wanted,
                ));
                remarks.extend(wrong(
                    "baseline_performance",
                    &self.baseline_performance,
                    wanted,
                ));
            }
            _ => remarks.extend(wrong("message", &self.message, "text; it is not quoted")),
        }
        if matches!(verdict.proposed, Action::ScaleUp | Action::ScaleDown) {
            let instances = &self.current_instances;
            remarks.extend(wrong(
                "current_instances",
                instances,
                "a number; only the change is told",
            ));
            if let Field::Value(count) = *instances
                && whole_instances(count).is_none()
            {
                remarks.push(format!(
                    "current_instances is {count}, not a whole number below {INSTANCES_MAX}; only the change is told"
                ));
            }
        }
        remarks
    }
}

/// A number of instances as a whole number, if it is one.
#[allow(
    clippy::cast_possible_truncation,
    reason = "checked to be a small whole number first"
)]
pub(super) fn whole_instances(count: f64) -> Option<i64> {
    (count.fract() == 0.0 && (0.0..INSTANCES_MAX).contains(&count)).then_some(count as i64)
}

fn default_taken(kind: &str, name: &str) -> String {
    if name.is_empty() {
        format!("the event names no {kind}, and defaults.{kind} is switched off")
    } else {
        format!("the event names no {kind}; the default {name} is taken (defaults.{kind})")
    }
}

fn wrong<T>(field: &str, value: &Field<T>, wanted: &str) -> Option<String> {
    let found = value.wrong()?;
    Some(format!("{field} is {found}, not {wanted}"))
}

/// The fields that may raise the severity.
fn on_context(event: &Event, raw: &str, rule: &Rule) -> Vec<String> {
    const NUMBER: &str = "a number; it was not considered";
    let decoded = [
        wrong("drift_score", &event.drift_score, NUMBER),
        wrong(
            "affected_features",
            &event.affected_features,
            "a list; it was not considered",
        ),
        wrong("performance_drop", &event.performance_drop, NUMBER),
    ];
    let mut fields: Vec<&str> = rule
        .raise
        .iter()
        .map(|raise| raise.field.as_str())
        .collect();
    fields
        .retain(|field| !["drift_score", "affected_features", "performance_drop"].contains(field));
    fields.sort_unstable();
    fields.dedup();
    let others = fields.into_iter().filter_map(|field| {
        let wanted = "a number or a list; it was not considered";
        wrong(field, &read_number(raw, field), wanted)
    });
    decoded.into_iter().flatten().chain(others).collect()
}

impl Doubt {
    /// Why people are alerted instead.
    pub(super) fn reason(self, proposed: Action) -> String {
        let why = match self {
            Self::Model => "no field names the model that is meant",
            Self::Service => "no field names the service that is meant",
            Self::EventType => "no field says what happened",
            Self::Age => "its age is not certain",
        };
        match proposed {
            Action::Ignore | Action::Alert => format!("{why}; people are alerted"),
            _ => format!("{why}; people are alerted instead of {proposed}"),
        }
    }
}
