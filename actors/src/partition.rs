//! The consumer of one assigned partition: decodes its records, hands them to the roles, and sees to it that each is
//! settled: by a durable proposal, as a counted sample, or as a dead letter.
//!
//! Input: batches of records in offset order. Output: [`Work`] per role, dead letters, settled offsets (through the
//! [`Flight`], which outlives this actor's incarnations). It decides nothing about events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::dead_letters::breaker::{Stop, Verdict as Breaker};
use homeostat_logic::envelope::{self, Decoded, HeaderView};
use homeostat_logic::event::{Event, Names, Reject};
use homeostat_logic::topic::{Role, Topic, Use};

use crate::batch::Batch;
use crate::dead_letters::{DeadLetters, HANDLER, REFUSED, Verdict};
use crate::fail_point::{self, Point};
use crate::flight::{Cause, Flight, Returned};
use crate::ports::log::RecordView;
use crate::ports::observer::{Consumed, Observer};
use crate::sink::Deliver;
use crate::supervision::{Failure, Handle, Recipient, Scope, SendError, Worker};
use crate::throttle::Throttle;
use crate::work::{Item, Work};

/// Pause before a full role is asked again; the partition is held meanwhile.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// How often records that were given back are looked for.
const RETURNED_PERIOD: Duration = Duration::from_millis(50);

/// Malformed events may come by the thousand; each is counted and kept, not each logged.
static BURIED: Throttle = Throttle::new();

/// How failing events are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Tries before an event is dead.
    pub attempts_max: u32,
    /// Pause before the second try; it doubles.
    pub first: Duration,
    /// Longest pause.
    pub max: Duration,
}

/// Who answers which role, by role name for failure texts.
pub type Routes = BTreeMap<Role, Recipient<Work>>;

/// How a record's value and headers become an event: [`envelope::decode_record`]; tests put something in its place that
/// fails.
pub type Decoder =
    fn(Option<&[u8]>, &[HeaderView<'_>], &Topic, &mut Names) -> Result<Decoded, Reject>;

/// Tells why an actor failed last, by its path.
pub type LastFailure = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What every partition's consumer needs.
#[derive(Clone)]
pub struct PartitionContext {
    /// Roles.
    pub routes: Routes,
    /// Decoding.
    pub decode: Decoder,
    /// Where dead letters go.
    pub dead_letters: DeadLetters,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
    /// Retries.
    pub retry: RetrySettings,
    /// Failure texts for dead letters.
    pub last_failure: LastFailure,
}

/// The actor.
pub struct PartitionConsumer {
    flight: Arc<Flight>,
    context: PartitionContext,
    names: Names,
    outbox: VecDeque<(Role, Work)>,
}

impl PartitionConsumer {
    /// A consumer with nothing in hand; it finds what is in flight when it starts.
    pub fn new(flight: Arc<Flight>, context: PartitionContext) -> Self {
        Self {
            flight,
            context,
            names: Names::default(),
            outbox: VecDeque::new(),
        }
    }

    /// Sorts records by role and sends them off; what is no event, or none of ours, ends here.
    fn dispatch(&mut self, offsets: &[i64], scope: &mut Scope<'_, Self>) {
        let mut rest = offsets;
        while let Some(first) = rest.first() {
            let Some(batch) = self.flight.batch_of(*first) else {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            };
            let here = rest
                .iter()
                .take_while(|offset| batch.at_offset(**offset).is_some())
                .count()
                .max(1);
            let (now, later) = rest.split_at(here);
            self.dispatch_batch(&batch, now);
            rest = later;
        }
        self.send(scope);
    }

    fn dispatch_batch(&mut self, batch: &Arc<Batch>, offsets: &[i64]) {
        let topic = self.flight.topic;
        let mut routed: BTreeMap<Role, Vec<Item>> = BTreeMap::new();
        let (mut own, mut observed) = (Vec::new(), Vec::new());
        for offset in offsets {
            let Some(record) = batch.at_offset(*offset) else {
                continue;
            };
            if record.is_own() {
                own.push(*offset);
                continue;
            }
            self.flight.decoding(Some(*offset));
            match self.decode(record) {
                Ok(_) if topic.usage == Use::Observe => observed.push(*offset),
                Ok(Decoded { event, text }) => {
                    routed.entry(event.role).or_default().push(Item {
                        offset: *offset,
                        event,
                        text,
                    });
                }
                Err(reject) => self.bury(*offset, reject.label(), reject.to_string(), 1),
            }
            self.flight.decoding(None);
        }
        self.settle(Consumed::Skipped, &own);
        self.settle(Consumed::Observed, &observed);
        for (role, items) in routed {
            let work = Work::new(Arc::clone(&self.flight), Arc::clone(batch), items);
            self.outbox.push_back((role, work));
        }
    }

    fn settle(&self, outcome: Consumed, offsets: &[i64]) {
        if !offsets.is_empty() {
            self.flight.settle(offsets.iter().copied());
            self.context
                .observer
                .consumed(self.flight.topic.name, outcome, offsets.len() as u64);
        }
    }

    /// Empties the outbox; when a role is full, holds the mailbox until it has room. That is back-pressure: a mailbox
    /// that is not emptied fills, and a full one stops the partition's polling.
    fn send(&mut self, scope: &mut Scope<'_, Self>) {
        while let Some((role, work)) = self.outbox.pop_front() {
            let Some(recipient) = self.context.routes.get(&role) else {
                continue;
            };
            match recipient.try_send(work) {
                Ok(()) => {}
                Err(SendError::Full(work)) => {
                    self.outbox.push_front((role, work));
                    scope.hold(tokio::time::sleep(FULL_PAUSE), |worker, (), scope| {
                        worker.send(scope);
                        Ok(())
                    });
                    return;
                }
                // The role has given up for good, and the process is about to end: what is not settled is read again.
                Err(SendError::Closed(_)) => return,
            }
        }
    }

    /// Puts a record into the dead letters, once, and settles it when it is there. That belongs to no incarnation: a
    /// letter that was begun is finished when this actor fails.
    fn bury(&self, offset: i64, reason: &'static str, error: String, attempts: u32) {
        let Some(batch) = self.flight.batch_of(offset) else {
            return;
        };
        let Some(record) = batch.at_offset(offset) else {
            return;
        };
        match self.flight.condemn(offset) {
            Some(Breaker::Bury) => {}
            Some(Breaker::Stop(stop)) => return self.tell_stop(stop, &error),
            Some(Breaker::Stopped) | None => return,
        }
        let topic = self.flight.topic.name;
        self.context.observer.rejected(topic, reason);
        if let Some(more) = BURIED.pass() {
            let partition = &self.flight.partition;
            tracing::warn!(%partition, offset, error, attempts, more, "event goes to the dead letters");
        }
        let verdict = Verdict {
            reason,
            error,
            attempts,
        };
        let dead_letters = self.context.dead_letters.clone();
        let letter = dead_letters.record(&self.flight.partition, record, &verdict);
        let (flight, observer) = (Arc::clone(&self.flight), Arc::clone(&self.context.observer));
        tokio::spawn(async move {
            fail_point::pass(Point::BeforeDeadLetter);
            if dead_letters.write(letter, &flight).await {
                fail_point::pass(Point::AfterDeadLetter);
                flight.settle([offset]);
                observer.consumed(topic, Consumed::DeadLettered, 1);
            }
        });
    }

    /// Said once, when it happens; readiness and a metric say it as long as it lasts.
    fn tell_stop(&self, stop: Stop, error: &str) {
        let partition = &self.flight.partition;
        let topic = &partition.topic;
        let Stop { dead, records } = stop;
        tracing::error!(
            %partition,
            dead,
            records,
            error,
            "too many dead letters: the partition stops and nothing of it is lost; mend what reads or writes these records, then `homeostat dead-letters resume --topic {topic}`"
        );
    }

    /// Takes back what actors gave back: bystanders go again at once, culprits later and at last to the dead letters.
    fn take_back(&mut self, scope: &mut Scope<'_, Self>) {
        let mut again = Vec::new();
        for Returned { offset, cause } in self.flight.take_returned() {
            match cause {
                Cause::Bystander => again.push(offset),
                Cause::Failed(failures) => {
                    let path = self.handler_path(offset, scope.path());
                    self.retry_or_bury(offset, failures, &path, scope);
                }
                Cause::Refused(reason) => self.bury(offset, REFUSED, reason, 1),
            }
        }
        again.sort_unstable();
        again.dedup();
        self.dispatch(&again, scope);
    }

    /// `path` names the actor that failed on the record.
    fn retry_or_bury(&self, offset: i64, failures: u32, path: &str, scope: &mut Scope<'_, Self>) {
        let retry = self.context.retry;
        if failures >= retry.attempts_max {
            let why = (self.context.last_failure)(path);
            let why = why.unwrap_or_else(|| "reason unknown".to_owned());
            let error = format!("{path} failed on this event each time; last: {why}");
            return self.bury(offset, HANDLER, error, failures);
        }
        let doublings = failures.saturating_sub(1).min(16);
        let pause = retry.first.saturating_mul(1 << doublings).min(retry.max);
        scope.run_later(pause, move |worker, scope| {
            if worker.flight.is_open(offset) {
                worker.dispatch(&[offset], scope);
            }
            Ok(())
        });
    }

    /// Path of the role that a record goes to.
    fn handler_path(&mut self, offset: i64, own_path: &str) -> String {
        let event = self.peek(offset);
        let role = event.and_then(|event| self.context.routes.get(&event.role));
        role.map_or(own_path, Recipient::path).to_owned()
    }

    fn peek(&mut self, offset: i64) -> Option<Event> {
        let batch = self.flight.batch_of(offset)?;
        let decoded = self.decode(batch.at_offset(offset)?);
        decoded.ok().map(|decoded| decoded.event)
    }

    /// Most records have no header that decoding reads; then this allocates nothing.
    fn decode(&mut self, record: RecordView<'_>) -> Result<Decoded, Reject> {
        if let Some(header) = record.unreadable_header() {
            return Err(Reject::header_name(&header.name));
        }
        let headers = record.text_headers();
        let headers: Vec<HeaderView<'_>> = headers
            .filter(|(name, _)| envelope::reads_header(name))
            .collect();
        (self.context.decode)(record.value, &headers, self.flight.topic, &mut self.names)
    }
}

impl Worker for PartitionConsumer {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(RETURNED_PERIOD, |worker, scope| {
            worker.take_back(scope);
            Ok(())
        });
        let undecodable = self.flight.take_undecodable();
        let mut offsets = self.flight.to_do_again();
        if let Some((offset, failures)) = undecodable {
            offsets.retain(|other| *other != offset);
            let path = scope.path().to_owned();
            self.retry_or_bury(offset, failures, &path, scope);
        }
        self.dispatch(&offsets, scope);
        Ok(())
    }
}

impl Handle<Deliver> for PartitionConsumer {
    type Reply = ();

    fn handle(
        &mut self,
        Deliver(batch): Deliver,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        self.flight.taken(&batch);
        let offsets: Vec<i64> = batch.iter().map(|record| record.offset).collect();
        self.dispatch(&offsets, scope);
        Ok(())
    }
}
