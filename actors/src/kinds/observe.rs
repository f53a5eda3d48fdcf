//! Streams of traffic: each record is decoded, so that one that is no event becomes a dead letter, and counted. No decision
//! follows, so there is no actor.

use std::convert::Infallible;

use homeostat_logic::event::Reject;
use homeostat_logic::topic::{Topic, Use};

use super::Starter;
use super::left_to_ingest::LeftToIngest;
use crate::feed::{Feed, Incoming, Taken};
use crate::supervision::{Recipient, StartError};
use crate::work::Work;

/// The kind.
#[derive(Clone, Default)]
pub struct Observe {
    /// Records that a translator reads instead.
    pub left: LeftToIngest,
    /// Whether events about users are only observed, too.
    pub users: bool,
}

impl Feed for Observe {
    type Item = Infallible;

    fn name(&self) -> &'static str {
        "observe"
    }

    fn reads(&self, topic: &Topic) -> bool {
        topic.usage == Use::Observe || (self.users && topic.usage == Use::Users)
    }

    fn take(&self, record: &mut Incoming<'_>) -> Result<Taken<Infallible>, Reject> {
        if self.left.takes(record) {
            return Ok(Taken::Observed);
        }
        record.event().map(|_| Taken::Observed)
    }

    fn start(&self, _: &Starter<'_>) -> Result<Vec<Recipient<Work<Infallible>>>, StartError> {
        Ok(Vec::new())
    }
}
