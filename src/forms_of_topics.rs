//! The forms that records of `[ingest.NAME]` may have: the closed list that configuration and reading share.

use homeostat_logic::forms::FORMS;

/// Events as they are, on a topic of another name.
pub(crate) const EVENT: &str = "event";
/// Records that a schema registry describes.
pub(crate) const REGISTRY: &str = "registry";

/// Every form.
pub(crate) fn names() -> Vec<&'static str> {
    let tools = FORMS.iter().map(|form| form.name());
    tools.chain([EVENT, REGISTRY]).collect()
}
