//! Kinds that reach people, and executors of one's own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use homeostat_actors::ports::log::{EventLog as _, TopicPartition};
use serde_json::{Value, json};

use super::{Case, Doubt, killed};
use crate::kinds::{good, secret_keys, started};
use crate::support::client::{Client, run};
use crate::support::wait_for;

/// An alert over a kind whose service is a stub that takes all; what of a body each effect is known by.
fn alert(kind: &'static str, known_by: fn(&Value) -> String) -> Case {
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let taken = Arc::clone(&bodies);
    let stub = started(move |request| {
        taken.lock().unwrap().push(request.body.clone());
        good(kind, request)
    });
    let keys = secret_keys(kind, &stub.url(), "env:SERVICE_SECRET");
    Case {
        action: "alert",
        connection: format!("kind = \"{}\"\n{}", keys.kind, keys.connection),
        keys: keys.with.to_owned(),
        model: "m".to_owned(),
        environment: vec![("SERVICE_SECRET", (keys.secret)("one"))],
        effects: Box::new(move |_| {
            let bodies = bodies.lock().unwrap();
            let bodies = bodies
                .iter()
                .map(|body| serde_json::from_str(body).unwrap());
            bodies.map(|body| known_by(&body)).collect()
        }),
    }
}

#[test]
fn slack_has_one_message_or_none_and_a_person_decides() {
    killed(Doubt::LeftToPeople, || {
        alert("slack", |body| body["text"].to_string())
    });
}

#[test]
fn teams_has_one_card_or_none_and_a_person_decides() {
    killed(Doubt::LeftToPeople, || {
        alert("teams", |body| body["attachments"].to_string())
    });
}

#[test]
fn pagerduty_has_one_incident() {
    killed(Doubt::SentAgain, || {
        alert("pagerduty", |body| body["dedup_key"].to_string())
    });
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn alertmanager(program: &str) -> (Running, u16, tempfile::TempDir) {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(
        &file,
        "route:\n  receiver: none\nreceivers:\n- name: none\n",
    )
    .unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}/data", folder.path().display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    wait_for("Alertmanager is ready", || get(port, "/-/ready"));
    (running, port, folder)
}

fn get(port: u16, path: &str) -> Option<String> {
    let client = Client::new(&format!("http://127.0.0.1:{port}"));
    let answer = client.try_get(path)?;
    (answer.status == 200).then_some(answer.text)
}

#[test]
fn alertmanager_has_one_alert() {
    let names = ["prometheus-alertmanager", "alertmanager"];
    let found = names.into_iter().find(|name| {
        let mut version = Command::new(name);
        let quiet = version.arg("--version").stdout(Stdio::null());
        quiet.stderr(Stdio::null()).status().is_ok()
    });
    let Some(program) = found else {
        assert!(
            std::env::var_os("CI").is_none(),
            "alertmanager is missing; use scripts/test"
        );
        eprintln!("not run: Alertmanager (Debian: prometheus-alertmanager)");
        return;
    };
    killed(Doubt::SentAgain, || {
        let (running, port, folder) = alertmanager(program);
        Case {
            action: "alert",
            connection: format!("kind = \"alertmanager\"\nurl = \"http://127.0.0.1:{port}\""),
            keys: String::new(),
            model: "m".to_owned(),
            environment: Vec::new(),
            effects: Box::new(move |_| {
                let _lives = (&running, &folder);
                let alerts = get(port, "/api/v2/alerts").unwrap();
                let alerts: Vec<Value> = serde_json::from_str(&alerts).unwrap();
                let known = alerts.iter().map(|alert| alert["fingerprint"].to_string());
                known.collect()
            }),
        }
    });
}

#[test]
fn a_mailbox_that_compares_ids_has_one_mail() {
    let python = std::env::var("ALERTING_PYTHON");
    let Some(python) = python.ok().filter(|path| !path.is_empty()) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "ALERTING_PYTHON is not set; use scripts/test"
        );
        eprintln!("not run: mail by aiosmtpd (set ALERTING_PYTHON or use scripts/test)");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alerting/mail_server.py");
    killed(Doubt::SentAgain, || {
        let mut command = Command::new(&python);
        command.arg(script).arg(json!({"tls": "none"}).to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Running(child);
        let port = lines
            .next()
            .expect("the mail server does not start")
            .unwrap();
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&mails);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                taken.lock().unwrap().push(line);
            }
        });
        Case {
            action: "alert",
            connection: format!(
                "kind = \"smtp\"\nhost = \"localhost\"\nport = {port}\nsecurity = \"none\"\nfrom = \"homeostat@example.com\""
            ),
            keys: "with.to = [\"ml@example.com\"]".to_owned(),
            model: "m".to_owned(),
            environment: Vec::new(),
            effects: Box::new(move |_| {
                let _lives = &running;
                let mails = mails.lock().unwrap();
                let ids = mails.iter().map(|mail| {
                    let mail: Value = serde_json::from_str(mail).unwrap();
                    let mut lines = mail["content"].as_str().unwrap().lines();
                    let id = lines.find(|line| line.starts_with("Message-ID: "));
                    id.unwrap().to_owned()
                });
                ids.collect()
            }),
        }
    });
}

#[test]
fn a_topic_has_one_order_by_its_id() {
    const TOPIC: &str = "push.recommendations";
    killed(Doubt::SentAgain, || Case {
        action: "retrain",
        connection: "kind = \"kafka\"".to_owned(),
        keys: format!("with.topic = \"{TOPIC}\""),
        model: "m".to_owned(),
        environment: Vec::new(),
        effects: Box::new(|data| {
            let log = EmbeddedLog::open(EmbeddedSettings::new(data.join("log"))).unwrap();
            let described = run(log.describe_topics(vec![TOPIC.to_owned()])).unwrap();
            let mut ids = Vec::new();
            for (partition, marks) in (0..).zip(&described[0].partitions) {
                let place = TopicPartition {
                    topic: TOPIC.to_owned(),
                    partition,
                };
                for record in run(log.read(place, marks.low, 100)).unwrap() {
                    let value = String::from_utf8(record.value.unwrap()).unwrap();
                    let data: Value = serde_json::from_str(&value).unwrap();
                    let event = data.get("data").unwrap_or(&data);
                    ids.push(event["action_id"].to_string());
                }
            }
            ids
        }),
    });
}
