//! The catalog: what is known of the items that are recommended. Items come from files ([`Columns`] finds their columns) and
//! from the topic `catalog.items` ([`read_record`]); an item that comes again replaces the one before.
//!
//! Pure, and bounded by [`CatalogSettings`]. An item that the catalog does not know is harmless: it has no genres, and may be
//! recommended unless the settings say otherwise.

mod change;
mod columns;
mod genres;
mod item;
mod reading;
mod settings;
mod table;
#[cfg(test)]
mod tests;

pub use change::{Change, RecordFault, key_of, read_record};
pub use columns::{Columns, Purpose};
pub use item::{CatalogItem, GENRE_BYTES_MAX, GENRES_PER_ITEM_MAX, Item, TITLE_BYTES_MAX};
pub use reading::{FIELDS_BYTES_MAX, Given, ItemFault, read_item};
pub use settings::CatalogSettings;
pub use table::{Catalog, Counts, Outcome};
