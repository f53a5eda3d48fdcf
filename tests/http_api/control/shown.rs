//! What the ledger shows: how far it is, what is held, which alerts were lost.

use homeostat_actors::ledger_view::FoldProgress;
use homeostat_logic::ledger::record::*;
use homeostat_logic::target::Target;
use serde_json::json;

use super::{
    LIMIT, answer, elsewhere, finished, ledger, order, place, proposed, sent, slug, state,
};
use crate::outside::Outside;

#[tokio::test]
async fn the_ledger_shows_how_far_each_partition_is_and_what_is_held() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"minutes": 30, "partition": 1, "reason": "x"});
    assert_eq!(order(&outside, "silence", "s", body).await.0, 200);
    outside.log.ledger.lock().unwrap()[0].write().progress =
        FoldProgress::Refused("cut".to_owned());
    let (status, ledger) = answer(outside.client.get(outside.url("/api/v1/ledger"))).await;
    assert_eq!(status, 200);
    let [first, second] = ledger["partitions"].as_array().unwrap().as_slice() else {
        panic!("{ledger}");
    };
    assert_eq!(
        (&first["progress"], &first["problem"], &first["offset"]),
        (&json!("refused"), &json!("cut"), &json!(-1))
    );
    assert_eq!(
        (&second["progress"], &second["offset"]),
        (&json!("live"), &json!(0))
    );
    assert_eq!(
        (&first["owned"], &second["owned"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        second["holds"]["silenced_until"],
        "2026-01-01T00:30:00.000Z"
    );
    assert_ne!(first["hash"], second["hash"]);
}

/// An alert about the failed action, lost through its connector.
fn alert_lost(outside: &Outside, partition: i32, parent: Id) -> Id {
    let alert = {
        let ledger = outside.log.ledger.lock().unwrap();
        let state = ledger[usize::try_from(partition).unwrap()].read();
        let derived = &state.fold.action(parent).unwrap().derived;
        *derived.values().last().unwrap()
    };
    sent(outside, partition, alert);
    let finish = Finish {
        action_id: alert,
        attempt: 1,
        start_id: Id([9; 16]),
        outcome: FinishOutcome::Failed,
        via: Via::Response,
        detail: "no such channel".to_owned(),
        retry_after_ms: None,
        permanent: true,
    };
    elsewhere(outside, partition, &Record::Finish(finish));
    alert
}

#[tokio::test]
async fn an_alert_that_reached_nobody_is_listed_until_somebody_acknowledges_it() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let id = proposed(&outside, at, |step| step.max_attempts = 1);
    sent(&outside, at, id);
    finished(&outside, at, id, FinishOutcome::Failed);
    let alert = alert_lost(&outside, at, id);
    let listed = ledger(&outside, "?target=model/m").await;
    let partition = &listed["partitions"][0];
    assert_eq!(listed["partitions"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&partition["partition"], &partition["undelivered"]),
        (&json!(at), &json!(1))
    );
    let lost = &partition["undelivered_alerts"][0];
    assert_eq!(
        (
            &lost["id"],
            &lost["escalation_of"],
            &lost["target"],
            &lost["phase"]
        ),
        (
            &json!(alert),
            &json!(id),
            &json!("model/m"),
            &json!("failed")
        )
    );
    let changed = state(&outside, at, alert).1;
    let body =
        |expect: i64| json!({"action_id": alert, "expect": expect, "reason": "seen", "who": "ada"});
    let (status, problem) = order(&outside, "acknowledge", "a0", body(changed - 1)).await;
    assert_eq!((status, &problem["reason"]), (409, &json!("stale")));
    let (status, told) = order(&outside, "acknowledge", "a1", body(changed)).await;
    assert_eq!(
        (status, &told["order"], &told["action"]["phase"]),
        (200, &json!("acknowledge"), &json!("failed")),
        "{told}"
    );
    let after = ledger(&outside, "?target=model/m").await;
    assert_eq!(after["partitions"][0]["undelivered"], 0);
    assert_eq!(after["partitions"][0]["undelivered_alerts"], json!([]));
    assert_eq!(state(&outside, at, alert), ("failed", changed));
    // Twice, and with the same key.
    assert_eq!(
        order(&outside, "acknowledge", "a2", body(changed)).await.0,
        200
    );
    assert_eq!(
        order(&outside, "acknowledge", "a1", body(changed)).await.1["records"],
        told["records"]
    );
}

#[tokio::test]
async fn holds_are_listed_with_who_when_why_and_until_also_while_paused() {
    let outside = Outside::with_operator(LIMIT);
    let silence =
        json!({"minutes": 30, "target": "model/m", "reason": "known drift", "who": "ada"});
    let (status, silenced) = order(&outside, "silence", "s", silence).await;
    assert_eq!(status, 200, "{silenced}");
    let at = silenced["records"][0]["partition"].as_i64().unwrap();
    assert_eq!(
        silenced["note"],
        format!(
            "model/m lives in ledger partition {at}, and a silence holds every target of its partition: no other target has anything in use there now"
        )
    );
    let pause = json!({"reason": "release", "who": "bob"});
    assert_eq!(order(&outside, "pause", "p", pause).await.0, 200);
    let shown = ledger(&outside, "?target=model/m").await;
    let holds = &shown["partitions"][0]["holds"];
    assert_eq!(
        holds,
        &json!({
            "paused": true,
            "silenced_until": "2026-01-01T00:30:00.000Z",
            "orders": [
                {"order": "silence", "who": "ada", "time": silenced["time"], "reason": "known drift",
                 "until": "2026-01-01T00:30:00.000Z", "target": "model/m"},
                {"order": "pause", "who": "bob", "time": holds["orders"][1]["time"], "reason": "release",
                 "until": null, "target": null},
            ],
        })
    );
    // Said before as well, with the targets that are held with it.
    let other = (0..64).map(|number| Target::model(format!("m{number}")));
    let partition = usize::try_from(at).unwrap();
    let beside = |target: &Target| {
        homeostat_logic::ledger::placement::partition_of_target(target, 2)
            == i32::try_from(partition).unwrap()
    };
    let other = other.into_iter().find(beside).unwrap();
    let body = json!({"reason": "x", "action": "retrain", "target": other.to_string()});
    assert_eq!(order(&outside, "force", "f", body).await.0, 200);
    let note = ledger(&outside, "?target=model/m").await["note"].to_string();
    assert!(note.contains(&format!("now also {other}")), "{note}");
    let url = outside.url("/api/v1/ledger?target=m");
    let (status, problem) = answer(outside.client.get(url)).await;
    assert_eq!((status, slug(&problem)), (400, "bad-parameter"));
}
