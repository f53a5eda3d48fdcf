//! `…/stream`: server-sent events, as a browser or curl reads them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use homeostat::http::CONNECTIONS_MAX;
use homeostat::push::HubSettings;
use homeostat_logic::push::places::Limits;
use reqwest::Method;
use serde_json::Value;

use super::{MANY_FILES, PATIENCE, Stream, quick};
use crate::asking::{answer, get};
use crate::outside::users::{Connected, update};

const STREAM: &str = "/api/v1/users/u%2F7/stream";

#[tokio::test]
async fn updates_come_as_events_as_they_are_pushed() {
    let connected = Connected::start();
    let mut stream = Stream::open(&connected, STREAM).await;
    let headers = stream.response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(headers["cache-control"], "no-store, no-transform");
    assert!(!headers.contains_key("content-encoding"));
    let first = stream.until("\n\n").await;
    assert!(first.starts_with("retry: "), "{first}");
    for number in 1..=3 {
        connected.update("u/7", number);
        connected.update("u", number + 10);
        let event = stream.until("\n\n").await;
        let lines: Vec<&str> = event.lines().collect();
        assert_eq!(lines[0], format!("id: 0-{number}"));
        assert_eq!(lines[1], "event: recommendations_update");
        let data = lines[2].strip_prefix("data: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["number"], number);
        assert_eq!(data["id"], format!("0-{number}"));
        assert_eq!(lines.len(), 4);
    }
    assert_eq!(connected.metric("homeostat_push_users"), 1.0);
    let sent = connected.metric("homeostat_push_updates_total{channel=\"sse\"}");
    assert_eq!(sent, 3.0);
    drop(stream);
    connected.open(0).await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_the_latest_update_unless_it_has_it() {
    let connected = Connected::start();
    connected.update("u/7", 5);
    let client = &connected.outside.client;
    let at = |query: &str| client.get(connected.outside.url(&format!("{STREAM}{query}")));
    for (request, resumed) in [
        (at(""), true),
        (at("").header("last-event-id", "0-4"), true),
        (at("?last_event_id=0-4"), true),
        (at("").header("last-event-id", "0-5"), false),
        (at("?last_event_id=0-5"), false),
        // The header is the newer: an EventSource keeps its address.
        (
            at("?last_event_id=0-4").header("last-event-id", "0-5"),
            false,
        ),
        (at("?last_event_id="), true),
    ] {
        let mut stream = Stream::of(request).await;
        connected.open(1).await;
        if resumed {
            stream.until("id: 0-5\n").await;
        }
        connected.hub.deliver("u/7", &update(6, 1));
        let next = stream.until("\n\n").await + &stream.until("id: 0-6\n").await;
        assert_eq!(next.matches("id: 0-5\n").count(), 0, "{next}");
        drop(stream);
        connected.open(0).await;
        connected.hub.deliver("u/7", &update(5, 1));
    }
    let (status, problem) = get(&connected.outside, &format!("{STREAM}?last={}", 1)).await;
    assert_eq!(status, 400, "{problem}");
    let long = format!("{STREAM}?last_event_id={}", "x".repeat(65));
    assert_eq!(get(&connected.outside, &long).await.0, 400);
}

#[tokio::test]
async fn a_sign_of_life_comes_while_nothing_else_does() {
    let connected = Connected::start_with(quick(), None);
    let mut stream = Stream::open(&connected, STREAM).await;
    stream.until(": alive\n\n").await;
    stream.until(": alive\n\n").await;
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_stream() {
    let connected = Connected::start();
    let request = connected.outside.client.head(connected.outside.url(STREAM));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("content-length"));
    assert_eq!(connected.hub.open(), 0);
    // The connection is closed, as a stream's is.
    let request = "HEAD /api/v1/users/u/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let address = connected.outside.server.address();
    let text = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    });
    let text = text.await.unwrap();
    assert!(text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_page_of_another_site_gets_no_stream_and_one_of_an_allowed_host_may_read_it() {
    let connected = Connected::start();
    let port = connected.outside.server.address().port();
    for (origin, allowed) in [
        (format!("http://127.0.0.1:{port}"), true),
        (format!("http://localhost:{port}"), true),
        ("https://shop.example".to_owned(), true),
        ("http://localhost:3000".to_owned(), false),
        ("http://evil.example".to_owned(), false),
        ("https://shop.example.evil.example".to_owned(), false),
        ("null".to_owned(), false),
    ] {
        for path in [STREAM, "/api/v1/users/u/ws"] {
            let request = connected.outside.client.get(connected.outside.url(path));
            let response = request.header("origin", &origin).send().await.unwrap();
            let status = response.status().as_u16();
            match (allowed, path == STREAM) {
                (false, _) => assert_eq!(status, 403, "{origin} {path}"),
                (true, false) => assert_eq!(status, 426, "{origin}"),
                (true, true) => {
                    assert_eq!(status, 200, "{origin}");
                    let headers = response.headers();
                    assert_eq!(headers["access-control-allow-origin"], *origin);
                    assert_eq!(headers["vary"], "Origin");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_refused() {
    let connected = Connected::start();
    let long = "x".repeat(257);
    for user in ["a%0Ab", "%ff%fe%00", &long] {
        let path = format!("/api/v1/users/{user}/stream");
        let (status, problem) = get(&connected.outside, &path).await;
        assert_eq!(status, 400, "{user}: {problem}");
    }
    let post = connected
        .outside
        .client
        .request(Method::POST, connected.outside.url(STREAM));
    assert_eq!(answer(post).await.0, 405);
}

#[tokio::test]
async fn connections_of_users_have_limits_of_their_own() {
    let _alone = MANY_FILES.lock().await;
    let limits = Limits {
        per_user: 2,
        total: CONNECTIONS_MAX + 90,
    };
    let connected = Connected::start_with(
        HubSettings {
            limits,
            ..HubSettings::default()
        },
        None,
    );
    let mut streams = Vec::new();
    for number in 0..limits.total {
        let path = format!("/api/v1/users/{number}/stream");
        streams.push(Stream::open(&connected, &path).await);
    }
    let (status, problem) = get(&connected.outside, "/api/v1/users/one-more/stream").await;
    assert_eq!(status, 503);
    assert_eq!(problem["type"], "urn:homeostat:problem:no-place");
    let refused = connected.outside.client.get(connected.outside.url(STREAM));
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "10");
    assert_eq!(refused.headers()["connection"], "close");
    // More streams than the API takes connections and requests: it answers as before.
    for path in ["/livez", "/api/v1/decisions", "/api/v1/cooldowns"] {
        assert_eq!(get(&connected.outside, path).await.0, 200, "{path}");
    }
    // Beyond the user's own limit his oldest gives way; its place is free when it is gone.
    drop(streams.split_off(limits.total - 3));
    connected.open(limits.total - 3).await;
    let mut first = streams.swap_remove(0);
    let mut second = Stream::open(&connected, "/api/v1/users/0/stream").await;
    let _third = Stream::open(&connected, "/api/v1/users/0/stream").await;
    let last = first.until("event: closed\n").await;
    assert!(last.contains("retry: 60000\n"), "{last}");
    assert!(first.rest().await.contains("\"why\":\"replaced\""));
    connected.update("0", 1);
    second.until("id: 0-1\n").await;
}

#[tokio::test]
async fn at_the_end_streams_are_closed_with_a_reason_and_the_server_stops_at_once() {
    let connected = Connected::start();
    let mut streams = Vec::new();
    for number in 0..20 {
        let path = format!("/api/v1/users/{number}/stream");
        streams.push(Stream::open(&connected, &path).await);
    }
    connected.hub.end();
    for stream in streams {
        let rest = stream.rest().await;
        assert!(rest.contains("\"why\":\"stopped\""), "{rest}");
    }
    connected.open(0).await;
    assert_eq!(get(&connected.outside, STREAM).await.0, 503);
    let server = connected.outside.server;
    let stopped = tokio::task::spawn_blocking(move || server.stop(PATIENCE));
    assert!(stopped.await.unwrap());
}
