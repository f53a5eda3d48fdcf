//! Drift, performance, scaling and lifecycle: one actor each, all of this shape. It judges events by the rules and has
//! the proposals written to the ledger; an event is settled once they are durable.
//!
//! What differs between the roles is pure and lives in `homeostat_logic::decide`.

use std::sync::Arc;

use homeostat_logic::actions::Strength;
use homeostat_logic::dead_letters::replay_identity;
use homeostat_logic::decide::judge::{Verdict, judge};
use homeostat_logic::decide::propose::{Context, Notice, propose};
use homeostat_logic::envelope::Decoded;
use homeostat_logic::event::{Event, Reject};
use homeostat_logic::ledger::identity::part_key;
use homeostat_logic::ledger::placement::partition_of_target;
use homeostat_logic::ledger::record::{Id, Millis, Record};
use homeostat_logic::rules::Rules;
use homeostat_logic::topic::{ORIGIN_HEADER, Role, Topic, Use};
use homeostat_logic::view::EventView;

use super::left_to_ingest::LeftToIngest;
use super::{Means, Starter};
use crate::append::{Patience, append_until_durable};
use crate::fail_point::{self, Point};
use crate::feed::{Feed, Incoming, Taken};
use crate::flight::Flight;
use crate::ledger_record::ledger_record;
use crate::ports::log::{Header, NewRecord, RecordView, TopicPartition};
use crate::ports::observer::Consumed;
use crate::supervision::{Failure, Handle, Recipient, Scope, StartError, Worker};
use crate::throttle::Throttle;
use crate::work::{Item, Work};

static WAITING: Throttle = Throttle::new();

/// How an event is judged. The rules do it; tests put something in its place that fails.
pub trait Judge: Send + Sync + 'static {
    /// What ought to be done about the event.
    fn judge(&self, event: &Event, view: &EventView<'_>, rules: &Rules, now: Millis) -> Verdict;
}

/// Judging by the rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByRules;

impl Judge for ByRules {
    fn judge(&self, event: &Event, view: &EventView<'_>, rules: &Rules, now: Millis) -> Verdict {
        judge(event, view, rules, now)
    }
}

/// Drift, performance, scaling and lifecycle: an actor for each [`Role`], which the event's type chooses.
#[derive(Clone)]
pub struct Decide {
    judge: Arc<dyn Judge>,
    left: LeftToIngest,
}

impl Decide {
    /// Decides by this judge.
    pub fn by(judge: Arc<dyn Judge>) -> Self {
        let left = LeftToIngest::default();
        Self { judge, left }
    }

    /// Leaves these records to their translators.
    #[must_use]
    pub fn leaving(self, left: LeftToIngest) -> Self {
        Self { left, ..self }
    }
}

impl Default for Decide {
    fn default() -> Self {
        Self::by(Arc::new(ByRules))
    }
}

impl Feed for Decide {
    type Item = Decoded;

    fn name(&self) -> &'static str {
        "decide"
    }

    fn reads(&self, topic: &Topic) -> bool {
        matches!(topic.usage, Use::Decide(_) | Use::DecideByType)
    }

    fn take(&self, record: &mut Incoming<'_>) -> Result<Taken<Decoded>, Reject> {
        if self.left.takes(record) {
            return Ok(Taken::Observed);
        }
        record.event().map(Taken::Item)
    }

    fn route(&self, item: &Decoded) -> usize {
        let role = Role::ALL.iter().position(|role| *role == item.event.role);
        role.unwrap_or_default()
    }

    fn start(&self, starter: &Starter<'_>) -> Result<Vec<Recipient<Work<Decoded>>>, StartError> {
        let roles = Role::ALL.into_iter().map(|role| {
            let (judge, means) = (Arc::clone(&self.judge), starter.means.clone());
            let factory = move || Responder {
                judge: Arc::clone(&judge),
                means: means.clone(),
            };
            let actor = starter.actor(role.name(), role.name(), factory)?;
            Ok(actor.recipient())
        });
        roles.collect()
    }
}

/// The actor of one role. It has no state: what it decides is a function of event, rules and time.
pub struct Responder {
    judge: Arc<dyn Judge>,
    means: Means,
}

/// What is to be written for the events of one work, and what is not.
#[derive(Default)]
struct Judged {
    /// With the offset of the event; one event may have two.
    outgoing: Vec<(i64, NewRecord)>,
    samples: Vec<i64>,
    refused: Vec<(i64, String)>,
}

impl Responder {
    fn judge_all(&self, work: &mut Work<Decoded>) -> Judged {
        let now = self.means.clock.now();
        let in_force = self.means.live.load();
        let mut judged = Judged::default();
        let flight = Arc::clone(work.flight());
        for index in 0..work.len() {
            let Some((item, record)) = work.begin(index) else {
                continue;
            };
            self.judge_one(item, record, &flight, (&in_force.rules, now), &mut judged);
        }
        work.handled();
        judged
    }

    fn judge_one(
        &self,
        item: &Item<Decoded>,
        record: RecordView<'_>,
        flight: &Flight,
        (rules, now): (&Rules, Millis),
        judged: &mut Judged,
    ) {
        let Decoded { event, text } = &item.value;
        let value = || std::str::from_utf8(record.value.unwrap_or_default());
        let raw = match text.as_deref().map_or_else(value, Ok) {
            Ok(raw) => raw,
            // Decoding leaves no such record; were it not so, nothing may be decided on an empty event.
            Err(error) => return judged.refused.push((item.offset, error.to_string())),
        };
        let question = Question {
            event,
            raw,
            topic: flight.topic,
            place: &flight.partition,
            record,
            part: 0,
            replay: replay_identity(record.text_headers(), self.means.topic_generation),
        };
        match answer(&*self.judge, &self.means, &question, (rules, now)) {
            Answer::Sample => judged.samples.push(item.offset),
            Answer::Refused(why) => judged.refused.push((item.offset, why)),
            Answer::Records(records) => {
                let records = records.into_iter().map(|record| (item.offset, record));
                judged.outgoing.extend(records);
            }
        }
    }
}

/// One event, and where its record is.
pub(super) struct Question<'a> {
    pub(super) event: &'a Event,
    /// Its bare text.
    pub(super) raw: &'a str,
    /// The topic whose events are like it.
    pub(super) topic: &'static Topic,
    /// Where its record is.
    pub(super) place: &'a TopicPartition,
    pub(super) record: RecordView<'a>,
    /// Its place among the events of the record.
    pub(super) part: usize,
    /// Identity of a replay, if it is one.
    pub(super) replay: Option<Id>,
}

/// What follows from an event.
pub(super) enum Answer {
    /// Nothing: it is counted.
    Sample,
    /// These records, all of which have to be durable.
    Records(Vec<NewRecord>),
    /// It can never be written down, for this reason.
    Refused(String),
}

/// Judges an event and writes the proposal.
pub(super) fn answer(
    judge: &dyn Judge,
    means: &Means,
    question: &Question<'_>,
    (rules, now): (&Rules, Millis),
) -> Answer {
    let Question { event, raw, .. } = *question;
    // Decoding read the event where the client's buffer is, and kept what routing needs; its view reads the rest, once.
    let view = EventView::new(raw);
    let verdict = judge.judge(event, &view, rules, now);
    // A sample. The end of an alert is nothing to do either, and is recorded.
    let records = verdict.action.kind().strength == Strength::Records;
    let sample = records && !event.resolved;
    if sample && question.topic.usage == Use::DecideByType {
        return Answer::Sample;
    }
    let context = Context {
        event,
        view: &view,
        topic: &question.place.topic,
        generation: means.topic_generation,
        partition: question.place.partition,
        offset: question.record.offset,
        timestamp: question.record.timestamp,
        replay: question.replay,
        now,
        rules,
    };
    let mut proposal = propose(&context, &verdict);
    let event_key = proposal.propose.event_key;
    proposal.propose.event_key = part_key(event_key, question.part);
    let target = &proposal.propose.target;
    // Placed here and not by the log's client, which would spread over partitions added to the topic later.
    let partition = partition_of_target(target, means.ledger_partitions);
    let key = target.to_string();
    let record = Record::Propose(Box::new(proposal.propose));
    match ledger_record(partition, key, &record) {
        Ok(record) => {
            let notice = proposal.notice.map(notice_record);
            Answer::Records([record].into_iter().chain(notice).collect())
        }
        Err(error) => Answer::Refused(error.to_string()),
    }
}

fn notice_record(notice: Notice) -> NewRecord {
    NewRecord {
        topic: notice.topic.to_owned(),
        partition: None,
        key: Some(notice.key.into_bytes()),
        value: Some(notice.value.to_string().into_bytes()),
        headers: vec![Header::new(ORIGIN_HEADER, "notice")],
    }
}

/// What is not acknowledged when the epoch is over is given up: the next owner reads the events again.
pub(super) struct UntilRevoked(pub(super) Arc<Flight>);

impl Patience for UntilRevoked {
    fn goes_on(&self) -> bool {
        let goes_on = !self.0.ended();
        if goes_on {
            fail_point::pass(Point::BeforePropose);
        }
        goes_on
    }

    fn waits(&self, reason: String, records: usize) {
        if let Some(more) = WAITING.pass() {
            tracing::warn!(
                records,
                reason,
                more,
                "proposals are not durable yet; appending again"
            );
        }
        self.0.held_up(reason);
    }
}

impl Worker for Responder {}

impl Handle<Work<Decoded>> for Responder {
    type Reply = ();

    fn handle(
        &mut self,
        mut work: Work<Decoded>,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        let judged = self.judge_all(&mut work);
        let topic = work.flight().topic.name;
        let observer = Arc::clone(&self.means.observer);
        if !judged.samples.is_empty() {
            let settled = work.settle(&judged.samples);
            observer.consumed(topic, Consumed::Observed, settled);
        }
        work.refuse(judged.refused);
        if judged.outgoing.is_empty() {
            return Ok(());
        }
        let mut offsets: Vec<i64> = judged.outgoing.iter().map(|(offset, _)| *offset).collect();
        offsets.dedup();
        let (log, flight) = (Arc::clone(&self.means.log), Arc::clone(work.flight()));
        let appended = async move {
            append_until_durable(&*log, judged.outgoing, &UntilRevoked(flight)).await
        };
        scope.spawn(appended, move |_, refused, _| {
            fail_point::pass(Point::AfterPropose);
            offsets.retain(|offset| !refused.iter().any(|(other, _)| other == offset));
            if !work.flight().ended() {
                let settled = work.settle(&offsets);
                fail_point::pass(Point::AfterSettle);
                observer.consumed(topic, Consumed::Settled, settled);
            }
            let refused = refused.into_iter();
            work.refuse(
                refused
                    .map(|(offset, why)| (offset, why.to_string()))
                    .collect(),
            );
            Ok(())
        });
        Ok(())
    }
}
