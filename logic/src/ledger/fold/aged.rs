//! What the fold forgets with time.

use std::sync::Arc;

use crate::ledger::record::Id;

/// Something that is forgotten H after a time. The entry may be outdated; the code that takes it out looks at the thing itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aged {
    /// A source position.
    Seen(Id),
    /// An event's name.
    Identity(Id),
    /// A closed action.
    Closed(Id),
    /// End of a key, by target.
    Key(Arc<str>, Arc<str>),
    /// Slots of a scope, by target.
    Slots(Arc<str>, Arc<str>),
    /// A person's order.
    Override(Id),
}
