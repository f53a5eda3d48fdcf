//! `GET /api/v1/catalog/{item}` and `GET /api/v1/catalog?item=`: what is known of an item, and of several.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{FromRequest, HttpRequest};
use homeostat_logic::catalog::CatalogItem;
use homeostat_logic::recommend::id_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::describe::{Describe, Operation};
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
    let found = find(&**items, &wanted.into_inner().item);
    found.map(Json).ok_or_else(|| {
        let detail = "the catalog does not know this item, or it was removed; catalog.files and the topic catalog.items say what it knows";
        Problem::new(Kind::UnknownItem, detail)
    })
}

/// An item in any spelling of its id.
fn find(items: &dyn CatalogItems, text: &str) -> Option<CatalogItem> {
    let as_number = || {
        let number = serde_json::from_str::<Value>(text).ok()?;
        items.item(&id_text(&number)?)
    };
    items.item(text.trim()).or_else(as_number)
}

/// Items that may be asked for in one request.
const ASKED_MAX: usize = 100;

/// The route of several items.
pub(super) fn listing() -> Route {
    Route::get("/api/v1/catalog", "catalog_items", list)
        .summary("What the catalog knows of some items")
        .details("Items that it does not know are left out. `item_id` of an answer is the id in its one spelling.")
        .problems(&[Kind::BadParameter])
}

/// Only described; read by hand, because it repeats.
#[derive(JsonSchema)]
struct Several {
    /// Id of an item, as often as there are items: 7, 7.0 and "7" are one.
    #[schemars(rename = "item", length(min = 1, max = ASKED_MAX))]
    _item: Vec<String>,
}

/// The items that were asked for.
struct Asked(Vec<String>);

impl FromRequest for Asked {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request.query_string()))
    }
}

impl Asked {
    fn of(query: &str) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(Kind::BadParameter, detail);
        let pairs = Query::<Vec<(String, String)>>::from_query(query);
        let pairs = pairs.map_err(|error| bad(error.to_string()))?.into_inner();
        if let Some((name, _)) = pairs.iter().find(|(name, _)| name != "item") {
            let name: String = name.chars().take(100).collect();
            return Err(bad(format!(
                "parameter `{name}` is not known; allowed: item"
            )));
        }
        if pairs.is_empty() || pairs.len() > ASKED_MAX {
            let asked = pairs.len();
            return Err(bad(format!(
                "{asked} items are asked for; name 1 to {ASKED_MAX}, as in ?item=7&item=9"
            )));
        }
        Ok(Self(pairs.into_iter().map(|(_, item)| item).collect()))
    }
}

impl Describe for Asked {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<Several>("query");
    }
}

/// The items that are known, in the order in which they were asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CatalogItems")]
struct Found {
    items: Vec<CatalogItem>,
}

async fn list(items: Data<dyn CatalogItems>, asked: Asked) -> Json<Found> {
    let found = asked.0.iter().filter_map(|item| find(&**items, item));
    Json(Found {
        items: found.collect(),
    })
}
