//! What holds for every Airflow, the stand-in and the real ones.

use homeostat_actors::ports::connector::Order;
use serde_json::json;

use super::lab::{Lab, retrain, retrain_as};
use crate::bench::{DONE, FAILED, NOT_SENT, REFUSED, assert_answer, class, lines, said};

/// Held by tests that pause the one DAG for that, which a real Airflow shares among them.
static PAUSING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const TRAIN: &str = "dag = \"homeostat_train\"";

#[tokio::test]
async fn an_order_makes_one_run_however_often_it_is_delivered() {
    for lab in Lab::all().await {
        let (runs, order) = (lab.runs(TRAIN), lab.order());
        assert_eq!(said(runs.probe(order.clone()).await).0, "absent");
        let answer = runs.send(order.clone()).await;
        let page = if lab.major == 3 {
            "/dags/homeostat_train/runs/homeostat__"
        } else {
            "/dags/homeostat_train/grid?dag_run_id=homeostat__"
        };
        assert_answer(&answer, DONE, &["is queued", page]);
        for attempt in 2..4 {
            let again = Order {
                attempt,
                ..order.clone()
            };
            assert_answer(
                &runs.send(again).await,
                DONE,
                &["an earlier attempt made it"],
            );
        }
        assert_eq!(said(runs.probe(order.clone()).await).0, "found");
        let (status, run) = lab.run("homeostat_train", &order).await;
        assert_eq!(status, 200);
        // Without a template all fields travel.
        assert_eq!(run["conf"]["action_id"], json!(order.action_id.to_string()));
        assert_eq!(run["conf"]["params"], json!({ "priority": "high" }));
        assert_eq!(run["conf"]["target"]["name"], "fraud/eu");
        // An event may hold numbers that no program can.
        let params = serde_json::from_str(r#"{"metadata":{"score":1e999}}"#).unwrap();
        let large = Order {
            params,
            ..lab.order()
        };
        assert_answer(&runs.send(large.clone()).await, DONE, &[]);
        let (_, run_of_large) = lab.run("homeostat_train", &large).await;
        assert_eq!(run_of_large["conf"]["params"]["metadata"]["score"], "1e999");
        let note = "homeostat: retrain of model/fraud/eu for model_performance_degraded (event-1)";
        assert!(
            run["note"] == note
                || run["note"]
                    .as_str()
                    .unwrap()
                    .starts_with("homeostat: retrain of"),
            "{run}"
        );
    }
}

#[tokio::test]
async fn templates_make_dag_conf_and_note() {
    for lab in Lab::all().await {
        let with = concat!(
            "dag = \"homeostat_{{ 'train' if target.name else 'x' }}\"\n",
            "conf = '{\"model\": {{ target.name | tojson }}, \"why\": {{ reasons | tojson }}, \"priority\": \"{{ params.priority }}\"}'\n",
            "note = \"{% for n in range(600) %}네, {% endfor %}\"\n",
        );
        let (runs, order) = (lab.runs(with), lab.order());
        assert_answer(&runs.send(order.clone()).await, DONE, &[]);
        let (_, run) = lab.run("homeostat_train", &order).await;
        assert_eq!(
            run["conf"],
            json!({"model": "fraud/eu", "why": ["accuracy fell"], "priority": "high"})
        );
        assert_eq!(run["note"].as_str().unwrap().chars().count(), 1_000);
        for (with, word) in [
            ("dag = \"homeostat_train\"\nconf = '[1]'", "`conf`"),
            // Of this target alone: what fails for every order is found when the configuration is read.
            (
                "dag = \"homeostat_train\"\nconf = '{% if target.name == \"fraud/eu\" %}no JSON{% else %}{}{% endif %}'",
                "`conf`",
            ),
            (
                "dag = \"{% if target.name != 'fraud/eu' %}train{% endif %}\"",
                "`dag`",
            ),
            (
                "dag = \"homeostat_train\"\nrun_after = \"tomorrow\"",
                "`run_after`",
            ),
        ] {
            assert_answer(&lab.runs(with).send(order.clone()).await, REFUSED, &[word]);
        }
    }
}

#[tokio::test]
async fn a_dag_that_cannot_run_is_refused_before_anything_is_sent() {
    let _pausing = PAUSING.lock().await;
    for lab in Lab::all().await {
        let order = lab.order();
        lab.pause("homeostat_paused", true).await;
        for (dag, class, words) in [
            (
                "homeostat_paused",
                NOT_SENT,
                &["is paused", "Unpause it", "with.unpause = true"][..],
            ),
            (
                "homeostat_broken",
                NOT_SENT,
                &["import errors", "correct it"],
            ),
            (
                "no_such_dag",
                REFUSED,
                &["has no DAG no_such_dag", "with.dag"],
            ),
            ("no/such?dag#..", REFUSED, &["has no DAG"]),
        ] {
            let answer = lab
                .runs(&format!("dag = \"{dag}\""))
                .send(order.clone())
                .await;
            assert_answer(&answer, class, words);
        }
        assert_eq!(lab.run("homeostat_paused", &order).await.0, 404);
        assert_eq!(lab.run("homeostat_broken", &order).await.0, 404);
        let strict = "dag = \"homeostat_strict\"\nconf = '{\"epochs\": 0}'";
        assert_answer(
            &lab.runs(strict).send(order.clone()).await,
            REFUSED,
            &["minimum of 1", "with.conf"],
        );
        assert_eq!(said(lab.runs(strict).probe(order).await).0, "absent");
    }
}

#[tokio::test]
async fn a_paused_dag_is_unpaused_where_that_is_asked_for() {
    let _pausing = PAUSING.lock().await;
    for lab in Lab::all().await {
        lab.pause("homeostat_paused", true).await;
        let runs = lab.runs("dag = \"homeostat_paused\"\nunpause = true");
        let dry = Order {
            dry_run: true,
            ..lab.order()
        };
        assert_answer(&runs.send(dry).await, DONE, &["dry run: would send POST"]);
        assert!(
            lab.is_paused("homeostat_paused").await,
            "a dry run changes nothing"
        );
        assert_answer(&runs.send(lab.order()).await, DONE, &["is queued"]);
        assert!(!lab.is_paused("homeostat_paused").await);
        lab.pause("homeostat_paused", true).await;
    }
}

#[tokio::test]
async fn run_after_is_passed_on_where_airflow_knows_it() {
    for lab in Lab::all().await {
        let runs = lab.runs("dag = \"homeostat_train\"\nrun_after = \"2030-01-01T02:00:00+00:00\"");
        let order = lab.order();
        let answer = runs.send(order.clone()).await;
        if lab.major == 2 {
            assert_answer(&answer, REFUSED, &["unknown to Airflow 2"]);
            continue;
        }
        assert_answer(&answer, DONE, &["is queued"]);
        let (_, run) = lab.run("homeostat_train", &order).await;
        assert!(
            run["run_after"]
                .as_str()
                .unwrap()
                .starts_with("2030-01-01T02:00:00"),
            "{run}"
        );
    }
}

#[tokio::test]
async fn an_unknown_account_may_become_known_and_a_missing_right_is_said() {
    for lab in Lab::all().await {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "not-the-password").unwrap();
        let rotated = retrain(
            lab.port,
            "homeostat",
            &format!("file:{}", file.display()),
            TRAIN,
            &[],
        );
        let order = lab.order();
        let answer = rotated.send(order.clone()).await;
        assert!(
            [FAILED, NOT_SENT].contains(&class(&answer)),
            "may be tried again: {answer:?}"
        );
        assert!(answer.detail.contains("password"), "{}", answer.detail);
        assert!(
            !answer.detail.contains("not-the-password"),
            "{}",
            answer.detail
        );
        std::fs::write(&file, &lab.passwords[0]).unwrap();
        assert_answer(&rotated.send(order.clone()).await, DONE, &[]);
        let visitor = retrain(
            lab.port,
            "visitor",
            "env:PASSWORD",
            TRAIN,
            &[("PASSWORD", &lab.passwords[1])],
        );
        let answer = visitor.send(lab.order()).await;
        assert!(
            answer.detail.contains("403") && answer.detail.contains("role"),
            "{}",
            answer.detail
        );
        let anonymous = retrain_as(lab.port, "", TRAIN, &[]);
        let answer = anonymous.send(lab.order()).await;
        assert!([FAILED, NOT_SENT].contains(&class(&answer)), "{answer:?}");
        if lab.major == 3 {
            // A token of one's own, as managed Airflows have it.
            let good = lab.authorization().await;
            let file = folder.path().join("token");
            std::fs::write(&file, "of.another.key").unwrap();
            let token = retrain_as(
                lab.port,
                &format!("token = \"file:{}\"", file.display()),
                TRAIN,
                &[],
            );
            assert_answer(&token.send(lab.order()).await, NOT_SENT, &["check token"]);
            std::fs::write(&file, good.trim_start_matches("Bearer ")).unwrap();
            assert_answer(&token.send(lab.order()).await, DONE, &[]);
        }
    }
}

#[tokio::test]
async fn an_examination_says_version_health_and_dag() {
    let _pausing = PAUSING.lock().await;
    for lab in Lab::all().await {
        let found = lines(&lab.runs(TRAIN).examine(lab.order()).await);
        let version = if lab.major == 3 {
            "fine: Airflow 3."
        } else {
            "fine: Airflow 2."
        };
        assert!(found[0].starts_with(version), "{found:?}");
        assert_eq!(
            found[1..],
            [
                "fine: database and scheduler are healthy",
                "fine: DAG homeostat_train found"
            ]
        );
        lab.pause("homeostat_paused", true).await;
        for (with, word) in [
            ("dag = \"homeostat_paused\"", "with.unpause"),
            ("dag = \"homeostat_broken\"", "import errors"),
            ("dag = \"no_such_dag\"", "check the name"),
        ] {
            let found = lines(&lab.runs(with).examine(lab.order()).await);
            assert!(
                found[2].starts_with("wrong:") && found[2].contains(word),
                "{found:?}"
            );
        }
        let wrong = retrain(
            lab.port,
            "homeostat",
            "env:PASSWORD",
            TRAIN,
            &[("PASSWORD", "not-it")],
        );
        let found = lines(&wrong.examine(lab.order()).await);
        assert!(
            found
                .iter()
                .any(|line| line.starts_with("wrong:") && line.contains("password")),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn a_token_that_expires_is_renewed() {
    for lab in Lab::all().await {
        if lab.major == 2 {
            continue;
        }
        let Some(stub) = &lab.stub else {
            // The real one's tokens last for ten seconds, and as long again for clocks that differ.
            let runs = lab.runs(TRAIN);
            assert_answer(&runs.send(lab.order()).await, DONE, &[]);
            tokio::time::sleep(std::time::Duration::from_secs(23)).await;
            assert_answer(&runs.send(lab.order()).await, DONE, &[]);
            continue;
        };
        let runs = lab.runs(TRAIN);
        assert_answer(&runs.send(lab.order()).await, DONE, &[]);
        assert_answer(&runs.send(lab.order()).await, DONE, &[]);
        assert_eq!(
            stub.count("POST /auth/token"),
            1,
            "one login serves many orders"
        );
        assert_eq!(stub.count("GET /api/v2/version"), 1, "asked for once");
    }
}
