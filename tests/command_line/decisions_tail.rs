//! `homeostat decisions tail` on the built binary, against a service that floods, forgets, and goes away.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than any wait takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a service lists, newest last.
#[derive(Default)]
struct Listing {
    decisions: Mutex<Vec<Value>>,
    forgotten_until: Mutex<Option<String>>,
    status: AtomicUsize,
    asked: AtomicUsize,
}

fn time(number: usize) -> String {
    format!(
        "2026-01-01T00:00:{:02}.{:03}Z",
        number / 1_000,
        number % 1_000
    )
}

impl Listing {
    fn decide(&self, numbers: std::ops::Range<usize>) {
        let decision = |number: usize| json!({"id": format!("{number:032x}"), "time": time(number), "changed": number});
        self.decisions.lock().unwrap().extend(numbers.map(decision));
    }

    fn page(&self, query: &str) -> Value {
        let number = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.map(|value| value.parse::<usize>().unwrap())
        };
        let decisions = self.decisions.lock().unwrap();
        let end = number("cursor=").unwrap_or(decisions.len());
        let start = end.saturating_sub(number("limit=").unwrap());
        let items: Vec<&Value> = decisions[start..end].iter().rev().collect();
        json!({
            "items": items,
            "next": (start > 0).then(|| start.to_string()),
            "newest": decisions.last().map(|decision| decision["time"].clone()),
            "forgotten_until": *self.forgotten_until.lock().unwrap(),
        })
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(&request[..length]);
        let path = request.split(' ').nth(1).unwrap_or_default();
        let query = path.split('?').nth(1).unwrap_or_default();
        let (status, body) = match self.status.load(Ordering::SeqCst) {
            0 => (200, self.page(query)),
            status => (status, json!({"detail": "not yet"})),
        };
        let (body, length) = (body.to_string(), body.to_string().len());
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close");
        stream
            .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
            .unwrap();
        self.asked.fetch_add(1, Ordering::SeqCst);
    }
}

/// A service at an address, until it is stopped.
struct Service {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Service {
    fn start(address: &str, listing: &Arc<Listing>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let listing = Arc::clone(listing);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut first = [0];
                // Whoever says nothing wants it to end.
                if stream.peek(&mut first).unwrap() == 0 {
                    return;
                }
                listing.answer(stream);
            }
        });
        Self { address, thread }
    }

    fn stop(self) -> String {
        drop(TcpStream::connect(self.address).unwrap());
        self.thread.join().unwrap();
        self.address.to_string()
    }
}

fn lines(source: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1_000);
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn tail(service: &Service, listing: &Listing) -> Child {
    let url = format!("http://{}", service.address);
    let child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
        .args(["decisions", "tail", "--json", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    while listing.asked.load(Ordering::SeqCst) == 0 {
        assert!(began.elapsed() < PATIENCE, "the first look");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn changed(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["changed"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_service_that_goes_away_is_waited_for_and_that_is_said_once() {
    let listing = Arc::new(Listing::default());
    listing.decide(0..1);
    let service = Service::start("127.0.0.1:0", &listing);
    let mut child = tail(&service, &listing);
    let (told, said) = (
        lines(child.stdout.take().unwrap()),
        lines(child.stderr.take().unwrap()),
    );
    listing.status.store(503, Ordering::SeqCst);
    let complaint = said.recv_timeout(PATIENCE).unwrap();
    assert!(
        complaint.contains("503: not yet; waiting until it answers again"),
        "{complaint}"
    );
    let address = service.stop();
    listing.decide(1..2);
    listing.status.store(0, Ordering::SeqCst);
    let service = Service::start(&address, &listing);
    let back = said.recv_timeout(PATIENCE).unwrap();
    assert_eq!(back, "the service answers again");
    assert_eq!(changed(&told.recv_timeout(PATIENCE).unwrap()), 1);
    end(child);
    service.stop();
    assert_eq!((told.try_recv().ok(), said.try_recv().ok()), (None, None));
}

#[test]
fn however_many_decisions_come_between_two_looks_each_is_printed_or_missed_aloud() {
    let listing = Arc::new(Listing::default());
    listing.decide(0..700);
    let service = Service::start("127.0.0.1:0", &listing);
    let mut child = tail(&service, &listing);
    let (told, said) = (
        lines(child.stdout.take().unwrap()),
        lines(child.stderr.take().unwrap()),
    );
    listing.decide(700..3_700);
    for number in 700..3_700 {
        assert_eq!(changed(&told.recv_timeout(PATIENCE).unwrap()), number);
    }
    // It keeps no more than 500 from here on: 4,200 to 4,699.
    {
        let mut decisions = listing.decisions.lock().unwrap();
        decisions.clear();
        drop(decisions);
        *listing.forgotten_until.lock().unwrap() = Some(time(4_199));
        listing.decide(4_200..4_700);
    }
    let warning = said.recv_timeout(PATIENCE).unwrap();
    assert!(
        warning.starts_with("warning: the service decided more since the last request"),
        "{warning}"
    );
    for number in 4_200..4_700 {
        assert_eq!(changed(&told.recv_timeout(PATIENCE).unwrap()), number);
    }
    // More than one look brings.
    listing.decide(4_700..15_200);
    let warning = said.recv_timeout(PATIENCE).unwrap();
    assert!(warning.contains("more than 10,000 decisions"), "{warning}");
    for number in 5_200..15_200 {
        assert_eq!(changed(&told.recv_timeout(PATIENCE).unwrap()), number);
    }
    end(child);
    service.stop();
    assert_eq!((told.try_recv().ok(), said.try_recv().ok()), (None, None));
}

#[test]
fn it_ends_when_nobody_reads_what_it_prints() {
    let listing = Arc::new(Listing::default());
    let service = Service::start("127.0.0.1:0", &listing);
    let mut child = tail(&service, &listing);
    drop(child.stdout.take());
    listing.decide(0..1);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    service.stop();
}
