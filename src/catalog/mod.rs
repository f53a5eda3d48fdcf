//! The catalog of items: read from files at the start, then from the topic `catalog.items`, of which every instance reads all.
//! What the topic says of an item replaces what a file said.

mod files;
mod follow;
mod now;
mod settings;
mod tail;

pub use files::FileError;
pub use now::{CatalogNow, Taken};
pub use settings::{Catalog as CatalogSection, CatalogColumns};

pub(crate) use files::check;
pub(crate) use follow::Followed;
