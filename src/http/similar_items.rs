//! `GET /api/v1/items/{item}/similar`: items that the same users have.

use actix_web::web::{Data, Json, Path};
use homeostat_logic::recommend::ID_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list_query::ItemsQuery;
use super::parameters::Parameters;
use super::problem::{Kind, Problem};
use super::route::Route;
use super::users::Known;
use crate::users::Asked;

/// The route.
pub(super) fn route() -> Route {
    Route::get("/api/v1/items/{item}/similar", "similar_items", show)
        .summary("Items that the same users have, most similar first")
        .details("Counted over users who are in memory at this instance, and without items that are not available. Of an item that no user chose, there are none.")
        .problems(&[Kind::NoRecommendations])
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// Id of the item, as text.
    #[schemars(length(min = 1, max = ID_BYTES_MAX))]
    item: String,
}

/// Items that are similar to one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SimilarItems")]
struct Similar {
    item_id: String,
    /// Most similar first.
    similar: Vec<SimilarItem>,
}

/// One of them.
#[derive(Serialize, JsonSchema)]
struct SimilarItem {
    item_id: String,
    /// Above 0, at most 1.
    similarity: f64,
}

async fn show(
    named: Path<Named>,
    query: Parameters<ItemsQuery>,
    known: Data<Known>,
) -> Result<Json<Similar>, Problem> {
    let asked: Asked = query.read()?.into();
    let item = named.into_inner().item;
    if item.len() > ID_BYTES_MAX {
        let detail = format!(
            "the item's id has {} bytes; the limit is {ID_BYTES_MAX}",
            item.len()
        );
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let similar = known
        .users()?
        .similar_items(item.trim(), &asked)
        .into_iter();
    Ok(Json(Similar {
        similar: similar
            .map(|(item_id, similarity)| SimilarItem {
                item_id,
                similarity,
            })
            .collect(),
        item_id: item,
    }))
}
