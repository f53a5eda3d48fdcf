//! Section `[catalog]`.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::path::PathBuf;

use homeostat_logic::catalog::{CatalogSettings, Columns};
use schemars::JsonSchema;
use serde::Deserialize;

/// Section `[catalog]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Files of items, read at the start: CSV, JSON Lines or Parquet. The topic catalog.items adds to them and replaces.
    #[schemars(extend("default" = []))]
    pub files: Vec<PathBuf>,
    /// Most items held, removed ones among them; at the bound new items are refused and counted.
    #[schemars(range(min = 1, max = 50_000_000), extend("default" = 1_000_000))]
    pub items_max: usize,
    /// Whether items that the catalog does not know may be recommended.
    #[schemars(extend("default" = true))]
    pub recommend_unknown: bool,
    /// Columns of the files, where they have other names than usual (docs/catalog.md).
    pub columns: CatalogColumns,
}

/// Section `[catalog.columns]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogColumns {
    /// Column of the item's id. Empty = item_id, or another usual name.
    #[schemars(extend("default" = ""))]
    pub item: String,
    /// Column of its title. Empty = title or name.
    #[schemars(extend("default" = ""))]
    pub title: String,
    /// Column of its genres: a list, or one text with | or , between them. Empty = genres, categories or tags.
    #[schemars(extend("default" = ""))]
    pub genres: String,
    /// Column that says whether it may be recommended. Empty = available or in_stock.
    #[schemars(extend("default" = ""))]
    pub available: String,
}

impl Catalog {
    /// How the files name their columns.
    pub(crate) fn columns(&self) -> Columns {
        let CatalogColumns {
            item,
            title,
            genres,
            available,
        } = &self.columns;
        let named = |name: &String| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        Columns::named([named(item), named(title), named(genres), named(available)])
    }

    /// The bounds of the catalog.
    pub(crate) fn bounds(&self) -> CatalogSettings {
        CatalogSettings {
            items_max: self.items_max,
            recommend_unknown: self.recommend_unknown,
            ..CatalogSettings::default()
        }
    }
}
