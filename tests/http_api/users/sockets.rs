//! `…/ws`: `WebSocket`s, by a client of another library.

use futures_util::{SinkExt as _, StreamExt as _};
use homeostat::push::HubSettings;
use homeostat_logic::push::places::Limits;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{PATIENCE, quick};
use crate::asking::{answer, get};
use crate::outside::users::Connected;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(connected: &Connected, path: &str, headers: &[(&'static str, &str)]) -> Client {
    try_connect(connected, path, headers).await.unwrap()
}

pub(super) async fn try_connect(
    connected: &Connected,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let url = connected.outside.url(path).replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    connect_async(request).await.map(|(client, _)| client)
}

async fn next(client: &mut Client) -> Message {
    let next = tokio::time::timeout(PATIENCE, client.next()).await;
    next.unwrap().unwrap().unwrap()
}

async fn next_update(client: &mut Client) -> Value {
    loop {
        match next(client).await {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn closed(client: &mut Client) -> (u16, String) {
    loop {
        match next(client).await {
            Message::Close(Some(CloseFrame { code, reason })) => {
                return (code.into(), reason.to_string());
            }
            Message::Close(None) => panic!("closed without a reason"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn updates_come_as_text_frames_and_the_latest_at_once() {
    let connected = Connected::start();
    connected.update("u", 1);
    let mut client = connect(&connected, "/api/v1/users/u/ws", &[]).await;
    let mut resumed = connect(&connected, "/api/v1/users/u/ws?last_event_id=0-1", &[]).await;
    assert_eq!(next_update(&mut client).await["id"], "0-1");
    connected.update("u", 2);
    for client in [&mut client, &mut resumed] {
        let update = next_update(client).await;
        assert_eq!(update["id"], "0-2");
        assert_eq!(update["type"], "recommendations_update");
        assert_eq!(update["number"], 2);
    }
    client.close(None).await.unwrap();
    drop(resumed);
    connected.open(0).await;
    assert_eq!(
        connected.metric("homeostat_push_closed_total{channel=\"websocket\",reason=\"left\"}"),
        2.0
    );
}

#[tokio::test]
async fn a_client_is_pinged_and_what_it_says_is_ignored_unless_it_is_too_large() {
    let connected = Connected::start_with(quick(), None);
    let mut client = connect(&connected, "/api/v1/users/u/ws", &[]).await;
    assert!(matches!(next(&mut client).await, Message::Ping(_)));
    client.send(Message::text("x".repeat(4_096))).await.unwrap();
    client.send(Message::binary(vec![0; 10])).await.unwrap();
    client.send(Message::Ping("mine".into())).await.unwrap();
    assert_eq!(next(&mut client).await, Message::Pong("mine".into()));
    // More pings than a client may leave unanswered; this library answers them as it reads.
    for _ in 0..5 {
        assert!(matches!(next(&mut client).await, Message::Ping(_)));
    }
    client.send(Message::text("x".repeat(4_097))).await.unwrap();
    assert_eq!(closed(&mut client).await.0, 1_009);
    connected.open(0).await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed() {
    let connected = Connected::start_with(quick(), None);
    let mut client = connect(&connected, "/api/v1/users/u/ws", &[]).await;
    // It reads nothing, so it answers nothing.
    connected.open(1).await;
    connected.open(0).await;
    let silent = "homeostat_push_closed_total{channel=\"websocket\",reason=\"silent\"}";
    assert_eq!(connected.metric(silent), 1.0);
    let (code, reason) = closed(&mut client).await;
    assert_eq!(code, 4_408);
    assert!(reason.contains("pings"), "{reason}");
}

#[tokio::test]
async fn each_end_has_its_code_and_its_reason() {
    let limits = Limits {
        per_user: 1,
        total: 3,
    };
    let settings = HubSettings {
        limits,
        ..HubSettings::default()
    };
    let connected = Connected::start_with(settings, None);
    let mut oldest = connect(&connected, "/api/v1/users/u/ws", &[]).await;
    let mut newest = connect(&connected, "/api/v1/users/u/ws", &[]).await;
    let (code, reason) = closed(&mut oldest).await;
    assert_eq!(code, 4_429);
    assert!(reason.contains("oldest"), "{reason}");
    connected.open(1).await;
    let mut erased = connect(&connected, "/api/v1/users/gone/ws", &[]).await;
    connected.hub.forget("gone");
    assert_eq!(closed(&mut erased).await.0, 4_410);
    connected.hub.end();
    assert_eq!(closed(&mut newest).await.0, 1_001);
    connected.open(0).await;
    let refused = try_connect(&connected, "/api/v1/users/u/ws", &[]).await;
    let Err(Error::Http(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.status(), 503);
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_with_what_is_needed() {
    let connected = Connected::start();
    let (status, problem) = get(&connected.outside, "/api/v1/users/u/ws").await;
    assert_eq!(status, 426);
    assert_eq!(problem["type"], "urn:homeostat:problem:upgrade-required");
    let url = connected.outside.url("/api/v1/users/u/ws");
    for version in ["12", "14", "x"] {
        let request = connected.outside.client.get(&url);
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", version)
            .header("sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw==");
        assert_eq!(answer(request).await.0, 426, "{version}");
    }
    let head = connected.outside.client.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 426);
    assert_eq!(head.headers()["upgrade"], "websocket");
    assert_eq!(head.headers()["sec-websocket-version"], "13");
    assert_eq!(connected.hub.open(), 0);
}

#[tokio::test]
async fn a_handshake_of_a_page_of_another_site_is_refused() {
    let connected = Connected::start();
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("http://evil.example", false),
        ("http://localhost:3000", false),
        ("null", false),
    ] {
        let client = try_connect(&connected, "/api/v1/users/u/ws", &[("origin", origin)]).await;
        assert_eq!(client.is_ok(), allowed, "{origin}");
        if let Err(error) = client {
            let Error::Http(refused) = error else {
                panic!("{error}")
            };
            assert_eq!(refused.status(), 403);
        }
    }
}
