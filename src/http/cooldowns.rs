//! `GET /api/v1/cooldowns`: closed cooldown keys, and budgets in use.

use actix_web::web::{Data, Json};
use homeostat_logic::ledger::listing::{ActiveBudget, ActiveCooldown};
use schemars::JsonSchema;
use serde::Serialize;

use super::route::Route;

/// Who keeps the books. Called on the HTTP worker: answers at once, from memory.
pub trait Cooldowns: Send + Sync + 'static {
    /// Closed cooldown keys.
    fn cooldowns(&self) -> Vec<ActiveCooldown>;

    /// Budgets in use.
    fn budgets(&self) -> Vec<ActiveBudget>;
}

/// The route.
pub(super) fn route() -> Route {
    Route::get("/api/v1/cooldowns", "cooldowns", show)
        .summary("Closed cooldown keys and budgets in use")
}

/// By target.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Cooldowns")]
struct Shown {
    cooldowns: Vec<ActiveCooldown>,
    budgets: Vec<ActiveBudget>,
}

async fn show(books: Data<dyn Cooldowns>) -> Json<Shown> {
    Json(Shown {
        cooldowns: books.cooldowns(),
        budgets: books.budgets(),
    })
}
