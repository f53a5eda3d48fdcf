//! JSON text that is kept as it was written.

use serde::{Deserialize, Serialize};

/// Verbatim JSON text, so that unknown fields and number formats survive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(pub Box<serde_json::value::RawValue>);

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}
