//! The target of webhooks: an HTTP server that remembers each request and answers as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Which action, and which try of it.
    pub(crate) fn attempt(&self) -> (String, String) {
        (
            self.header("idempotency-key").to_owned(),
            self.header("homeostat-attempt").to_owned(),
        )
    }
}

/// What is said to a request: a status line with further header lines, nothing for as long as the test runs, or nothing and
/// the connection is closed.
pub(crate) enum Reply {
    Say(&'static str),
    Hang,
    Close,
}

/// Answers a request, given how many came before it.
pub(crate) type Behaviour = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// The server. Its threads end with the test binary; it listens until it is dropped.
pub(crate) struct Target {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
}

impl Target {
    pub(crate) fn start(
        behaviour: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::at(0, behaviour)
    }

    /// On a given port.
    pub(crate) fn at(
        port: u16,
        behaviour: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = super::wait_for("the port is free", || {
            TcpListener::bind(("127.0.0.1", port)).ok()
        });
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let (requests, ends) = (Arc::clone(&received), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (requests, behaviour) = (Arc::clone(&requests), Arc::clone(&behaviour));
                std::thread::spawn(move || serve(stream, &requests, &*behaviour));
            }
        });
        Self {
            port,
            received,
            over,
        }
    }

    /// Takes every request and says that it is done.
    pub(crate) fn willing() -> Self {
        Self::start(|_, _| Reply::Say("200 OK"))
    }

    /// Every request so far.
    pub(crate) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }

    /// An overlay that carries out an action by this target, with short pauses between tries.
    pub(crate) fn overlay(&self, action: &str, attempts: u32) -> String {
        format!(
            "[actions.{action}]\nconnection = \"{action}\"\nmax_attempts = {attempts}\nbackoff.first_ms = 50\nbackoff.max_ms = 200\n\
             with.path = \"/{action}/{{{{ target.name }}}}\"\n\
             [connections.{action}]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}\"\n",
            self.port
        )
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then closes.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

/// A client that goes away ends the connection and nothing else.
fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    behaviour: &Behaviour,
) -> Option<()> {
    let request = read(&stream)?;
    let before = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    match behaviour(&request, before) {
        Reply::Say(head) => {
            let answer =
                format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).ok()
        }
        // Until the client has enough of it.
        Reply::Close => None,
        Reply::Hang => stream.read_to_end(&mut Vec::new()).ok().map(|_| ()),
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|bytes| *bytes > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader
            .read_line(&mut header)
            .ok()
            .filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length: &String| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
        at: Instant::now(),
    })
}
