//! Dead letters: listed, shown, replayed; stopped partitions resumed.

use std::sync::atomic::Ordering;

use homeostat_actors::ports::log::{Header, LogError};
use serde_json::json;

use crate::asking::{LETTERS, get, ids, post};
use crate::outside::{NOW, NextAppend, Outside, letter};

#[tokio::test]
async fn dead_letters_are_listed_newest_first_in_pages_and_by_filter() {
    let outside = Outside::start();
    let empty = get(&outside, LETTERS).await;
    assert_eq!(empty, (200, json!({"items": [], "next": null})));
    for number in 0..200 {
        let (topic, reason) = match number % 4 {
            0 => ("data.ingested", "handler"),
            _ => ("system.health", "not_json"),
        };
        outside.log.store(letter(topic, reason, b"{}", &[]));
    }
    let (_, all) = get(&outside, &format!("{LETTERS}?limit=1000")).await;
    let newest: Vec<String> = (0..200).rev().map(|offset| format!("0-{offset}")).collect();
    assert_eq!(ids(&all), newest);
    // Page by page it is the same.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = get(&outside, &format!("{LETTERS}?limit=7{cursor}")).await;
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, newest);
    let (_, some) = get(
        &outside,
        &format!("{LETTERS}?topic=data.ingested&reason=handler&limit=2"),
    )
    .await;
    assert_eq!(ids(&some), ["0-196", "0-192"]);
    let times = "since=2026-01-01T00:00:10Z&until=2026-01-01T00:00:12Z";
    let (_, some) = get(&outside, &format!("{LETTERS}?{times}")).await;
    assert_eq!(ids(&some), ["0-11", "0-10"]);
    for query in [
        "limit=0",
        "limit=1001",
        "since=yesterday",
        "cursor=x",
        "colour=red",
    ] {
        let (status, problem) = get(&outside, &format!("{LETTERS}?{query}")).await;
        assert_eq!(status, 400, "{problem}");
    }
}

#[tokio::test]
async fn a_time_finds_letters_also_behind_those_of_a_slow_clock() {
    let outside = Outside::start();
    for _ in 0..3 {
        let ours = letter("data.ingested", "handler", b"{}", &[]);
        outside.log.store(ours);
    }
    let hour_ago = (NOW - 3_600_000).to_string();
    for _ in 0..130 {
        let slow = letter("data.ingested", "handler", b"{}", &[("stamped", &hour_ago)]);
        outside.log.store(slow);
    }
    let since = format!("{LETTERS}?since=2026-01-01T00:00:00Z");
    let (_, some) = get(&outside, &since).await;
    assert_eq!(ids(&some), ["0-2", "0-1", "0-0"]);
}

#[tokio::test]
async fn a_missing_dead_letter_topic_is_told_and_not_taken_for_no_letters() {
    let outside = Outside::start();
    outside.log.no_dead_letters.store(true, Ordering::SeqCst);
    for path in [LETTERS.to_owned(), format!("{LETTERS}/0-0")] {
        let (status, problem) = get(&outside, &path).await;
        assert_eq!(status, 503, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("no topic homeostat.dead-letters"),
            "{detail}"
        );
    }
    let replay = json!({"ids": ["0-0"]}).to_string();
    let (_, answer) = post(&outside, &format!("{LETTERS}/replay"), replay).await;
    let result = &answer["results"][0];
    assert_eq!(result["outcome"], "refused");
    let detail = result["detail"].as_str().unwrap();
    assert!(
        detail.contains("no topic homeostat.dead-letters"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_dead_letter_is_shown_whole_as_text_or_base64() {
    let outside = Outside::start();
    let own = [("trace", "t-1"), ("homeostat-replay-of", "0-9")];
    outside
        .log
        .store(letter("data.ingested", "not_utf8", b"\xff\x00", &own));
    let (status, whole) = get(&outside, &format!("{LETTERS}/0-0")).await;
    assert_eq!(status, 200);
    assert_eq!(whole["value"], json!({"base64": "/wA="}));
    assert_eq!(whole["key"], json!({"text": "key"}));
    assert_eq!(
        whole["headers"][0],
        json!({"name": "trace", "value": {"text": "t-1"}})
    );
    let position = (&whole["topic"], &whole["partition"], &whole["offset"]);
    assert_eq!(position, (&json!("data.ingested"), &json!(1), &json!(7)));
    assert_eq!(whole["reason"], "not_utf8");
    assert_eq!(whole["replay_of"], "0-9");
    assert_eq!(whole["replayed"], false);
    for id in ["0-1", "1-0", "x", "0-00"] {
        let (status, _) = get(&outside, &format!("{LETTERS}/{id}")).await;
        assert_eq!(status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once_with_its_bytes_and_says_so_from_then_on() {
    let outside = Outside::start();
    outside.log.store(letter(
        "data.ingested",
        "handler",
        b"{ \"x\":1 }",
        &[("trace", "t")],
    ));
    let path = format!("{LETTERS}/replay");
    let once = json!({"ids": ["0-0"]}).to_string();
    let dry = json!({"ids": ["0-0"], "dry_run": true}).to_string();
    let (_, answer) = post(&outside, &path, dry).await;
    assert_eq!(answer["results"][0]["outcome"], "would_replay");
    assert_eq!(outside.log.total(), 1);
    let (status, answer) = post(&outside, &path, once.clone()).await;
    assert_eq!(
        (status, &answer["results"][0]["outcome"]),
        (200, &json!("replayed"))
    );
    assert_eq!(answer["results"][0]["replayed_to"], "data.ingested/0/0");
    let records = outside.log.records.lock().unwrap().clone();
    let replayed = &records["data.ingested"][0];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(replayed.value.as_deref(), Some(&b"{ \"x\":1 }"[..]));
    assert_eq!(replayed.key.as_deref(), Some(&b"key"[..]));
    let headers: Vec<_> = replayed
        .headers
        .iter()
        .map(|header| (header.name_text().unwrap(), text(header.bytes())))
        .collect();
    let expected = [
        ("trace", "t".to_owned()),
        ("homeostat-replay-of", "0-0".to_owned()),
        ("homeostat-replay-position", "data.ingested/1/7".to_owned()),
    ];
    assert_eq!(headers, expected);
    let (_, answer) = post(&outside, &path, once).await;
    assert_eq!(answer["results"][0]["outcome"], "already_replayed");
    assert_eq!(outside.log.total(), 3);
    let (_, page) = get(&outside, LETTERS).await;
    assert_eq!(
        (ids(&page), &page["items"][0]["replayed"]),
        (vec!["0-0"], &json!(true))
    );
    // Another process learns it from the marker alone.
    let other = Outside::start();
    *other.log.records.lock().unwrap() = records;
    let (_, page) = get(&other, LETTERS).await;
    assert_eq!(page["items"][0]["replayed_to"], "data.ingested/0/0");
}

#[tokio::test]
async fn a_replay_of_a_replay_keeps_the_position_where_the_event_stood_first() {
    let outside = Outside::start();
    let own = [
        ("homeostat-replay-of", "0-9"),
        ("homeostat-replay-position", "data.drift.detected/0/3"),
    ];
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &own));
    post(
        &outside,
        &format!("{LETTERS}/replay"),
        r#"{"filter": {"reason": "handler"}}"#,
    )
    .await;
    let records = outside.log.records.lock().unwrap();
    let headers = &records["data.ingested"][0].headers;
    let expected = [
        Header::new("homeostat-replay-of", "0-0"),
        Header::new("homeostat-replay-position", "data.drift.detected/0/3"),
    ];
    assert_eq!(headers[..], expected);
}

#[tokio::test]
async fn a_letter_of_another_tools_topic_is_replayed_there() {
    let outside = Outside::start();
    for topic in ["reports-of-a-tool", "another-topic"] {
        outside
            .log
            .store(letter(topic, "unreadable_form", b"{}", &[]));
    }
    let asked = json!({"ids": ["0-0", "0-1"]}).to_string();
    let (_, answer) = post(&outside, &format!("{LETTERS}/replay"), asked).await;
    let results = &answer["results"];
    assert_eq!(results[0]["replayed_to"], "reports-of-a-tool/0/0");
    assert_eq!(results[1]["outcome"], "refused");
    assert_eq!(
        results[1]["detail"],
        "another-topic: unknown topic; use one that `homeostat topics list` names"
    );
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let outside = Outside::start();
    outside
        .log
        .store(letter("homeostat.ledger", "handler", b"{}", &[]));
    let mut cut = letter("data.ingested", "too_large", b"{}", &[]);
    cut.headers.push(Header::new("value-omitted", "900"));
    outside.log.store(cut);
    let path = format!("{LETTERS}/replay");
    let asked = json!({"ids": ["0-0", "0-1", "0-2", "nonsense"]}).to_string();
    let (_, answer) = post(&outside, &path, asked).await;
    let results = answer["results"].as_array().unwrap();
    for (result, word) in
        results
            .iter()
            .zip(["homeostat.", "too large", "unknown dead letter", "form"])
    {
        assert_eq!(result["outcome"], "refused");
        assert!(
            result["detail"].as_str().unwrap().contains(word),
            "{result}"
        );
    }
    assert_eq!((results.len(), outside.log.total()), (4, 2));
    // The log does not take it: refused, unmarked, and taken the next time.
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    outside.log.order(NextAppend::Fail(
        0,
        LogError::Unavailable("away".to_owned()),
    ));
    for expected in ["refused", "replayed"] {
        let (_, answer) = post(&outside, &path, r#"{"ids": ["0-2"]}"#).await;
        assert_eq!(answer["results"][0]["outcome"], expected, "{answer}");
    }
    for body in [
        "",
        "{}",
        r#"{"ids": []}"#,
        r#"{"ids": ["0-0"], "filter": {}}"#,
        r#"{"filter": {"since": "x"}}"#,
    ] {
        let (status, problem) = post(&outside, &path, body).await;
        assert_eq!(status, 400, "{body}: {problem}");
    }
}

#[tokio::test]
async fn stopped_partitions_are_resumed_all_or_by_topic() {
    let outside = Outside::start();
    let path = format!("{LETTERS}/resume");
    let (_, all) = post(&outside, &path, "").await;
    assert_eq!(
        all["resumed"],
        json!(["data.ingested/0", "system.health/1"])
    );
    let (_, some) = post(&outside, &path, r#"{"topic": "system.health"}"#).await;
    assert_eq!(some["resumed"], json!(["system.health/1"]));
    assert_eq!(post(&outside, &path, "[1]").await.0, 400);
}

#[tokio::test]
async fn a_request_reads_so_many_records_and_the_next_one_reads_on() {
    let outside = Outside::start();
    outside
        .log
        .store(letter("data.ingested", "handler", b"{}", &[]));
    for _ in 0..24_000 {
        outside
            .log
            .store(letter("system.health", "not_utf8", b"", &[]));
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{LETTERS}?topic=data.ingested{cursor}");
        let (_, page) = get(&outside, &path).await;
        pages.push(ids(&page).len());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    // A page reads 10,000 records, or what its time allows: a slow machine needs more of them, never fewer.
    let (last, before) = pages.split_last().unwrap();
    assert_eq!(*last, 1, "{pages:?}");
    assert!(
        before.len() >= 2 && before.iter().all(|&letters| letters == 0),
        "{pages:?}"
    );
    // Whether it was replayed stands in the 24,000 records behind it; it is not replayed before that is known.
    let path = format!("{LETTERS}/replay");
    let replay = async || {
        let (_, answer) = post(&outside, &path, r#"{"ids": ["0-0"]}"#).await;
        answer["results"][0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        replay().await,
        "refused",
        "10,000 of them were seen at most"
    );
    let outcome = loop {
        match replay().await.as_str() {
            "refused" => {}
            other => break other.to_owned(),
        }
    };
    assert_eq!(outcome, "replayed");
    assert_eq!(replay().await, "already_replayed");
}
