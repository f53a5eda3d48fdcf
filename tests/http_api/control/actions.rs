//! Orders about actions: forced, cancelled, fired again, resolved, approved.

use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::*;
use homeostat_logic::severity::Severity;
use serde_json::{Value, json};

use super::{LIMIT, finished, order, place, proposed, sent, slug, state, written};
use crate::outside::{NOW, Outside};

/// Log time goes on beyond every lease.
fn later(outside: &Outside, partition: i32) {
    let ledger = outside.log.ledger.lock().unwrap();
    let mut state = ledger[usize::try_from(partition).unwrap()].write();
    let offset = state.fold.offset() + 1;
    state.fold.apply(offset, NOW + 600_000, Ok(Record::Tick));
}

#[tokio::test]
async fn an_action_is_forced_once_and_cancelled_only_as_it_was_seen() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({
        "action": "retrain", "target": "model/m", "reason": "it drifts", "who": "ada",
        "severity": "CRITICAL", "params": {"epochs": 3}, "event": {"ticket": 7, "event_type": "x"},
    });
    let (status, first) = order(&outside, "force", "f", body.clone()).await;
    assert_eq!(status, 200, "{first}");
    let action = &first["action"];
    assert_eq!(
        (&action["phase"], &action["target"]),
        (&json!("ready"), &json!("model/m"))
    );
    let OverrideOrder::Force(propose) = &written(&outside)[0].order else {
        panic!("no forced action");
    };
    let decision = &propose.decisions[0];
    assert_eq!(decision.severity, Severity::Critical);
    assert_eq!(decision.ladder[0].params, json!({"epochs": 3}));
    let EventBody::Inline(event) = &propose.event else {
        panic!("no event");
    };
    let event: Value = serde_json::from_str(event.0.get()).unwrap();
    assert_eq!(
        (&event["ticket"], &event["event_type"]),
        (&json!(7), &json!("operator_forced"))
    );

    let (_, again) = order(&outside, "force", "f", body).await;
    assert_eq!(again["action"]["id"], action["id"]);
    assert_eq!(written(&outside).len(), 1);
    // Another one of the key is told which is in the way.
    let second = json!({"action": "retrain", "target": "model/m", "reason": "more"});
    let (status, problem) = order(&outside, "force", "f2", second).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("key_busy")));
    assert_eq!(&problem["action"], action);

    let cancel = |expect: i64| json!({"action_id": action["id"], "expect": expect, "reason": "no"});
    let changed = action["changed"].as_i64().unwrap();
    let (status, problem) = order(&outside, "cancel", "c1", cancel(changed - 1)).await;
    assert_eq!(
        (status, slug(&problem), &problem["reason"]),
        (409, "order-refused", &json!("stale"))
    );
    assert_eq!(
        (&problem["action"]["phase"], &problem["action"]["changed"]),
        (&json!("ready"), &action["changed"])
    );
    assert_eq!(problem["holds"]["paused"], false);
    let (status, told) = order(&outside, "cancel", "c2", cancel(changed)).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("cancelled"))
    );
    // The first answer stays: of a refusal, too.
    assert_eq!(
        order(&outside, "cancel", "c1", cancel(changed - 1)).await.1["reason"],
        "stale"
    );
}

#[tokio::test]
async fn a_key_that_is_used_again_after_the_memory_forces_another_action_and_the_answer_tells_which()
 {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"action": "retrain", "target": "model/m", "reason": "it drifts"});
    let (_, first) = order(&outside, "force", "f", body.clone()).await;
    let first = &first["action"];
    let cancel = json!({"action_id": first["id"], "expect": first["changed"], "reason": "no"});
    assert_eq!(order(&outside, "cancel", "c", cancel).await.0, 200);
    // As it is eight days later: the order is forgotten.
    let views = outside.log.ledger.lock().unwrap().clone();
    for view in views {
        let mut state = view.write();
        let mut kept = state.fold.state().clone();
        kept.overrides.clear();
        state.fold = Fold::resume(kept, state.fold.memory().clone());
    }
    let (status, second) = order(&outside, "force", "f", body).await;
    let second = &second["action"];
    assert_eq!((status, &second["phase"]), (200, &json!("ready")));
    assert_ne!(second["id"], first["id"]);
    let place = place(&outside).await;
    let id = serde_json::from_value(second["id"].clone()).unwrap();
    assert_eq!(state(&outside, place, id).0, "ready");
}

#[tokio::test]
async fn an_unknown_outcome_is_fired_again_after_its_lease_or_resolved() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |step| step.policy = Policy::AtMostOnce);
    let body = |outside: &Outside| json!({"action_id": id, "expect": state(outside, at, id).1, "reason": "x"});
    let (status, problem) = order(&outside, "refire", "r0", body(&outside)).await;
    assert_eq!(
        (status, &problem["reason"], &problem["action"]["phase"]),
        (409, &json!("wrong_phase"), &json!("ready"))
    );
    sent(&outside, at, id);
    for name in ["cancel", "refire"] {
        let (status, problem) =
            order(&outside, name, &format!("sent-{name}"), body(&outside)).await;
        assert_eq!(
            (status, &problem["reason"]),
            (409, &json!("being_sent")),
            "{problem}"
        );
        assert_eq!(problem["action"]["phase"], "started");
    }
    finished(&outside, at, id, FinishOutcome::Unknown);
    let (status, problem) = order(&outside, "refire", "r1", body(&outside)).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("lease_running")));
    later(&outside, at);
    let (status, told) = order(&outside, "refire", "r2", body(&outside)).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("ready")),
        "{told}"
    );

    let outside = Outside::with_operator(LIMIT);
    let id = proposed(&outside, at, |step| step.policy = Policy::AtMostOnce);
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Unknown);
    let mut resolve =
        json!({"action_id": id, "expect": state(&outside, at, id).1, "reason": "seen"});
    resolve["outcome"] = json!("done");
    let (status, told) = order(&outside, "resolve", "r", resolve.clone()).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("done")),
        "{told}"
    );
    // The same key with the other word is another order.
    resolve["outcome"] = json!("failed");
    assert_eq!(order(&outside, "resolve", "r", resolve).await.0, 422);
}

#[tokio::test]
async fn a_cooldown_is_cleared_and_a_waiting_step_approved() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |_| ());
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Done);
    let body = json!({"action_id": id, "expect": state(&outside, at, id).1, "reason": "x"});
    let (status, told) = order(&outside, "clear-cooldown", "c1", body.clone()).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["order"], "clear_cooldown");
    let (status, problem) = order(&outside, "clear-cooldown", "c2", body).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("not_cooling")));

    let outside = Outside::with_operator(LIMIT);
    let id = proposed(&outside, at, |step| step.approval = true);
    assert_eq!(state(&outside, at, id).0, "approval");
    let body = json!({"action_id": id, "expect": state(&outside, at, id).1, "reason": "x"});
    let (status, told) = order(&outside, "approve", "a1", body.clone()).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("ready")),
        "{told}"
    );
    let (status, problem) = order(&outside, "approve", "a2", body).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("stale")));
}

#[tokio::test]
async fn a_failed_action_is_fired_again_and_a_refusal_says_when_it_would_be() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |step| step.max_attempts = 1);
    let body = |outside: &Outside, id: Id| json!({"action_id": id, "expect": state(outside, at, id).1, "reason": "x"});
    let detail = |problem: &Value| problem["detail"].as_str().unwrap().to_owned();
    let (_, problem) = order(&outside, "refire", "r0", body(&outside, id)).await;
    assert_eq!(
        detail(&problem),
        format!(
            "retrain of model/m ({id}): cannot refire: the action is ready; refire needs outcome failed or unknown, and a free key"
        )
    );
    sent(&outside, at, id);
    let (_, problem) = order(&outside, "cancel", "c0", body(&outside, id)).await;
    assert!(
        detail(&problem)
            .contains("the order is valid once its outcome is known, which is at 2026-01-01T"),
        "{problem}"
    );
    finished(&outside, at, id, FinishOutcome::Failed);
    let (status, told) = order(&outside, "refire", "r1", body(&outside, id)).await;
    assert_eq!(
        (status, &told["action"]["phase"]),
        (200, &json!("ready")),
        "{told}"
    );
    // An outcome in doubt: the lease first.
    let outside = Outside::with_operator(LIMIT);
    let id = proposed(&outside, at, |step| step.policy = Policy::AtMostOnce);
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Unknown);
    let (status, problem) = order(&outside, "refire", "r2", body(&outside, id)).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("lease_running")));
    let from = problem["valid_from"].as_str().unwrap();
    assert!(
        detail(&problem).contains(&format!("the order is valid from {from} on")),
        "{problem}"
    );
    // As it was seen before: the command that fits now.
    let changed = state(&outside, at, id).1;
    let stale = json!({"action_id": id, "expect": 0, "outcome": "failed", "reason": "x"});
    let (_, problem) = order(&outside, "resolve", "s", stale).await;
    let command = format!(
        "`homeostat override resolve {id} --outcome failed --expect {changed} --reason WHY`"
    );
    assert!(detail(&problem).contains(&command), "{problem}");
}
