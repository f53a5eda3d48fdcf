//! What an event says that could not be taken literally, as sentences for the reasons: fields of a wrong type (but for the
//! severity, which [`super::judge`] reports), defaults in place of names, contradictions, a type that the topic overrules
//! (issue 13, rows 6, 7 and 11).
//!
//! Every field that a rule or an action of this event reads is looked at; fields that nothing reads are not.

use super::judge::{Doubt, TargetOrigin, Verdict};
use crate::actions::{Action, ActsOn};
use crate::event::{Event, OwnType};
use crate::events::{EventKind, Shape, shape_of};
use crate::field::{Field, Text};
use crate::language::Language;
use crate::naming::{self, Naming, TargetFields, shown};
use crate::rules::{Rule, Rules};
use crate::target::TargetKind;
use crate::view::EventView;

/// What is remarked on.
pub(super) struct Remarks<'a> {
    pub(super) event: &'a Event,
    pub(super) view: &'a EventView<'a>,
    pub(super) kind: &'static dyn EventKind,
    pub(super) verdict: &'a Verdict,
    pub(super) rule: &'a Rule,
    pub(super) rules: &'a Rules,
}

impl Remarks<'_> {
    /// One sentence each.
    pub(super) fn all(&self) -> Vec<String> {
        let mut remarks = self.on_context();
        remarks.extend(self.kind.remarks(self.view));
        remarks.extend((self.verdict.proposed.kind().remarks)(self.view));
        let event_id = self.view.field::<Text<'_>>("event_id");
        remarks.extend(event_id.remark("event_id", "text; its position names it"));
        remarks.extend(self.on_the_type());
        remarks.extend(self.on_the_target());
        remarks
    }

    /// The fields that may raise the severity: those that the type declares, and those that the rule reads.
    fn on_context(&self) -> Vec<String> {
        let declared = self.kind.facts().iter();
        let declared = declared.filter(|fact| fact.shape != Shape::Either);
        let mut fields: Vec<&str> = declared.map(|fact| fact.name).collect();
        let raised = self.rule.raise.iter().map(|raise| raise.field.as_str());
        let mut raised: Vec<&str> = raised.filter(|field| !fields.contains(field)).collect();
        raised.sort_unstable();
        raised.dedup();
        fields.extend(raised);
        let remarks = fields.into_iter().filter_map(|field| {
            let shape = shape_of(field);
            shape.read(self.view, field).remark(field, shape.wanted())
        });
        remarks.collect()
    }

    fn on_the_type(&self) -> Option<String> {
        let own_type = self.view.field("event_type");
        let judged = &self.event.event_type;
        let own = || match &own_type {
            Field::Value(Text(text)) if text.trim().is_empty() => "empty".to_owned(),
            Field::Value(Text(text)) => shown(text.trim()),
            Field::Missing | Field::Wrong(_) => {
                format!("{}, not text", own_type.wrong().unwrap_or("absent"))
            }
        };
        match self.event.own_type {
            OwnType::Same => None,
            OwnType::Other => Some(format!(
                "event_type is {}; the topic fixes it as {judged}",
                own()
            )),
            OwnType::Unreadable => Some(format!(
                "event_type is {}; the event is judged as {judged}",
                own()
            )),
        }
    }

    fn on_the_target(&self) -> Vec<String> {
        let Self {
            event,
            verdict,
            rules,
            ..
        } = self;
        let fields = TargetFields::of(self.view);
        let acts_on = verdict.proposed.kind().acts_on;
        let of_model = matches!(acts_on, ActsOn::Model | ActsOn::ModelOrDeployment);
        let of_service = acts_on == ActsOn::Service;
        let about_model = verdict.target_kind == TargetKind::Model;
        let mut remarks = Vec::new();
        if about_model || of_model {
            remarks.extend(naming::model_notes(&fields.model(self.kind.model_field())));
        }
        if !about_model || of_service || acts_on == ActsOn::ModelOrDeployment {
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
        let of_default_model = acts_on == ActsOn::Model || serves_default;
        if !about_model && of_model && of_default_model && event.model == Naming::Absent {
            remarks.push(default_taken("model", &defaults.model));
        }
        if about_model && of_service && event.service == Naming::Absent {
            remarks.push(default_taken("service", &defaults.service));
        }
        remarks
    }
}

fn default_taken(kind: &str, name: &str) -> String {
    if name.is_empty() {
        format!("the event names no {kind}, and defaults.{kind} is switched off")
    } else {
        format!("the event names no {kind}; the default {name} is taken (defaults.{kind})")
    }
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

    /// What is added to the text of the alert, behind the remarks that led to the doubt. Those are reasons, which are English.
    pub(super) fn text(self, proposed: Action, remarks: &[String], language: Language) -> String {
        match language {
            Language::En => [remarks, &[self.reason(proposed)]].concat().join(". "),
            Language::Ko => {
                let why = match self {
                    Self::Model => "어느 모델인지 알려 주는 필드가 없음",
                    Self::Service => "어느 서비스인지 알려 주는 필드가 없음",
                    Self::EventType => "무슨 일이 일어났는지 알려 주는 필드가 없음",
                    Self::Age => "이벤트 발생 시각이 확실하지 않음",
                };
                let instead = match proposed {
                    Action::Ignore | Action::Alert => "담당자에게 알림".to_owned(),
                    _ => format!("{} 대신 담당자에게 알림", proposed.in_words(language)),
                };
                let details = match remarks {
                    [] => String::new(),
                    remarks => format!(" (상세: {})", remarks.join(". ")),
                };
                format!("{why}, {instead}{details}")
            }
        }
    }
}
