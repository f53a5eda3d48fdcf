//! `GET /api/v1/catalog/{item}`: what is known of an item.

use actix_web::web::{Data, Json, Path};
use homeostat_logic::catalog::CatalogItem;
use homeostat_logic::recommend::id_text;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::problem::{Kind, Problem};
use super::route::Route;

/// Who holds the items. Called on the HTTP worker: answers at once, from memory.
pub trait CatalogItems: Send + Sync + 'static {
    /// The item of a canonical id.
    fn item(&self, id: &str) -> Option<CatalogItem>;
}

/// The route.
pub(super) fn route() -> Route {
    Route::get("/api/v1/catalog/{item}", "catalog_item", show)
        .summary("What the catalog knows of an item")
        .problems(&[Kind::UnknownItem])
}

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    /// Id of the item: 7, 7.0 and "7" are one.
    #[schemars(length(min = 1))]
    item: String,
}

async fn show(
    items: Data<dyn CatalogItems>,
    wanted: Path<Wanted>,
) -> Result<Json<CatalogItem>, Problem> {
    let text = wanted.into_inner().item;
    let as_number = || {
        let number = serde_json::from_str::<Value>(&text).ok()?;
        items.item(&id_text(&number)?)
    };
    let found = items.item(text.trim()).or_else(as_number);
    found.map(Json).ok_or_else(|| {
        let detail = "the catalog does not know this item, or it was removed; catalog.files and the topic catalog.items say what it knows";
        Problem::new(Kind::UnknownItem, detail)
    })
}
