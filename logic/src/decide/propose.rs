//! Writing a verdict down: the ledger record with its ladder of steps, and the drift alert that goes out in every case.

mod ladder;

use super::age::Age;
use super::judge::{RuleSource, SeverityReason, Verdict, declared};
use super::remarks::Remarks;
use crate::actions::{Action, Facts, Quoted, Strength};
use crate::clock_text::format_time;
use crate::event::Event;
use crate::events::{AlertText, EventKind, NoticeParts, kind_of};
use crate::field::{Field, Object, Text};
use crate::ledger::identity;
use crate::ledger::record::{
    Decision, EventBody, Id, Millis, Propose, RawJson, Source, When, Window,
};
use crate::naming::Naming;
use crate::params::{Params, plain};
use crate::rules::intervals::AHEAD_DAYS_MAX;
use crate::rules::muting::Muted;
use crate::rules::{Rule, Rules};
use crate::target::TargetKind;
use crate::texts::{Parts, Texts, Written};
use crate::view::EventView;

pub use crate::events::Notice;

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
    /// Its fields.
    pub view: &'a EventView<'a>,
    /// Where it is.
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

/// What has to be written before the source offset may be settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// For the ledger.
    pub propose: Propose,
    /// For everybody.
    pub notice: Option<Notice>,
}

/// Only the producer of a `CloudEvent` promises that source and id name one event for ever (CloudEvents 1.0, `id`); an
/// `event_id` alone may be reused, and must not silence another alarm.
fn own_identity(view: &EventView<'_>, topic: &str) -> Option<Id> {
    let (Field::Value(Text(id)), Field::Value(Object)) =
        (view.field("event_id"), view.field("cloudevents"))
    else {
        return None;
    };
    let source = match view.field("source") {
        Field::Value(Text(source)) => source,
        Field::Missing | Field::Wrong(_) => "".into(),
    };
    Some(identity::event_identity(topic, &source, &id))
}

/// Writes a verdict down.
pub fn propose(context: &Context<'_>, verdict: &Verdict) -> Proposal {
    let Context {
        event, view, rules, ..
    } = *context;
    let kind = kind_of(&event.event_type);
    let rule = rules.find(&event.event_type, verdict.target_kind, &verdict.target);
    let age = Age::of(
        view.field("timestamp"),
        context.timestamp,
        context.replay.is_some(),
        rule,
        context.now,
    );
    let doubted = age.doubt(verdict, rule, context.now);
    let verdict = doubted.as_ref().unwrap_or(verdict);
    let src = source(context, age.log);
    let event_key = identity::event_key(&src.topic, src.generation, src.partition, src.offset);
    let own_id = match view.field("event_id") {
        Field::Value(Text(id)) if !id.is_empty() => Some(id.chars().take(256).collect::<String>()),
        _ => None,
    };
    // The producer's own name first: it also distinguishes the producer's second try from the replay, which a position does not.
    let event_identity = own_identity(view, context.topic).or(context.replay);
    let event_id = own_id.unwrap_or_else(|| event_key.as_uuid());
    let remarks = Remarks {
        event,
        view,
        kind,
        verdict,
        rule,
        rules,
    };
    let mut remarks = remarks.all();
    remarks.extend(age.notes(verdict));
    let now = format_time(context.now);
    let texts = rules.texts(verdict.target_kind, &verdict.target);
    let subject = verdict.subject(&event.event_type, texts.language);
    let parts = Parts {
        subject,
        view,
        model: or_default(&event.model, &rules.defaults.model),
        model_version: event.model.version(),
        service: or_default(&event.service, &rules.defaults.service),
        event_id: &event_id,
        proposed: verdict.proposed,
        now: &now,
    };
    let Written { text, failures } = alert_text(kind, texts, &parts, verdict, &remarks);
    remarks.extend(failures);
    let writer = Writer {
        context,
        verdict,
        rule,
        age: &age,
        remarks: &remarks,
        facts: facts(kind, context, verdict, &text, &parts),
    };
    let decision = writer.decision();
    // What is too old is not acted on in a later window either.
    let not_after = decision
        .ladder
        .iter()
        .flat_map(|step| step.start.windows().map(|window| window.to))
        .max()
        .filter(|_| !age.suppresses(verdict))
        .unwrap_or_else(|| age.counts_from(verdict) + rule.max_event_age_ms);
    let notice_parts = NoticeParts {
        subject,
        model_version: event.model.version(),
        message: &text.message,
        event_id: &event_id,
        // A replay, and a producer's second try under the same name, sends the alert of the event itself: one id.
        identity: event_identity.unwrap_or(event_key),
        now: context.now,
    };
    let notice = (!event.resolved)
        .then(|| kind.notice(view, &notice_parts))
        .flatten();
    let propose = Propose {
        event_key,
        target: verdict.target(),
        src,
        event_identity,
        event_type: event.event_type.to_string(),
        event: body(view),
        rule_rev: rules.revision.clone(),
        not_after,
        decisions: vec![decision],
        event_id,
    };
    Proposal { propose, notice }
}

/// An alert in place of an action also says why.
fn alert_text(
    kind: &dyn EventKind,
    texts: &Texts,
    parts: &Parts<'_>,
    verdict: &Verdict,
    remarks: &[String],
) -> Written {
    let Written { mut text, failures } = texts.alert(kind, parts);
    if let Some(doubt) = verdict.doubt {
        let why = doubt.text(verdict.proposed, remarks, texts.language);
        text.message = format!("{}. {why}", text.message);
    }
    Written { text, failures }
}

/// What the intents are made of.
fn facts<'a>(
    kind: &dyn EventKind,
    context: &'a Context<'_>,
    verdict: &'a Verdict,
    text: &'a AlertText,
    parts: &Parts<'a>,
) -> Facts<'a> {
    let Context {
        event, view, rules, ..
    } = *context;
    let defaults = &rules.defaults;
    Facts {
        target: &verdict.target,
        model: parts.model,
        model_version: parts.model_version,
        service: parts.service,
        named_service: event.service.name().map(|name| &**name),
        serves_unknown_model: verdict.target_kind == TargetKind::Service
            && event.model == Naming::Absent
            && *verdict.target != *defaults.service,
        severity: verdict.severity,
        reason: kind.retrain_reason(&event.event_type, verdict.severity),
        title: &text.title,
        message: &text.message,
        language: parts.subject.language,
        event: quoted(view, parts.event_id),
        now: parts.now,
    }
}

/// The whole event; its id if it is too large to travel inside parameters.
fn quoted<'a>(view: &'a EventView<'_>, event_id: &'a str) -> Quoted<'a> {
    let omitted_bytes = view.text().len();
    let whole = view.whole().filter(|_| omitted_bytes <= QUOTED_BYTES_MAX);
    whole.map_or(
        Quoted::Named {
            event_id,
            omitted_bytes,
        },
        Quoted::Whole,
    )
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
fn body(view: &EventView<'_>) -> EventBody {
    let text = view.text();
    let inline = view
        .whole()
        .filter(|_| text.len() <= INLINE_EVENT_BYTES_MAX);
    inline.map_or_else(
        || EventBody::Hashed {
            sha256: sha256_hex(text.as_bytes()),
            bytes: text.len() as u64,
        },
        |whole| EventBody::Inline(RawJson(whole.to_owned())),
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
    age: &'a Age,
    /// What could not be taken as the event says it.
    remarks: &'a [String],
    facts: Facts<'a>,
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
        reasons.extend_from_slice(self.remarks);
        reasons.extend(judged(verdict, rule, self.context.now));
        // What is too old waits for nothing.
        let acted_on = !self.age.suppresses(verdict);
        reasons.extend(
            waiting(verdict, self.context.now)
                .into_iter()
                .filter(|_| acted_on),
        );
        let quotes = verdict.action.kind().strength >= Strength::Notifies;
        reasons.extend(quotes.then(|| self.not_quoted()).flatten());
        reasons
    }

    /// What the action needs to know (SPEC §3, §4).
    fn params(&self, action: Action) -> Params {
        let intents = self.context.rules.intents(action, &self.verdict.target());
        intents.map_or_else(Params::default, |intents| {
            intents.params(self.context.view, &self.facts)
        })
    }

    /// What receivers of the event will not find in it as it was sent.
    fn not_quoted(&self) -> Option<String> {
        if let Quoted::Named { omitted_bytes, .. } = self.facts.event {
            return Some(format!(
                "the event has {omitted_bytes} bytes, more than the {QUOTED_BYTES_MAX} that parameters carry; they name it by its id"
            ));
        }
        let (_, changed) = plain(self.context.view.text());
        (!changed.is_empty()).then(|| {
            format!(
                "not every JSON reader can hold {} of the event; its bytes travel as they are, and templates see these as text",
                changed.join(", ")
            )
        })
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
fn judged(verdict: &Verdict, rule: &Rule, now: Millis) -> Vec<String> {
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
            "Alertmanager reports the alert as resolved; there is nothing to do".to_owned()
        }
    });
    reasons.extend(verdict.doubt.map(|doubt| doubt.reason(verdict.proposed)));
    if let Some(check) = verdict.after_hours {
        let outside = rule.timing.hours.outside(check, now);
        reasons.push(format!("{outside}; {} became alert", verdict.proposed));
    }
    reasons
}

/// Whether the action waits for a maintenance window or the end of a mute time, and until when.
fn waiting(verdict: &Verdict, now: Millis) -> Vec<String> {
    let no_window = verdict.no_window.then(|| {
        format!(
            "no maintenance window begins within {AHEAD_DAYS_MAX} days; {} became alert",
            verdict.proposed
        )
    });
    let waits = match &verdict.muted {
        Some(muted) => Some(muted_until(muted)),
        None => window(verdict, now),
    };
    no_window.into_iter().chain(waits).collect()
}

fn muted_until(muted: &Muted) -> String {
    let why = &muted.why;
    match &muted.until {
        Some(windows) => {
            let until = format_time(windows.first().from);
            format!("{why}; this one waits until {until}")
        }
        None => format!(
            "{why}, and that does not end within {AHEAD_DAYS_MAX} days; this one is sent now"
        ),
    }
}

fn window(verdict: &Verdict, now: Millis) -> Option<String> {
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
