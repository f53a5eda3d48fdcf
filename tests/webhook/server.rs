//! A server that misbehaves on command, and a connector that sends to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat::configuration::load;
use homeostat_actors::ports::connector::{Answer, Connector, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the server does after it has read a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Writes these bytes and closes.
    Respond(Vec<u8>),
    /// Closes without a word.
    Close,
    /// Holds the connection.
    Hang,
    /// Writes these bytes and holds the connection.
    RespondAndHang(Vec<u8>),
    /// Closes after the first bytes of the request, unread ones pending, which resets the connection.
    Reset,
}

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) received: mpsc::Receiver<Received>,
}

impl Server {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, received) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behaviour.clone(), sender.clone()));
            }
        });
        Self { port, received }
    }

    pub(crate) async fn responding(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        Self::start(Behaviour::Respond(text.into_bytes())).await
    }

    /// Requests received so far and no more.
    pub(crate) fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.received.try_recv().ok()).count()
    }
}

pub(crate) async fn serve(
    mut stream: TcpStream,
    behaviour: Behaviour,
    sender: mpsc::Sender<Received>,
) {
    if matches!(behaviour, Behaviour::Reset) {
        stream.read_exact(&mut [0; 8]).await.unwrap();
        return;
    }
    let Some(received) = receive(&mut stream).await else {
        return;
    };
    sender.send(received).await.unwrap();
    match behaviour {
        Behaviour::Respond(bytes) => {
            // The client may stop reading: that is part of what is tested.
            if stream.write_all(&bytes).await.is_ok() {
                stream.shutdown().await.ok();
            }
        }
        Behaviour::RespondAndHang(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            std::future::pending::<()>().await;
        }
        Behaviour::Hang => std::future::pending::<()>().await,
        Behaviour::Close | Behaviour::Reset => {}
    }
}

pub(crate) async fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().to_owned();
            let headers: BTreeMap<String, String> = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length");
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            let mut body = bytes[end + 4..].to_vec();
            while body.len() < length {
                stream.read_buf(&mut body).await.ok()?;
            }
            return Some(Received {
                line,
                headers,
                body: String::from_utf8(body).unwrap(),
            });
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

pub(crate) fn order() -> Order {
    Order {
        action_id: Id([0xab; 16]),
        attempt: 3,
        action: Action::Retrain,
        target: Target::model("fraud/eu"),
        severity: Severity::High,
        event_type: "data_drift_detected".to_owned(),
        event_id: "event-1".to_owned(),
        params: json!({"priority": "high"}).into(),
        reasons: vec!["drift score 0.7 is above 0.6".to_owned()],
        now: 1_700_000_000_123,
        as_of: 1_700_000_000_123,
        dry_run: false,
    }
}

/// The retraining over a connection. Keys of a table that belong to the action are the action's.
pub(crate) fn connector(table: &str, environment: &[(&str, &str)]) -> Arc<dyn Connector> {
    let mut table: toml::Table = table.parse().unwrap();
    let mut with = toml::Table::new();
    for key in ["path", "method", "body", "probe"] {
        with.extend(table.remove(key).map(|value| (key.to_owned(), value)));
    }
    if let Some(toml::Value::Table(own)) = table.remove("with") {
        with.extend(own);
    }
    table.insert("kind".to_owned(), "webhook".into());
    let text = toml::toml! {
        [actions.retrain]
        connection = "jobs"
    };
    let mut text = text;
    text["actions"]["retrain"]
        .as_table_mut()
        .unwrap()
        .insert("with".to_owned(), with.into());
    text.insert(
        "connections".to_owned(),
        toml::Table::from_iter([("jobs".to_owned(), table.into())]).into(),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.toml");
    std::fs::write(&file, toml::to_string(&text).unwrap()).unwrap();
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let configuration = load(&[file], environment).unwrap();
    let target = Target::model("fraud/eu");
    let binding = configuration
        .settings
        .connections
        .find("jobs", Action::Retrain, &target);
    Arc::clone(&binding.unwrap().connector)
}

pub(crate) async fn send(table: &str, environment: &[(&str, &str)]) -> Answer {
    connector(table, environment).send(order()).await
}

pub(crate) async fn send_to(server: &Server, keys: &str) -> Answer {
    send(
        &format!("url = \"http://127.0.0.1:{}/hook\"\n{keys}", server.port),
        &[],
    )
    .await
}
