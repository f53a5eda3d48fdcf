//! What was recommended and clicked, counted by the built binary: once, whatever comes again, and after an end without warning.

use serde_json::{Value, json};

use crate::push::Client;
use crate::support::service::{Launch, Service};
use crate::support::{wait_for, wait_until};

const CLICKED: &str = "business.recommendation.clicked";
const INTERACTION: &str = "business.user.interaction";

/// The report, without the time at which it was made.
fn stats(service: &Service) -> Value {
    let answer = service.get("/api/v1/recommendations/stats");
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut stats = answer.json();
    stats.as_object_mut().unwrap().remove("time");
    stats
}

fn number(stats: &Value, path: &str) -> u64 {
    stats.pointer(path).and_then(Value::as_u64).unwrap()
}

/// Users who chose the same items, so that there is something to recommend.
fn seeded(service: &Service) {
    let chosen = (0..6).flat_map(|user| {
        (0..8).map(move |item| {
            json!({"user_id": format!("other-{user}"), "interaction_type": "view", "item_ids": [format!("i{item}")]})
        })
    });
    service.publish(INTERACTION, &Value::Array(chosen.collect()));
    wait_until("the last of them is known", || {
        let profile = service.get("/api/v1/users/other-5/profile");
        profile.status == 200 && profile.json()["interactions"] == 8
    });
}

fn like(service: &Service, user: &str, item: &str) {
    let event = json!({"user_id": user, "interaction_type": "like", "item_ids": [item]});
    service.publish(INTERACTION, &json!([event]));
}

fn click(service: &Service, user: &str, item: &str, list: &str) {
    let context = json!({"list": list});
    let event = json!({"user_id": user, "item_id": item, "recommendation_context": context});
    service.publish(CLICKED, &json!([event]));
}

/// The list that was pushed to the user, as the API answers it from the cache.
fn pushed(service: &Service, user: &str) -> Value {
    wait_until("the user is known", || {
        let profile = service.get(&format!("/api/v1/users/{user}/profile"));
        profile.status == 200
    });
    wait_for("a list that was computed because the user acted", || {
        let answer = service.get(&format!("/api/v1/users/{user}/recommendations?k=5"));
        let list = answer.json();
        let id = list["list"].as_str()?;
        (answer.status == 200 && !id.starts_with("r-")).then_some(list)
    })
}

#[test]
fn a_click_counts_once_for_the_list_that_was_shown_and_is_kept_through_an_end_without_warning() {
    let experiment =
        "[recommendations.experiments.ranking]\narms = { control = 1, candidate = 1 }\n";
    let launch = Launch::new().overlay(experiment);
    let service = launch.start();
    assert_eq!(number(&stats(&service), "/total/impressions"), 0);
    seeded(&service);

    // docs/experiments.md says that this user is in the control.
    like(&service, "user-1", "i0");
    let list = pushed(&service, "user-1");
    assert_eq!(list["arms"], json!({"ranking": "control"}));
    let (id, item) = (list["list"].as_str().unwrap(), &list["recommendations"][0]);
    let item = item["item_id"].as_str().unwrap();
    let shown = |impressions, repeated| {
        wait_until(
            "each item of it is counted once, however often it is served",
            || {
                let stats = stats(&service);
                number(&stats, "/left_out/repeated_lists") == repeated
                    && number(&stats, "/total/impressions") == impressions
            },
        );
    };
    shown(5, 0);
    service.get("/api/v1/users/user-1/recommendations?k=5");
    shown(5, 1);
    // Of a longer answer, the further items.
    service.get("/api/v1/users/user-1/recommendations?k=10");
    shown(7, 1);

    click(&service, "user-1", item, "no-such-list");
    wait_until("a click on an unknown list is counted as such", || {
        number(&stats(&service), "/left_out/unattributed") == 1
    });
    click(&service, "user-1", item, id);
    click(&service, "user-1", item, id);
    click(&service, "stranger", "i3", id);
    wait_until("the others are", || {
        let stats = stats(&service);
        number(&stats, "/total/clicks") == 1
            && number(&stats, "/left_out/repeated_reactions") == 1
            && number(&stats, "/left_out/unattributed") == 2
    });
    let before = stats(&service);
    assert_eq!(before["positions"][0]["clicks"], 1, "{before}");
    assert_eq!(before["experiments"][0]["name"], "ranking");

    service.kill();
    let service = launch.start();
    wait_until("all of it is counted as before", || {
        let after = stats(&service);
        after["total"] == before["total"] && after["left_out"] == before["left_out"]
    });
    click(&service, "user-1", item, id);
    wait_until("a click that comes again later counts no more", || {
        number(&stats(&service), "/left_out/repeated_reactions") == 2
    });
    assert_eq!(number(&stats(&service), "/total/clicks"), 1);
    service.stop();
}

/// A pushed list that reached no client was not shown; a team that reads the topic elsewhere can have it counted all the same.
#[test]
fn a_pushed_list_counts_once_a_client_was_handed_it() {
    let service = Launch::new().start();
    seeded(&service);
    // A person who looks is not the user.
    let mut person = Client::at(&service, "/api/v1/users/away/stream?preview=true", &[]);
    person.until(Some(": connected"));
    like(&service, "away", "i0");
    person.until(Some("}\n\n"));
    let mut client = Client::open(&service, "here", &[]);
    client.until(Some(": connected"));
    let mut again = Client::open(&service, "here", &[]);
    again.until(Some(": connected"));
    like(&service, "here", "i0");
    let text = client.until(Some("}\n\n")).to_owned();
    again.until(Some("}\n\n"));
    wait_until("it counts once, though two clients were handed it", || {
        let stats = stats(&service);
        number(&stats, "/left_out/repeated_lists") == 1 && number(&stats, "/total/impressions") == 7
    });
    let list = text
        .split("\"list\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    click(&service, "here", "i1", list.unwrap());
    wait_until(
        "the click is joined, and the list that follows it is shown",
        || {
            let stats = stats(&service);
            number(&stats, "/total/clicks") == 1 && number(&stats, "/total/impressions") == 13
        },
    );
    service.stop();

    let service = Launch::new()
        .overlay("[recommendations.statistics]\ncount_pushed = \"published\"\n")
        .start();
    seeded(&service);
    like(&service, "away", "i0");
    wait_until("it counts as it is published", || {
        number(&stats(&service), "/total/impressions") == 7
    });
    service.stop();
}

#[test]
fn an_experiment_that_cannot_be_is_refused_with_its_name() {
    for (arms, problem) in [
        ("{ control = 1 }", "there are 1; an experiment has 2 to 10"),
        (
            "{ a = 1, b = 1 }",
            "control is \"control\", which is none of its arms (a, b)",
        ),
        ("{ control = 1, b = -1 }", "arms.b is -1"),
    ] {
        let text = format!("[recommendations.experiments.ranking]\narms = {arms}\n");
        let output = Launch::new().overlay(&text).command(&["check"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arms}: {said}");
        assert!(
            said.contains("recommendations.experiments.ranking") && said.contains(problem),
            "{arms}: {said}"
        );
    }
}
