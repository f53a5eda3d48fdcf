//! Arms that are served differently, by the built binary: each by its model or its constants; and an arm that becomes worse is
//! found, published, and rolled back.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::target::Target;
use crate::support::wait_until;

const CLICKED: &str = "business.recommendation.clicked";
const INTERACTION: &str = "business.user.interaction";
const USERS: usize = 120;

/// A model server that names `made-0` to `made-9`, for any user.
fn model_server(pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                std::thread::sleep(pause);
                answer(stream)
            });
        }
    });
    url
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let items: Vec<String> = (0..10).map(|item| format!("made-{item}")).collect();
    let body = json!({"predictions": [items]}).to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .ok()
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

/// Users who chose the same items, so that there is something to recommend.
fn seeded(service: &Service) {
    let chosen = (0..6).flat_map(|user| {
        (0..12).map(move |item| {
            json!({"user_id": format!("other-{user}"), "interaction_type": "view", "item_ids": [format!("i{item}")]})
        })
    });
    service.publish(INTERACTION, &Value::Array(chosen.collect()));
    wait_until("the last of them is known", || {
        let profile = service.get("/api/v1/users/other-5/profile");
        profile.status == 200 && profile.json()["interactions"] == 12
    });
}

fn list(service: &Service, user: &str) -> Value {
    let answer = service.get(&format!("/api/v1/users/{user}/recommendations"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn items(list: &Value) -> Vec<String> {
    let items = list["recommendations"].as_array().unwrap().iter();
    items
        .map(|one| one["item_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Lists that were computed because the users acted: what the cache holds is what was pushed.
fn pushed(service: &Service) -> Vec<Value> {
    let likes = (0..USERS).map(
        |number| json!({"user_id": user(number), "interaction_type": "like", "item_ids": ["i0"]}),
    );
    service.publish(INTERACTION, &Value::Array(likes.collect()));
    wait_until("the last of them is known", || {
        let known = (0..USERS).rev().all(|number| {
            let profile = service.get(&format!("/api/v1/users/{}/profile", user(number)));
            profile.status == 200
        });
        known
            && !list(service, &user(USERS - 1))["list"]
                .as_str()
                .unwrap()
                .starts_with("r-")
    });
    (0..USERS)
        .map(|number| list(service, &user(number)))
        .collect()
}

/// The chain that the service exists for: real lists are served, an arm's are clicked less, the drop is found and published, and
/// the responder rolls the arm's model back.
#[test]
fn an_arm_that_is_clicked_less_is_found_published_and_rolled_back() {
    let target = Target::willing();
    let experiment = format!(
        "[recommendations.statistics]\nlook_seconds = 1\nusers_min = 20\nclicks_min = 10\nexpected_effect = 1.0\n\
         [recommendations.experiments.ranking]\narms = {{ control = 1, candidate = 1 }}\nmodels = {{ candidate = \"ranker\" }}\n\
         [recommendations.external.ranker]\nprotocol = \"mlflow\"\nmode = \"candidates\"\nurl = \"{}\"\nanswer_within_ms = 5000\n",
        model_server(Duration::ZERO)
    );
    let service = Launch::new()
        .overlay(&experiment)
        .overlay(&target.overlay("rollback", 3))
        .start();
    seeded(&service);
    let lists = pushed(&service);
    let mut clicks = Vec::new();
    let mut arms = BTreeSet::new();
    for list in &lists {
        let arm = list["arms"]["ranking"].as_str().unwrap();
        let model = if arm == "candidate" {
            "ranker"
        } else {
            "homeostat"
        };
        assert_eq!(list["model"], model, "{list}");
        arms.insert(arm.to_owned());
        // Who is in the control clicks on four of ten, who is in the other arm on nothing.
        let clicked = if arm == "control" { 4 } else { 0 };
        for item in items(list).into_iter().take(clicked) {
            let context = json!({"list": list["list"]});
            clicks.push(json!({"user_id": list["user_id"], "item_id": item, "recommendation_context": context}));
        }
    }
    assert_eq!(arms.len(), 2, "users are in both arms");
    service.publish(CLICKED, &Value::Array(clicks));

    wait_until("the model of the arm is rolled back", || {
        !target.received().is_empty()
    });
    let [request] = &target.received()[..] else {
        panic!("{:?}", target.received());
    };
    assert!(
        request.line.starts_with("POST /rollback/ranker"),
        "{}",
        request.line
    );
    let stats = service.get("/api/v1/recommendations/stats").json();
    let shown = &stats["experiments"][0];
    assert_eq!(shown["comparisons"][0]["verdict"], "worse", "{shown}");
    let decisions = service.get("/api/v1/decisions?event_type=model_performance_degraded");
    let decision = decisions.json()["items"][0].clone();
    assert_eq!(decision["action"], "rollback", "{decision}");
    assert_eq!(decision["target"], "ranker", "{decision}");
    assert_eq!(decision["topic"], "model.performance.degraded");
    wait_until("it is done", || {
        let id = decision["id"].as_str().unwrap();
        service.get(&format!("/api/v1/decisions/{id}")).json()["outcome"] == "executed"
    });
    let id = decision["id"].as_str().unwrap();
    let whole = service.get(&format!("/api/v1/decisions/{id}")).json();
    let event = &whole["event"];
    for (field, expected) in [
        ("experiment", "ranking"),
        ("arm", "candidate"),
        ("metric", "click_through"),
        ("model_name", "ranker"),
    ] {
        assert_eq!(event[field], expected, "{whole}");
    }
    assert!(event["performance_drop"].as_f64().unwrap() > 0.9, "{event}");
    service.stop();
}

/// The time that a list took is that of its arm: ours takes a fraction of a millisecond, the arm's model a tenth of a second.
#[test]
fn an_arm_that_takes_long_breaches_its_guardrail() {
    let experiment = format!(
        "[recommendations.statistics]\nlook_seconds = 1\nusers_min = 20\nclicks_min = 10\nexpected_effect = 1.0\n\
         [recommendations.experiments.slow]\narms = {{ control = 1, candidate = 1 }}\nmodels = {{ candidate = \"ranker\" }}\n\
         guardrails.latency_ms.margin = 1.0\n\
         [recommendations.external.ranker]\nprotocol = \"mlflow\"\nmode = \"candidates\"\nurl = \"{}\"\n\
         answer_within_ms = 5000\nconcurrency_max = 500\n",
        model_server(Duration::from_millis(100))
    );
    let target = Target::willing();
    let service = Launch::new()
        .overlay(&experiment)
        .overlay(&target.overlay("rollback", 3))
        .start();
    seeded(&service);
    for list in pushed(&service) {
        let took = list["took_ms"].as_f64().unwrap();
        assert_eq!(took >= 100.0, list["model"] == "ranker", "{list}");
    }
    wait_until("the drop is published, and the model rolled back", || {
        !target.received().is_empty()
    });
    let stats = service.get("/api/v1/recommendations/stats").json();
    let guardrail = &stats["experiments"][0]["guardrails"][0];
    assert_eq!(guardrail["metric"], "latency_ms", "{stats}");
    assert_eq!(guardrail["standing"], "breached", "{guardrail}");
    let decision = service.get("/api/v1/decisions").json()["items"][0].clone();
    assert_eq!(decision["target"], "ranker", "{decision}");
    service.stop();
}

#[test]
fn an_arm_has_constants_of_its_own_and_cache_and_answers_carry_its_list() {
    let experiment = "[recommendations.experiments.again]\narms = { control = 1, candidate = 1 }\n\
                      [recommendations.experiments.again.settings.candidate]\nrecommend_seen = true\n";
    let launch = Launch::new().overlay(experiment);
    let service = launch.start();
    seeded(&service);
    pushed(&service);
    // Of as many as there are items, since nothing says yet that users come back to an item.
    let whole = |number| {
        service.get(&format!(
            "/api/v1/users/{}/recommendations?k=12",
            user(number)
        ))
    };
    let lists: Vec<Value> = (0..USERS).map(|number| whole(number).json()).collect();
    for list in &lists {
        // The arm's constants alone let a user see again what was chosen.
        let again = items(list).contains(&"i0".to_owned());
        assert_eq!(again, list["arms"]["again"] == "candidate", "{list}");
        assert_eq!(list["model"], "homeostat");
    }
    let arm = |list: &Value| list["arms"]["again"].as_str().unwrap().to_owned();
    assert_eq!(lists.iter().map(arm).collect::<BTreeSet<_>>().len(), 2);
    // Without the experiment, lists that were made for it are not served from the cache.
    service.stop();
    let service = launch
        .overlay("[recommendations.experiments.again]\nend = \"2026-03-02T00:00:00Z\"\n")
        .start();
    for number in 0..USERS / 4 {
        let list = list(&service, &user(number));
        assert!(
            list["arms"].is_null() && !items(&list).contains(&"i0".to_owned()),
            "{list}"
        );
    }
    service.stop();
}

#[test]
fn what_an_arm_cannot_be_served_by_is_refused_at_its_line() {
    for (lines, expected) in [
        (
            "models = { candidate = \"rankr\" }\n[recommendations.external.ranker]\nprotocol = \"mlflow\"\nmode = \"scores\"\nurl = \"http://127.0.0.1:1\"",
            "overlay-0.toml:3: recommendations.experiments.x.models.candidate: `rankr` is no external model",
        ),
        (
            "[recommendations.experiments.x.settings.candidate]\ntrend_wait = 0.2",
            "overlay-0.toml:4: recommendations.experiments.x.settings.candidate.trend_wait: unknown key; did you mean `trend_weight`?",
        ),
        (
            "[recommendations.experiments.x.settings.candidate]\ntrend_weight = \"much\"",
            "overlay-0.toml:4: recommendations.experiments.x.settings.candidate.trend_weight: is text",
        ),
        (
            "[recommendations.experiments.x.settings.candidate]\nidle_factor = 2.0",
            "overlay-0.toml:4: recommendations.experiments.x.settings.candidate.idle_factor: 2.0 is out of range",
        ),
        (
            "[recommendations.experiments.x.settings.candidate]\nlearn_decay = 2.0",
            "overlay-0.toml:4: recommendations.experiments.x.settings.candidate.learn_decay: unknown key",
        ),
    ] {
        let text = format!(
            "[recommendations.experiments.x]\narms = {{ control = 1, candidate = 1 }}\n{lines}\n"
        );
        let output = Launch::new().overlay(&text).command(&["check"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(expected),
            "{lines}: {said}"
        );
    }
}
