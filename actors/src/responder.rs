//! Drift, performance, scaling and lifecycle: one actor each, all of this shape. It judges events by the rules and has
//! the proposals written to the ledger; an event is settled once they are durable.
//!
//! What differs between the roles is pure and lives in `homeostat_logic::decide`.

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::actions::Strength;
use homeostat_logic::dead_letters::replay_identity;
use homeostat_logic::decide::judge::{Verdict, judge};
use homeostat_logic::decide::propose::{Context, Notice, propose};
use homeostat_logic::event::Event;
use homeostat_logic::ledger::codec::{EncodeError, encode};
use homeostat_logic::ledger::placement::partition_of_target;
use homeostat_logic::ledger::record::{Millis, Record};
use homeostat_logic::rules::Rules;
use homeostat_logic::topic::{LEDGER, ORIGIN_HEADER, Use};
use homeostat_logic::view::EventView;

use crate::fail_point::{self, Point};
use crate::flight::Flight;
use crate::in_force::Live;
use crate::ports::clock::Clock;
use crate::ports::log::{ErrorClass, EventLog, Header, NewRecord, RecordView};
use crate::ports::observer::{Consumed, Observer};
use crate::supervision::{Failure, Handle, Scope, Worker};
use crate::throttle::Throttle;
use crate::work::{Item, Work};

/// Pause between two tries to append while the log does not answer; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(2);

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

/// What every role needs.
#[derive(Clone)]
pub struct ResponderContext {
    /// The rules in force, read once per batch.
    pub live: Live,
    /// How to judge.
    pub judge: Arc<dyn Judge>,
    /// Where proposals go.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
    /// Configured generation of source topics (ledger-protocol §3).
    pub topic_generation: u32,
    /// Partitions of the ledger, fixed for its life.
    pub ledger_partitions: usize,
}

/// The actor of one role.
pub struct Responder {
    context: ResponderContext,
}

/// Records to append for one event.
struct Outgoing {
    offset: i64,
    record: NewRecord,
}

/// What is to be written for the events of one work, and what is not.
#[derive(Default)]
struct Judged {
    outgoing: Vec<Outgoing>,
    samples: Vec<i64>,
    refused: Vec<(i64, String)>,
}

impl Responder {
    /// An actor without state: what it decides is a function of event, rules and time.
    pub const fn new(context: ResponderContext) -> Self {
        Self { context }
    }

    fn judge_all(&self, work: &mut Work) -> Judged {
        let now = self.context.clock.now();
        let in_force = self.context.live.load();
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
        item: &Item,
        record: RecordView<'_>,
        flight: &Flight,
        (rules, now): (&Rules, Millis),
        judged: &mut Judged,
    ) {
        let value = || std::str::from_utf8(record.value.unwrap_or_default());
        let raw = match item.text.as_deref().map_or_else(value, Ok) {
            Ok(raw) => raw,
            // Decoding leaves no such record; were it not so, nothing may be decided on an empty event.
            Err(error) => return judged.refused.push((item.offset, error.to_string())),
        };
        // Decoding read the event where the client's buffer is, and kept what routing needs; its view reads the rest, once.
        let view = EventView::new(raw);
        let verdict = self.context.judge.judge(&item.event, &view, rules, now);
        // A sample. The end of an alert is nothing to do either, and is recorded.
        let records = verdict.action.kind().strength == Strength::Records;
        let sample = records && !item.event.resolved;
        if sample && flight.topic.usage == Use::DecideByType {
            judged.samples.push(item.offset);
            return;
        }
        let context = Context {
            event: &item.event,
            view: &view,
            topic: &flight.partition.topic,
            generation: self.context.topic_generation,
            partition: flight.partition.partition,
            offset: item.offset,
            timestamp: record.timestamp,
            replay: replay_identity(record.text_headers(), self.context.topic_generation),
            now,
            rules,
        };
        let proposal = propose(&context, &verdict);
        let target = &proposal.propose.target;
        // Placed here and not by the log's client, which would spread over partitions that somebody added to the topic.
        let partition = partition_of_target(target, self.context.ledger_partitions);
        let key = target.to_string();
        match ledger_record(key, &Record::Propose(Box::new(proposal.propose))) {
            Ok(record) => judged.outgoing.push(Outgoing {
                offset: item.offset,
                record: NewRecord {
                    partition: Some(partition),
                    ..record
                },
            }),
            Err(error) => {
                judged.refused.push((item.offset, error.to_string()));
                return;
            }
        }
        if let Some(notice) = proposal.notice {
            judged.outgoing.push(Outgoing {
                offset: item.offset,
                record: notice_record(notice),
            });
        }
    }
}

/// A record for the ledger, keyed by target.
pub fn ledger_record(key: String, record: &Record) -> Result<NewRecord, EncodeError> {
    Ok(NewRecord {
        topic: LEDGER.to_owned(),
        partition: None,
        key: Some(key.into_bytes()),
        value: Some(encode(record)?),
        headers: Vec::new(),
    })
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

/// Appends until every record is durable or refused. What was not acknowledged is appended again, byte for byte
/// (ledger-protocol §5). Gives up when the epoch is over: the next owner reads the events again.
async fn append_all(
    log: Arc<dyn EventLog>,
    mut outgoing: Vec<Outgoing>,
    flight: &Flight,
) -> Vec<(i64, String)> {
    let mut refused = Vec::new();
    let mut pause = RETRY_FIRST;
    while !outgoing.is_empty() && !flight.ended() {
        let records = outgoing.iter().map(|one| one.record.clone()).collect();
        fail_point::pass(Point::BeforePropose);
        let mut answers = log.append(records).await.into_iter();
        let mut reason = None;
        outgoing.retain(|one| match answers.next() {
            Some(Ok(_)) => false,
            Some(Err(error)) if error.class() == ErrorClass::Reject => {
                refused.push((one.offset, error.to_string()));
                false
            }
            Some(Err(error)) => {
                reason = Some(error.to_string());
                true
            }
            None => true,
        });
        if !outgoing.is_empty() {
            if let Some(more) = WAITING.pass() {
                let records = outgoing.len();
                tracing::warn!(
                    records,
                    reason,
                    more,
                    "proposals are not durable yet; appending again"
                );
            }
            flight.held_up(reason.unwrap_or_else(|| "the event log gave no answer".to_owned()));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }
    refused
}

impl Worker for Responder {}

impl Handle<Work> for Responder {
    type Reply = ();

    fn handle(&mut self, mut work: Work, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let judged = self.judge_all(&mut work);
        let topic = work.flight().topic.name;
        let observer = Arc::clone(&self.context.observer);
        if !judged.samples.is_empty() {
            work.settle(&judged.samples);
            observer.consumed(topic, Consumed::Observed, judged.samples.len() as u64);
        }
        work.refuse(judged.refused);
        if judged.outgoing.is_empty() {
            return Ok(());
        }
        let mut offsets: Vec<i64> = judged.outgoing.iter().map(|one| one.offset).collect();
        offsets.dedup();
        let (log, flight) = (Arc::clone(&self.context.log), Arc::clone(work.flight()));
        let appended = async move { append_all(log, judged.outgoing, &flight).await };
        scope.spawn(appended, move |_, refused, _| {
            fail_point::pass(Point::AfterPropose);
            offsets.retain(|offset| !refused.iter().any(|(other, _)| other == offset));
            if !work.flight().ended() {
                work.settle(&offsets);
                fail_point::pass(Point::AfterSettle);
                observer.consumed(topic, Consumed::Settled, offsets.len() as u64);
            }
            work.refuse(refused);
            Ok(())
        });
        Ok(())
    }
}
