//! Writing a verdict down: the ledger record with its ladder of steps, and the drift alert that goes out in every case.

mod ladder;

use serde_json::json;

use super::age::Age;
use super::alert::{AlertText, Quoted};
use super::judge::{RuleSource, SeverityReason, Verdict, declared};
use super::remarks::Told;
use crate::action::Action;
use crate::event::Event;
use crate::field::{Field, Object, Text, lenient_struct};
use crate::history::format_time;
use crate::ledger::params::{Params, plain};
use crate::ledger::record::{
    Decision, EventBody, Id, Millis, Propose, RawJson, Source, When, Window,
};
use crate::naming::Naming;
use crate::rules::maintenance::AHEAD_DAYS_MAX;
use crate::rules::{Rule, Rules};
use crate::severity::Severity;
use crate::target::TargetKind;
use crate::topic::SYSTEM_ALERTS;

/// Largest event kept inside a ledger record; a larger one is named by its hash and position (ledger-protocol §3 bounds
/// the record at 256 KiB, and alert steps quote the event).
pub const INLINE_EVENT_BYTES_MAX: usize = 96 * 1_024;

/// Largest event that parameters carry; a ledger record quotes it up to four times.
const QUOTED_BYTES_MAX: usize = 16 * 1_024;

/// Everything a proposal is made of.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event, decoded.
    pub event: &'a Event,
    /// Its bytes, checked to be JSON.
    pub raw: &'a str,
    /// Where it stands.
    pub topic: &'a str,
    /// Configured generation of the topic's name.
    pub generation: u32,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The log's time of it.
    pub timestamp: Millis,
    /// Its identity as a replay, when it is one ([`crate::dead_letters::replay_identity`]).
    pub replay: Option<Id>,
    /// The proposer's clock.
    pub now: Millis,
    /// The rules.
    pub rules: &'a Rules,
}

/// An event of our own to publish beside the proposal. Published again after a crash it has the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Where it goes.
    pub topic: &'static str,
    /// Its key.
    pub key: String,
    /// Its JSON.
    pub value: serde_json::Value,
}

/// What is to be written before the source offset may be settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// For the ledger.
    pub propose: Propose,
    /// For everybody.
    pub notice: Option<Notice>,
}

lenient_struct! {
    /// Names a producer gave its event.
    struct Named<'a> {
        event_id: Text<'a>,
        source: Text<'a>,
        cloudevents: Object,
    }
}

impl Named<'_> {
    /// Only the producer of a `CloudEvent` promises that source and id name one event for ever (CloudEvents 1.0, `id`); an
    /// `event_id` alone may be reused, and must not silence another alarm.
    fn identity(&self, topic: &str) -> Option<Id> {
        let (Field::Value(Text(id)), Field::Value(Object)) = (&self.event_id, &self.cloudevents)
        else {
            return None;
        };
        let source = match &self.source {
            Field::Value(Text(source)) => source,
            Field::Missing | Field::Wrong(_) => "",
        };
        Some(crate::ledger::identity::event_identity(topic, source, id))
    }
}

/// Writes a verdict down.
pub fn propose(context: &Context<'_>, verdict: &Verdict) -> Proposal {
    let quoted = Quoted::read(context.raw);
    let told = Told::read(context.raw);
    let rule = context.rules.find(
        &context.event.event_type,
        verdict.target_kind,
        &verdict.target,
    );
    let age = Age::of(
        told.timestamp,
        context.timestamp,
        context.replay.is_some(),
        rule,
        context.now,
    );
    let doubted = age.doubt(verdict);
    let verdict = doubted.as_ref().unwrap_or(verdict);
    let src = source(context, age.log);
    let event_key =
        crate::ledger::identity::event_key(&src.topic, src.generation, src.partition, src.offset);
    let named: Named<'_> = serde_json::from_str(context.raw).unwrap_or_default();
    let own_id = match &named.event_id {
        Field::Value(Text(id)) if !id.is_empty() => Some(id.chars().take(256).collect::<String>()),
        _ => None,
    };
    // The producer's own name first: it also tells the producer's second try from the replay, which a position does not.
    let event_identity = named.identity(context.topic).or(context.replay);
    let event_id = own_id.unwrap_or_else(|| event_key.as_uuid());
    let writer = Writer {
        context,
        verdict,
        rule,
        quoted: &quoted,
        told: &told,
        age: &age,
        event_id: &event_id,
    };
    let decision = writer.decision();
    // What is too old is not acted on in a later window either.
    let not_after = decision
        .ladder
        .iter()
        .flat_map(|step| step.start.windows().map(|window| window.to))
        .max()
        .filter(|_| !age.stale)
        .unwrap_or_else(|| age.counts_from(verdict) + rule.max_event_age_ms);
    let drifted = &*context.event.event_type == "data_drift_detected" && !context.event.resolved;
    let notice = drifted
        // A replay, and a producer's second try under the same name, tells the alert that the event itself told: one id.
        .then(|| writer.drift_alert(event_identity.unwrap_or(event_key)));
    let propose = Propose {
        event_key,
        target: verdict.target(),
        src,
        event_identity,
        event_type: context.event.event_type.to_string(),
        event: body(context.raw),
        rule_rev: context.rules.revision.clone(),
        not_after,
        decisions: vec![decision],
        event_id,
    };
    Proposal { propose, notice }
}

fn source(context: &Context<'_>, ts: Millis) -> Source {
    Source {
        topic: context.topic.to_owned(),
        generation: context.generation,
        partition: context.partition,
        offset: context.offset,
        ts,
    }
}

/// The event for the record: its own bytes if they fit.
fn body(raw: &str) -> EventBody {
    let inline = (raw.len() <= INLINE_EVENT_BYTES_MAX)
        .then(|| serde_json::from_str::<RawJson>(raw).ok())
        .flatten();
    inline.map_or_else(
        || EventBody::Hashed {
            sha256: sha256_hex(raw.as_bytes()),
            bytes: raw.len() as u64,
        },
        EventBody::Inline,
    )
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in sha2::Sha256::digest(bytes) {
        // Writing into a String cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
    }
    hex
}

struct Writer<'a> {
    context: &'a Context<'a>,
    verdict: &'a Verdict,
    rule: &'a Rule,
    quoted: &'a Quoted<'a>,
    told: &'a Told<'a>,
    age: &'a Age,
    event_id: &'a str,
}

impl Writer<'_> {
    fn decision(&self) -> Decision {
        let verdict = self.verdict;
        let rule = match verdict.rule {
            RuleSource::ActionRequired => "action_required".to_owned(),
            RuleSource::Resolved => "resolved".to_owned(),
            RuleSource::Matrix => format!("matrix.{}.{}", self.rule.name, verdict.severity),
        };
        Decision {
            rule,
            severity: verdict.severity,
            severity_reason: verdict.severity_reason.to_string(),
            proposed_action: verdict.proposed,
            reasons: self.reasons(),
            ladder: self.ladder(),
            escalation: self.step(Action::Alert),
        }
    }

    /// One sentence per thing that shaped the first step.
    fn reasons(&self) -> Vec<String> {
        let (event, verdict, rule) = (self.context.event, self.verdict, self.rule);
        let mut reasons = Vec::new();
        let (_, declared) = declared(event, rule, self.context.rules);
        if matches!(
            declared,
            SeverityReason::Unknown(_) | SeverityReason::Unreadable(_)
        ) {
            reasons.push(declared.to_string());
        }
        reasons.extend(self.remarks());
        reasons.extend(judged(verdict, rule));
        // What is too old waits for nothing.
        reasons.extend(waiting(verdict, self.context.now).filter(|_| !self.age.stale));
        let quotes = !matches!(verdict.action, Action::Ignore | Action::Monitor);
        reasons.extend(quotes.then(|| self.not_quoted()).flatten());
        reasons
    }

    /// What the action needs to know (SPEC §3, §4). Intents are absolute where the event allows it.
    fn params(&self, action: Action) -> Params {
        let mut params = Params::from(self.own_params(action));
        let quoted = match action {
            Action::Retrain => "metadata",
            Action::Alert => "source_event",
            _ => return params,
        };
        match self.quoted_event() {
            Some(event) => params.set_raw(quoted, event),
            None => params.set(
                quoted,
                &json!({ "event_id": self.event_id, "omitted_bytes": self.context.raw.len() }),
            ),
        }
        params
    }

    fn own_params(&self, action: Action) -> serde_json::Value {
        let (event, verdict, rules) = (self.context.event, self.verdict, self.context.rules);
        let model = or_default(&event.model, &rules.defaults.model);
        let service = or_default(&event.service, &rules.defaults.service);
        match action {
            Action::Retrain => json!({
                "model_name": model, "model_version": event.model.version(),
                "reason": self.retrain_reason(), "priority": "high",
            }),
            Action::Rollback => json!({
                "model_name": self.model_to_roll_back(model), "service": event.service.name(),
                "reason": "auto_response_rollback", "to": "previous_stable",
                "current_version": event.model.version(),
            }),
            Action::ScaleUp | Action::ScaleDown => {
                let change = if action == Action::ScaleUp { 2 } else { -1 };
                json!({
                    "service": service, "change": change,
                    "instances": self.quoted.instances().map(|count| (count + change).max(1)),
                })
            }
            Action::Alert => {
                let AlertText { title, message } = self.alert_text();
                json!({
                    "title": title, "message": message, "severity": verdict.severity,
                    "timestamp": format_time(self.context.now),
                })
            }
            Action::Monitor => json!({
                "target": &*verdict.target, "model_name": model, "model_version": event.model.version(),
                "interval_seconds": 30, "duration_minutes": 120,
            }),
            Action::Ignore => json!({}),
        }
    }

    /// A service that the event names, without a model, serves a model that is not known here: its own deployment is to
    /// be rolled back, never the default model on its behalf.
    fn model_to_roll_back<'b>(&self, model: Option<&'b str>) -> Option<&'b str> {
        let (event, defaults) = (self.context.event, &self.context.rules.defaults);
        let foreign = self.verdict.target_kind == TargetKind::Service
            && event.model == Naming::Absent
            && *self.verdict.target != *defaults.service;
        model.filter(|_| !foreign)
    }

    /// An alert in place of an action also says why.
    fn alert_text(&self) -> AlertText {
        let text = self
            .quoted
            .alert_text(&self.context.event.event_type, self.verdict);
        let Some(doubt) = self.verdict.doubt else {
            return text;
        };
        let remarks = self.remarks().into_iter();
        let why: Vec<String> = remarks
            .chain([doubt.reason(self.verdict.proposed)])
            .collect();
        AlertText {
            message: format!("{}. {}", text.message, why.join(". ")),
            ..text
        }
    }

    /// What could not be taken as the event says it.
    fn remarks(&self) -> Vec<String> {
        let Context {
            event, raw, rules, ..
        } = *self.context;
        let mut remarks = self
            .told
            .remarks(event, raw, self.verdict, self.rule, rules);
        remarks.extend(self.age.notes(self.verdict));
        remarks
    }

    fn retrain_reason(&self) -> &str {
        match (&*self.context.event.event_type, self.verdict.severity) {
            ("data_drift_detected", Severity::High | Severity::Critical) => "data_drift_critical",
            ("data_drift_detected", Severity::Low | Severity::Medium) => "data_drift_medium",
            (other, _) => other,
        }
    }

    /// The whole event, byte for byte; nothing if it is too large to travel inside parameters.
    fn quoted_event(&self) -> Option<RawJson> {
        (self.context.raw.len() <= QUOTED_BYTES_MAX)
            .then(|| serde_json::from_str(self.context.raw).ok())
            .flatten()
    }

    /// What receivers of the event will not find in it as it was sent.
    fn not_quoted(&self) -> Option<String> {
        if self.quoted_event().is_none() {
            return Some(format!(
                "the event has {} bytes, more than the {QUOTED_BYTES_MAX} that parameters carry; they name it by its id",
                self.context.raw.len()
            ));
        }
        let (_, changed) = plain(self.context.raw);
        (!changed.is_empty()).then(|| {
            format!(
                "not every JSON reader can hold {} of the event; its bytes travel as they are, and templates see these as text",
                changed.join(", ")
            )
        })
    }

    /// SPEC §3: a drift alert goes to `system.alerts` in every case.
    fn drift_alert(&self, event_key: Id) -> Notice {
        let verdict = self.verdict;
        let model_version = match (
            &self.quoted.model_version,
            self.context.event.model.version(),
        ) {
            (Field::Value(Text(version)), _) => version.to_string(),
            (_, Some(version)) => format!("{}@{version}", verdict.target),
            (_, None) => verdict.target.to_string(),
        };
        Notice {
            topic: SYSTEM_ALERTS,
            key: verdict.target.to_string(),
            value: json!({
                "event_type": "drift_alert",
                "severity": verdict.severity.name().to_uppercase(),
                "model_version": model_version,
                "drift_score": self.quoted.drift_score.value(),
                "message": self.alert_text().message,
                "event_id": Id::hash(&[&event_key.0, b"drift_alert"]).as_uuid(),
                "timestamp": format_time(self.context.now),
                "source": crate::topic::SOURCE,
                "caused_by": self.event_id,
            }),
        }
    }
}

/// The event's word, or the default, unless that is switched off.
fn or_default<'a>(named: &'a Naming, default: &'a str) -> Option<&'a str> {
    match named {
        Naming::Is { name, .. } => Some(name),
        Naming::Absent => Some(default).filter(|default| !default.is_empty()),
        Naming::Unreadable(_) => None,
    }
}

/// What the rules made of the event, one sentence per step.
fn judged(verdict: &Verdict, rule: &Rule) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.push(match verdict.rule {
        RuleSource::Matrix => {
            format!(
                "{} at severity {} asks for {}",
                rule.name, verdict.severity, verdict.proposed
            )
        }
        RuleSource::ActionRequired => format!("the event requires {}", verdict.proposed),
        RuleSource::Resolved => {
            "Alertmanager tells that the alert is resolved; there is nothing to do".to_owned()
        }
    });
    reasons.extend(verdict.doubt.map(|doubt| doubt.reason(verdict.proposed)));
    if let Some(check) = verdict.after_hours {
        let hours = &rule.working_hours;
        reasons.push(format!(
            "hour {} in {} is outside working hours {} to {}; {} became alert",
            check.hour, hours.timezone, hours.start, hours.end, verdict.proposed
        ));
    }
    reasons
}

/// Whether the action waits for a maintenance window, and for which one.
fn waiting(verdict: &Verdict, now: Millis) -> Option<String> {
    if verdict.no_window {
        return Some(format!(
            "no maintenance window begins within {AHEAD_DAYS_MAX} days; {} became alert",
            verdict.proposed
        ));
    }
    let When::Within(windows) = &verdict.start else {
        return None;
    };
    let Window { from, to } = windows.first();
    let (from, to) = (format_time(from), format_time(to));
    Some(if now < windows.first().from {
        format!("waits for the next maintenance window, {from} to {to}")
    } else {
        format!("starts in the maintenance window that is open until {to}")
    })
}
