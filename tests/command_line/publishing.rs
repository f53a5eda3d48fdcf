//! Events published from files and from standard input.

use homeostat_actors::ports::log::LogError;

use crate::outside::{NextAppend, Outside};
use crate::running::{err, file, homeostat, numbers, out};

#[test]
fn a_file_of_addressed_lines_is_published_in_order() {
    let outside = Outside::start();
    let (_folder, path) = file(concat!(
        "{\"topic\": \"data.ingested\", \"key\": \"k 1&\", \"value\": {\"n\": 1.0}}\n",
        "\n",
        "{\"topic\": \"data.ingested\", \"key\": \"k 1&\", \"value\": {\"n\": 2}}\r\n",
        "{\"topic\": \"system.alerts\", \"key\": null, \"value\": {\"n\": 3, \"event_id\": \"own\"}}\n",
        "{\"topic\": \"data.ingested\", \"value\": {\"n\": 4}}",
    ));
    let output = homeostat(
        &[
            "publish",
            "--file",
            path.to_str().unwrap(),
            "--url",
            &outside.url("/"),
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "4 events published to 2 topics\n");
    assert_eq!(err(&output), "", "no progress bar without a terminal");
    let values = outside.log.values("data.ingested");
    assert!(
        values[0].starts_with("{\"n\": 1.0, \"event_id\""),
        "{values:?}"
    );
    assert!(
        values[1].starts_with("{\"n\": 2,") && values[2].starts_with("{\"n\": 4,"),
        "{values:?}"
    );
    assert!(
        outside.log.values("system.alerts")[0]
            .starts_with("{\"n\": 3, \"event_id\": \"own\", \"timestamp\"")
    );
    let records = outside.log.records.lock().unwrap();
    assert_eq!(
        records["data.ingested"][0].key.as_deref(),
        Some(b"k 1&".as_slice())
    );
    assert_eq!(records["data.ingested"][2].key, None);
}

#[test]
fn bare_events_come_from_standard_input_and_from_files() {
    let outside = Outside::start();
    let url = outside.url("");
    let publish = |arguments: &[&str], input: &str| {
        let all = [&["publish", "--url", &url], arguments].concat();
        let output = homeostat(&all, input);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    };
    assert_eq!(
        publish(&["data.ingested", "--key", "k"], "{\"n\":1}\n{\"n\":2}\n"),
        "2 events published to 1 topic\n"
    );
    let (_folder, path) = file("{\"n\":3}\n");
    assert_eq!(
        publish(&["data.ingested", path.to_str().unwrap(), "-"], "{\"n\":4}"),
        "2 events published to 1 topic\n"
    );
    assert_eq!(
        publish(&["-"], "{\"topic\":\"data.ingested\",\"value\":{\"n\":5}}"),
        "1 event published to 1 topic\n"
    );
    assert_eq!(
        publish(&["data.ingested"], ""),
        "0 events published to 0 topics\n"
    );
    let values = outside.log.values("data.ingested");
    let numbers: Vec<&str> = values.iter().map(|value| &value[..6]).collect();
    assert_eq!(
        numbers,
        ["{\"n\":1", "{\"n\":2", "{\"n\":3", "{\"n\":4", "{\"n\":5"]
    );
}

#[test]
fn a_bad_line_in_a_file_is_told_before_anything_is_sent() {
    let outside = Outside::start();
    let (_folder, path) = file("{\"n\":1}\nnot json\n{\"n\":3}\n[4]\n");
    let output = homeostat(
        &[
            "publish",
            "data.ingested",
            path.to_str().unwrap(),
            "--url",
            &outside.url(""),
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("events.jsonl:2: byte 0: an event is a JSON object"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("events.jsonl:4: "),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains("2 bad lines, nothing was published"));
    assert_eq!(outside.log.total(), 0);
}

#[test]
fn a_bad_line_in_a_stream_loses_nothing_after_it() {
    let outside = Outside::start();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    let lines = [
        r#"{"topic":"data.ingested","value":{"n":1}}"#,
        r#"{"topic":"data.nonsense","value":{}}"#,
        r#"{"topic":"data.ingested","kye":"k","value":{}}"#,
        &long,
        r#"{"topic":"data.ingested","value":{"n":2}}"#,
    ];
    let output = homeostat(&["publish", "--url", &outside.url("")], &lines.join("\n"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2 events published to 1 topic\n");
    for fault in [
        "input:2: data.nonsense: unknown topic",
        "input:3: not {topic, key, value}: unknown field `kye`",
        "input:4: longer than",
        "3 bad lines left out",
    ] {
        assert!(err(&output).contains(fault), "{fault}: {}", err(&output));
    }
    assert_eq!(outside.log.values("data.ingested").len(), 2);
}

#[test]
fn what_was_not_acknowledged_is_tried_again_with_the_same_id() {
    let outside = Outside::start();
    outside.log.order(NextAppend::Fail(
        1,
        LogError::Unavailable("no leader".to_owned()),
    ));
    outside.log.order(NextAppend::Fail(
        0,
        LogError::Unavailable("no leader".to_owned()),
    ));
    let output = homeostat(
        &["publish", "data.ingested", "--url", &outside.url("")],
        "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "3 events published to 1 topic\n");
    let numbers: Vec<String> = outside
        .log
        .values("data.ingested")
        .iter()
        .map(|value| value[..6].to_owned())
        .collect();
    assert_eq!(numbers, ["{\"n\":1", "{\"n\":2", "{\"n\":3"]);
    let offered = outside.log.offered.lock().unwrap();
    let second: Vec<&String> = offered
        .iter()
        .filter(|value| value.starts_with("{\"n\":2"))
        .collect();
    assert_eq!(second.len(), 3);
    assert!(second.iter().all(|value| *value == second[0]), "{second:?}");
}

#[test]
fn what_the_log_refuses_is_told_and_the_rest_goes_on() {
    let outside = Outside::start();
    outside.log.order(NextAppend::Fail(
        1,
        LogError::Refused("too large".to_owned()),
    ));
    let (_folder, path) = file(concat!(
        "{\"topic\": \"data.ingested\", \"value\": {}}\n",
        "{\"topic\": \"system.alerts\", \"value\": {}}\n",
    ));
    let output = homeostat(
        &[
            "publish",
            "--file",
            path.to_str().unwrap(),
            "--url",
            &outside.url(""),
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "1 event published to 1 topic\n");
    assert!(
        err(&output).contains("events.jsonl:2: system.alerts: 422:"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).ends_with("1 event refused, also when sent again\n"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_service_that_is_not_there_ends_the_publication_with_the_place_to_go_on() {
    // Bound and never accepting would hang; bound and closed again refuses.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    let output = homeostat(
        &["publish", "data.ingested", "--url", &url],
        "{\"n\":1}\n{\"n\":2}\n",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("is the service running there?"),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("2 events not acknowledged")
            && err(&output).contains(&format!(
                "publish data.ingested --url {url} --from-line 1 --file -"
            )),
        "{}",
        err(&output)
    );
}

#[test]
fn interleaved_keys_cost_no_request_each_and_keep_their_order() {
    let outside = Outside::start();
    let topics = ["data.ingested", "system.alerts"];
    let line = |n: usize| {
        let (topic, key) = (topics[n % 2], n % 200);
        format!("{{\"topic\":\"{topic}\",\"key\":\"{key}\",\"value\":{{\"n\":{n}}}}}\n")
    };
    let (_folder, path) = file(&(0..10_000).map(line).collect::<String>());
    let arguments = [
        "publish",
        "--file",
        path.to_str().unwrap(),
        "--url",
        &outside.url(""),
    ];
    let output = homeostat(&arguments, "");
    assert_eq!(
        out(&output),
        "10000 events published to 2 topics\n",
        "{}",
        err(&output)
    );
    let metrics = outside.metrics.render().unwrap();
    let requests = r#"homeostat_publish_requests_total{outcome="accepted"} 5"#;
    assert!(metrics.contains(requests), "{metrics}");
    for (remainder, topic) in (0..).zip(topics) {
        let expected: Vec<u64> = (0..5_000).map(|n| 2 * n + remainder).collect();
        assert_eq!(numbers(&outside, topic), expected);
    }
}

#[test]
fn lines_before_the_first_are_neither_checked_nor_sent() {
    let outside = Outside::start();
    let (_folder, path) = file("not json\n{\"n\":2}\n[3]\n{\"n\":4}\n");
    let publish = |line: &str| {
        let path = path.to_str().unwrap();
        let url = outside.url("");
        let arguments = [
            "publish",
            "data.ingested",
            path,
            "--url",
            &url,
            "--from-line",
            line,
        ];
        homeostat(&arguments, "")
    };
    let output = publish("2");
    assert!(
        err(&output).contains("events.jsonl:3: "),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("1 bad line, nothing was published"),
        "{}",
        err(&output)
    );
    assert_eq!(out(&publish("4")), "1 event published to 1 topic\n");
    assert_eq!(numbers(&outside, "data.ingested"), [4]);
    assert_eq!(publish("0").status.code(), Some(2));
}
