//! From a partition's consumer to the actors of the kinds that read its topic: typed items on one side, a list of kinds that
//! the consumer need not know on the other.

use std::sync::Arc;

use homeostat_logic::event::Reject;
use homeostat_logic::offsets::Readers;
use homeostat_logic::topic::Topic;

use crate::batch::Batch;
use crate::feed::{Decoder, Feed, Incoming, Taken};
use crate::flight::Flight;
use crate::starter::Starter;
use crate::supervision::{Recipient, SendError, StartError};
use crate::work::{Item, Origin, Work};

/// The kinds that read topics, started.
#[derive(Clone)]
pub struct Routes {
    /// How records become events, for the kinds that ask for one.
    pub(crate) decode: Decoder,
    routes: Arc<[Box<dyn Route>]>,
}

impl Routes {
    /// Starts each kind's actors.
    pub(crate) fn start(
        kinds: Vec<Kind>,
        decode: Decoder,
        starter: &Starter<'_>,
    ) -> Result<Self, StartError> {
        // A kind beyond would have no number, so no record would wait for it.
        if kinds.len() > Readers::MAX {
            return Err(StartError::TooManyKinds(kinds.len()));
        }
        let routes = kinds.into_iter().enumerate();
        let routes = routes.map(|(number, kind)| kind.0.start(number, starter));
        Ok(Self {
            decode,
            routes: routes.collect::<Result<_, _>>()?,
        })
    }

    /// The kinds that read a topic.
    pub(crate) fn readers(&self, topic: &Topic) -> Readers {
        let routes = self.routes.iter().enumerate();
        routes
            .filter(|(_, route)| route.reads(topic))
            .map(|(number, _)| number)
            .collect()
    }

    /// The topic beside the platform's that one of the kinds reads under this name.
    pub(crate) fn further_topic(&self, name: &str) -> Option<&'static Topic> {
        let mut topics = self.routes.iter().flat_map(|route| route.further_topics());
        topics.find(|topic| topic.name == name)
    }

    /// Names of these kinds.
    pub(crate) fn names(&self, readers: Readers) -> String {
        let routes = self.routes.iter().enumerate();
        let members = routes.filter(|(number, _)| readers.contains(*number));
        let names: Vec<&str> = members.map(|(_, route)| route.name()).collect();
        names.join(", ")
    }

    /// A sorter for each of these kinds, with its number.
    pub(crate) fn sorters(&self, readers: Readers) -> Vec<(usize, Box<dyn Sorter + '_>)> {
        let routes = self.routes.iter().enumerate();
        routes
            .filter(|(number, _)| readers.contains(*number))
            .map(|(number, route)| (number, route.sorter()))
            .collect()
    }
}

/// A [`Feed`], whatever its item.
pub struct Kind(Box<dyn Startable>);

impl Kind {
    /// The kind of this feed.
    pub fn of(feed: impl Feed) -> Self {
        Self(Box::new(feed))
    }

    /// Whether it reads this topic.
    pub fn reads(&self, topic: &Topic) -> bool {
        self.0.reads(topic)
    }

    /// Topics beside the platform's that it reads.
    pub fn further_topics(&self) -> Vec<&'static Topic> {
        self.0.further_topics()
    }
}

/// A feed of any item.
trait Startable: Send {
    /// Whether it reads this topic.
    fn reads(&self, topic: &Topic) -> bool;
    /// Topics beside the platform's that it reads.
    fn further_topics(&self) -> Vec<&'static Topic>;
    /// Starts its actors.
    fn start(
        self: Box<Self>,
        number: usize,
        starter: &Starter<'_>,
    ) -> Result<Box<dyn Route>, StartError>;
}

impl<F: Feed> Startable for F {
    fn reads(&self, topic: &Topic) -> bool {
        Feed::reads(self, topic)
    }

    fn further_topics(&self) -> Vec<&'static Topic> {
        Feed::further_topics(self)
    }

    fn start(
        self: Box<Self>,
        number: usize,
        starter: &Starter<'_>,
    ) -> Result<Box<dyn Route>, StartError> {
        let actors = Feed::start(&*self, starter)?.into_iter();
        let actors = actors.map(|address| Actor {
            path: address.path().into(),
            address,
        });
        Ok(Box::new(Fed {
            actors: actors.collect(),
            feed: *self,
            number,
        }))
    }
}

/// A kind that is started.
trait Route: Send + Sync {
    /// Name of the kind.
    fn name(&self) -> &'static str;
    /// Whether it reads this topic.
    fn reads(&self, topic: &Topic) -> bool;
    /// Topics beside the platform's that it reads.
    fn further_topics(&self) -> Vec<&'static Topic>;
    /// Sorts the records of one batch.
    fn sorter(&self) -> Box<dyn Sorter + '_>;
}

/// The records of one batch on their way to the actors of one kind.
pub(crate) trait Sorter {
    /// Looks at the record of this index; says whether an actor gets it.
    fn take(&mut self, index: usize, record: &mut Incoming<'_>) -> Result<bool, Reject>;
    /// What is to be sent.
    fn parcels(self: Box<Self>, flight: &Arc<Flight>, batch: &Arc<Batch>) -> Vec<Box<dyn Parcel>>;
}

/// Work with its address.
pub(crate) trait Parcel {
    /// Sends it. Full: it is still here. Closed: it was given back.
    fn send(&mut self) -> Result<(), SendError<()>>;
}

/// A kind's feed and its actors.
struct Fed<F: Feed> {
    feed: F,
    number: usize,
    actors: Vec<Actor<F::Item>>,
}

/// An actor of a kind, with its path for failure texts.
struct Actor<T> {
    address: Recipient<Work<T>>,
    path: Arc<str>,
}

impl<F: Feed> Route for Fed<F> {
    fn name(&self) -> &'static str {
        self.feed.name()
    }

    fn reads(&self, topic: &Topic) -> bool {
        self.feed.reads(topic)
    }

    fn further_topics(&self) -> Vec<&'static Topic> {
        self.feed.further_topics()
    }

    fn sorter(&self) -> Box<dyn Sorter + '_> {
        Box::new(Sorting {
            kind: self,
            items: self.actors.iter().map(|_| Vec::new()).collect(),
        })
    }
}

/// Items by actor.
struct Sorting<'a, F: Feed> {
    kind: &'a Fed<F>,
    items: Vec<Vec<Item<F::Item>>>,
}

impl<F: Feed> Sorter for Sorting<'_, F> {
    fn take(&mut self, index: usize, record: &mut Incoming<'_>) -> Result<bool, Reject> {
        let feed = &self.kind.feed;
        let Taken::Item(value) = feed.take(record)? else {
            return Ok(false);
        };
        let actor = feed.route(&value).checked_rem(self.items.len());
        // A kind without actors can do nothing.
        let Some(items) = actor.and_then(|actor| self.items.get_mut(actor)) else {
            return Ok(false);
        };
        items.push(Item {
            offset: record.record.offset,
            index,
            value,
        });
        Ok(true)
    }

    fn parcels(self: Box<Self>, flight: &Arc<Flight>, batch: &Arc<Batch>) -> Vec<Box<dyn Parcel>> {
        let Self { kind, items } = *self;
        let actors = kind.actors.iter().zip(items);
        let parcel = |(actor, items): (&Actor<F::Item>, Vec<_>)| {
            let origin = Origin {
                flight: Arc::clone(flight),
                batch: Arc::clone(batch),
                reader: kind.number,
                path: Arc::clone(&actor.path),
            };
            Box::new(Addressed {
                address: actor.address.clone(),
                work: Some(Work::new(origin, items)),
            }) as Box<dyn Parcel>
        };
        actors
            .filter(|(_, items)| !items.is_empty())
            .map(parcel)
            .collect()
    }
}

struct Addressed<T> {
    address: Recipient<Work<T>>,
    work: Option<Work<T>>,
}

impl<T: Send + 'static> Parcel for Addressed<T> {
    fn send(&mut self) -> Result<(), SendError<()>> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        match self.address.try_send(work) {
            Ok(()) => Ok(()),
            Err(SendError::Full(work)) => {
                self.work = Some(work);
                Err(SendError::Full(()))
            }
            Err(SendError::Closed(_)) => Err(SendError::Closed(())),
        }
    }
}
