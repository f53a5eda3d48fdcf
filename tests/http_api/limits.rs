//! The HTTP API against clients that mean harm or are broken: foreign hosts, floods of connections, slow senders.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::outside::Outside;
use homeostat::http::CONNECTIONS_MAX;
use serde_json::Value;

/// A probe that takes longer is taken for failed by Kubernetes and by Prometheus.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

fn connect(outside: &Outside) -> TcpStream {
    let stream = TcpStream::connect(outside.server.address()).unwrap();
    stream.set_read_timeout(Some(PROBE_LIMIT * 4)).unwrap();
    stream
}

/// Status and body of the answer to a request written as it is; `Connection: close` must be part of it.
fn ask(outside: &Outside, request: &str) -> (u16, String) {
    let mut stream = connect(outside);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).expect(request).parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

fn problem(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

/// Probes and metrics are answered in time, each on a connection of its own.
fn assert_probes_answer(outside: &Outside, when: &str) {
    for path in ["/livez", "/readyz", "/metrics"] {
        let began = Instant::now();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert_eq!(ask(outside, &request).0, 200, "{path}, {when}");
        assert!(began.elapsed() < PROBE_LIMIT, "{path}, {when}");
    }
}

#[test]
fn a_request_for_a_foreign_host_is_misdirected_on_every_route() {
    let outside = Outside::reached_as(&["proxy.example", "tls.example:443"]);
    let port = outside.server.address().port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("LocalHost:{port}"), 200),
        ("[::1]".to_owned(), 200),
        ("localhost.".to_owned(), 200),
        // Through a tunnel.
        ("localhost:9000".to_owned(), 200),
        ("PROXY.example.:81".to_owned(), 200),
        ("tls.example".to_owned(), 200),
        ("tls.example:8443".to_owned(), 421),
        (format!("evil.example:{port}"), 421),
        (format!("localhost.evil.example:{port}"), 421),
        ("10.0.0.1".to_owned(), 421),
        ("0.0.0.0".to_owned(), 421),
        ("[fe80::1%25lo]".to_owned(), 400),
        (format!("localhost@evil.example:{port}"), 400),
        ("localhost, evil.example".to_owned(), 400),
        (String::new(), 400),
    ] {
        for path in ["/", "/livez", "/readyz", "/metrics", "/api/v1/decisions"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let (got, body) = ask(&outside, &request);
            assert_eq!(got, status, "{path} of `{host}`: {body}");
        }
    }
    let foreign = "GET /nowhere HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let (status, body) = ask(&outside, foreign);
    let document = problem(&body);
    assert_eq!(status, 421);
    assert_eq!(document["type"], "urn:homeostat:problem:misdirected");
    let detail = document["detail"].as_str().unwrap();
    assert!(
        detail.contains("\"evil.example\" to http.allowed_hosts"),
        "{detail}"
    );
}

#[test]
fn a_host_that_is_missing_repeated_or_contradicted_is_refused() {
    let outside = Outside::start();
    let (good, evil) = ("Host: localhost\r\n", "Host: evil.example\r\n");
    for (target, version, headers, status) in [
        ("/livez", "1.1", String::new(), 400),
        ("/livez", "1.1", format!("{good}{good}"), 400),
        ("/livez", "1.1", format!("{good}{evil}"), 400),
        ("/livez", "1.1", "Host: l\u{f6}calhost\r\n".to_owned(), 400),
        ("/livez", "1.0", String::new(), 421),
        ("/livez", "1.0", good.to_owned(), 200),
        ("/livez", "1.0", evil.to_owned(), 421),
        ("http://localhost/livez", "1.1", good.to_owned(), 200),
        ("http://evil.example/livez", "1.1", good.to_owned(), 421),
        ("http://localhost/livez", "1.1", evil.to_owned(), 421),
        ("http://u@localhost/livez", "1.1", good.to_owned(), 400),
        (
            "/livez",
            "1.1",
            format!("{good}X-Forwarded-Host: evil.example\r\n"),
            200,
        ),
    ] {
        let request = format!("GET {target} HTTP/{version}\r\n{headers}Connection: close\r\n\r\n");
        assert_eq!(ask(&outside, &request).0, status, "{request}");
    }
}

#[test]
fn a_page_of_another_site_may_not_write_and_a_configured_one_may() {
    let outside = Outside::reached_as(&["proxy.example"]);
    let port = outside.server.address().port();
    let origin = |text: &str| format!("Origin: {text}\r\n");
    for (headers, status) in [
        (String::new(), 202),
        (origin(&format!("http://localhost:{port}")), 202),
        (origin(&format!("https://127.0.0.1:{port}")), 202),
        (origin("https://proxy.example"), 202),
        (origin("http://proxy.example:3000"), 202),
        (origin("http://localhost:3000"), 403),
        (origin("http://evil.example"), 403),
        (origin("null"), 403),
        (origin("\u{e9}vil"), 403),
        (origin("https://proxy.example").repeat(2), 403),
    ] {
        let request = format!(
            "POST /api/v1/events/data.ingested HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        let (got, body) = ask(&outside, &request);
        assert_eq!(got, status, "{headers}: {body}");
        if got == 403 {
            let detail = problem(&body)["detail"].to_string();
            assert!(detail.contains("http.allowed_hosts"), "{detail}");
        }
    }
}

#[test]
fn probes_answer_while_idle_connections_fill_the_house() {
    let outside = Outside::start();
    let mut idle = Vec::new();
    for wanted in [CONNECTIONS_MAX, 4 * CONNECTIONS_MAX] {
        while idle.len() < wanted {
            idle.push(connect(&outside));
        }
        assert_probes_answer(&outside, &format!("{wanted} idle connections"));
    }
    // Those that waited longest made room, and no more of them than needed.
    let is_open = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream
            .read(&mut [0])
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open: Vec<bool> = idle.iter().map(is_open).collect();
    let first_open = open.iter().position(|open| *open).unwrap();
    assert!(open[first_open..].iter().all(|open| *open));
    let kept = open.len() - first_open;
    assert!(
        (CONNECTIONS_MAX - 3..=CONNECTIONS_MAX).contains(&kept),
        "{kept}"
    );
}

#[test]
fn probes_answer_while_kept_connections_fill_the_house() {
    let outside = Outside::start();
    let answered = || {
        let mut stream = connect(&outside);
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
        stream
    };
    let kept: Vec<_> = (0..CONNECTIONS_MAX + 50).map(|_| answered()).collect();
    assert_probes_answer(&outside, "connections kept alive");
    drop(kept);
}

#[test]
fn probes_answer_while_slow_heads_and_slow_bodies_fill_the_house() {
    let outside = Outside::start();
    let post = "POST /api/v1/events/data.ingested HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{";
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..2 * CONNECTIONS_MAX {
        let mut stream = connect(&outside);
        let start = if number % 2 == 0 {
            post
        } else {
            "GET /livez HT"
        };
        stream.write_all(start.as_bytes()).unwrap();
        slow.push(stream);
    }
    for second in 0..5 {
        assert_probes_answer(&outside, &format!("second {second} of slow clients"));
        for stream in &mut slow {
            // Some were closed; a byte to those is lost.
            stream.write_all(b" ").unwrap_or_default();
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn a_head_that_takes_too_long_is_ended() {
    let outside = Outside::start();
    let began = Instant::now();
    let mut stream = connect(&outside);
    let mut answer = Vec::new();
    for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaa"
        .iter()
        .cycle()
    {
        if stream.write_all(&[*byte]).is_err() || began.elapsed() > Duration::from_secs(11) {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // Reset or ended, with or without a last word.
    stream.read_to_end(&mut answer).unwrap_or_default();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
        "{answer:?}"
    );
}
