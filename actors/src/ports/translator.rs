//! Records of topics in a foreign form: somebody else writes them, and a translator knows what events they mean.

use futures_util::future::BoxFuture;
use homeostat_logic::event::Reject;
use homeostat_logic::topic::Topic;

use super::log::RecordView;

/// A topic that is read through a translator.
#[derive(Clone)]
pub struct Source {
    /// The topic: of the platform, or one of somebody else's.
    pub topic: &'static Topic,
    /// Whether the topic is one of the platform's: records that the translator leaves are events already.
    pub is_own: bool,
    /// What its records mean.
    pub translator: std::sync::Arc<dyn Translator>,
}

/// What records of a foreign form mean.
pub trait Translator: Send + Sync + 'static {
    /// Whether it is for this record; others of an own topic are read as events.
    fn takes(&self, record: RecordView<'_>) -> bool {
        let _ = record;
        true
    }

    /// The events that a record means; none is an answer, too. `position` names the record, in one way for ever.
    fn translate<'a>(
        &'a self,
        record: RecordView<'a>,
        position: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Translated>, Untranslated>>;
}

/// One event that a record means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The topic whose events are like it.
    pub topic: &'static Topic,
    /// Its JSON.
    pub text: String,
}

/// Why a record has no events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untranslated {
    /// It never will: a dead letter.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// Something that is needed does not answer: tried again for as long as the partition is owned.
    #[error("{0}")]
    Unavailable(String),
}
