//! Operators' orders (ledger-protocol §9): written into the ledger, and answered once this instance has read them back.
//!
//! Bounds: [`WAITING_MAX`] orders at once, further ones are answered 503; each waits at most as long as a publisher.
//! A 503 or 504 says nothing about the order: the same request with the same key finds out.

mod request;
mod token;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use homeostat_actors::ledger_view::{LedgerView, Progress};
use homeostat_actors::ports::log::{ErrorClass, NewRecord};
use homeostat_logic::decide::force::{Forced, force};
use homeostat_logic::history::format_time;
use homeostat_logic::ledger::codec::encode;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::record::{Id, Override, OverrideOrder, Record};
use homeostat_logic::ledger::state::{OverrideEntry, OverrideVerdict};
use homeostat_logic::rules::Rules;
use homeostat_logic::target::Target;
use homeostat_logic::topic::LEDGER;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::request::{Asked, OnAction, Order};
use super::problem::{Kind, Problem};
use super::{ApiState, body, decisions};
use crate::configuration::Secret;
use crate::log::partition_of_key;

/// Orders that wait to be read back at once.
const WAITING_MAX: usize = 64;

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

/// Room for orders.
pub(super) struct Admission(Semaphore);

impl Admission {
    pub(super) fn shared() -> Data<Self> {
        Data::new(Self(Semaphore::new(WAITING_MAX)))
    }
}

/// One record of an order: a request about the whole ledger has one for each partition.
struct Part<'a> {
    view: &'a LedgerView,
    key: Option<String>,
    order: OverrideOrder,
    /// Whether a repetition of the request writes the very same order: not when it counts from now.
    repeatable: bool,
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
    let _permit = admission.0.try_acquire().map_err(|_| {
        let detail = "too many orders wait to be read back; try again; nothing was ordered";
        Problem::new(Kind::Busy, detail)
    })?;
    let asked = request::read(&name, &body::read(payload).await?)?;
    let parts = parts(&state, id, &asked)?;
    let deadline = Instant::now() + state.control.read_back_limit;
    append(&state, id, &asked, &parts, deadline).await?;
    let mut entries = Vec::new();
    for part in &parts {
        let entry = read_back(part.view, id, deadline).await?;
        same_order(part, id, &entry)?;
        entries.push((part.view, entry));
    }
    answer(id, &entries)
}

/// The records of an order, each for the partition that has to hold it.
fn parts<'a>(state: &'a ApiState, id: Id, asked: &Asked) -> Result<Vec<Part<'a>>, Problem> {
    let control = &state.control;
    let on_action = |action_id, order| {
        let view = holder(control, id, action_id)?;
        let key = view
            .read()
            .fold
            .action(action_id)
            .map(|action| action.subject.target.to_string());
        Ok(vec![Part {
            view,
            key,
            order,
            repeatable: true,
        }])
    };
    let everywhere = |order: &OverrideOrder, repeatable| {
        let part = |view: &'a Arc<LedgerView>| Part {
            view,
            key: None,
            order: order.clone(),
            repeatable,
        };
        control.views.iter().map(part).collect()
    };
    match &asked.order {
        &Order::Cancel(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Cancel { action_id, expect })
        }
        &Order::Refire(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Refire { action_id, expect })
        }
        &Order::ClearCooldown(OnAction { action_id, expect }) => on_action(
            action_id,
            OverrideOrder::ClearCooldown { action_id, expect },
        ),
        &Order::Approve(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Approve { action_id, expect })
        }
        Order::Resolve(resolve) => {
            let order = OverrideOrder::Resolve {
                action_id: resolve.action_id,
                expect: resolve.expect,
                outcome: resolve.outcome,
            };
            on_action(resolve.action_id, order)
        }
        Order::Pause(_) => Ok(everywhere(&OverrideOrder::Pause, true)),
        Order::Resume(_) => Ok(everywhere(&OverrideOrder::Resume, true)),
        Order::Silence(silence) => {
            let until = silence.until(state.clock.now())?;
            let mut parts = everywhere(&OverrideOrder::Silence { until }, silence.is_absolute());
            let of_target = silence
                .target
                .as_ref()
                .map(|target| partition(control, target));
            if let Some(wanted) = silence.partition.or(of_target) {
                parts.retain(|part| part.view.partition == wanted);
            }
            if parts.is_empty() || (silence.partition.is_some() && of_target.is_some()) {
                let detail = format!(
                    "a silence names a target, or one of the {} ledger partitions, or neither",
                    control.views.len()
                );
                return Err(Problem::new(Kind::MalformedOrder, detail));
            }
            Ok(parts)
        }
        Order::Force(asked_for) => {
            let wanted = partition(control, &asked_for.target);
            let view = control.views.iter().find(|view| view.partition == wanted);
            let view = view.ok_or_else(|| not_folded(wanted, "it is not there"))?;
            let propose = force(Forced {
                override_id: id,
                action: asked_for.action,
                target: asked_for.target.clone(),
                params: asked_for.params.clone().map(Value::Object),
                who: &asked.who,
                reason: &asked.reason,
                partition: wanted,
                now: state.clock.now(),
                rules: &control.rules,
            });
            Ok(vec![Part {
                view,
                key: Some(asked_for.target.to_string()),
                order: OverrideOrder::Force(Box::new(propose)),
                repeatable: false,
            }])
        }
    }
}

/// The partition that holds the action, or that has read this very order before.
fn holder(control: &Control, id: Id, action: Id) -> Result<&LedgerView, Problem> {
    let knows = |view: &&Arc<LedgerView>| {
        let fold = &view.read().fold;
        fold.override_entry(id).is_some() || fold.action(action).is_some()
    };
    if let Some(view) = control.views.iter().find(knows) {
        return Ok(view);
    }
    if let Some(view) = control.views.iter().find(|view| !view.is_live()) {
        return Err(not_folded(view.partition, "the action may be in it"));
    }
    let detail = "no such action is kept; GET /api/v1/decisions lists actions, and one that ended is forgotten after eight days";
    Err(Problem::new(Kind::UnknownAction, detail))
}

fn partition(control: &Control, target: &Target) -> i32 {
    let partition = partition_of_key(target.to_string().as_bytes(), control.views.len());
    i32::try_from(partition).unwrap_or(i32::MAX)
}

fn not_folded(partition: i32, why: &str) -> Problem {
    let detail = format!(
        "ledger partition {partition} is not folded here: {why}; repeat the request when /readyz says so; nothing was ordered"
    );
    Problem::new(Kind::NotReadBack, detail)
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
            same_order(part, id, &known)?;
            continue;
        }
        match &part.view.read().progress {
            Progress::Live => {}
            Progress::Restoring => {
                return Err(not_folded(part.view.partition, "it is being folded"));
            }
            Progress::Refused(why) => return Err(not_folded(part.view.partition, why)),
        }
        records.push(record(id, asked, part)?);
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

fn record(id: Id, asked: &Asked, part: &Part<'_>) -> Result<NewRecord, Problem> {
    let order = Override {
        override_id: id,
        order: part.order.clone(),
        who: asked.who.clone(),
        reason: asked.reason.clone(),
    };
    let value = encode(&Record::Override(Box::new(order)))
        .map_err(|error| Problem::new(Kind::TooLarge, error.to_string()))?;
    Ok(NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(part.view.partition),
        key: part.key.clone().map(String::into_bytes),
        value: Some(value),
        ..NewRecord::default()
    })
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

/// A key belongs to one order.
fn same_order(part: &Part<'_>, id: Id, entry: &OverrideEntry) -> Result<(), Problem> {
    let same = if part.repeatable {
        entry.digest == identity::order_digest(&part.order)
    } else {
        entry.order == part.order.name() && same_action(&part.order, id, entry)
    };
    if same {
        return Ok(());
    }
    let detail = format!(
        "this Idempotency-Key belongs to another order ({}), given at {}; use a new one",
        entry.order,
        format_time(entry.at)
    );
    Err(Problem::new(Kind::IdempotencyKeyReused, detail))
}

/// Whether a forced action is about the same target.
fn same_action(order: &OverrideOrder, id: Id, entry: &OverrideEntry) -> bool {
    match (order, &entry.verdict) {
        (OverrideOrder::Force(propose), OverrideVerdict::Applied { action }) => {
            let key = identity::forced_key(id);
            *action == Some(identity::action_id(key, &propose.target, 0))
        }
        _ => true,
    }
}

fn answer(id: Id, entries: &[(&LedgerView, OverrideEntry)]) -> Result<HttpResponse, Problem> {
    let Some((view, first)) = entries.first() else {
        return Err(Problem::new(Kind::Internal, "an order for no partition"));
    };
    let places: Vec<Value> = entries
        .iter()
        .map(|(view, entry)| json!({"partition": view.partition, "offset": entry.offset}))
        .collect();
    let refused = entries
        .iter()
        .find_map(|(view, entry)| match &entry.verdict {
            OverrideVerdict::Refused(refusal) => Some((*view, refusal)),
            OverrideVerdict::Applied { .. } => None,
        });
    if let Some((view, refusal)) = refused {
        return Err(Problem::new(Kind::OrderRefused, refusal.to_string())
            .with("reason", refusal.name())
            .with("override_id", id.to_string())
            .with("records", places)
            .with("holds", holds(&view.read().fold)));
    }
    let fold = &view.read().fold;
    let action = match first.verdict {
        OverrideVerdict::Applied { action } => action.map(|action| action_state(fold, action)),
        OverrideVerdict::Refused(_) => None,
    };
    Ok(HttpResponse::Ok().json(json!({
        "override_id": id,
        "order": first.order,
        "time": format_time(first.at),
        "records": places,
        "action": action,
        "holds": holds(fold),
    })))
}

/// Where an action stands now.
fn action_state(fold: &Fold, id: Id) -> Value {
    let Some(action) = fold.action(id) else {
        return json!({"id": id, "phase": null, "changed": null});
    };
    json!({
        "id": id,
        "target": action.subject.target.to_string(),
        "action": action.step.action,
        "phase": action.phase.name(),
        "changed": action.changed,
    })
}

/// What people hold back.
pub(super) fn holds(fold: &Fold) -> Value {
    let holds = fold.holds();
    json!({
        "paused": holds.paused,
        "silenced_until": holds.silenced_until.map(format_time),
    })
}
