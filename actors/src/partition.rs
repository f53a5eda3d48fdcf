//! The consumer of one assigned partition: decodes its records, hands them to the roles, and sees to it that each is
//! settled: by a durable proposal, as a counted sample, or as a dead letter.
//!
//! Input: batches of records in offset order. Output: [`Work`] per role, dead letters, settled offsets (through the
//! [`Flight`], which outlives this actor's incarnations). It decides nothing about events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::event::{Event, Names, Reject, decode};
use homeostat_logic::topic::{Role, Use};

use crate::dead_letters::{DeadLetters, Verdict};
use crate::flight::{Cause, Flight};
use crate::ports::observer::{Consumed, Observer};
use crate::sink::Deliver;
use crate::supervision::{Failure, Handle, Recipient, Scope, SendError, Worker};
use crate::work::{Item, Work};

/// Pause before a full role is asked again; the partition is held meanwhile.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// How often records that were given back are looked for.
const RETURNED_PERIOD: Duration = Duration::from_millis(50);

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

/// Tells why an actor failed last, by its path.
pub type LastFailure = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What every partition's consumer needs.
#[derive(Clone)]
pub struct PartitionContext {
    /// Roles.
    pub routes: Routes,
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
            self.dispatch_batch(&batch, now, scope);
            rest = later;
        }
        self.send(scope);
    }

    fn dispatch_batch(
        &mut self,
        batch: &Arc<crate::batch::Batch>,
        offsets: &[i64],
        scope: &mut Scope<'_, Self>,
    ) {
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
            match decode_record(record, topic, &mut self.names) {
                Ok(_) if topic.usage == Use::Observe => observed.push(*offset),
                Ok(event) => {
                    routed.entry(event.role).or_default().push(Item {
                        offset: *offset,
                        event,
                    });
                }
                Err(reject) => {
                    self.context.observer.rejected(topic.name, reject.label());
                    self.bury(
                        *offset,
                        &Verdict {
                            error: reject.to_string(),
                            attempts: 1,
                        },
                        scope,
                    );
                }
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

    /// Puts a record into the dead letters and settles it once it is there.
    fn bury(&self, offset: i64, verdict: &Verdict, scope: &mut Scope<'_, Self>) {
        let Some(batch) = self.flight.batch_of(offset) else {
            return;
        };
        let Some(record) = batch.at_offset(offset) else {
            return;
        };
        tracing::warn!(
            partition = %self.flight.partition, offset, error = verdict.error, attempts = verdict.attempts,
            "event goes to the dead letters"
        );
        let letter = self
            .context
            .dead_letters
            .record(&self.flight.partition, record, verdict);
        let dead_letters = self.context.dead_letters.clone();
        scope.spawn(
            async move { dead_letters.write(letter).await },
            move |worker, (), _| {
                worker.settle(Consumed::DeadLettered, &[offset]);
                Ok(())
            },
        );
    }

    /// Takes back what actors gave back: bystanders go again at once, culprits later and at last to the dead letters.
    fn take_back(&mut self, scope: &mut Scope<'_, Self>) {
        let mut again = Vec::new();
        for returned in self.flight.take_returned() {
            match returned.cause {
                Cause::Bystander => again.push(returned.offset),
                Cause::Failed(failures) => self.retry_or_bury(returned.offset, failures, scope),
                Cause::Refused(reason) => {
                    self.context
                        .observer
                        .rejected(self.flight.topic.name, "refused");
                    self.bury(
                        returned.offset,
                        &Verdict {
                            error: reason,
                            attempts: 1,
                        },
                        scope,
                    );
                }
            }
        }
        again.sort_unstable();
        self.dispatch(&again, scope);
    }

    fn retry_or_bury(&mut self, offset: i64, failures: u32, scope: &mut Scope<'_, Self>) {
        let retry = self.context.retry;
        if failures < retry.attempts_max {
            let pause = retry
                .first
                .saturating_mul(1 << failures.saturating_sub(1).min(16))
                .min(retry.max);
            scope.run_later(pause, move |worker, scope| {
                worker.dispatch(&[offset], scope);
                Ok(())
            });
            return;
        }
        self.context
            .observer
            .rejected(self.flight.topic.name, "handler");
        let error = self.failure_text(offset, scope.path());
        self.bury(
            offset,
            &Verdict {
                error,
                attempts: failures,
            },
            scope,
        );
    }

    /// Why the actors failed that this record went through.
    fn failure_text(&mut self, offset: i64, own_path: &str) -> String {
        let event = self.peek(offset);
        let role = event.and_then(|event| self.context.routes.get(&event.role));
        let path = role.map_or(own_path, Recipient::path);
        let why = (self.context.last_failure)(path).unwrap_or_else(|| "reason unknown".to_owned());
        format!("{path} failed on this event each time; last: {why}")
    }

    fn peek(&mut self, offset: i64) -> Option<Event> {
        let batch = self.flight.batch_of(offset)?;
        decode_record(batch.at_offset(offset)?, self.flight.topic, &mut self.names).ok()
    }
}

fn decode_record(
    record: crate::ports::log::RecordView<'_>,
    topic: &homeostat_logic::topic::Topic,
    names: &mut Names,
) -> Result<Event, Reject> {
    decode(record.value, topic, names)
}

impl Worker for PartitionConsumer {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(RETURNED_PERIOD, |worker, scope| {
            worker.take_back(scope);
            Ok(())
        });
        let mut offsets = self.flight.unsettled();
        if let Some((offset, failures)) = self.flight.take_undecodable() {
            offsets.retain(|other| *other != offset);
            if failures < self.context.retry.attempts_max {
                self.retry_or_bury(offset, failures, scope);
            } else {
                let why = (self.context.last_failure)(scope.path()).unwrap_or_default();
                let error = format!("decoding failed each time; last: {why}");
                self.context
                    .observer
                    .rejected(self.flight.topic.name, "handler");
                self.bury(
                    offset,
                    &Verdict {
                        error,
                        attempts: failures,
                    },
                    scope,
                );
            }
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
