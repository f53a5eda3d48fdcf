//! Operators' orders (ledger-protocol §9): written into the ledger, and answered once this instance has read them back.
//!
//! Bounds: [`WAITING_MAX`] orders at once, further ones are answered 503; each waits at most as long as a publisher.
//! A 503 or 504 says nothing about the order: the same request with the same key finds out.

mod answer;
mod holds;
mod parts;
mod request;
pub(super) mod token;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_actors::ledger_view::{LedgerView, Progress};
use homeostat_actors::ports::log::ErrorClass;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::ledger::state::OverrideEntry;
use homeostat_logic::rules::Rules;
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tokio::time::Instant;

use self::parts::{Part, not_folded, parts};
use self::request::Asked;
use super::problem::{Kind, Problem};
use super::{ApiState, body, decisions};
use crate::configuration::Secret;

pub(super) use self::holds::{held_with, holds};
pub(super) use self::parts::partition;
pub(super) use self::request::read_target;

/// Orders that wait to be read back at once.
const WAITING_MAX: usize = 64;
/// Places for keys of orders under way.
const KEYS: usize = 64;

/// What orders need.
pub struct Control {
    /// The ledger as folded here; the partition of number n at place n.
    pub views: Vec<Arc<LedgerView>>,
    /// How a forced action is carried out.
    pub rules: Arc<Rules>,
    /// What an operator has to show; without one no orders are taken.
    pub operator_token: Option<Secret>,
    /// An order is answered within this time; see [`super::ACKNOWLEDGE_LIMIT`].
    pub read_back_limit: Duration,
}

/// Room for orders, and who is at it under which key.
pub(super) struct Admission {
    room: Semaphore,
    keys: [Mutex<()>; KEYS],
}

impl Admission {
    pub(super) fn shared() -> Data<Self> {
        Data::new(Self {
            room: Semaphore::new(WAITING_MAX),
            keys: std::array::from_fn(|_| Mutex::default()),
        })
    }

    /// One order of a key at a time: two that concern different partitions would not see each other in the ledger before
    /// both are in it. Other keys may have to wait for the same place.
    async fn alone(&self, id: Id, deadline: Instant) -> Result<MutexGuard<'_, ()>, Problem> {
        let place = id.0.first().map_or(0, |byte| usize::from(*byte) % KEYS);
        let busy = || {
            let detail = "another order of this Idempotency-Key is under way; repeat the request; nothing was ordered";
            Problem::new(Kind::Busy, detail)
        };
        let key = self.keys.get(place).ok_or_else(busy)?;
        let alone = tokio::time::timeout_at(deadline, key.lock()).await;
        alone.map_err(|_| busy())
    }
}

/// `POST /api/v1/control/{order}`.
pub(super) async fn order(
    state: Data<ApiState>,
    admission: Data<Admission>,
    name: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    token::check(state.control.operator_token.as_ref(), request.headers())?;
    decisions::parameters(&request, &[])?;
    let id = request::override_id(&request)?;
    let _permit = admission.room.try_acquire().map_err(|_| {
        let detail = "too many orders wait to be read back; try again; nothing was ordered";
        Problem::new(Kind::Busy, detail)
    })?;
    let asked = request::read(&name, &body::read(payload).await?)?;
    let deadline = Instant::now() + state.control.read_back_limit;
    let _alone = admission.alone(id, deadline).await?;
    let parts = parts(&state, id, &asked)?;
    answer::own_key(&state.control.views, &parts, id)?;
    append(&state, id, &asked, &parts, deadline).await?;
    let mut entries = Vec::new();
    for part in &parts {
        let entry = read_back(part.view, id, deadline).await?;
        answer::same_order(part, &entry)?;
        entries.push((part, entry));
    }
    answer::answer(id, &entries, state.clock.now())
}

/// Appends what this instance has not read yet.
async fn append(
    state: &ApiState,
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
            Progress::Live if folded.fold.installation().is_some() => {}
            Progress::Live => {
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
    let answers = tokio::time::timeout_at(deadline, state.log.append(records)).await;
    let answers = answers.map_err(|_| {
        let detail = format!("the event log did not acknowledge the order in time{unsure}");
        Problem::new(Kind::LogTimeout, detail)
    })?;
    for answer in answers {
        if let Err(error) = answer {
            let kind = match error.class() {
                ErrorClass::Reject => Kind::RefusedByLog,
                ErrorClass::Retry | ErrorClass::Stop => Kind::LogUnavailable,
            };
            return Err(Problem::new(kind, format!("{error}{unsure}")));
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
                    "the order is in the log, but ledger partition {} has not read it back yet; repeat the request with the same Idempotency-Key to learn what became of it",
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
        let admission = Admission::shared();
        // Without patience: what is free is had all the same.
        let first = admission.alone(Id([1; 16]), Instant::now()).await.unwrap();
        assert!(admission.alone(Id([1; 16]), Instant::now()).await.is_err());
        assert!(admission.alone(Id([2; 16]), Instant::now()).await.is_ok());
        drop(first);
        assert!(admission.alone(Id([1; 16]), Instant::now()).await.is_ok());
    }
}
