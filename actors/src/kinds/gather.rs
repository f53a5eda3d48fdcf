//! Events about users, from whatever topic and partition they come: each is written to the partition of `homeostat.users` in which
//! all events of its user meet, and settled when it is durable there.
//!
//! A partition's records are written in order, a batch at a time. What is written twice, because it was not settled before a crash,
//! is recognised by its origin ([`homeostat_logic::activity::origin`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_logic::activity::event::{self, Source, partition_of_user};
use homeostat_logic::activity::{Origin, Origins, UserEvent};
use homeostat_logic::event::Reject;
use homeostat_logic::topic::{Topic, USERS, Use};

use super::left_to_ingest::LeftToIngest;
use super::responder::UntilRevoked;
use super::{Means, Starter};
use crate::append::append_until_durable;
use crate::feed::{Feed, Incoming, Taken};
use crate::flight::Flight;
use crate::generations::{Reached, end_of};
use crate::ports::clock::Clock;
use crate::ports::log::{Epoch, EventLog, NewRecord, TopicPartition};
use crate::ports::observer::Consumed;
use crate::ports::user_store::{Key, UserStore};
use crate::shard_keys::origins_key;
use crate::supervision::{Failure, Handle, Recipient, Scope, StartError, Worker};
use crate::until_answered::until_done;
use crate::work::Work;

/// Actors that the source partitions are spread over.
const GATHERERS: usize = 4;

/// The kind.
pub struct Gather {
    /// Records that a translator reads instead.
    pub left: LeftToIngest,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where it is kept which records came already.
    pub store: Arc<dyn UserStore>,
    /// Least generation of source topics.
    pub generation: u32,
    /// Partitions of `homeostat.users`, fixed for its life.
    pub partitions: usize,
}

impl Feed for Gather {
    /// With the number of the source partition.
    type Item = (i32, UserEvent);

    fn name(&self) -> &'static str {
        "gather"
    }

    fn reads(&self, topic: &Topic) -> bool {
        topic.usage == Use::Users
    }

    fn take(&self, incoming: &mut Incoming<'_>) -> Result<Taken<Self::Item>, Reject> {
        if self.left.takes(incoming) {
            return Ok(Taken::Observed);
        }
        let Some(source) = Source::of(incoming.topic.name) else {
            return Ok(Taken::Observed);
        };
        let text = incoming.event()?.text;
        let value = || std::str::from_utf8(incoming.record.value.unwrap_or_default());
        let text = match text.as_deref().map_or_else(value, Ok) {
            Ok(text) => text,
            Err(error) => {
                return Err(Reject::NotUtf8 {
                    at: error.valid_up_to(),
                });
            }
        };
        let (partition, record) = (incoming.partition, incoming.record);
        let topic = incoming.topic.name;
        let origin = Origin::new(topic, partition, record.offset, self.generation);
        let now = self.clock.now();
        let event = event::read(source, text, origin, record.timestamp, now)?;
        Ok(Taken::Item((partition, event)))
    }

    /// By source partition, so that one actor writes its records in order.
    fn route(&self, (partition, _): &Self::Item) -> usize {
        usize::try_from(*partition).unwrap_or_default()
    }

    fn start(&self, starter: &Starter<'_>) -> Result<Vec<Recipient<Work<Self::Item>>>, StartError> {
        let actors = (0..GATHERERS).map(|number| {
            let (means, partitions) = (starter.means.clone(), self.partitions);
            let (store, generation) = (Arc::clone(&self.store), self.generation);
            let factory = move || Gatherer {
                means: means.clone(),
                store: Arc::clone(&store),
                partitions,
                generation,
                generations: BTreeMap::new(),
            };
            let actor = starter.actor(format!("gather-{number}"), "gather", factory)?;
            Ok(actor.recipient())
        });
        actors.collect()
    }
}

/// The actor.
struct Gatherer {
    means: Means,
    store: Arc<dyn UserStore>,
    partitions: usize,
    /// As configured.
    generation: u32,
    /// Generations of source topics, by the partition whose epoch this is. Bound: the source partitions.
    generations: BTreeMap<TopicPartition, (Epoch, u32)>,
}

impl Worker for Gatherer {}

impl Gatherer {
    /// The event as a record, in the generation of its source topic.
    fn record_of(
        &self,
        event: &UserEvent,
        generation: u32,
    ) -> Result<NewRecord, serde_json::Error> {
        if generation == self.generation {
            return record_of(event, self.partitions);
        }
        let origin = event.origin.as_ref();
        let event = UserEvent {
            origin: origin.map(|origin| origin.in_generation(generation)),
            ..event.clone()
        };
        record_of(&event, self.partitions)
    }

    fn gather(
        &self,
        mut work: Work<(i32, UserEvent)>,
        generation: u32,
        scope: &mut Scope<'_, Self>,
    ) {
        let (mut records, mut refused) = (Vec::new(), Vec::new());
        for index in 0..work.len() {
            let Some((item, _)) = work.begin(index) else {
                continue;
            };
            match self.record_of(&item.value.1, generation) {
                Ok(record) => records.push((item.offset, record)),
                Err(error) => refused.push((item.offset, error.to_string())),
            }
        }
        work.handled();
        work.refuse(refused);
        let offsets: Vec<i64> = records.iter().map(|(offset, _)| *offset).collect();
        let (log, flight) = (Arc::clone(&self.means.log), Arc::clone(work.flight()));
        let observer = Arc::clone(&self.means.observer);
        // One batch at a time: the next one is written behind it.
        let written =
            async move { append_until_durable(&*log, records, &UntilRevoked(flight)).await };
        scope.hold(written, move |_, refused, _| {
            if work.flight().ended() {
                return Ok(());
            }
            let is_durable = |offset: &i64| refused.iter().all(|(other, _)| other != offset);
            let durable: Vec<i64> = offsets.into_iter().filter(is_durable).collect();
            let topic = work.flight().topic.name;
            let settled = work.settle(&durable);
            observer.consumed(topic, Consumed::Settled, settled);
            let refused = refused.into_iter();
            work.refuse(
                refused
                    .map(|(offset, why)| (offset, why.to_string()))
                    .collect(),
            );
            Ok(())
        });
    }
}

/// The generation in which a source topic is: by what came of the partition already, as the store has it, and where the log ends.
/// `None`: the partition went away before.
async fn generation_of(
    store: Arc<dyn UserStore>,
    log: Arc<dyn EventLog>,
    flight: Arc<Flight>,
    (shards, configured): (usize, u32),
) -> Option<u32> {
    let place = &flight.partition;
    let keys: Vec<Key> = (0_u32..).take(shards).map(origins_key).collect();
    let found = until_done(|| store.read(keys.clone()), &flight).await?;
    let reached = found.iter().flatten().filter_map(|stored| {
        let json: serde_json::Value = serde_json::from_str(&stored.value).ok()?;
        let origins = Origins::from_json(json.get("origins")?)?;
        origins.reached(&place.topic, place.partition)
    });
    let reached = Reached(reached.max());
    let partition = u32::try_from(place.partition).unwrap_or(u32::MAX);
    let end = end_of(&*log, &place.topic, partition, &flight).await?;
    let generation = reached.generation(configured, end, flight.created_again);
    if reached.generation(configured, i64::MAX, false) < generation {
        tracing::warn!(
            partition = %place,
            generation,
            "the topic was deleted and created again: its events are read as new ones"
        );
    }
    Some(generation)
}

impl Handle<Work<(i32, UserEvent)>> for Gatherer {
    type Reply = ();

    fn handle(
        &mut self,
        work: Work<(i32, UserEvent)>,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        let (place, epoch) = (work.flight().partition.clone(), work.flight().epoch);
        if let Some((_, generation)) = self
            .generations
            .get(&place)
            .filter(|(known, _)| *known == epoch)
        {
            self.gather(work, *generation, scope);
            return Ok(());
        }
        let found = generation_of(
            Arc::clone(&self.store),
            Arc::clone(&self.means.log),
            Arc::clone(work.flight()),
            (self.partitions, self.generation),
        );
        scope.hold(found, move |worker, generation, scope| {
            if let Some(generation) = generation {
                worker.generations.insert(place, (epoch, generation));
                worker.gather(work, generation, scope);
            }
            Ok(())
        });
        Ok(())
    }
}

/// The event as a record of `homeostat.users`.
///
/// # Errors
/// Never, as far as serde goes.
pub fn record_of(event: &UserEvent, partitions: usize) -> Result<NewRecord, serde_json::Error> {
    Ok(NewRecord {
        topic: USERS.to_owned(),
        partition: Some(partition_of_user(&event.user, partitions)),
        key: Some(event.user.clone().into_bytes()),
        value: Some(event.to_json()?.into_bytes()),
        headers: Vec::new(),
    })
}
