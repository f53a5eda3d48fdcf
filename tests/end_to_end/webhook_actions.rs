//! Actions by webhook, from the event to the target's answer: tried again, given up, told to people, and never in the way
//! of other events.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::target::{Reply, Target};
use crate::support::{wait_for, wait_until};

const DRIFT: &str = "data.drift.detected";

fn drift(model: &str) -> Value {
    json!({"model_version": format!("{model}@1"), "severity": "HIGH"})
}

fn launch(target: &Target, attempts: u32) -> Launch {
    Launch::new().overlay(&target.overlay("retrain", attempts))
}

#[test]
fn a_failing_target_is_tried_again_with_the_same_key_until_it_does_it() {
    let target = Target::start(|_, before| {
        Reply::Say(if before < 2 {
            "503 Service Unavailable"
        } else {
            "201 Created"
        })
    });
    let service = launch(&target, 5).start();
    let decision = service.decide(DRIFT, &drift("m"));
    assert_eq!(decision["outcome"], "executed", "{decision:#}");
    let story = service.story(&decision);
    assert_eq!(story["attempts"].as_array().unwrap().len(), 3, "{story:#}");
    assert_eq!(story["attempts"][2]["outcome"], "done", "{story:#}");
    let requests = target.received();
    let id = decision["id"].as_str().unwrap();
    let attempts: Vec<_> = requests
        .iter()
        .map(|request| {
            (
                request.header("idempotency-key"),
                request.header("homeostat-attempt"),
            )
        })
        .collect();
    assert_eq!(attempts, [(id, "1"), (id, "2"), (id, "3")]);
    assert_eq!(requests[0].line, "POST /retrain/m HTTP/1.1");
    let body: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(
        body["target"],
        json!({"kind": "model", "name": "m"}),
        "{body:#}"
    );
    assert_eq!(body["params"]["priority"], "high", "{body:#}");
    // Done, so its cooldown holds.
    assert_eq!(service.decide(DRIFT, &drift("m"))["outcome"], "suppressed");
}

#[test]
fn a_target_that_names_a_time_is_not_asked_before_it() {
    let target = Target::start(|_, before| {
        Reply::Say(if before == 0 {
            "429 Too Many Requests\r\nretry-after: 2"
        } else {
            "200 OK"
        })
    });
    let service = launch(&target, 5).start();
    assert_eq!(service.decide(DRIFT, &drift("m"))["outcome"], "executed");
    let requests = target.received();
    assert_eq!(requests.len(), 2);
    let pause = requests[1].at - requests[0].at;
    // The pause is counted on the log's clock, in milliseconds.
    assert!(pause >= Duration::from_millis(1_990), "{pause:?}");
}

#[test]
fn an_action_waits_for_a_target_that_is_away() {
    // A port that was free a moment ago, and where nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let overlay = format!(
        "[actions.retrain]\nconnection = \"jobs\"\nmax_attempts = 10\nbackoff.first_ms = 500\nbackoff.max_ms = 10000\n\
         [connections.jobs]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n"
    );
    let service = Launch::new().overlay(&overlay).start();
    let ids = service.publish(DRIFT, &drift("m"));
    let first = wait_for("a first attempt fails", || {
        let decision = service.decisions().pop()?;
        let story = service.story(&decision);
        story["attempts"][0]["outcome"].is_string().then_some(story)
    });
    assert_eq!(first["attempts"][0]["outcome"], "not_sent", "{first:#}");
    assert_eq!(first["outcome"], "pending", "{first:#}");
    let target = Target::at(port, |_, _| Reply::Say("200 OK"));
    assert_eq!(service.decided(&ids)[&ids[0]]["outcome"], "executed");
    assert_eq!(target.received().len(), 1);
}

#[test]
fn what_was_not_done_is_told_to_people_and_silences_nothing_that_failed_for_sure() {
    let target = Target::start(|request, _| {
        Reply::Say(if request.line.contains("/alert/") {
            "200 OK"
        } else if request.line.contains("refused") {
            "400 Bad Request"
        } else {
            "500 Internal Server Error"
        })
    });
    let service = launch(&target, 3)
        .overlay(&target.overlay("alert", 3))
        .start();
    // No repetition mends a 400, and nobody knows what a 500 has done: it may be a training, whose cooldown then holds.
    for (model, outcome, attempts, then) in [
        ("refused", "failed", 1, "failed"),
        ("broken", "unknown", 3, "suppressed"),
    ] {
        let decision = service.decide(DRIFT, &drift(model));
        assert_eq!(decision["outcome"], outcome, "{decision:#}");
        let story = service.story(&decision);
        assert_eq!(
            story["attempts"].as_array().unwrap().len(),
            attempts,
            "{story:#}"
        );
        let escalation = wait_for("the escalation is carried out", || {
            let all = service.decisions();
            let told = all
                .into_iter()
                .find(|other| other["escalation_of"] == decision["id"])?;
            (told["outcome"] == "executed").then_some(told)
        });
        assert_eq!(escalation["action"], "alert", "{escalation:#}");
        let alerts = target.received();
        let alert = alerts
            .iter()
            .find(|request| request.line.contains(&format!("/alert/{model} ")));
        let alert: Value = serde_json::from_str(&alert.unwrap().body).unwrap();
        let told =
            format!("retrain of model/{model} ended {outcome} after {attempts} of 3 attempts");
        let message = alert["params"]["message"].as_str().unwrap();
        assert!(
            message.starts_with(&told),
            "the alert says what failed: {alert:#}"
        );
        assert_eq!(story["escalation"], escalation["id"], "{story:#}");
        let again = service.decide(DRIFT, &drift(model));
        assert_eq!(again["outcome"], then, "{again:#}");
    }
}

#[test]
fn a_target_that_hangs_is_in_nobodys_way() {
    let target = Target::start(|request, _| {
        if request.line.contains("stuck") {
            Reply::Hang
        } else {
            Reply::Say("200 OK")
        }
    });
    let service = launch(&target, 5).start();
    let stuck: Vec<String> = (0..4)
        .flat_map(|number| service.publish(DRIFT, &drift(&format!("stuck-{number}"))))
        .collect();
    wait_until("requests hang", || target.received().len() >= stuck.len());
    let others: Vec<String> = (0..20)
        .flat_map(|number| service.publish(DRIFT, &drift(&format!("free-{number}"))))
        .collect();
    let decisions = service.decided(&others);
    assert!(
        others
            .iter()
            .all(|id| decisions[id]["outcome"] == "executed")
    );
    // A second event about a hanging target is held back while the first is under way.
    assert_eq!(
        service.decide(DRIFT, &drift("stuck-0"))["outcome"],
        "suppressed"
    );
}

/// A service with a request under way that does not end by itself.
pub(crate) fn with_a_hanging_request() -> (Service, Target) {
    let target = Target::start(|_, _| Reply::Hang);
    let service = launch(&target, 5).start();
    service.publish(DRIFT, &drift("m"));
    wait_until("the request hangs", || !target.received().is_empty());
    (service, target)
}

#[test]
fn g3_what_a_target_did_without_saying_so_is_looked_up_and_only_what_it_did_not_do_is_sent_again() {
    let target = Target::start(|request, _| {
        let first = request.line.starts_with("POST") && request.header("homeostat-attempt") == "1";
        match request.line.as_str() {
            _ if first => Reply::Hang,
            line if line.starts_with("GET /runs/kept/") => Reply::Say("200 OK"),
            line if line.starts_with("GET") => Reply::Say("404 Not Found"),
            _ => Reply::Say("201 Created"),
        }
    });
    let launch = launch(&target, 3).overlay(
        "[connections.retrain]\ntimeout_ms = 500\n[actions.retrain]\npolicy = \"verify\"\n\
         with.probe.path = \"/runs/{{ target.name }}/{{ action_id }}\"\n",
    );
    let service = launch.start();
    let ids = service.publish(DRIFT, &json!([drift("kept"), drift("lost")]));
    // The lease, which is a minute, is waited for.
    wait_until("the target was asked about both", || {
        let requests = target.received();
        requests
            .iter()
            .filter(|one| one.line.starts_with("GET"))
            .count()
            >= 2
    });
    let decisions = service.decided(&ids);
    for id in &ids {
        assert_eq!(decisions[id]["outcome"], "executed", "{:#}", decisions[id]);
    }
    let requests = target.received();
    let posts = |model: &str| {
        let line = format!("POST /retrain/{model} ");
        requests
            .iter()
            .filter(|one| one.line.starts_with(&line))
            .count()
    };
    assert_eq!((posts("kept"), posts("lost")), (1, 2));
    let story = service.story(&decisions[&ids[0]]);
    let evidence = story["attempts"][0]["detail"].as_str().unwrap();
    assert!(evidence.contains("; then GET "), "{story:#}");
    service.stop();
}
