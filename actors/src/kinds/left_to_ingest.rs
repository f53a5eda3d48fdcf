//! Records of the platform's topics that a translator reads, so that no other kind has to.

use std::sync::Arc;

use crate::feed::Incoming;
use crate::ports::translator::Source;

/// Topics of the platform some of whose records are for a translator.
#[derive(Clone, Default)]
pub struct LeftToIngest(Arc<[Source]>);

impl LeftToIngest {
    /// The platform's topics among these.
    pub fn of(sources: &[Source]) -> Self {
        let own = sources.iter().filter(|source| source.is_own);
        Self(own.cloned().collect())
    }

    /// Whether a translator reads this record.
    pub(super) fn takes(&self, incoming: &Incoming<'_>) -> bool {
        let mut sources = self.0.iter();
        let source = sources.find(|source| source.topic.name == incoming.topic.name);
        source.is_some_and(|source| source.translator.takes(incoming.record))
    }
}
