//! An item, as it is read and as it is shown.

use schemars::JsonSchema;
use serde::Serialize;

use crate::raw_json::RawJson;

/// Longest title in bytes. A longer one is cut, and ends with "…".
pub const TITLE_BYTES_MAX: usize = 1_024;
/// Most genres of an item. Those beyond are left out and counted.
pub const GENRES_PER_ITEM_MAX: usize = 64;
/// Longest genre in bytes. A longer one is left out and counted.
pub const GENRE_BYTES_MAX: usize = 128;

/// What is known of an item, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its title, cut to its bound.
    pub title: Option<String>,
    /// Its genres, each once, in the order in which they came.
    pub genres: Vec<String>,
    /// Whether it may be recommended.
    pub available: bool,
    /// Further fields: the text of a JSON object without its braces, each value as it was written. Empty = none.
    pub fields: String,
    /// Whether further fields were left out because they are too long.
    pub without_fields: bool,
    /// Genres that were left out because they are too long or too many.
    pub genres_left_out: usize,
}

impl Default for Item {
    fn default() -> Self {
        Self {
            title: None,
            genres: Vec::new(),
            available: true,
            fields: String::new(),
            without_fields: false,
            genres_left_out: 0,
        }
    }
}

/// An item of the catalog, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CatalogItem {
    /// Its id: 7, 7.0 and "7" are one.
    pub item_id: String,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its genres.
    pub genres: Vec<String>,
    /// Whether it may be recommended.
    pub available: bool,
    /// Further fields, each value as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>")]
    pub fields: Option<RawJson>,
}
