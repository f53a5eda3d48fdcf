//! `homeostat connections`, and what `--dry-run` does to them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::outside::Outside;
use crate::running::{err, file, homeostat, out};

/// A service that answers 200 to everything, and counts.
fn service() -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, received) = std::sync::mpsc::sync_channel(16);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 4_096];
            let read = stream.read(&mut bytes).unwrap_or_default();
            let line = String::from_utf8_lossy(&bytes[..read])
                .lines()
                .next()
                .map(str::to_owned);
            sender.send(line.unwrap_or_default()).ok();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .ok();
        }
    });
    (port, received)
}

fn configuration(port: u16) -> String {
    format!(
        "[connections.jobs]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}\"\n\
         [actions.retrain]\nconnection = \"jobs\"\nwith.path = \"/train/{{{{ target.name }}}}\"\n"
    )
}

#[test]
fn a_connection_is_tried_without_changing_anything() {
    let (port, received) = service();
    let (_folder, path) = file(&configuration(port));
    let arguments = [
        "connections",
        "test",
        "jobs",
        "--config",
        path.to_str().unwrap(),
    ];
    let output = homeostat(&arguments, "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        out(&output),
        "retrain of model/movie_recommender\n  ok       the service answers (200)\n"
    );
    let lines: Vec<String> = received.try_iter().collect();
    assert_eq!(lines, ["HEAD / HTTP/1.1"]);
    let with_target = [&arguments[..], &["--target", "model/fraud", "--json"]].concat();
    let output = homeostat(&with_target, "");
    let document: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(document["target"], "model/fraud");
    assert_eq!(document["result"], "ok");
}

#[test]
fn a_connection_that_would_fail_says_why_and_what_to_do() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let (_folder, path) = file(&configuration(port));
    let path = path.to_str().unwrap();
    let output = homeostat(&["connections", "test", "jobs", "--config", path], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("problem  HEAD http://127.0.0.1"),
        "{}",
        out(&output)
    );
    assert!(
        out(&output).contains("check url, network"),
        "{}",
        out(&output)
    );
    let output = homeostat(&["connections", "test", "job", "--config", path], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("unknown connection `job`; did you mean `jobs`?"),
        "{}",
        err(&output)
    );
    let output = homeostat(&["connections", "test", "jobs", "--target", "fraud"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("write model/NAME or service/NAME"),
        "{}",
        err(&output)
    );
}

#[test]
fn the_connections_of_a_running_service_are_listed() {
    let outside = Outside::start();
    let output = homeostat(&["connections", "list", "--url", &outside.url("")], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "");
}
