//! A model behind a server makes the lists; while it is away, ours are used.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::wait_until;

/// Recommends `new` and what is hidden, or breaks off.
fn model_server(works: &Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let works = Arc::clone(works);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            if works.load(Ordering::SeqCst) {
                answer(stream);
            }
        }
    });
    url
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(&stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let body = json!({"predictions": [["hidden", "new"]]}).to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

fn list(service: &Service, user: &str) -> Value {
    let answer = service.get(&format!("/api/v1/users/{user}/recommendations"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn an_external_model_makes_the_lists_and_ours_are_used_while_it_is_away() {
    let works = Arc::new(AtomicBool::new(true));
    let url = model_server(&works);
    let service = Launch::new()
        .overlay(&format!(
            "[recommendations]\nserved_by = \"towers\"\n\
             [recommendations.external.towers]\nprotocol = \"mlflow\"\nmode = \"candidates\"\nurl = \"{url}\"\nanswer_within_ms = 5000\n"
        ))
        .start();
    service.publish(
        "catalog.items",
        &json!([{"item_id": "hidden", "available": false}]),
    );
    wait_until("the item is known", || {
        service.get("/api/v1/catalog/hidden").status == 200
    });
    let like = |user: &str, item: &str| {
        let event = json!({"user_id": user, "interaction_type": "like", "item_ids": [item]});
        service.publish("business.user.interaction", &json!([event]));
    };
    for user in ["1", "2", "3"] {
        like(user, "a");
        like(user, "b");
    }
    let named = |list: &Value| list["recommendations"][0]["item_id"].clone();
    // What was computed when the user acted, and what is computed for one who did not.
    wait_until("the list of the user who acted is the model's", || {
        let list = list(&service, "1");
        list["model"] == "towers" && named(&list) == "new"
    });
    let unknown = list(&service, "unknown");
    assert_eq!(
        (&unknown["model"], named(&unknown)),
        (&json!("towers"), json!("new"))
    );
    assert_eq!(unknown["recommendations"][0]["reason"]["kind"], "model");
    let items: Vec<&Value> = unknown["recommendations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["item_id"])
        .collect();
    assert!(!items.contains(&&json!("hidden")), "{items:?}");
    works.store(false, Ordering::SeqCst);
    let other = list(&service, "other");
    assert_eq!(other["model"], "homeostat", "{other}");
    let metrics = service.get("/metrics").text;
    let away = "homeostat_external_lists_total{model=\"towers\",outcome=\"away\"}";
    assert!(metrics.contains(away), "{metrics}");
    service.stop();
}
