//! `GET /api/v1/connections`: how actions reach the platform's services.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Json};
use homeostat_actors::in_force::Live;
use homeostat_actors::traffic::Traffic;
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::Serialize;

use super::connection_traffic;
use super::route::Route;

/// The connections in force, and what is under way over them.
pub(super) struct InUse {
    pub(super) live: Live,
    pub(super) traffic: Arc<Traffic>,
}

/// The route.
pub(super) fn route() -> Route {
    Route::get("/api/v1/connections", "connections", show)
        .summary("Connections to the platform's services, with the actions that use them")
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Connections")]
struct Shown {
    connections: Vec<Connection>,
}

/// One connection.
#[derive(Serialize, JsonSchema)]
struct Connection {
    /// Its name in the configuration; `log` is built in.
    name: String,
    /// Its kind.
    kind: &'static str,
    /// Whether its actions only show what they would send.
    dry_run: bool,
    /// The actions that it carries out.
    actions: Vec<Use>,
    traffic: Option<connection_traffic::Traffic>,
}

/// An action over a connection.
#[derive(Serialize, JsonSchema)]
struct Use {
    action: Action,
    /// For this target alone, as kind/name; absent = for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

async fn show(in_use: Data<InUse>) -> Json<Shown> {
    let in_force = in_use.live.load();
    let traffic = in_use.traffic.snapshot(&in_force.connections).into_iter();
    let mut traffic: BTreeMap<String, connection_traffic::Traffic> = traffic
        .map(|one| (one.connection.clone(), one.into()))
        .collect();
    let mut connections: BTreeMap<&str, Connection> = BTreeMap::new();
    for (name, action, target, binding) in in_force.connections.iter() {
        let connection = connections.entry(name).or_insert_with(|| Connection {
            name: name.to_owned(),
            kind: binding.kind,
            dry_run: binding.dry_run,
            actions: Vec::new(),
            traffic: traffic.remove(name),
        });
        connection.actions.push(Use {
            action,
            target: target.map(ToString::to_string),
        });
    }
    let connections = connections.into_values().collect();
    Json(Shown { connections })
}
