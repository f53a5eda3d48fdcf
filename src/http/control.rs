//! Operators' orders (ledger-protocol §9): written into the ledger, and answered once this instance has read them back.
//!
//! Bounds: [`WAITING_MAX`] orders at once, further ones are answered 503; each waits at most as long as a publisher.
//! A 503 or 504 says nothing about the order: the same request with the same key finds out.

mod answer;
mod parts;
mod request;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Json, Path};
use homeostat_actors::in_force::Live;
use homeostat_actors::ledger_view::{FoldProgress, LedgerView};
use homeostat_actors::ports::clock::Clock;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::ledger::state::OverrideEntry;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tokio::time::Instant;

use self::answer::Ordered;
use self::parts::{Part, not_folded, parts};
use self::request::{Asked, IdempotencyKey, ORDERS};
use super::body::Body;
use super::log::{self, Log};
use super::parameters::{NoParameters, Parameters};
use super::problem::{Kind, Problem};
use super::route::Route;
use super::token::Operator;

/// Orders that wait to be read back at once.
const WAITING_MAX: usize = 64;
/// Places for keys of orders under way.
const KEYS: usize = 64;

/// What orders need.
pub struct Control {
    /// The ledger as folded here; the partition of number n at place n.
    pub views: Vec<Arc<LedgerView>>,
    /// How a forced action is carried out.
    pub live: Live,
    /// An order is answered within this time; see [`ACKNOWLEDGE_LIMIT`](super::ACKNOWLEDGE_LIMIT).
    pub read_back_limit: Duration,
}

/// Room for orders, and who is at it under which key.
pub(super) struct Admission {
    room: Semaphore,
    keys: [Mutex<()>; KEYS],
}

impl Admission {
    pub(super) fn new() -> Self {
        Self {
            room: Semaphore::new(WAITING_MAX),
            keys: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// One order of a key at a time: two that concern different partitions would not see each other in the ledger before
    /// both are in it. Other keys may have to wait for the same place.
    async fn alone(&self, id: Id, deadline: Instant) -> Result<MutexGuard<'_, ()>, Problem> {
        let place = id.0.first().map_or(0, |byte| usize::from(*byte) % KEYS);
        let busy = || {
            let detail = "another order with this Idempotency-Key is in progress; repeat the request; nothing was ordered";
            Problem::new(Kind::Busy, detail)
        };
        let key = self.keys.get(place).ok_or_else(busy)?;
        let alone = tokio::time::timeout_at(deadline, key.lock()).await;
        alone.map_err(|_| busy())
    }
}

/// `POST /api/v1/control/{order}`.
pub(super) fn route() -> Route {
    Route::post("/api/v1/control/{order}", "control", order)
        .summary("Give an operator's order; answered when it was read back from the ledger")
        .details("Needs `Authorization: Bearer` with the operator token. A repetition with the same Idempotency-Key gets the first result; the key with another order is refused (422). Only `who`, `reason` and the `minutes` of a silence may differ unnoticed, except that those of a forced action count. 409: the order was read back and has no effect; `reason` says why, `detail` when the order is valid, `valid_from` the time from which it is if time alone makes it so; `action` and `holds` show the present state. 401: `unauthorized` when no token is shown, `wrong-token` when it is another one. 503 and 504 say nothing about the order: repeat it with the same key.")
        .problems(&[
            Kind::UnknownAction,
            Kind::OrderRefused,
            Kind::IdempotencyKeyReused,
            Kind::NotReadBack,
            Kind::LogTimeout,
        ])
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    #[schemars(extend("enum" = ORDERS))]
    order: String,
}

async fn order(
    _: Operator,
    (parameters, key): (Parameters<NoParameters>, IdempotencyKey),
    (control, admission): (Data<Control>, Data<Admission>),
    (log, clock): (Data<Log>, Data<dyn Clock>),
    wanted: Path<Named>,
    body: Body<Asked>,
) -> Result<Json<Ordered>, Problem> {
    parameters.read()?;
    let id = key.read()?;
    let _permit = admission.room.try_acquire().map_err(|_| {
        let detail = "too many orders wait to be read back; try again; nothing was ordered";
        Problem::new(Kind::Busy, detail)
    })?;
    let asked = request::read(&wanted.order, &body.read().await?)?;
    let deadline = Instant::now() + control.read_back_limit;
    let _alone = admission.alone(id, deadline).await?;
    let parts = parts(
        &control.views,
        &control.live.load().rules,
        clock.now(),
        id,
        &asked,
    )?;
    answer::own_key(&control.views, &parts, id)?;
    append(&log, id, &asked, &parts, deadline).await?;
    let mut entries = Vec::new();
    for part in &parts {
        let entry = read_back(part.view, id, deadline).await?;
        answer::same_order(part, &entry)?;
        entries.push((part, entry));
    }
    answer::answer(id, &entries, clock.now()).map(Json)
}

/// Appends what this instance has not read yet.
async fn append(
    log: &Log,
    id: Id,
    asked: &Asked,
    parts: &[Part<'_>],
    deadline: Instant,
) -> Result<(), Problem> {
    let mut records = Vec::new();
    for part in parts {
        if let Some(known) = entry(part.view, id) {
            answer::same_order(part, &known)?;
            continue;
        }
        let folded = part.view.read();
        match &folded.progress {
            FoldProgress::Live if folded.fold.installation().is_some() => {}
            FoldProgress::Live => {
                let why = "it has no Genesis record yet";
                return Err(not_folded(part.view.partition, why));
            }
            why => return Err(not_folded(part.view.partition, &why.to_string())),
        }
        drop(folded);
        records.push(part.record(id, asked)?);
    }
    if records.is_empty() {
        return Ok(());
    }
    let unsure = "; repeat the request with the same Idempotency-Key";
    let answers = tokio::time::timeout_at(deadline, log.log.append(records)).await;
    let answers = answers.map_err(|_| {
        let detail = format!("the event log did not acknowledge the order in time{unsure}");
        Problem::new(Kind::LogTimeout, detail)
    })?;
    for answer in answers {
        if let Err(error) = answer {
            return Err(Problem::new(log::kind(&error), format!("{error}{unsure}")));
        }
    }
    Ok(())
}

fn entry(view: &LedgerView, id: Id) -> Option<OverrideEntry> {
    view.read().fold.override_entry(id).cloned()
}

/// Waits until the fold has read the order. Woken by the fold, never polling.
async fn read_back(view: &LedgerView, id: Id, deadline: Instant) -> Result<OverrideEntry, Problem> {
    loop {
        let rings = view.overridden().notified();
        tokio::pin!(rings);
        // Heard from here on, so what is folded behind the look below is not missed.
        rings.as_mut().enable();
        if let Some(entry) = entry(view, id) {
            return Ok(entry);
        }
        if tokio::time::timeout_at(deadline, rings).await.is_err() {
            return entry(view, id).ok_or_else(|| {
                let detail = format!(
                    "the order is in the log, but ledger partition {} has not read it back yet; repeat the request with the same Idempotency-Key to learn its result",
                    view.partition
                );
                Problem::new(Kind::NotReadBack, detail)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_of_one_key_come_one_after_the_other() {
        let admission = Admission::new();
        // Without patience: what is free is had all the same.
        let first = admission.alone(Id([1; 16]), Instant::now()).await.unwrap();
        assert!(admission.alone(Id([1; 16]), Instant::now()).await.is_err());
        assert!(admission.alone(Id([2; 16]), Instant::now()).await.is_ok());
        drop(first);
        assert!(admission.alone(Id([1; 16]), Instant::now()).await.is_ok());
    }
}
