//! What a topic's records become and who gets them: declared by the kind of actor that wants them.
//!
//! Several kinds may read one topic. Each gets every record on its own, decoded as it wants, and settles its share; the
//! record's offset is settled when all shares are. A record that a kind fails on is handed out again to that kind alone;
//! after the last try it goes to the dead letters and the kind's share is settled, while the others go on. When the
//! partition's consumer itself fails, kinds get again what they have not settled, also what they still hold. So a kind may
//! see a record twice, and its effect has to be idempotent.

use homeostat_logic::envelope::{self, Decoded, HeaderView};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::topic::Topic;

use crate::ports::log::RecordView;
use crate::starter::Starter;
use crate::supervision::{Recipient, StartError};
use crate::work::Work;

/// A kind of actor that reads topics.
pub trait Feed: Send + Sync + 'static {
    /// What a record becomes.
    type Item: Send + 'static;

    /// Name of the kind: lower case, unique.
    fn name(&self) -> &'static str;

    /// Whether it reads this topic.
    fn reads(&self, topic: &Topic) -> bool;

    /// Topics beside the platform's that it reads.
    fn further_topics(&self) -> Vec<&'static Topic> {
        Vec::new()
    }

    /// Makes an item of a record.
    ///
    /// # Errors
    /// When the record goes to the dead letters. Kinds that reject it for the same reason share one letter.
    fn take(&self, record: &mut Incoming<'_>) -> Result<Taken<Self::Item>, Reject>;

    /// Route key: which of the kind's actors gets the item, modulo their number. Equal keys keep their order.
    fn route(&self, _item: &Self::Item) -> usize {
        0
    }

    /// Starts the kind's actors, in the order of the route key. None where [`Self::take`] never gives an item.
    ///
    /// # Errors
    /// When an actor cannot be started.
    fn start(&self, starter: &Starter<'_>) -> Result<Vec<Recipient<Work<Self::Item>>>, StartError>;
}

/// What a kind makes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// An item for one of its actors.
    Item(T),
    /// It was looked at, and nothing is to be done: it is counted as observed.
    Observed,
}

/// How a record's value and headers become an event: [`envelope::decode_record`]; tests put something in its place that
/// fails.
pub type Decoder =
    fn(Option<&[u8]>, &[HeaderView<'_>], &Topic, &mut Names) -> Result<Decoded, Reject>;

/// A record that feeds look at, one after the other.
pub struct Incoming<'a> {
    /// Its topic.
    pub topic: &'static Topic,
    /// Its partition.
    pub partition: i32,
    /// The record.
    pub record: RecordView<'a>,
    decode: Decoder,
    names: &'a mut Names,
    decoded: Option<Result<Decoded, Reject>>,
    /// Feeds that have not looked at it.
    feeds_left: usize,
}

impl<'a> Incoming<'a> {
    /// A record for this number of feeds.
    pub(crate) const fn new(
        (topic, partition): (&'static Topic, i32),
        record: RecordView<'a>,
        decode: Decoder,
        names: &'a mut Names,
        feeds: usize,
    ) -> Self {
        Self {
            topic,
            partition,
            record,
            decode,
            names,
            decoded: None,
            feeds_left: feeds,
        }
    }

    /// The record as an event. It is decoded once for all feeds; all but the last one get a copy.
    ///
    /// # Errors
    /// When it is none.
    pub fn event(&mut self) -> Result<Decoded, Reject> {
        let decoded = self.decoded.take().unwrap_or_else(|| self.decode());
        if self.feeds_left > 0 {
            self.decoded = Some(decoded.clone());
        }
        decoded
    }

    /// The next feed looks at it.
    pub(crate) const fn next_feed(&mut self) {
        self.feeds_left = self.feeds_left.saturating_sub(1);
    }

    /// Most records have no header that decoding reads; then this allocates nothing.
    fn decode(&mut self) -> Result<Decoded, Reject> {
        if let Some(header) = self.record.unreadable_header() {
            return Err(Reject::header_name(&header.name));
        }
        let headers = self.record.text_headers();
        let headers: Vec<HeaderView<'_>> = headers
            .filter(|(name, _)| envelope::reads_header(name))
            .collect();
        (self.decode)(self.record.value, &headers, self.topic, self.names)
    }
}
