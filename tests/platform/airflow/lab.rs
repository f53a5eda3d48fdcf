//! An Airflow to test: the stand-in always, and the real one of `scripts/airflow`, by `AIRFLOW_3_URL` and `AIRFLOW_2_URL`.

use std::sync::Arc;

use homeostat_actors::ports::connector::{Connector, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use super::stand_in::{Flow, PASSWORD, VISITOR};
use crate::bench::{connector, order};
use crate::stub::{Stub, call};

pub(super) struct Lab {
    pub(super) major: u8,
    pub(super) port: u16,
    /// Passwords of the accounts `homeostat` and `visitor`.
    pub(super) passwords: [String; 2],
    /// `None` = the real one.
    pub(super) stub: Option<Stub>,
}

impl Lab {
    /// Every Airflow that is here.
    pub(super) async fn all() -> Vec<Self> {
        let mut labs = Vec::new();
        for major in [3, 2] {
            labs.push(Self::stand_in(major).await);
            let variable = |name: &str| std::env::var(format!("AIRFLOW_{major}_{name}")).ok();
            if let (Some(url), Some(files)) = (variable("URL"), variable("FILES")) {
                let password =
                    |name: &str| std::fs::read_to_string(format!("{files}/{name}")).unwrap();
                labs.push(Self {
                    major,
                    port: url.rsplit(':').next().unwrap().parse().unwrap(),
                    passwords: [password("password"), password("visitor")],
                    stub: None,
                });
            }
        }
        labs
    }

    pub(super) async fn stand_in(major: u8) -> Self {
        let flow = Flow::new(major);
        let stub = Stub::start(move |request| flow.answer(request)).await;
        Self {
            major,
            port: stub.port,
            passwords: [PASSWORD.to_owned(), VISITOR.to_owned()],
            stub: Some(stub),
        }
    }

    pub(super) fn runs(&self, with: &str) -> Arc<dyn Connector> {
        retrain(
            self.port,
            "homeostat",
            "env:PASSWORD",
            with,
            &[("PASSWORD", &self.passwords[0])],
        )
    }

    /// A run of its own, also in an Airflow that has runs of earlier tests.
    pub(super) fn order(&self) -> Order {
        let mut order = order(
            Action::Retrain,
            Target::model("fraud/eu"),
            1,
            json!({ "priority": "high" }),
        );
        order.action_id.0 = fastrand::u128(..).to_be_bytes();
        order
    }

    /// Asks for a run as a test.
    pub(super) async fn run(&self, dag: &str, order: &Order) -> (u16, Value) {
        let id = format!("homeostat__{}", order.action_id);
        let path = format!("/{}/dags/{dag}/dagRuns/{id}", self.api());
        call(
            self.port,
            "GET",
            &path,
            &self.authorization().await,
            &Value::Null,
        )
        .await
    }

    pub(super) async fn pause(&self, dag: &str, is_paused: bool) {
        let path = format!("/{}/dags/{dag}?update_mask=is_paused", self.api());
        let body = json!({ "is_paused": is_paused });
        let (status, said) = call(
            self.port,
            "PATCH",
            &path,
            &self.authorization().await,
            &body,
        )
        .await;
        assert_eq!(status, 200, "{said}");
    }

    pub(super) async fn is_paused(&self, dag: &str) -> bool {
        let path = format!("/{}/dags/{dag}", self.api());
        let (_, said) = call(
            self.port,
            "GET",
            &path,
            &self.authorization().await,
            &Value::Null,
        )
        .await;
        said["is_paused"].as_bool().unwrap()
    }

    pub(super) const fn api(&self) -> &'static str {
        if self.major == 3 { "api/v2" } else { "api/v1" }
    }

    pub(super) async fn authorization(&self) -> String {
        if self.major == 2 {
            use base64::Engine as _;
            let both = format!("homeostat:{}", self.passwords[0]);
            return format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(both)
            );
        }
        let body = json!({ "username": "homeostat", "password": self.passwords[0] });
        let (_, said) = call(self.port, "POST", "/auth/token", "", &body).await;
        format!("Bearer {}", said["access_token"].as_str().unwrap())
    }
}

pub(super) fn retrain(
    port: u16,
    user: &str,
    password: &str,
    with: &str,
    environment: &[(&str, &str)],
) -> Arc<dyn Connector> {
    let account = format!("username = \"{user}\"\npassword = \"{password}\"");
    retrain_as(port, &account, with, environment)
}

pub(super) fn retrain_as(
    port: u16,
    account: &str,
    with: &str,
    environment: &[(&str, &str)],
) -> Arc<dyn Connector> {
    let text = format!(
        "[connections.platform]\nkind = \"airflow\"\nurl = \"http://127.0.0.1:{port}\"\n{account}\n\
         [actions.retrain]\nconnection = \"platform\"\n[actions.retrain.with]\n{with}\n"
    );
    connector(Action::Retrain, &text, environment)
}
