//! Updates to connected users by the built binary: from a record on the topic to a client, through an end and a new start.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A client that reads a user's stream.
pub(crate) struct Client {
    socket: TcpStream,
    text: String,
}

impl Client {
    pub(crate) fn open(service: &Service, user: &str, headers: &[&str]) -> Self {
        Self::at(service, &format!("/api/v1/users/{user}/stream"), headers)
    }

    pub(crate) fn at(service: &Service, path: &str, headers: &[&str]) -> Self {
        let address = service.url.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let text = String::new();
        Self { socket, text }
    }

    /// Reads until this has come, or to the end; what came.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: Option<&str>) -> &str {
        let mut buffer = [0; 4_096];
        while wanted.is_none_or(|wanted| !self.text.contains(wanted)) {
            match self.socket.read(&mut buffer).unwrap() {
                0 => {
                    assert!(wanted.is_none(), "{wanted:?} never came: {}", self.text);
                    break;
                }
                bytes => self
                    .text
                    .push_str(std::str::from_utf8(&buffer[..bytes]).unwrap()),
            }
        }
        &self.text
    }
}

/// Writes a record as the service does when a user acts.
#[track_caller]
fn push(service: &Service, user: &str, item: &str) {
    let record = json!({
        "type": "recommendations_update", "user_id": user,
        "recommendations": [{"item_id": item}],
    });
    let path = format!("/api/v1/events/push.recommendations?key={user}");
    let answer = service.try_post(&path, record.to_string()).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// The id of the event in which this is.
fn id_of(text: &str, wanted: &str) -> String {
    let event = text.split("\n\n").find(|event| event.contains(wanted));
    let mut lines = event.unwrap().lines();
    let id = lines.find_map(|line| line.strip_prefix("id: "));
    id.unwrap().to_owned()
}

#[test]
fn a_record_reaches_the_connected_user_and_the_latest_one_who_comes_back_after_a_restart() {
    let launch = Launch::new();
    let service = launch.start();
    let mut client = Client::open(&service, "7", &[]);
    let mut other = Client::open(&service, "8", &[]);
    client.until(Some(": connected"));
    other.until(Some(": connected"));
    push(&service, "7", "first");
    let id = id_of(client.until(Some("first")), "first");
    push(&service, "8", "another's");
    other.until(Some("another's"));
    push(&service, "7", "second");
    client.until(Some("second"));
    assert!(!client.text.contains("another's"));
    wait_until("both are counted", || {
        let metrics = service.get("/metrics").text;
        metrics.contains("homeostat_push_users 2\n")
            && metrics.contains("homeostat_push_updates_total{channel=\"sse\"} 3\n")
    });

    // The end: a reason, and no wait for those who are connected.
    let began = Instant::now();
    service.stop();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    for client in [&mut client, &mut other] {
        let text = client.until(None);
        assert!(text.contains("\"why\":\"stopped\""), "{text}");
    }

    let service = launch.start();
    let latest = id_of(&client.text, "second");
    let mut behind = Client::open(&service, "7", &[&format!("Last-Event-ID: {id}")]);
    behind.until(Some("second"));
    let mut current = Client::open(&service, "7", &[&format!("Last-Event-ID: {latest}")]);
    current.until(Some(": connected"));
    push(&service, "7", "third");
    let text = current.until(Some("third"));
    assert!(!text.contains("second"), "{text}");
    service.stop();
}

#[test]
fn a_token_made_by_the_command_opens_the_stream_of_its_user_alone() {
    let launch = Launch::new()
        .with("RECOMMENDATIONS__PUSH_SECRET", "env:PUSH_SECRET")
        .environment("PUSH_SECRET", SECRET);
    let service = launch.start();
    let made = launch.command(&["users", "token", "7", "--valid", "1h"]);
    let output = { made }.output().unwrap();
    let token = String::from_utf8(output.stdout).unwrap();
    let header = format!("Authorization: Bearer {}", token.trim());
    let mut own = Client::open(&service, "7", &[&header]);
    own.until(Some(": connected"));
    push(&service, "7", "mine");
    own.until(Some("mine"));
    for (user, headers, status) in [
        ("8", &[header.as_str()][..], "403 Forbidden"),
        ("7", &[][..], "401 Unauthorized"),
    ] {
        let mut refused = Client::open(&service, user, headers);
        let text = refused.until(Some("urn:homeostat:problem:"));
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
    }
    service.stop();

    // Without a secret there is nothing to sign with; a short one is refused.
    let command = ["users", "token", "7"];
    let output = Launch::new().command(&command).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("recommendations.push_secret is empty"),
        "{said}"
    );
    let short = launch.environment("PUSH_SECRET", "short");
    let output = short.command(&command).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("has 5 bytes; HS256 needs 32"), "{said}");
    assert!(said.contains("openssl rand -hex 32"), "{said}");
}
