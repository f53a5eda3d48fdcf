//! How much a catalog holds, and what it says of items that it does not know.

/// Bounds of a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogSettings {
    /// Most items, those that were removed among them: they are remembered, so that they are not recommended. At the bound
    /// a new item is refused and counted; one that is known is still replaced.
    pub items_max: usize,
    /// Most bytes of further fields, over all items. Beyond it they are left out and counted; the item is kept.
    pub fields_bytes_max: usize,
    /// Whether an item that the catalog does not know may be recommended.
    pub recommend_unknown: bool,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self {
            items_max: 1_000_000,
            fields_bytes_max: 256 << 20,
            recommend_unknown: true,
        }
    }
}
