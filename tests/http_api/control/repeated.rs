//! Orders about partitions, and what a repetition of an order gets.

use homeostat_logic::topic::LEDGER;
use serde_json::{Value, json};

use super::{LIMIT, SHORT, order, place, request, slug, written};
use crate::outside::Outside;

#[tokio::test]
async fn a_hold_is_written_to_every_partition_and_a_repetition_gets_the_first_result() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"reason": "release", "who": "ada"});
    let (status, first) = order(&outside, "pause", "k1", body.clone()).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["order"], "pause");
    assert_eq!(
        (&first["holds"]["paused"], &first["holds"]["silenced_until"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        first["records"],
        json!([{"partition": 0, "offset": 0}, {"partition": 1, "offset": 0}])
    );
    let orders = written(&outside);
    assert_eq!(
        (
            orders.len(),
            orders[0].who.as_str(),
            orders[0].reason.as_str()
        ),
        (2, "ada", "release")
    );

    let (status, resumed) = order(&outside, "resume", "k2", json!({"reason": "done"})).await;
    assert_eq!((status, &resumed["holds"]["paused"]), (200, &json!(false)));
    assert_eq!(written(&outside)[2].who, "operator");
    let (status, again) = order(&outside, "pause", "k1", body).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&again["records"], &again["time"]),
        (&first["records"], &first["time"])
    );
    assert_eq!(
        again["holds"]["paused"], false,
        "the hold of now, not of then"
    );
    assert_eq!(written(&outside).len(), 4);
}

#[tokio::test]
async fn an_answer_about_all_partitions_tells_the_holds_of_each() {
    let outside = Outside::with_operator(LIMIT);
    let one =
        json!({"until": "2026-01-01T01:00:00Z", "partition": 1, "reason": "one", "who": "ada"});
    assert_eq!(order(&outside, "silence", "one", one).await.0, 200);
    // Refused in every partition, of which only the second is held.
    let past = json!({"until": "2025-12-31T23:00:00Z", "reason": "all"});
    let (status, refused) = order(&outside, "silence", "past", past).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("time")));
    let holds = &refused["holds"];
    assert_eq!(
        (&holds["silenced_until"], &holds["orders"][0]["partitions"]),
        (&json!("2026-01-01T01:00:00.000Z"), &json!([1]))
    );
    // Applied in both: told once.
    let (status, paused) = order(&outside, "pause", "all", json!({"reason": "all"})).await;
    assert_eq!(status, 200);
    let held: Vec<_> = paused["holds"]["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| (order["order"].clone(), order["partitions"].clone()))
        .collect();
    assert_eq!(
        held,
        [
            (json!("pause"), json!([0, 1])),
            (json!("silence"), json!([1]))
        ]
    );
    assert_eq!(paused["holds"]["paused"], true);
}

#[tokio::test]
async fn a_key_that_was_used_for_another_order_is_recognised() {
    let outside = Outside::with_operator(LIMIT);
    let at = place(&outside).await;
    let silence = |until: &str| json!({"reason": "x", "until": until, "partition": at});
    let (status, _) = order(&outside, "silence", "s", silence("2026-01-01T01:00:00Z")).await;
    assert_eq!(status, 200);
    let forced = |action: &str, model: &str| json!({"reason": "x", "action": action, "target": format!("model/{model}")});
    let (status, told) = order(&outside, "force", "f", forced("retrain", "m")).await;
    assert_eq!(status, 200, "{told}");
    let before = outside.log.total();
    let mut params = forced("retrain", "m");
    params["params"] = json!({"epochs": 3});
    let mut severity = forced("retrain", "m");
    severity["severity"] = json!("low");
    // A model that lives in the other partition.
    let other = (0..64)
        .map(|number| format!("m{number}"))
        .map(|name| forced("retrain", &name));
    let mut reused = vec![
        ("silence", "s", silence("2026-01-01T02:00:00Z")),
        (
            "silence",
            "s",
            json!({"reason": "x", "until": "2026-01-01T01:00:00Z", "partition": 1 - at}),
        ),
        ("pause", "s", json!({"reason": "x"})),
        ("pause", "f", json!({"reason": "x"})),
        ("force", "f", forced("rollback", "m")),
        ("force", "f", params),
        ("force", "f", severity),
    ];
    reused.extend(other.map(|body| ("force", "f", body)));
    for (name, key, body) in reused {
        let told = body.to_string();
        let (status, problem) = order(&outside, name, key, body).await;
        assert_eq!(
            (status, slug(&problem)),
            (422, "idempotency-key-reused"),
            "{name} {told}: {problem}"
        );
    }
    for (name, key, body) in [
        ("silence", "s", silence("2026-01-01T01:00:00Z")),
        ("force", "f", forced("retrain", "m")),
    ] {
        assert_eq!(order(&outside, name, key, body).await.0, 200, "{name}");
    }
    assert_eq!(outside.log.total(), before);
}

#[tokio::test]
async fn a_silence_has_an_end_and_may_concern_one_partition() {
    let outside = Outside::with_operator(LIMIT);
    let body = json!({"minutes": 30, "partition": 1, "target": null, "reason": "x"});
    let (status, told) = order(&outside, "silence", "s1", body.clone()).await;
    assert_eq!(
        (status, told["records"].as_array().unwrap().len()),
        (200, 1),
        "{told}"
    );
    assert_eq!(told["holds"]["silenced_until"], "2026-01-01T00:30:00.000Z");
    assert_eq!(told["records"][0]["partition"], 1);
    assert_eq!(order(&outside, "silence", "s1", body).await.0, 200);
    assert_eq!(written(&outside).len(), 1);
    let past = json!({"until": "2025-12-31T23:00:00Z", "reason": "x"});
    let (status, problem) = order(&outside, "silence", "s2", past).await;
    assert_eq!(
        (status, &problem["reason"], &problem["action"]),
        (409, &json!("time"), &Value::Null)
    );
    assert_eq!(
        problem["holds"]["orders"][0]["partitions"],
        json!([1]),
        "{problem}"
    );
}

#[tokio::test]
async fn an_order_that_is_not_read_back_in_time_is_found_by_its_key_later() {
    let outside = Outside::with_operator(SHORT);
    let views = std::mem::take(&mut *outside.log.ledger.lock().unwrap());
    let body = || json!({"reason": "x"});
    let response = request(&outside, "pause", "k", &body())
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, problem) = (
        response.status().as_u16(),
        response.json::<Value>().await.unwrap(),
    );
    assert_eq!(
        (status, slug(&problem)),
        (503, "not-read-back"),
        "{problem}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("same Idempotency-Key")
    );
    // The fold gets there in the end.
    *outside.log.ledger.lock().unwrap() = views;
    let records = outside.log.records.lock().unwrap()[LEDGER].clone();
    assert_eq!(records.len(), 2);
    for record in &records {
        outside.log.fold(record).unwrap();
    }
    let (status, told) = order(&outside, "pause", "k", body()).await;
    assert_eq!((status, &told["holds"]["paused"]), (200, &json!(true)));
    assert_eq!(written(&outside).len(), 2, "nothing is written twice");
}
