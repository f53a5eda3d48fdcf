//! Thousands of clients, each of which gets its update.

use homeostat_logic::push::update::read;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{MANY_FILES, PATIENCE};
use crate::outside::users::Connected;

/// Clients, as far as the process may open files: a socket each, and two for its other end.
const CLIENTS: u64 = 10_000;
const CLIENTS_MIN: u64 = 2_000;
/// Clients that connect at the same time.
const AT_ONCE: u64 = 100;

async fn connect(address: std::net::SocketAddr, user: u64) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/v1/users/{user}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Reads until the client's update has come; a client that was sent another one fails.
async fn updated(mut socket: TcpStream, user: u64) -> TcpStream {
    let (mut text, mut buffer) = (String::new(), [0; 2_048]);
    while !text.contains("data: ") || !text.ends_with("\n\r\n") {
        let bytes = socket.read(&mut buffer).await.unwrap();
        assert_ne!(bytes, 0, "user {user} was sent {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
    }
    assert!(text.contains(&format!("\"for\":\"{user}\"")), "{text}");
    socket
}

#[tokio::test]
async fn thousands_of_clients_each_get_their_update() {
    let _alone = MANY_FILES.lock().await;
    let connected = Connected::start();
    // The server has raised it by now.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // Three files a client, and two fifths for the tests beside this one.
    let room = files.current.unwrap_or(u64::MAX) / 5;
    let clients = CLIENTS.min(room);
    assert!(clients >= CLIENTS_MIN, "only {room} fit: raise `ulimit -n`");
    let address = connected.outside.server.address();
    let mut sockets = Vec::new();
    for first in (0..clients).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let mut connecting = JoinSet::new();
        for user in first..(first + AT_ONCE).min(clients) {
            connecting.spawn(async move { (user, connect(address, user).await) });
        }
        sockets.extend(connecting.join_all().await);
        connected.open(sockets.len()).await;
    }
    assert_eq!(connected.metric("homeostat_push_users"), clients as f64);
    for round in 0..2 {
        let mut reading = JoinSet::new();
        for (user, socket) in sockets.drain(..) {
            reading.spawn(async move { (user, updated(socket, user).await) });
        }
        for user in 0..clients {
            let value = format!(r#"{{"user_id": {user}, "for": "{user}"}}"#);
            let offset = i64::try_from(round * clients + user).unwrap();
            let (name, update) = read(0, offset, None, value.as_bytes()).unwrap();
            connected.hub.deliver(&name, &update);
        }
        let all = tokio::time::timeout(PATIENCE, reading.join_all()).await;
        sockets = all.expect("every client gets its update");
    }
    let sent = connected.metric("homeostat_push_updates_total{channel=\"sse\"}");
    assert_eq!(sent, 2.0 * clients as f64);
    // All go at the same time.
    drop(sockets);
    connected.open(0).await;
    assert_eq!(connected.metric("homeostat_push_users"), 0.0);
}
