//! A server that answers as a test says, one that passes on to a real service and spoils what it passes, and a plain client.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Received, receive};

/// What is done with a request.
pub(crate) enum Fate {
    /// Answered with a status and a body, JSON or not.
    Answer(u16, String),
    /// With further lines of the head.
    Headed(u16, String, String),
    /// Answered with the bytes as they are.
    Raw(Vec<u8>),
    /// Passed on to the real service, with another head line or header where one is said.
    Pass,
    /// Passed on; the answer is dropped.
    PassAndDrop,
    /// Passed on with another Host.
    PassAs(&'static str),
    /// The connection is closed without a word.
    Close,
    /// Nothing is ever answered.
    Hang,
}

impl Fate {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, body.to_string())
    }
}

/// A running server.
pub(crate) struct Stub {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Answers by itself.
    pub(crate) async fn start(fate: impl Fn(&Received) -> Fate + Send + Sync + 'static) -> Self {
        Self::before(0, fate).await
    }

    /// In front of a real service at `port`.
    pub(crate) async fn before(
        port: u16,
        fate: impl Fn(&Received) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (lines, fate) = (Arc::clone(&seen), Arc::new(fate));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, port, Arc::clone(&fate), Arc::clone(&lines)));
            }
        });
        Self { port: own, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Request lines so far, without the version of HTTP.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests began so.
    pub(crate) fn count(&self, start: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|line| line.starts_with(start)).count()
    }
}

async fn serve<F: Fn(&Received) -> Fate>(
    mut stream: TcpStream,
    port: u16,
    fate: Arc<F>,
    lines: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = receive(&mut stream).await else {
        return;
    };
    let line = request.line.trim_end_matches(" HTTP/1.1").to_owned();
    lines.lock().unwrap().push(line);
    let bytes = match fate(&request) {
        Fate::Answer(status, body) => response(status, "", &body),
        Fate::Headed(status, head, body) => response(status, &head, &body),
        Fate::Raw(bytes) => bytes,
        Fate::Pass => passed(port, &request, None).await,
        Fate::PassAs(host) => passed(port, &request, Some(host)).await,
        Fate::PassAndDrop => {
            passed(port, &request, None).await;
            return;
        }
        Fate::Close => return,
        Fate::Hang => return std::future::pending().await,
    };
    // A client may have gone away: that is part of what is tested.
    if stream.write_all(&bytes).await.is_ok() {
        stream.shutdown().await.ok();
    }
}

fn response(status: u16, head: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n{head}\r\n{body}").into_bytes()
}

async fn passed(port: u16, request: &Received, host: Option<&str>) -> Vec<u8> {
    let mut head = format!("{}\r\nconnection: close\r\n", request.line);
    for (name, value) in &request.headers {
        match (&**name, host) {
            ("connection", _) => {}
            ("host", Some(host)) => head.push_str(&format!("host: {host}\r\n")),
            ("host", None) => head.push_str(&format!("host: 127.0.0.1:{port}\r\n")),
            _ => head.push_str(&format!("{name}: {value}\r\n")),
        }
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream
        .write_all(format!("{head}\r\n{}", request.body).as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

/// Asks a real service as a test, not by the product.
pub(crate) async fn call(
    port: u16,
    method: &str,
    path: &str,
    authorization: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = Received {
        line: format!("{method} {path} HTTP/1.1"),
        headers: [
            ("host", String::new()),
            ("authorization", authorization.to_owned()),
            ("content-type", "application/json".to_owned()),
            ("content-length", body.len().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        body,
    };
    let answer = passed(port, &request, None).await;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
    )
}
