//! The consumer of one assigned partition: offers its records to each kind of actor that reads the topic, and sees to it that
//! each kind settles each record: by a durable effect, as observed, or as a dead letter.
//!
//! Input: batches of records in offset order. Output: work per actor, dead letters, settled offsets (through the
//! [`Flight`], which outlives this actor's incarnations). It decides nothing about events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::dead_letters::breaker::{Disposal, Stop};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::offsets::Readers;

use crate::batch::Batch;
use crate::dead_letters::{DeadLetters, Death, HANDLER};
use crate::fail_point::{self, Point};
use crate::feed::Incoming;
use crate::flight::{Cause, Flight, Returned};
use crate::ports::observer::{Consumed, Observer};
use crate::roster_settings::RetrySettings;
use crate::routing::{Parcel, Routes};
use crate::sink::Deliver;
use crate::supervision::{Failure, Handle, Scope, SendError, Worker};
use crate::throttle::Throttle;

/// Pause before a full actor is asked again; the partition is held meanwhile.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// How often records that were given back are looked for.
const RETURNED_PERIOD: Duration = Duration::from_millis(50);

/// Malformed events may come by the thousand; each is counted and kept, not each logged.
static BURIED: Throttle = Throttle::new();

/// Returns why an actor failed last, by its path.
pub type LastFailure = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What every partition's consumer needs.
#[derive(Clone)]
pub struct PartitionContext {
    /// The kinds that read topics.
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
    /// The kinds that read the topic.
    readers: Readers,
    names: Names,
    outbox: VecDeque<Box<dyn Parcel>>,
}

/// What became of the records of a batch that no actor gets.
#[derive(Default)]
struct Ended {
    own: BTreeMap<Readers, Vec<i64>>,
    observed: BTreeMap<Readers, Vec<i64>>,
    rejected: Vec<(Readers, i64, Reject)>,
}

impl PartitionConsumer {
    /// A consumer with nothing in hand; it finds what is in flight when it starts.
    pub(crate) fn new(flight: Arc<Flight>, context: PartitionContext) -> Self {
        Self {
            readers: context.routes.readers(flight.topic),
            flight,
            context,
            names: Names::default(),
            outbox: VecDeque::new(),
        }
    }

    /// Hands records out again, to the kinds that still have to settle them.
    fn dispatch_again(
        &mut self,
        records: impl IntoIterator<Item = (i64, Readers)>,
        scope: &mut Scope<'_, Self>,
    ) {
        let mut records = records.into_iter().peekable();
        while let Some(&(first, _)) = records.peek() {
            let Some((batch, _)) = self.flight.find(first) else {
                records.next();
                continue;
            };
            let mut here = Vec::new();
            while let Some(&(offset, readers)) = records.peek()
                && let Some(index) = batch.index_of(offset)
            {
                here.push((index, readers));
                records.next();
            }
            self.dispatch(&batch, here);
        }
        self.send(scope);
    }

    /// Offers records of a batch to the kinds that read them; what no actor gets ends here.
    fn dispatch(
        &mut self,
        batch: &Arc<Batch>,
        records: impl IntoIterator<Item = (usize, Readers)>,
    ) {
        let (mut ended, routes) = (Ended::default(), self.context.routes.clone());
        let mut sorters = routes.sorters(self.readers);
        for (index, readers) in records {
            let Some(record) = batch.get(index) else {
                continue;
            };
            let offset = record.offset;
            if record.is_own() {
                ended.own.entry(readers).or_default().push(offset);
                continue;
            }
            let asked = sorters
                .iter_mut()
                .filter(|(number, _)| readers.contains(*number));
            let place = (self.flight.topic, self.flight.partition.partition);
            let (decode, names) = (routes.decode, &mut self.names);
            let mut incoming = Incoming::new(place, record, decode, names, readers.len());
            for (number, sorter) in asked {
                self.flight.decoding(Some((offset, *number)));
                incoming.next_feed();
                match sorter.take(index, &mut incoming) {
                    Ok(true) => {}
                    Ok(false) => {
                        let reader = Readers::one(*number);
                        ended.observed.entry(reader).or_default().push(offset);
                    }
                    Err(reject) => ended.reject(*number, offset, reject),
                }
            }
            self.flight.decoding(None);
        }
        for (_, sorter) in sorters {
            self.outbox.extend(sorter.parcels(&self.flight, batch));
        }
        self.settle(Consumed::Skipped, ended.own);
        self.settle(Consumed::Observed, ended.observed);
        for (readers, offset, reject) in ended.rejected {
            self.bury(offset, readers, reject.label(), reject.to_string(), 1);
        }
    }

    fn settle(&self, outcome: Consumed, shares: BTreeMap<Readers, Vec<i64>>) {
        let shares = shares.into_iter();
        let settled = shares.map(|(readers, offsets)| self.flight.settle(readers, offsets));
        let settled = settled.sum();
        if settled > 0 {
            let topic = self.flight.topic.name;
            self.context.observer.consumed(topic, outcome, settled);
        }
    }

    /// Empties the outbox; when an actor is full, holds the mailbox until it has room. That is back-pressure: a mailbox
    /// that is not emptied fills, and a full one stops the partition's polling.
    fn send(&mut self, scope: &mut Scope<'_, Self>) {
        while let Some(mut parcel) = self.outbox.pop_front() {
            match parcel.send() {
                Ok(()) => {}
                Err(SendError::Full(())) => {
                    self.outbox.push_front(parcel);
                    scope.hold(tokio::time::sleep(FULL_PAUSE), |worker, (), scope| {
                        worker.send(scope);
                        Ok(())
                    });
                    return;
                }
                // The actor has given up for good, and the process is about to end: what is not settled is read again.
                Err(SendError::Closed(())) => return,
            }
        }
    }

    /// Puts a record into the dead letters, once, and settles it when it is there. That belongs to no incarnation: a
    /// letter that was begun is finished when this actor fails.
    fn bury(
        &self,
        offset: i64,
        readers: Readers,
        reason: &'static str,
        error: String,
        attempts: u32,
    ) {
        let Some((batch, index)) = self.flight.find(offset) else {
            return;
        };
        let Some(record) = batch.get(index) else {
            return;
        };
        let readers = match self.flight.condemn(offset, readers) {
            Some((Disposal::Bury, readers)) => readers,
            Some((Disposal::Stop(stop), _)) => return self.tell_stop(stop, &error),
            Some((Disposal::Stopped, _)) | None => return,
        };
        let topic = self.flight.topic.name;
        self.context.observer.rejected(topic, reason);
        if let Some(more) = BURIED.pass() {
            let partition = &self.flight.partition;
            let kinds = self.context.routes.names(readers);
            tracing::warn!(%partition, offset, kinds, error, attempts, more, "event goes to the dead letters");
        }
        let death = Death {
            reason,
            error,
            attempts,
        };
        let dead_letters = self.context.dead_letters.clone();
        let letter = dead_letters.record(&self.flight.partition, record, &death);
        let (flight, observer) = (Arc::clone(&self.flight), Arc::clone(&self.context.observer));
        tokio::spawn(async move {
            fail_point::pass(Point::BeforeDeadLetter);
            if dead_letters.write(letter, &flight).await {
                fail_point::pass(Point::AfterDeadLetter);
                let settled = flight.settle(readers, [offset]);
                observer.consumed(topic, Consumed::DeadLettered, settled);
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
            "too many dead letters: the partition stops and none of its records is lost; repair what reads or writes these records, then `homeostat dead-letters resume --topic {topic}`"
        );
    }

    /// Takes back what actors gave back: bystanders go again at once, culprits later and at last to the dead letters.
    fn take_back(&mut self, scope: &mut Scope<'_, Self>) {
        let mut again: BTreeMap<i64, Readers> = BTreeMap::new();
        for returned in self.flight.take_returned() {
            let Returned {
                offset,
                readers,
                cause,
            } = returned;
            match cause {
                Cause::Bystander => {
                    let all = again.entry(offset).or_default();
                    *all = all.with(readers);
                }
                Cause::Failed { times, path } => {
                    self.retry_or_bury((offset, readers), times, &path, scope);
                }
                Cause::Refused(reason, error) => self.bury(offset, readers, reason, error, 1),
            }
        }
        self.dispatch_again(again, scope);
    }

    /// `path` names the actor that failed on the record.
    fn retry_or_bury(
        &self,
        (offset, readers): (i64, Readers),
        failures: u32,
        path: &str,
        scope: &mut Scope<'_, Self>,
    ) {
        let retry = self.context.retry;
        if failures >= retry.attempts_max {
            let why = (self.context.last_failure)(path);
            let why = why.unwrap_or_else(|| "reason unknown".to_owned());
            let error = format!("{path} failed on this event each time; last: {why}");
            return self.bury(offset, readers, HANDLER, error, failures);
        }
        let doublings = failures.saturating_sub(1).min(16);
        let pause = retry.first.saturating_mul(1 << doublings).min(retry.max);
        scope.run_later(pause, move |worker, scope| {
            let open = worker.flight.open(offset, readers);
            if !open.is_empty() {
                worker.dispatch_again([(offset, open)], scope);
            }
            Ok(())
        });
    }
}

impl Ended {
    /// Kinds that reject a record for the same reason share one letter.
    fn reject(&mut self, number: usize, offset: i64, reject: Reject) {
        let reader = Readers::one(number);
        let same = self.rejected.last_mut();
        match same.filter(|(_, other, why)| *other == offset && *why == reject) {
            Some((readers, ..)) => *readers = readers.with(reader),
            None => self.rejected.push((reader, offset, reject)),
        }
    }
}

impl Worker for PartitionConsumer {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(RETURNED_PERIOD, |worker, scope| {
            worker.take_back(scope);
            Ok(())
        });
        let undecodable = self.flight.take_undecodable();
        let mut again = self.flight.to_do_again();
        if let Some((offset, reader, failures)) = undecodable {
            let reader = Readers::one(reader);
            for (_, readers) in again.iter_mut().filter(|(other, _)| *other == offset) {
                *readers = readers.without(reader);
            }
            let path = scope.path().to_owned();
            self.retry_or_bury((offset, reader), failures, &path, scope);
        }
        self.dispatch_again(again, scope);
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
        let readers = self.readers;
        self.dispatch(&batch, (0..batch.len()).map(|index| (index, readers)));
        self.send(scope);
        Ok(())
    }
}
