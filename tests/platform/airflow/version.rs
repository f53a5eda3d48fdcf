//! Versions and tokens that change while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lab::{Lab, retrain, retrain_as};
use super::stand_in::{Flow, PASSWORD};
use crate::bench::{DONE, NOT_SENT, REFUSED, assert_answer, said};
use crate::stub::{Fate, Stub};

const TRAIN: &str = "dag = \"homeostat_train\"";

#[tokio::test]
async fn an_airflow_that_is_upgraded_or_set_back_is_found_again() {
    for (before, after) in [(2, 3), (3, 2)] {
        let flows = [Flow::new(before), Flow::new(after)];
        let changed = Arc::new(AtomicBool::new(false));
        let second = Arc::clone(&changed);
        let stub = Stub::start(move |request| {
            flows[usize::from(second.load(Ordering::SeqCst))].answer(request)
        })
        .await;
        let runs = retrain(
            stub.port,
            "homeostat",
            "env:PASSWORD",
            TRAIN,
            &[("PASSWORD", PASSWORD)],
        );
        let lab = Lab::stand_in(3).await;
        assert_answer(&runs.send(lab.order()).await, DONE, &[]);
        changed.store(true, Ordering::SeqCst);
        assert_answer(&runs.send(lab.order()).await, DONE, &[]);
        let questions = stub.count("GET /api/v2/version");
        assert_answer(&runs.send(lab.order()).await, DONE, &[]);
        assert_eq!(stub.count("GET /api/v2/version"), questions, "found once");
        assert_answer(
            &retrain(
                stub.port,
                "homeostat",
                "env:PASSWORD",
                "dag = \"none\"",
                &[("PASSWORD", PASSWORD)],
            )
            .send(lab.order())
            .await,
            REFUSED,
            &["has no DAG none"],
        );
    }
}

#[tokio::test]
async fn a_version_that_is_written_is_not_asked_for() {
    for major in [3, 2] {
        let lab = Lab::stand_in(major).await;
        let account = format!(
            "username = \"homeostat\"\npassword = \"env:PASSWORD\"\napi_version = \"{major}\""
        );
        let runs = retrain_as(lab.port, &account, TRAIN, &[("PASSWORD", PASSWORD)]);
        assert_answer(&runs.send(lab.order()).await, DONE, &[]);
        let stub = lab.stub.as_ref().unwrap();
        assert_eq!(
            stub.lines()
                .iter()
                .filter(|line| line.ends_with("version"))
                .count(),
            0
        );
    }
}

#[tokio::test]
async fn what_is_no_airflow_is_said_and_nothing_is_sent() {
    for (status, body) in [
        (200, "<html>sign in</html>"),
        (404, "no such page"),
        (200, "{}"),
        (200, ""),
    ] {
        let stub = Stub::start(move |_| Fate::Answer(status, body.to_owned())).await;
        let runs = retrain(
            stub.port,
            "homeostat",
            "env:PASSWORD",
            TRAIN,
            &[("PASSWORD", PASSWORD)],
        );
        let order = Lab::stand_in(3).await.order();
        assert_answer(
            &runs.send(order.clone()).await,
            NOT_SENT,
            &["neither API of Airflow", "check the connection's url"],
        );
        assert_eq!(said(runs.probe(order).await).0, "nothing");
        assert_eq!(stub.count("POST"), 0);
    }
}

#[tokio::test]
async fn a_token_is_renewed_once_where_airflow_no_longer_takes_it() {
    let flow = Arc::new(Flow::new(3));
    let (shared, broken) = (Arc::clone(&flow), Arc::new(AtomicBool::new(false)));
    let refuses = Arc::clone(&broken);
    let stub = Stub::start(move |request| {
        if refuses.load(Ordering::SeqCst) && request.line.contains("/dags/") {
            return Fate::Answer(
                403,
                format!(
                    "{{\"detail\":\"Invalid JWT token {}\"}}",
                    request.headers["authorization"]
                ),
            );
        }
        shared.answer(request)
    })
    .await;
    let runs = retrain(
        stub.port,
        "homeostat",
        "env:PASSWORD",
        TRAIN,
        &[("PASSWORD", PASSWORD)],
    );
    let lab = Lab::stand_in(3).await;
    assert_answer(&runs.send(lab.order()).await, DONE, &[]);
    flow.expire();
    assert_answer(&runs.send(lab.order()).await, DONE, &[]);
    assert_eq!(stub.count("POST /auth/token"), 2);
    // One that takes no token at all is not asked forever, and what it repeats of the token is not shown.
    broken.store(true, Ordering::SeqCst);
    flow.expire();
    let answer = runs.send(lab.order()).await;
    assert_answer(
        &answer,
        NOT_SENT,
        &["Invalid JWT token Bearer ***", "check token"],
    );
    assert_eq!(stub.count("POST /auth/token"), 3);
}

#[tokio::test]
async fn many_orders_at_once_log_in_once() {
    let lab = Lab::stand_in(3).await;
    let runs = lab.runs(TRAIN);
    let sent = (0..20).map(|_| runs.send(lab.order()));
    for answer in futures_util::future::join_all(sent).await {
        assert_answer(&answer, DONE, &[]);
    }
    assert_eq!(lab.stub.as_ref().unwrap().count("POST /auth/token"), 1);
}

#[tokio::test]
async fn a_login_that_fails_is_explained_and_shows_neither_password_nor_token() {
    let table: [(fn() -> Fate, _, &str); 5] = [
        (
            || Fate::Answer(201, "{\"token\":\"s3cret-token\"}".to_owned()),
            NOT_SENT,
            "without an access_token",
        ),
        (
            || Fate::Answer(200, "<html>s3cret-token</html>".to_owned()),
            NOT_SENT,
            "without an access_token",
        ),
        (
            || Fate::Answer(404, "no".to_owned()),
            REFUSED,
            "write a token",
        ),
        (|| Fate::Answer(503, "no".to_owned()), NOT_SENT, "503"),
        (|| Fate::Close, NOT_SENT, "the connection broke"),
    ];
    for (fate, class, word) in table {
        let flow = Flow::new(3);
        let stub = Stub::start(move |request| {
            if request.line.contains("/auth/token") {
                fate()
            } else {
                flow.answer(request)
            }
        })
        .await;
        let runs = retrain(
            stub.port,
            "homeostat",
            "env:PASSWORD",
            TRAIN,
            &[("PASSWORD", PASSWORD)],
        );
        let answer = runs.send(Lab::stand_in(3).await.order()).await;
        assert_answer(&answer, class, &[word]);
        assert!(
            !answer.detail.contains("s3cret") && !answer.detail.contains(PASSWORD),
            "{}",
            answer.detail
        );
    }
}
