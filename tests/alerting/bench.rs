//! What the tests share: an alert, a connection that carries it, and a stub of a service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use homeostat::configuration::load;
use homeostat_actors::ports::connector::{Connector, Due, Order, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::server::{Received, receive};

pub(crate) const NOW: i64 = 1_790_000_000_000;

/// An alert as the rules write it.
pub(crate) fn order() -> Order {
    Order {
        action_id: Id([0xab; 16]),
        attempt: 1,
        action: Action::Alert,
        target: Target::model("fraud/eu"),
        severity: Severity::High,
        event_type: "data_drift_detected".to_owned(),
        event_id: "event-1".to_owned(),
        params: json!({
            "title": "data drift: fraud/eu",
            "message": "score 0.712 <above> 0.6 & \"rising\"",
            "severity": "high",
            "source_event": {"drift_score": 0.712, "model_name": "fraud/eu"},
        })
        .into(),
        reasons: vec!["drift score 0.712 is above 0.6".to_owned()],
        now: NOW,
        as_of: NOW,
        dry_run: false,
    }
}

pub(crate) fn korean() -> Order {
    Order {
        params: json!({
            "language": "ko",
            "title": "데이터 드리프트: fraud/eu",
            "message": "모델 fraud/eu의 데이터 드리프트 감지: 점수 0.712",
        })
        .into(),
        ..order()
    }
}

/// The configuration with a connection of these keys, and an alert over it with these.
fn text(connection: &str, with: &str) -> String {
    format!(
        "[connections.people]\n{connection}\n[actions.alert]\nconnection = \"people\"\n[actions.alert.with]\n{with}\n"
    )
}

fn loaded(
    connection: &str,
    with: &str,
    environment: &[(&str, &str)],
) -> Result<Arc<dyn Connector>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    std::fs::write(&file, text(connection, with)).unwrap();
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let configuration = load(&[file], environment).map_err(|faults| {
        let lines = faults.iter().map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let connections = configuration.settings.connections;
    let binding = connections.find("people", Action::Alert, &order().target);
    Ok(Arc::clone(&binding.unwrap().connector))
}

pub(crate) fn connector(
    connection: &str,
    with: &str,
    environment: &[(&str, &str)],
) -> Arc<dyn Connector> {
    loaded(connection, with, environment).unwrap()
}

/// What is wrong with it.
pub(crate) fn faults(connection: &str, with: &str, environment: &[(&str, &str)]) -> String {
    loaded(connection, with, environment)
        .err()
        .unwrap_or_else(|| panic!("{connection}\n{with} loads"))
}

/// What the service does of a done action at this moment.
pub(crate) async fn tend(connector: &dyn Connector, order: Order, state: Tending) -> Tended {
    match connector.due(&order, state) {
        Due::Now => connector.tend(order, state).await.0,
        Due::In(pause) => Tended::Again(pause),
        Due::Over => Tended::Over,
    }
}

/// An answer of a stub.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

pub(crate) fn said(status: u16, body: impl Into<String>) -> Said {
    Said {
        status,
        headers: String::new(),
        body: body.into(),
    }
}

/// A service that answers each request by a rule and keeps what it got.
pub(crate) struct Stub {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&Received) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&received), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(request) = receive(&mut stream).await else {
                        return;
                    };
                    let Said {
                        status,
                        headers,
                        body,
                    } = answer(&request);
                    kept.lock().unwrap().push(request);
                    let length = body.len();
                    let text = format!(
                        "HTTP/1.1 {status} -\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
                    );
                    stream.write_all(text.as_bytes()).await.ok();
                    stream.shutdown().await.ok();
                });
            }
        });
        Self { port, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Takes what was received so far.
    pub(crate) fn taken(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

pub(crate) fn json_of(request: &Received) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

/// Names and values of an object of texts.
pub(crate) fn texts(value: &Value) -> BTreeMap<String, String> {
    let object = value.as_object().unwrap().iter();
    let texts = object.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    texts.collect()
}

/// A client for questions of the tests themselves.
pub(crate) fn client() -> reqwest::Client {
    // The first caller installs it.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let client = reqwest::Client::builder().no_proxy();
    client
        .timeout(std::time::Duration::from_secs(5))
        .build()
        .unwrap()
}
