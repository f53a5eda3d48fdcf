//! Airflow that answers slowly, wrongly, too much or never, and attempts whose answer is lost.

use homeostat_actors::ports::connector::Order;

use super::lab::{Lab, retrain_as};
use super::stand_in::{Flow, PASSWORD};
use crate::bench::{DONE, FAILED, NOT_SENT, REFUSED, UNKNOWN, assert_answer, said};
use crate::stub::{Fate, Stub};

const TRAIN: &str = "dag = \"homeostat_train\"";
const PAGE: &str = "<!doctype html><html><title>Sign in</title></html>";

/// A stand-in in which requests that begin so get this.
async fn spoiled(
    major: u8,
    start: &'static str,
    fate: fn() -> Fate,
) -> (
    Stub,
    std::sync::Arc<dyn homeostat_actors::ports::connector::Connector>,
) {
    let flow = Flow::new(major);
    let stub = Stub::start(move |request| {
        let answer = flow.answer(request);
        if request.line.starts_with(start) {
            fate()
        } else {
            answer
        }
    })
    .await;
    let account = "username = \"homeostat\"\npassword = \"env:PASSWORD\"\ntimeout_ms = 600\nconnect_timeout_ms = 600";
    let runs = retrain_as(stub.port, account, TRAIN, &[("PASSWORD", PASSWORD)]);
    (stub, runs)
}

fn order() -> Order {
    let mut order = crate::bench::order(
        homeostat_logic::actions::Action::Retrain,
        homeostat_logic::target::Target::model("fraud"),
        1,
        serde_json::json!({}),
    );
    order.action_id.0 = fastrand::u128(..).to_be_bytes();
    order
}

#[tokio::test]
async fn a_question_without_a_usable_answer_sends_nothing() {
    for fate in [
        || Fate::Answer(200, PAGE.to_owned()),
        || Fate::Answer(200, String::new()),
        || Fate::Answer(200, "{\"is_paused\":false}".to_owned()),
        || {
            Fate::Answer(
                200,
                format!("{{\"dag_id\":\"{}\"}}", "x".repeat(5 * 1024 * 1024)),
            )
        },
        || {
            Fate::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"dag_id\":\"homeostat_train\",\"is_paused\":".to_vec())
        },
        || Fate::Answer(500, "{\"detail\":\"Internal Server Error\"}".to_owned()),
        || Fate::Answer(502, PAGE.to_owned()),
        || Fate::Headed(429, "retry-after: 9\r\n".to_owned(), String::new()),
        || Fate::Close,
        || Fate::Hang,
    ] {
        let (stub, runs) = spoiled(3, "GET /api/v2/dags/", fate).await;
        assert_answer(&runs.send(order()).await, NOT_SENT, &[]);
        assert_eq!(stub.count("POST /api"), 0);
        assert_eq!(said(runs.probe(order()).await).0, "nothing");
    }
}

#[tokio::test]
async fn a_run_whose_answer_is_lost_or_wrong_is_in_doubt_and_found_again() {
    for major in [3, 2] {
        let api = if major == 3 {
            "POST /api/v2/dags/"
        } else {
            "POST /api/v1/dags/"
        };
        for fate in [
            || Fate::Answer(200, PAGE.to_owned()),
            || Fate::Answer(200, String::new()),
            || {
                Fate::Answer(
                    200,
                    "{\"dag_run_id\":\"manual__1\",\"state\":\"queued\"}".to_owned(),
                )
            },
            || {
                Fate::Raw(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"dag_run_id\":".to_vec(),
                )
            },
            || Fate::Answer(504, PAGE.to_owned()),
            || Fate::Close,
            || Fate::Hang,
        ] {
            let (stub, runs) = spoiled(major, api, fate).await;
            let order = order();
            assert_answer(&runs.send(order.clone()).await, UNKNOWN, &[]);
            assert_eq!(stub.count(api), 1, "sent once");
            // The stand-in had made the run before the answer was spoiled.
            let (found, evidence) = said(runs.probe(order).await);
            assert_eq!(found, "found", "{evidence}");
        }
    }
}

#[tokio::test]
async fn a_conflict_that_is_not_of_our_own_run_is_no_success() {
    for (major, start) in [(3, "POST /api/v2/dags/"), (2, "POST /api/v1/dags/")] {
        // Of another run: ours does not exist.
        let flow = Flow::new(major);
        let stub = Stub::start(move |request| {
            if request.line.starts_with(start) {
                Fate::Answer(409, "{\"detail\":\"logical date exists\"}".to_owned())
            } else {
                flow.answer(request)
            }
        })
        .await;
        let account = "username = \"homeostat\"\npassword = \"env:PASSWORD\"";
        let runs = retrain_as(stub.port, account, TRAIN, &[("PASSWORD", PASSWORD)]);
        assert_answer(&runs.send(order()).await, FAILED, &["logical date exists"]);
    }
    // A run of our id that was made for another action.
    let lab = Lab::stand_in(3).await;
    let order = order();
    let conf = "dag = \"homeostat_train\"\nconf = '{\"action_id\": \"another\"}'";
    assert_answer(&lab.runs(conf).send(order.clone()).await, DONE, &[]);
    assert_answer(
        &lab.runs(TRAIN).send(order).await,
        REFUSED,
        &["was made for another action"],
    );
}

#[tokio::test]
async fn storms_and_refusals_of_the_run_itself_keep_their_meaning() {
    let table: [(fn() -> Fate, _, &str); 6] = [
        (
            || Fate::Headed(429, "retry-after: 9\r\n".to_owned(), String::new()),
            FAILED,
            "429",
        ),
        (
            || {
                Fate::Answer(
                    404,
                    "{\"detail\":\"Dag with dag_id: 'x' not found\"}".to_owned(),
                )
            },
            REFUSED,
            "has no DAG",
        ),
        (
            || Fate::Answer(400, "{\"detail\":\"bad\"}".to_owned()),
            REFUSED,
            "with.conf",
        ),
        (
            || Fate::Answer(422, "{\"detail\":\"bad\"}".to_owned()),
            REFUSED,
            "with.conf",
        ),
        (
            || Fate::Answer(403, "{\"detail\":\"Forbidden\"}".to_owned()),
            REFUSED,
            "role",
        ),
        (
            || Fate::Answer(302, String::new()),
            REFUSED,
            "does not redirect",
        ),
    ];
    for (fate, class, word) in table {
        let (_stub, runs) = spoiled(3, "POST /api/v2/dags/", fate).await;
        let answer = runs.send(order()).await;
        assert_answer(&answer, class, &[word]);
        assert_eq!(answer.retry_after_ms, (class == FAILED).then_some(9_000));
    }
    // A 404 of something before Airflow does not say that the run is absent.
    let (_stub, runs) = spoiled(3, "GET /api/v2/dags/homeostat_train/dagRuns", || {
        Fate::Answer(404, PAGE.to_owned())
    })
    .await;
    assert_eq!(said(runs.probe(order()).await).0, "nothing");
}
