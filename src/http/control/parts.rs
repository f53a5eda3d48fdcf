//! The records of an order, and the ledger partitions that have to hold them.

use std::sync::Arc;

use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ports::log::NewRecord;
use homeostat_logic::decide::force::{Forced, force};
use homeostat_logic::ledger::codec::encode;
use homeostat_logic::ledger::placement::partition_of_target;
use homeostat_logic::ledger::record::{Id, Millis, Override, OverrideOrder, Record};
use homeostat_logic::rules::Rules;
use homeostat_logic::severity::Severity;
use homeostat_logic::topic::LEDGER;
use serde_json::Value;

use super::super::problem::{Kind, Problem};
use super::request::{Asked, OnAction, Requested};

/// One record of an order: a request about the whole ledger has one for each partition.
pub(super) struct Part<'a> {
    pub(super) view: &'a LedgerView,
    key: Option<String>,
    pub(super) order: OverrideOrder,
    /// Whether a repetition of the request writes the very same order: not when it counts from now.
    pub(super) repeatable: bool,
}

impl Part<'_> {
    /// As it is written.
    pub(super) fn record(&self, id: Id, asked: &Asked) -> Result<NewRecord, Problem> {
        let order = Override {
            override_id: id,
            order: self.order.clone(),
            who: asked.who.clone(),
            reason: asked.reason.clone(),
        };
        let value = encode(&Record::Override(Box::new(order)))
            .map_err(|error| Problem::new(Kind::TooLarge, error.to_string()))?;
        Ok(NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(self.view.partition),
            key: self.key.clone().map(String::into_bytes),
            value: Some(value),
            ..NewRecord::default()
        })
    }
}

/// The records of an order, each for the partition that has to hold it.
pub(super) fn parts<'a>(
    views: &'a [Arc<LedgerView>],
    rules: &Rules,
    now: Millis,
    id: Id,
    asked: &Asked,
) -> Result<Vec<Part<'a>>, Problem> {
    let on_action = |action_id, order| {
        let view = holder(views, id, action_id)?;
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
        views.iter().map(part).collect()
    };
    match &asked.order {
        &Requested::Cancel(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Cancel { action_id, expect })
        }
        &Requested::Refire(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Refire { action_id, expect })
        }
        &Requested::ClearCooldown(OnAction { action_id, expect }) => on_action(
            action_id,
            OverrideOrder::ClearCooldown { action_id, expect },
        ),
        &Requested::Approve(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Approve { action_id, expect })
        }
        &Requested::Acknowledge(OnAction { action_id, expect }) => {
            on_action(action_id, OverrideOrder::Acknowledge { action_id, expect })
        }
        Requested::Resolve(resolve) => {
            let order = OverrideOrder::Resolve {
                action_id: resolve.action_id,
                expect: resolve.expect,
                outcome: resolve.outcome,
            };
            on_action(resolve.action_id, order)
        }
        Requested::Pause(_) => Ok(everywhere(&OverrideOrder::Pause, true)),
        Requested::Resume(_) => Ok(everywhere(&OverrideOrder::Resume, true)),
        Requested::Silence(silence) => {
            let until = silence.until(now)?;
            let target = silence.target.clone();
            let order = OverrideOrder::Silence { until, target };
            let mut parts = everywhere(&order, silence.is_absolute());
            let of_target = silence
                .target
                .as_ref()
                .map(|target| partition_of_target(target, views.len()));
            if let Some(wanted) = silence.partition.or(of_target) {
                parts.retain(|part| part.view.partition == wanted);
            }
            if parts.is_empty() || (silence.partition.is_some() && of_target.is_some()) {
                let detail = format!(
                    "a silence names a target, or one of the {} ledger partitions, or neither; nothing was ordered",
                    views.len()
                );
                return Err(Problem::new(Kind::MalformedOrder, detail));
            }
            Ok(parts)
        }
        Requested::Force(asked_for) => {
            let wanted = partition_of_target(&asked_for.target, views.len());
            let view = views.iter().find(|view| view.partition == wanted);
            let view = view.ok_or_else(|| not_folded(wanted, "it is not there"))?;
            let propose = force(&Forced {
                override_id: id,
                action: asked_for.action,
                target: asked_for.target.clone(),
                params: asked_for.params.clone().map(Value::Object),
                severity: asked_for.severity.unwrap_or(Severity::High),
                event: asked_for.event.clone(),
                who: &asked.who,
                reason: &asked.reason,
                partition: wanted,
                now,
                rules,
            });
            Ok(vec![Part {
                view,
                key: Some(asked_for.target.to_string()),
                order: OverrideOrder::Force(Box::new(propose)),
                repeatable: true,
            }])
        }
    }
}

/// The partition that holds the action, or that has read this very order before.
fn holder(views: &[Arc<LedgerView>], id: Id, action: Id) -> Result<&LedgerView, Problem> {
    let knows = |view: &&Arc<LedgerView>| {
        let fold = &view.read().fold;
        fold.override_entry(id).is_some() || fold.action(action).is_some()
    };
    if let Some(view) = views.iter().find(knows) {
        return Ok(view);
    }
    if let Some(view) = views.iter().find(|view| !view.is_live()) {
        return Err(not_folded(view.partition, "the action may be in it"));
    }
    let detail = "unknown action; GET /api/v1/decisions lists actions; ended ones are forgotten after eight days";
    Err(Problem::new(Kind::UnknownAction, detail))
}

pub(super) fn not_folded(partition: i32, why: &str) -> Problem {
    let detail = format!(
        "ledger partition {partition} is not folded here: {why}; repeat the request when /readyz says so; nothing was ordered"
    );
    Problem::new(Kind::NotReadBack, detail)
}
