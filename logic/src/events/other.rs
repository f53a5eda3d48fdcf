//! Every event type without a file: it has what [`EventKind`] gives by default.

use super::EventKind;

pub(super) struct Other;

impl EventKind for Other {
    fn name(&self) -> &'static str {
        "other"
    }
}
