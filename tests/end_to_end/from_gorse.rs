//! What docs/from-gorse.md says in place of each verb of gorse, called as it is written there.

use serde_json::{Value, json};

use crate::support::service::{Launch, Service};
use crate::support::wait_until;

const INTERACTION: &str = "business.user.interaction";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn ids(list: &Value, field: &str, id: &str) -> Vec<String> {
    let items = list[field].as_array().unwrap_or_else(|| panic!("{list}"));
    let text = |one: &Value| one[id].as_str().unwrap().to_owned();
    items.iter().map(text).collect()
}

fn recommended(service: &Service, path: &str) -> Vec<String> {
    let answer = service.get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    ids(&answer.json(), "recommendations", "item_id")
}

fn feedback(user: &str, kind: &str, item: &str) -> Value {
    json!({"user_id": user, "interaction_type": kind, "item_ids": [item]})
}

/// Items of two genres, and users who like those of one.
fn filled(service: &Service) {
    // POST /api/items
    let item = |genre: &str, number: usize| json!({"item_id": format!("{genre}-{number}"), "title": format!("{genre} {number}"), "genres": [genre], "price": number});
    let items = (0..8).flat_map(|number| [item("go", number), item("rust", number)]);
    service.publish("catalog.items", &Value::Array(items.collect()));
    // POST /api/feedback
    let liked = (0..12).flat_map(|user| {
        let genre = if user % 2 == 0 { "go" } else { "rust" };
        (0..8)
            .map(move |number| feedback(&format!("u{user}"), "like", &format!("{genre}-{number}")))
    });
    service.publish(INTERACTION, &Value::Array(liked.collect()));
    wait_until("items and users are known", || {
        let last = service.get("/api/v1/users/u11/profile");
        let first = service.get("/api/v1/users/u10/profile");
        service.get("/api/v1/catalog/rust-7").status == 200
            && [first, last]
                .iter()
                .all(|one| one.status == 200 && one.json()["interactions"] == 8)
    });
}

#[test]
fn every_verb_of_gorse_has_the_call_that_the_page_names() {
    let service = Launch::new().start();
    filled(&service);

    // GET /api/item/{item-id}
    let item = service.get("/api/v1/catalog/go-1").json();
    assert_eq!(
        (&item["title"], &item["fields"]["price"]),
        (&json!("go 1"), &json!(1))
    );
    // POST /api/feedback of one, GET /api/user/{user-id}, GET /api/user/{user-id}/feedback
    service.publish(
        INTERACTION,
        &json!([
            feedback("bob", "like", "go-0"),
            feedback("bob", "like", "go-1")
        ]),
    );
    wait_until("bob is known", || {
        let profile = service.get("/api/v1/users/bob/profile");
        profile.status == 200 && profile.json()["interactions"] == 2
    });
    let activity = service.get("/api/v1/users/bob/activity").json();
    assert_eq!(activity["activities"].as_array().unwrap().len(), 2);
    // GET /api/recommend/{user-id}?n=3
    let three = recommended(&service, "/api/v1/users/bob/recommendations?k=3");
    assert!(
        three.len() == 3 && three.iter().all(|one| one.starts_with("go-")),
        "{three:?}"
    );
    assert!(
        !three.contains(&"go-0".to_owned()),
        "what was read is left out"
    );
    // GET /api/recommend/{user-id}/{category}
    let rust = recommended(&service, "/api/v1/users/bob/recommendations?k=5&genre=Rust");
    assert!(
        rust.len() == 5 && rust.iter().all(|one| one.starts_with("rust-")),
        "{rust:?}"
    );
    let both = recommended(
        &service,
        "/api/v1/users/bob/recommendations?k=20&genre=rust,go",
    );
    assert_eq!(both.len(), 14);
    let none = recommended(&service, "/api/v1/users/bob/recommendations?genre=cobol");
    assert!(none.is_empty(), "{none:?}");
    // GET /api/popular and /api/popular/{category}
    let popular = recommended(&service, "/api/v1/recommendations/popular?k=2");
    assert_eq!(popular, ["go-0", "go-1"], "bob chose them, too");
    let popular = recommended(&service, "/api/v1/recommendations/popular?k=4&genre=rust");
    assert_eq!(popular, ["rust-0", "rust-1", "rust-2", "rust-3"]);
    let trending = recommended(&service, "/api/v1/recommendations/trending?k=2");
    assert_eq!(trending.len(), 2);
    // GET /api/item/{item-id}/neighbors and …/{category}
    let similar = service.get("/api/v1/items/go-1/similar?k=3").json();
    let similar = ids(&similar, "similar", "item_id");
    assert!(
        similar.len() == 3 && similar.iter().all(|one| one.starts_with("go-")),
        "{similar:?}"
    );
    let similar = service.get("/api/v1/items/go-1/similar?genre=rust").json();
    assert!(ids(&similar, "similar", "item_id").is_empty(), "{similar}");
    let similar = service.get("/api/v1/items/unheard-of/similar").json();
    assert!(ids(&similar, "similar", "item_id").is_empty(), "{similar}");
    // GET /api/user/{user-id}/neighbors
    let similar = service.get("/api/v1/users/u0/similar?k=3").json();
    let similar = ids(&similar, "similar", "user_id");
    let even = ["u2", "u4", "u6", "u8", "u10"];
    assert!(
        similar.len() == 3 && similar.iter().all(|one| even.contains(&&**one)),
        "{similar:?}"
    );
    // POST /api/session/recommend
    let session = recommended(
        &service,
        "/api/v1/recommendations?context=rust-1,rust-2&k=4",
    );
    assert!(
        session.len() == 4 && session.iter().all(|one| one.starts_with("rust-")),
        "{session:?}"
    );
    assert!(!session.contains(&"rust-1".to_owned()));
    // DELETE /api/item/{item-id}, and an item that is hidden
    service.publish(
        "catalog.items",
        &json!([{"item_id": "go-0", "deleted": true}, {"item_id": "go-1", "genres": ["go"], "available": false}]),
    );
    wait_until("they are gone", || {
        service.get("/api/v1/catalog/go-0").status == 404
            && !recommended(&service, "/api/v1/recommendations/popular")
                .iter()
                .any(|one| one == "go-1")
    });
    let popular = recommended(&service, "/api/v1/recommendations/popular?k=20");
    assert!(!popular.contains(&"go-0".to_owned()), "{popular:?}");
    // DELETE /api/user/{user-id}
    let erased = service.try_delete("/api/v1/users/bob").unwrap();
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(service.get("/api/v1/users/bob/profile").status, 404);
    service.stop();
}

#[test]
fn a_context_counts_for_one_answer_and_is_neither_learned_nor_kept() {
    let service = Launch::new().start();
    filled(&service);
    let events = |service: &Service| service.get("/api/v1/recommendations/popular?k=20").json();
    let before = events(&service);
    let plain = recommended(&service, "/api/v1/users/u0/recommendations?k=8");
    assert!(
        plain.iter().all(|one| one.starts_with("rust-")),
        "u0 has seen all of go: {plain:?}"
    );

    // Who never came gets what goes with the page; ids that are unknown change nothing.
    let answer = service.get("/api/v1/users/new/recommendations?k=3&context=unheard-of,go-3,%20");
    let list = answer.json();
    let items = ids(&list, "recommendations", "item_id");
    assert!(
        items
            .iter()
            .all(|one| one.starts_with("go-") && one != "go-3"),
        "{list}"
    );
    let reason = &list["recommendations"][0]["reason"];
    assert_eq!(
        (&reason["kind"], &reason["item_id"]),
        (&json!("context"), &json!("go-3"))
    );
    let unknown = recommended(
        &service,
        "/api/v1/users/new/recommendations?k=3&context=unheard-of",
    );
    assert_eq!(unknown.len(), 3);
    // Nothing of it stays: no profile, no item learned, no list in the cache.
    assert_eq!(service.get("/api/v1/users/new/profile").status, 404);
    assert_eq!(events(&service), before);
    let other = recommended(
        &service,
        "/api/v1/users/new/recommendations?k=3&context=rust-3",
    );
    assert!(
        other
            .iter()
            .all(|one| one.starts_with("rust-") && one != "rust-3"),
        "{other:?}"
    );
    assert_eq!(
        recommended(&service, "/api/v1/users/u0/recommendations?k=8"),
        plain
    );
    // Beyond the bounds it is refused, and says what is allowed.
    let many: Vec<String> = (0..21).map(|item| item.to_string()).collect();
    let refused = service.get(&format!(
        "/api/v1/users/new/recommendations?context={}",
        many.join(",")
    ));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text.contains("at most 20"), "{refused:?}");
    service.stop();
}

#[test]
fn similar_users_are_for_operators_where_users_have_tokens() {
    let launch = Launch::new()
        .environment("PUSH_SECRET", SECRET)
        .environment("OPERATOR", "operator-operator-operator")
        .with("RECOMMENDATIONS__PUSH_SECRET", "env:PUSH_SECRET")
        .with("HTTP__OPERATOR_TOKEN", "env:OPERATOR");
    let service = launch.start();
    let output = launch.command(&["users", "token", "u0"]).output().unwrap();
    let own = String::from_utf8(output.stdout).unwrap();
    let path = |token: &str| format!("/api/v1/users/u0/similar?token={}", token.trim());
    assert_eq!(service.get("/api/v1/users/u0/similar").status, 401);
    assert_eq!(service.get(&path(&own)).status, 403);
    assert_eq!(service.get(&path("operator-operator-operator")).status, 200);
    let list = service.get(&format!(
        "/api/v1/users/u0/recommendations?token={}",
        own.trim()
    ));
    assert_eq!(list.status, 200, "{list:?}");
    service.stop();
}
