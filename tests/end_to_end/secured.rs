//! A secured cluster: every mechanism decides an event, and every refusal is one clear line and readiness's reason (issue 13,
//! row 19).

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::broker::Broker;
use crate::support::service::Launch;
use crate::support::wait_until;

const SCRAM: &str =
    "mechanism = \"SCRAM-SHA-512\"\nusername = \"homeostat\"\npassword = \"env:PASSWORD\"\n";

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    let done = command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Signs a token that lasts for so many seconds.
fn token(key: &Path, seconds: u64) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": "homeostat", "aud": "kafka", "iat": now, "exp": now + seconds});
    let text = format!(
        "{}.{}",
        part(json!({"alg": "RS256", "kid": "test"})),
        part(claims)
    );
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-sign"]).arg(key);
    let mut signer = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    signer
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let signature = signer.wait_with_output().unwrap().stdout;
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Life of a token in seconds.
const LIFE: u64 = 8;

/// A token endpoint on a free port, for the life of the process.
struct Tokens {
    port: u16,
    /// When each token was asked for.
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Tokens {
    fn start(key: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let times = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                let asked = String::from_utf8_lossy(&request[..length]).to_lowercase();
                times.lock().unwrap().push(Instant::now());
                // me:secret
                let (status, body) = if asked.contains("authorization: basic bwu6c2vjcmv0") {
                    let answer = json!({"access_token": token(&key, LIFE), "token_type": "Bearer", "expires_in": LIFE});
                    ("200 OK", answer)
                } else {
                    ("401 Unauthorized", json!({"error": "invalid_client"}))
                };
                let body = body.to_string();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Waits until every token that was given out so far is over and has been replaced, twice.
    fn wait_for_renewals(&self) {
        let first = self.asked();
        for round in 1..=2 {
            let last = *self.asked.lock().unwrap().last().unwrap();
            wait_until("every token is renewed", || {
                last.elapsed() > Duration::from_secs(LIFE) && self.asked() > round * first
            });
        }
    }
}

/// A way to a broker that counts the connections made, for the life of the process.
fn counted_way(to: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let Ok(broker) = TcpStream::connect(&to) else {
                continue;
            };
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), broker.try_clone().unwrap()),
                (broker, client),
            ] {
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).ok();
                    to.shutdown(Shutdown::Both).ok();
                });
            }
        }
    });
    (address, made)
}

/// Tries behind the first reason after which a second line of it would have shown.
const TRIES: usize = 2;

#[test]
#[allow(
    clippy::too_many_lines,
    reason = "the cases share one broker, whose start takes longer than all of them"
)]
fn every_mechanism_decides_and_every_refusal_is_one_line_and_a_reason() {
    let Some(broker) = Broker::new() else { return };
    let Some(plain) = broker.start_secure() else {
        return;
    };
    let tls = broker.folder().join("tls");
    let port = |name: &str| std::fs::read_to_string(broker.folder().join(name)).unwrap();
    let (sasl, mtls) = (
        port("sasl-port").trim().to_owned(),
        port("mtls-port").trim().to_owned(),
    );
    let ca = tls.join("ca.pem").display().to_string();
    let tokens = Tokens::start(tls.join("token.key"));
    let launch = |servers: &str, ca: &str, more: &str| {
        let tls = if ca.is_empty() {
            String::new()
        } else {
            format!("[kafka.tls]\nenabled = true\nca = \"{ca}\"\n")
        };
        Launch::new()
            .with("KAFKA__BOOTSTRAP_SERVERS", servers)
            .with("KAFKA__SESSION_TIMEOUT_MS", "6000")
            .environment("PASSWORD", "secret")
            .environment("WRONG", "wrong")
            .overlay(&format!("{tls}{more}"))
    };
    let secured = format!("127.0.0.1:{sasl}");
    let login = |mechanism: &str, password: &str| {
        format!(
            "[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"homeostat\"\npassword = \"env:{password}\"\n"
        )
    };
    let oauth = |secret: &str| {
        format!(
            "[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"http://127.0.0.1:{}/token\"\nclient_id = \"me\"\nclient_secret = \"env:{secret}\"\n",
            tokens.port
        )
    };
    let certificate = format!(
        "certificate = \"{0}/client.pem\"\nkey = \"{0}/client.key\"\n",
        tls.display()
    );
    let drift = |name: &str| json!({"severity": "HIGH", "model_version": format!("{name}@1")});
    for (name, servers, more) in [
        ("plain", secured.clone(), login("PLAIN", "PASSWORD")),
        (
            "scram-256",
            format!("localhost:{sasl}"),
            login("SCRAM-SHA-256", "PASSWORD"),
        ),
        (
            "scram-512",
            secured.clone(),
            format!("[kafka.sasl]\n{SCRAM}"),
        ),
        ("mtls", format!("127.0.0.1:{mtls}"), certificate),
        ("oauth", secured.clone(), oauth("PASSWORD")),
    ] {
        let launch = launch(&servers, &ca, &more);
        let service = launch.start();
        let decided = service.decide("data.drift.detected", &drift(name));
        assert_eq!(decided["outcome"], "executed", "{name}: {decided:#}");
        let listed = launch.command(&["topics", "list"]).output().unwrap();
        assert!(listed.status.success(), "{name}: {listed:?}");
        if name == "oauth" {
            tokens.wait_for_renewals();
            let again = service.decide("data.drift.detected", &drift("oauth-again"));
            assert_eq!(again["outcome"], "executed", "{again:#}");
            assert_eq!(service.get("/readyz").status, 200);
        }
        service.stop();
    }

    let folder = broker.folder();
    let new = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=other",
    ];
    openssl(
        folder,
        &[&new[..], &["-keyout", "other.key", "-out", "other.pem"]].concat(),
    );
    let other = folder.join("other.pem").display().to_string();
    for (servers, ca, more, reason) in [
        (
            &secured,
            &ca,
            login("PLAIN", "WRONG"),
            "refused the password of user homeostat (SASL PLAIN)",
        ),
        (
            &secured,
            &ca,
            login("SCRAM-SHA-256", "WRONG"),
            "refused the password of user homeostat (SASL SCRAM-SHA-256)",
        ),
        (
            &secured,
            &other,
            login("PLAIN", "PASSWORD"),
            "is not signed by the CA in kafka.tls.ca",
        ),
        (
            &secured,
            &ca,
            oauth("WRONG"),
            "it answered 401 invalid_client",
        ),
        (
            &format!("127.0.0.1:{mtls}"),
            &ca,
            String::new(),
            "requires a client certificate",
        ),
        (
            &secured,
            &String::new(),
            String::new(),
            "set kafka.tls.enabled = true",
        ),
        (&secured, &ca, String::new(), "set kafka.sasl.mechanism"),
        (
            &plain,
            &ca,
            String::new(),
            "does not speak TLS on this port",
        ),
    ] {
        let (way, made) = counted_way(servers.clone());
        let began = Instant::now();
        let service = launch(&way, ca, &more).spawn();
        wait_until(reason, || {
            let answer = service.get("/readyz");
            answer.status == 503 && answer.text.contains(reason)
        });
        wait_until("the reason is logged", || service.said().contains(reason));
        let tries = || made.load(Ordering::SeqCst) + tokens.asked();
        let first = tries();
        wait_until("it has tried again", || tries() >= first + TRIES);
        let lines = service
            .said()
            .lines()
            .filter(|line| line.contains(reason))
            .count();
        // One a minute, however slow this machine is.
        let allowed = 1..=1 + began.elapsed().as_secs() / 60;
        assert!(allowed.contains(&(lines as u64)), "{reason}: {lines}");
        service.stop();
    }

    // The broker's own certificate, first of another name, then expired.
    for (subject, days, reason) in [
        (
            "DNS:elsewhere.example",
            ["-days", "1"],
            "is for another host name",
        ),
        ("IP:127.0.0.1", ["-days", "-1"], "has expired"),
    ] {
        broker.stop();
        std::fs::write(tls.join("names"), format!("subjectAltName={subject}")).unwrap();
        let sign = [
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
        ];
        openssl(
            &tls,
            &[
                &sign[..],
                &["-extfile", "names", "-out", "server.pem"],
                &days[..],
            ]
            .concat(),
        );
        let both = ["server.key", "server.pem"]
            .map(|name| std::fs::read_to_string(tls.join(name)).unwrap());
        std::fs::write(tls.join("server.keystore"), both.concat()).unwrap();
        broker.start();
        let service = launch(&secured, &ca, &login("PLAIN", "PASSWORD")).spawn();
        wait_until(reason, || service.get("/readyz").text.contains(reason));
        service.stop();
    }
}
