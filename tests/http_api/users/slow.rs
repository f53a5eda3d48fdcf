//! Clients that do not read: dropped, counted, and no burden to others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures_util::StreamExt as _;
use homeostat::push::HubSettings;
use tokio_tungstenite::client_async;

use super::{Stream, quick};
use crate::outside::users::{Connected, update};

/// Bytes of an update: many of them fill every buffer between here and there.
const LARGE: usize = 60_000;

/// A connection with a small window.
fn narrow(connected: &Connected) -> TcpStream {
    let address = connected.outside.server.address();
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    );
    let socket = socket.unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4_096).unwrap();
    rustix::net::connect(&socket, &address).unwrap();
    TcpStream::from(socket)
}

/// A client that asks and then reads nothing.
fn deaf(connected: &Connected, path: &str) -> TcpStream {
    let mut socket = narrow(connected);
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_others_of_the_user_are_not() {
    let connected = Connected::start_with(quick(), None);
    let mut deaf = deaf(&connected, "/api/v1/users/u/stream");
    let mut reads = Stream::open(&connected, "/api/v1/users/u/stream").await;
    connected.open(2).await;
    let mut number = 0;
    while connected.hub.open() == 2 {
        number += 1;
        assert!(number < 2_000, "it was never dropped");
        connected.hub.deliver("u", &update(number, LARGE));
        reads.until(&format!("id: 0-{number}\n")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let slow = "homeostat_push_closed_total{channel=\"sse\",reason=\"slow\"}";
    assert_eq!(connected.metric(slow), 1.0);
    // What it could not read was not kept: an update is there once, whatever it missed.
    deaf.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut bytes = Vec::new();
    deaf.read_to_end(&mut bytes).unwrap_or_default();
    assert!(bytes.len() < 2_000_000, "{}", bytes.len());
    connected.hub.deliver("u", &update(number + 1, 1));
    reads.until(&format!("id: 0-{}\n", number + 1)).await;
}

#[tokio::test]
async fn a_websocket_whose_client_does_not_read_is_dropped() {
    let settings = HubSettings {
        patience: Duration::from_secs(1),
        ..HubSettings::default()
    };
    let connected = Connected::start_with(settings, None);
    let socket = narrow(&connected);
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpStream::from_std(socket).unwrap();
    let url = connected.outside.url("/api/v1/users/u/ws");
    let client = client_async(url.replacen("http", "ws", 1), socket).await;
    let (mut client, _) = client.unwrap();
    connected.open(1).await;
    let mut number = 0;
    while connected.hub.open() == 1 {
        number += 1;
        assert!(number < 2_000, "it was never dropped");
        connected.hub.deliver("u", &update(number, LARGE));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let slow = "homeostat_push_closed_total{channel=\"websocket\",reason=\"slow\"}";
    assert_eq!(connected.metric(slow), 1.0);
    while let Some(Ok(_)) = client.next().await {}
}

#[tokio::test]
async fn a_client_that_reads_late_gets_the_latest_update() {
    let connected = Connected::start();
    let mut late = deaf(&connected, "/api/v1/users/u/stream");
    connected.open(1).await;
    for number in 1..=200 {
        connected.hub.deliver("u", &update(number, LARGE));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let read = tokio::task::spawn_blocking(move || {
        late.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 8_192]);
        while !text.contains("id: 0-200\n") {
            let bytes = late.read(&mut buffer).unwrap();
            text.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
        }
        text.matches("event: recommendations_update\n").count()
    });
    let updates = read.await.unwrap();
    assert!(updates < 150, "{updates} of 200 were kept");
}
