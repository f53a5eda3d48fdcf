//! Against the real registry: what is chosen, moved, recorded and refused, also under redelivery and changes by others.

use std::sync::Mutex;

use homeostat_actors::ports::connector::Order;
use homeostat_logic::actions::Action;
use homeostat_logic::target::Target;
use serde_json::json;

use super::lab::{Lab, basic, rollback};
use crate::bench::{DONE, NOT_SENT, REFUSED, UNKNOWN, assert_answer, lines, order, said};
use crate::stub::{Fate, Stub, call};

#[tokio::test]
async fn a_rollback_moves_the_alias_to_the_newest_older_stable_version_and_records_it() {
    let Some(lab) = Lab::with("moves", 3, &[1, 2]).await else {
        return;
    };
    let order = lab.resolved(1).await;
    let params = order.params.value();
    for (key, value) in [
        ("from", "3"),
        ("to", "2"),
        ("alias", "champion"),
        ("model", &*lab.model),
        ("reason", "auto_response_rollback"),
    ] {
        assert_eq!(params[key], value);
    }
    let answer = lab.rollback().send(order).await;
    assert_answer(&answer, DONE, &["from version 3 to 2", "tagged as stable"]);
    assert_eq!(lab.champion().await, "2");
    assert_eq!(lab.version_tag(3, "validation_status").await, "rolled_back");
    assert_eq!(lab.version_tag(3, "homeostat.previous").await, "2");
    assert_eq!(lab.model_tag("last_rollback").await, "3 -> 2");
    assert_eq!(lab.model_tag("last_rollback_event").await, "event-1");
    assert_eq!(lab.model_tag("last_rollback_action").await, "01".repeat(16));
}

#[tokio::test]
async fn an_order_that_is_delivered_again_never_walks_back_further() {
    let Some(lab) = Lab::with("again", 3, &[1, 2]).await else {
        return;
    };
    let order = lab.resolved(1).await;
    for _ in 0..3 {
        assert_answer(&lab.rollback().send(order.clone()).await, DONE, &[]);
        assert_eq!(lab.champion().await, "2");
    }
    assert_eq!(said(lab.rollback().probe(order.clone()).await).0, "found");
    // Later, people gave the version another status: it is left as it is.
    lab.tag(3, "validation_status", "stable").await;
    assert_answer(&lab.rollback().send(order).await, DONE, &["already"]);
    assert_eq!(lab.version_tag(3, "validation_status").await, "stable");
}

#[tokio::test]
async fn an_order_whose_version_was_never_fixed_moves_nothing_and_is_fixed_by_the_next_bid() {
    let Some(lab) = Lab::with("unfixed", 3, &[1, 2]).await else {
        return;
    };
    let unfixed = lab.order(1, json!({ "to": "previous_stable" }));
    for _ in 0..2 {
        let answer = lab.rollback().send(unfixed.clone()).await;
        assert_answer(&answer, NOT_SENT, &["was not fixed", "from version 3 to 2"]);
        assert_eq!(lab.champion().await, "3");
    }
    assert_eq!(said(lab.rollback().probe(unfixed).await).0, "absent");
    assert_answer(&lab.rollback().send(lab.resolved(1).await).await, DONE, &[]);
    assert_eq!(lab.champion().await, "2");
}

#[tokio::test]
async fn a_lost_answer_is_found_again_by_alias_and_moves_nothing_twice() {
    let Some(lab) = Lab::with("lost", 3, &[1, 2]).await else {
        return;
    };
    // As after kill -9: the move arrived, and nothing behind it was asked any more.
    let lost = Mutex::new(false);
    let stub = Stub::before(lab.port, move |request| {
        let mut lost = lost.lock().unwrap();
        if *lost {
            return Fate::Close;
        }
        if request
            .line
            .starts_with("POST /api/2.0/mlflow/registered-models/alias")
        {
            *lost = true;
            return Fate::PassAndDrop;
        }
        Fate::Pass
    })
    .await;
    let order = lab.resolved(1).await;
    let answer = lab.rollback_at(stub.port).send(order.clone()).await;
    assert_answer(&answer, UNKNOWN, &["not confirmed"]);
    assert_eq!(lab.champion().await, "2");
    assert_eq!(lab.version_tag(3, "validation_status").await, "");
    let (found, evidence) = said(lab.rollback().probe(order.clone()).await);
    assert_eq!(found, "found", "{evidence}");
    // The question writes the tags that were missing.
    assert_eq!(lab.version_tag(3, "validation_status").await, "rolled_back");
    assert_eq!(lab.model_tag("last_rollback_action").await, "01".repeat(16));
    assert_answer(&lab.rollback().send(order).await, DONE, &["already"]);
    assert_eq!(lab.champion().await, "2");
    assert_eq!(lab.version_tag(3, "validation_status").await, "rolled_back");
}

#[tokio::test]
async fn an_answer_that_is_lost_alone_is_confirmed_by_asking() {
    let Some(lab) = Lab::with("confirmed", 2, &[1]).await else {
        return;
    };
    let stub = Stub::before(lab.port, |request| {
        if request
            .line
            .starts_with("POST /api/2.0/mlflow/registered-models/alias")
        {
            Fate::PassAndDrop
        } else {
            Fate::Pass
        }
    })
    .await;
    let answer = lab.rollback_at(stub.port).send(lab.resolved(1).await).await;
    assert_answer(&answer, DONE, &["the connection broke"]);
    assert_eq!(lab.champion().await, "1");
}

#[tokio::test]
async fn a_second_rollback_goes_further_back_and_never_to_a_version_that_was_rolled_back() {
    let Some(lab) = Lab::with("second", 4, &[1, 2, 3]).await else {
        return;
    };
    for (id, version) in [(1, "3"), (2, "2"), (3, "1")] {
        assert_answer(
            &lab.rollback().send(lab.resolved(id).await).await,
            DONE,
            &[],
        );
        assert_eq!(lab.champion().await, version);
    }
    // A pipeline that keeps the alias of the previous version points it to what was just left.
    lab.set_alias("previous_champion", 2).await;
    let last = lab.order(4, json!({}));
    assert_eq!(lab.rollback().resolve(last.clone()).await, Ok(None));
    let answer = lab.rollback().send(last).await;
    assert_answer(&answer, REFUSED, &["no version below 1", "to_version"]);
    // A version that was rolled back is none to return to, named or recorded.
    let named = lab.order(5, json!({ "to": "3" }));
    assert_answer(
        &lab.rollback().send(named).await,
        REFUSED,
        &["rolled back itself", "remove the tag"],
    );
    assert_eq!(lab.champion().await, "1");
}

#[tokio::test]
async fn the_sources_count_in_their_order_and_only_fit_versions_do() {
    let Some(lab) = Lab::with("sources", 6, &[2, 3, 4]).await else {
        return;
    };
    let lab_ref = &lab;
    let chosen = |id| async move { lab_ref.resolved(id).await.params.text("to").unwrap() };
    lab.set_alias("previous_champion", 5).await;
    assert_eq!(chosen(1).await, "4", "tagged as stable");
    lab.tag(6, "homeostat.previous", "3").await;
    assert_eq!(chosen(2).await, "3", "recorded");
    let named = lab.order(3, json!({ "to": "previous_stable", "to_version": "v2" }));
    let params = lab.rollback().resolve(named).await.unwrap().unwrap();
    assert_eq!(
        (&params["to"], &params["chosen_by"]),
        (&json!("2"), &json!("named by the order"))
    );
    // What is recorded may be gone or rolled back by now.
    lab.delete(3).await;
    assert_eq!(chosen(4).await, "4");
    lab.tag(4, "validation_status", "rolled_back").await;
    assert_eq!(chosen(5).await, "2");
    lab.delete(2).await;
    assert_eq!(chosen(6).await, "5", "the alias of the previous version");
    // Never forwards.
    lab.tag(6, "homeostat.previous", "7").await;
    assert_eq!(chosen(7).await, "5");
}

#[tokio::test]
async fn what_others_changed_is_left_as_it_is() {
    let Some(lab) = Lab::with("others", 4, &[1, 2]).await else {
        return;
    };
    lab.set_alias("champion", 3).await;
    let order = lab.resolved(1).await;
    lab.set_alias("champion", 4).await;
    let answer = lab.rollback().send(order.clone()).await;
    assert_answer(
        &answer,
        REFUSED,
        &["leads to version 4, not to 3", "changed by others"],
    );
    assert_eq!(said(lab.rollback().probe(order.clone()).await).0, "absent");
    assert_eq!(lab.champion().await, "4");
    // The event is about a version that is no longer in use.
    let late = lab.order(
        2,
        json!({ "current_version": "3", "to": "previous_stable" }),
    );
    assert_answer(
        &lab.rollback().send(late).await,
        REFUSED,
        &["about version 3", "changed by others"],
    );
    // Done by this action, and moved since by others: not done again.
    lab.set_alias("champion", 3).await;
    assert_answer(&lab.rollback().send(order.clone()).await, DONE, &[]);
    lab.set_alias("champion", 4).await;
    assert_eq!(said(lab.rollback().probe(order.clone()).await).0, "found");
    assert_answer(
        &lab.rollback().send(order.clone()).await,
        REFUSED,
        &["changed by others"],
    );
    // The alias was removed.
    let body = json!({ "name": lab.model, "alias": "champion" });
    lab.request("DELETE", "registered-models/alias", body).await;
    assert_answer(
        &lab.rollback().send(order).await,
        REFUSED,
        &["was removed by others"],
    );
}

#[tokio::test]
async fn a_version_that_is_deleted_or_rolled_back_meanwhile_is_not_gone_to() {
    let Some(lab) = Lab::with("gone", 3, &[1, 2]).await else {
        return;
    };
    let order = lab.resolved(1).await;
    lab.tag(2, "validation_status", "rolled_back").await;
    assert_answer(
        &lab.rollback().send(order.clone()).await,
        REFUSED,
        &["rolled back itself"],
    );
    lab.delete(2).await;
    assert_answer(
        &lab.rollback().send(order).await,
        REFUSED,
        &["version 2", "was deleted"],
    );
    assert_eq!(lab.champion().await, "3");
}

#[tokio::test]
async fn a_missing_model_a_missing_alias_and_a_service_are_refused_for_good() {
    let Some(lab) = Lab::with("missing", 0, &[]).await else {
        return;
    };
    let rollback_here = lab.rollback();
    let answer = rollback_here.send(lab.order(1, json!({}))).await;
    assert_answer(
        &answer,
        REFUSED,
        &[
            "has no alias champion",
            "with.alias",
            "INVALID_PARAMETER_VALUE",
        ],
    );
    for name in [
        "no-such-model",
        "with/slash",
        "o'hara \"and\" sons",
        "%2e%2e",
        "모델",
    ] {
        let unknown = order(Action::Rollback, Target::model(name), 1, json!({}));
        assert_eq!(
            rollback_here.resolve(unknown.clone()).await,
            Ok(None),
            "{name}"
        );
        assert_answer(&rollback_here.send(unknown).await, REFUSED, &[]);
    }
    let service = order(Action::Rollback, Target::service("scoring"), 1, json!({}));
    let answer = rollback_here.send(service.clone()).await;
    assert_answer(
        &answer,
        REFUSED,
        &[
            "is a service",
            "with.model",
            "[targets.\"service/scoring\".actions.rollback]",
        ],
    );
    // Mapped, it is a model's rollback.
    let with = format!("model = \"{}\"", lab.model);
    let mapped = rollback(
        lab.port,
        "admin",
        "env:PASSWORD",
        &with,
        &[("PASSWORD", &lab.password)],
    );
    assert_answer(
        &mapped.send(service).await,
        REFUSED,
        &["has no alias champion"],
    );
}

#[tokio::test]
async fn names_with_quotes_are_searched_for_as_they_are() {
    let Some(mut lab) = Lab::find("quotes") else {
        return;
    };
    lab.model = format!("o'hara & sons {}", lab.model);
    lab.post("registered-models/create", json!({ "name": lab.model }))
        .await;
    for source in ["s3://m/1", "s3://m/2"] {
        lab.post(
            "model-versions/create",
            json!({ "name": lab.model, "source": source }),
        )
        .await;
    }
    lab.tag(1, "validation_status", "stable").await;
    lab.set_alias("champion", 2).await;
    assert_answer(
        &lab.rollback().send(lab.resolved(1).await).await,
        DONE,
        &["from version 2 to 1"],
    );
}

#[tokio::test]
async fn accounts_and_rights_are_said_with_a_remedy_and_a_rotated_password_is_taken_up() {
    let Some(lab) = Lab::with_accounts("accounts", 2, &[1]).await else {
        return;
    };
    let order = lab.resolved(1).await;
    let wrong = rollback(lab.port, "admin", "env:WRONG", "", &[("WRONG", "not-it")]);
    assert_answer(
        &wrong.send(order.clone()).await,
        NOT_SENT,
        &["401", "check username and password"],
    );
    assert!(
        wrong.resolve(lab.order(1, json!({}))).await.is_err(),
        "a rotated password may come"
    );
    let found = lines(&wrong.examine(order.clone()).await);
    assert!(found[0].contains("check the credentials"), "{found:?}");
    let user = format!("user-{}", fastrand::u32(..));
    lab.post(
        "users/create",
        json!({ "username": user, "password": "first-password-1" }),
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first-password-1\n").unwrap();
    let visitor = rollback(
        lab.port,
        &user,
        &format!("file:{}", file.display()),
        "",
        &[],
    );
    let answer = visitor.send(order.clone()).await;
    assert_answer(&answer, REFUSED, &["403", "permission EDIT"]);
    assert_eq!(lab.champion().await, "2");
    let rights = json!({ "username": user, "resource_type": "registered_model", "resource_id": lab.model, "permission": "EDIT" });
    let (status, said) = call(
        lab.port,
        "POST",
        "/api/3.0/mlflow/users/permissions/grant",
        &basic("admin", &lab.password),
        &rights,
    )
    .await;
    assert_eq!(status, 200, "{said}");
    let (status, _) = lab
        .request(
            "PATCH",
            "users/update-password",
            json!({ "username": user, "password": "second-password-2" }),
        )
        .await;
    assert_eq!(status, 200);
    assert_answer(&visitor.send(order.clone()).await, NOT_SENT, &["401"]);
    std::fs::write(&file, "second-password-2\n").unwrap();
    assert_answer(&visitor.send(order).await, DONE, &[]);
}

#[tokio::test]
async fn a_host_that_mlflow_does_not_know_is_explained() {
    let Some(lab) = Lab::with("host", 2, &[1]).await else {
        return;
    };
    let stub = Stub::before(lab.port, |_| Fate::PassAs("mlflow.example.com")).await;
    let answer = lab.rollback_at(stub.port).send(lab.resolved(1).await).await;
    assert_answer(
        &answer,
        REFUSED,
        &["Invalid Host header", "--allowed-hosts"],
    );
}

#[tokio::test]
async fn a_tag_that_cannot_be_written_is_said_and_undoes_nothing() {
    let Some(lab) = Lab::with("tags", 2, &[1]).await else {
        return;
    };
    let stub = Stub::before(lab.port, |request| {
        if request.line.contains("set-tag") {
            Fate::Answer(500, "no space".to_owned())
        } else {
            Fate::Pass
        }
    })
    .await;
    let answer = lab.rollback_at(stub.port).send(lab.resolved(1).await).await;
    assert_answer(
        &answer,
        DONE,
        &["tags were not written", "validation_status", "no space"],
    );
    assert_eq!(lab.champion().await, "1");
}

#[tokio::test]
async fn a_dry_run_and_an_examination_change_nothing_and_say_what_would_be_done() {
    let Some(lab) = Lab::with("dry", 3, &[1, 2]).await else {
        return;
    };
    for order in [lab.resolved(1).await, lab.order(1, json!({}))] {
        let dry = Order {
            dry_run: true,
            ..order
        };
        let answer = lab.rollback().send(dry.clone()).await;
        assert_answer(
            &answer,
            DONE,
            &[
                "from version 3 to 2",
                "dry run: would send POST",
                "\"version\":\"2\"",
            ],
        );
        let found = lines(&lab.rollback().examine(dry).await);
        assert_eq!(found[0], "fine: MLflow 3.17.2");
        assert!(
            found[1].starts_with("fine: would move alias champion of"),
            "{found:?}"
        );
    }
    assert_eq!(lab.champion().await, "3");
    assert_eq!(lab.version_tag(3, "validation_status").await, "");
    let unknown = order(
        Action::Rollback,
        Target::model("no-such-model"),
        1,
        json!({}),
    );
    let found = lines(&lab.rollback().examine(unknown).await);
    assert!(
        found[1].starts_with("wrong:") && found[1].contains("not found"),
        "{found:?}"
    );
}
