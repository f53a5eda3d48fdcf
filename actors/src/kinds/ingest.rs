//! Topics of a foreign form: each record becomes the events that its translator finds in it, and these are decided as if they
//! stood on the topics whose events they are. The record is settled when all of its proposals are durable.
//!
//! A translator may have to ask a schema registry. While that does not answer, the record waits and its partition with it;
//! nothing becomes a dead letter for that.

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::dead_letters::{first_position, replay_identity};
use homeostat_logic::envelope::{Decoded, decode_record};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::topic::Topic;

use super::responder::{Answer, Judge, Question, UntilRevoked, answer};
use super::{Means, Starter};
use crate::append::append_until_durable;
use crate::feed::{Feed, Incoming, Taken};
use crate::flight::Flight;
use crate::ports::log::{NewRecord, RecordView};
use crate::ports::observer::Consumed;
use crate::ports::translator::{Source, Translated, Untranslated};
use crate::supervision::{Failure, Handle, Recipient, Scope, StartError, Worker};
use crate::throttle::Throttle;
use crate::work::Work;

/// Pause before a translator is asked again; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(5);

static WAITING: Throttle = Throttle::new();

/// The kind.
pub struct Ingest {
    judge: Arc<dyn Judge>,
    sources: Arc<[Source]>,
}

impl Ingest {
    /// Reads these topics.
    pub fn of(sources: Arc<[Source]>, judge: Arc<dyn Judge>) -> Self {
        Self { judge, sources }
    }
}

fn source_of<'a>(sources: &'a [Source], topic: &Topic) -> Option<&'a Source> {
    sources
        .iter()
        .find(|source| source.topic.name == topic.name)
}

impl Feed for Ingest {
    type Item = ();

    fn name(&self) -> &'static str {
        "ingest"
    }

    fn reads(&self, topic: &Topic) -> bool {
        source_of(&self.sources, topic).is_some()
    }

    fn further_topics(&self) -> Vec<&'static Topic> {
        let further = self.sources.iter().filter(|source| !source.is_own);
        further.map(|source| source.topic).collect()
    }

    fn take(&self, incoming: &mut Incoming<'_>) -> Result<Taken<()>, Reject> {
        if let Some(header) = incoming.record.unreadable_header() {
            return Err(Reject::header_name(&header.name));
        }
        let source = source_of(&self.sources, incoming.topic);
        let takes = |source: &Source| !source.is_own || source.translator.takes(incoming.record);
        Ok(if source.is_some_and(takes) {
            Taken::Item(())
        } else {
            Taken::Observed
        })
    }

    fn start(&self, starter: &Starter<'_>) -> Result<Vec<Recipient<Work<()>>>, StartError> {
        if self.sources.is_empty() {
            return Ok(Vec::new());
        }
        let (judge, means) = (Arc::clone(&self.judge), starter.means.clone());
        let sources = Arc::clone(&self.sources);
        let factory = move || Ingestor {
            judge: Arc::clone(&judge),
            means: means.clone(),
            sources: Arc::clone(&sources),
        };
        Ok(vec![
            starter.actor("ingest", "ingest", factory)?.recipient(),
        ])
    }
}

/// The actor. Its state is in the futures that it waits for; they hold no more records than are in flight.
struct Ingestor {
    judge: Arc<dyn Judge>,
    means: Means,
    sources: Arc<[Source]>,
}

/// What became of the records of one work.
#[derive(Default)]
struct Outcome {
    /// Records whose proposals are durable, and those that mean no event.
    settled: Vec<i64>,
    observed: Vec<i64>,
    refused: Vec<(i64, String)>,
    rejected: Vec<(i64, Reject)>,
}

/// Everything that the future of one work needs.
struct Job {
    judge: Arc<dyn Judge>,
    means: Means,
    source: Source,
    flight: Arc<Flight>,
    names: Names,
}

/// Why an event of a record cannot be decided.
enum Unjudged {
    Rejected(Reject),
    Refused(String),
}

impl Worker for Ingestor {}

impl Handle<Work<()>> for Ingestor {
    type Reply = ();

    fn handle(&mut self, mut work: Work<()>, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let flight = Arc::clone(work.flight());
        let Some(source) = source_of(&self.sources, flight.topic).cloned() else {
            return Ok(());
        };
        let mut job = Job {
            judge: Arc::clone(&self.judge),
            means: self.means.clone(),
            source,
            flight,
            names: Names::default(),
        };
        let observer = Arc::clone(&self.means.observer);
        let done = async move {
            let outcome = job.run(&mut work).await;
            (work, outcome)
        };
        scope.spawn(done, move |_, (mut work, outcome), _| {
            let Some(outcome) = outcome else {
                return Ok(());
            };
            let topic = work.flight().topic.name;
            for (offsets, how) in [
                (outcome.settled, Consumed::Settled),
                (outcome.observed, Consumed::Observed),
            ] {
                let settled = work.settle(&offsets);
                observer.consumed(topic, how, settled);
            }
            work.refuse(outcome.refused);
            work.reject(outcome.rejected);
            Ok(())
        });
        Ok(())
    }
}

impl Job {
    /// Translates, judges and appends; `None` when the partition went away before.
    async fn run(&mut self, work: &mut Work<()>) -> Option<Outcome> {
        let mut outcome = Outcome::default();
        let mut outgoing: Vec<(i64, NewRecord)> = Vec::new();
        let batch = Arc::clone(work.batch());
        for index in 0..work.len() {
            let (item, _) = work.begin(index)?;
            let (offset, place) = (item.offset, item.index);
            let record = batch.get(place)?;
            match self.translated(work, index, record).await? {
                Err(reject) => outcome.rejected.push((offset, reject)),
                Ok(events) if events.is_empty() => outcome.observed.push(offset),
                Ok(events) => match self.judged(record, &events) {
                    Err(Unjudged::Rejected(reject)) => outcome.rejected.push((offset, reject)),
                    Err(Unjudged::Refused(why)) => outcome.refused.push((offset, why)),
                    Ok(records) if records.is_empty() => outcome.observed.push(offset),
                    Ok(records) => {
                        outgoing.extend(records.into_iter().map(|record| (offset, record)));
                        outcome.settled.push(offset);
                    }
                },
            }
        }
        work.handled();
        let until = UntilRevoked(Arc::clone(&self.flight));
        let refused = append_until_durable(&*self.means.log, outgoing, &until).await;
        if self.flight.ended() {
            return None;
        }
        for (offset, error) in refused {
            outcome.settled.retain(|other| *other != offset);
            outcome.refused.push((offset, error.to_string()));
        }
        outcome.refused.dedup_by_key(|(offset, _)| *offset);
        Some(outcome)
    }

    /// Asks the translator until it answers; `None` when the partition went away before.
    async fn translated(
        &self,
        work: &mut Work<()>,
        index: usize,
        record: RecordView<'_>,
    ) -> Option<Result<Vec<Translated>, Reject>> {
        // Of a replay the first one: what it names must not change.
        let position = first_position(record.text_headers()).map_or_else(
            || format!("{}/{}", self.flight.partition, record.offset),
            |first| first.to_string(),
        );
        let mut pause = RETRY_FIRST;
        while !self.flight.ended() {
            // To blame if translating fails, and judging it afterwards.
            work.begin(index)?;
            let reason = match self.source.translator.translate(record, &position).await {
                Ok(events) => return Some(Ok(events)),
                Err(Untranslated::Rejected(reject)) => return Some(Err(reject)),
                Err(Untranslated::Unavailable(reason)) => reason,
            };
            // It waits for somebody else, which is not its fault.
            work.handled();
            if let Some(more) = WAITING.pass() {
                let partition = &self.flight.partition;
                tracing::warn!(%partition, reason, more, "a record cannot be translated yet; its partition waits");
            }
            self.flight.held_up(reason);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
        None
    }

    /// The ledger records of a record's events; none if each of them is a sample.
    fn judged(
        &mut self,
        record: RecordView<'_>,
        events: &[Translated],
    ) -> Result<Vec<NewRecord>, Unjudged> {
        let now = self.means.clock.now();
        let in_force = self.means.live.load();
        let mut records = Vec::new();
        for (part, Translated { topic, text }) in events.iter().enumerate() {
            let decoded = decode_record(Some(text.as_bytes()), &[], topic, &mut self.names);
            let decoded = decoded.map_err(Unjudged::Rejected)?;
            let Decoded { event, text: bare } = decoded;
            let question = Question {
                event: &event,
                raw: bare.as_deref().unwrap_or(text),
                topic,
                place: &self.flight.partition,
                record,
                part,
                replay: replay_identity(record.text_headers(), self.means.topic_generation),
            };
            match answer(&*self.judge, &self.means, &question, (&in_force.rules, now)) {
                Answer::Sample => {}
                Answer::Records(more) => records.extend(more),
                Answer::Refused(why) => return Err(Unjudged::Refused(why)),
            }
        }
        Ok(records)
    }
}
