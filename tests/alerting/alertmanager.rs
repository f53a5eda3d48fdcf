//! Alertmanager: what is posted, to which members, and a real one that is restarted without its data.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use homeostat_actors::ports::connector::{Finding, Order, Tended, Tending};
use homeostat_logic::ledger::record::{FinishOutcome, Id};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use serde_json::{Value, json};

use crate::bench::{NOW, Stub, connector, faults, json_of, order, said, tend, texts};

const MINUTE: i64 = 60_000;

fn tending(done_at: i64, acknowledged: bool) -> Tending {
    Tending {
        done_at,
        acknowledged,
    }
}

fn at(now: i64) -> Order {
    Order { now, ..order() }
}

async fn member(status: u16, body: &'static str) -> Stub {
    Stub::start(move |_| said(status, body)).await
}

fn table(stub: &Stub) -> String {
    format!("kind = \"alertmanager\"\nurl = \"{}\"", stub.url())
}

#[tokio::test]
async fn labels_are_the_same_for_each_alert_of_a_kind_and_all_else_is_in_annotations() {
    let stub = member(200, "").await;
    let keys = format!(
        "{}\nlink = \"https://h.example.com/api/v1/decisions/{{{{ action_id }}}}\"",
        table(&stub)
    );
    let with = "labels = { team = \"ml-{{ target.kind }}\", job = \"\" }\nannotations = { runbook_url = \"https://w/{{ event_type }}\" }";
    let alerts = connector(&keys, with, &[]);
    let answer = alerts.send(order()).await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    let another = Order {
        action_id: Id([2; 16]),
        attempt: 2,
        event_id: "event-2".to_owned(),
        reasons: vec!["drift score 0.8".to_owned()],
        params: json!({"title": "t", "source_event": {"drift_score": 0.8}}).into(),
        ..order()
    };
    alerts.send(another).await;
    let [first, second] = &stub.taken()[..] else {
        panic!()
    };
    assert_eq!(first.line, "POST /api/v2/alerts HTTP/1.1");
    let (first, second) = (json_of(first), json_of(second));
    assert_eq!(first[0]["labels"], second[0]["labels"]);
    let labels = [
        ("alertname", "data_drift_detected"),
        ("event_type", "data_drift_detected"),
        ("severity", "high"),
        ("target", "fraud/eu"),
        ("target_kind", "model"),
        ("team", "ml-model"),
    ];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(texts(&first[0]["labels"]), labels.into());
    let annotations = texts(&first[0]["annotations"]);
    let id = "abababababababababababababababab";
    assert_eq!(annotations["summary"], "data drift: fraud/eu");
    assert_eq!(
        annotations["description"],
        "score 0.712 <above> 0.6 & \"rising\""
    );
    assert_eq!(annotations["action_id"], id);
    assert_eq!(annotations["event_id"], "event-1");
    assert_eq!(annotations["reasons"], "drift score 0.712 is above 0.6");
    assert!(annotations["event"].contains("0.712"));
    assert_eq!(annotations["runbook_url"], "https://w/data_drift_detected");
    assert_eq!(
        first[0]["generatorURL"],
        format!("https://h.example.com/api/v1/decisions/{id}")
    );
}

#[tokio::test]
async fn an_alert_that_lasts_is_posted_each_minute_and_never_beyond_its_hold() {
    let stub = member(200, "").await;
    let alerts = connector(&table(&stub), "hold_minutes = 7", &[]);
    assert!(alerts.is_tended());
    alerts.send(at(NOW)).await;
    let mut ends = Vec::new();
    let mut now = NOW;
    while let Tended::Again(pause) = tend(&*alerts, at(now), tending(NOW, false)).await {
        now += i64::try_from(pause.as_millis()).unwrap();
        assert!(
            pause <= Duration::from_mins(1) && pause > Duration::ZERO,
            "{pause:?}"
        );
        assert!(now <= NOW + 8 * MINUTE, "it has no end");
    }
    for request in stub.taken() {
        let alert = &json_of(&request)[0];
        assert_eq!(alert["startsAt"], "2026-09-21T14:13:20.000Z");
        ends.push(alert["endsAt"].as_str().unwrap().to_owned());
    }
    let expected = ["18", "18", "19", "20", "20", "20", "20", "20"];
    let expected = expected.map(|minute| format!("2026-09-21T14:{minute}:20.000Z"));
    assert_eq!(ends, expected);
}

#[tokio::test]
async fn an_acknowledgement_ends_an_alert_unless_another_action_holds_it() {
    let stub = member(200, "").await;
    let alerts = connector(&table(&stub), "", &[]);
    let second = |now| Order {
        action_id: Id([2; 16]),
        ..at(now)
    };
    let third = |now| Order {
        target: Target::model("other"),
        ..second(now)
    };
    for order in [at(NOW), second(NOW), third(NOW)] {
        tend(&*alerts, order, tending(NOW, false)).await;
    }
    stub.taken();
    let later = NOW + 2 * MINUTE;
    assert_eq!(
        tend(&*alerts, at(later), tending(NOW, true)).await,
        Tended::Over
    );
    assert!(stub.taken().is_empty(), "the second action holds the alert");
    assert_eq!(
        tend(&*alerts, second(later), tending(NOW, true)).await,
        Tended::Over
    );
    let [end] = &stub.taken()[..] else { panic!() };
    assert_eq!(json_of(end)[0]["endsAt"], "2026-09-21T14:15:20.000Z");
    // After a restart it is asked about again, long after all is over.
    let over = NOW + 61 * MINUTE;
    for acknowledged in [true, false] {
        assert_eq!(
            tend(&*alerts, at(over), tending(NOW, acknowledged)).await,
            Tended::Over
        );
    }
    let dry = Order {
        dry_run: true,
        ..at(later)
    };
    assert_eq!(tend(&*alerts, dry, tending(NOW, false)).await, Tended::Over);
    assert!(stub.taken().is_empty());
}

#[tokio::test]
async fn an_end_that_could_not_be_posted_is_posted_later() {
    let stub = member(503, "starting").await;
    let alerts = connector(&table(&stub), "", &[]);
    let again = tend(&*alerts, at(NOW), tending(NOW, true)).await;
    assert_eq!(again, Tended::Again(Duration::from_mins(1)));
}

#[tokio::test]
async fn one_member_that_takes_an_alert_is_enough_and_the_others_are_named() {
    let (well, ill) = (member(200, "").await, member(503, "no leader").await);
    for (first, peer) in [(&well, &ill), (&ill, &well)] {
        let keys = format!("{}\npeers = [\"{}\"]", table(first), peer.url());
        let answer = connector(&keys, "", &[]).send(order()).await;
        assert_eq!(answer.outcome, FinishOutcome::Done);
        assert!(
            answer.detail.starts_with("1 of 2 Alertmanagers took it"),
            "{}",
            answer.detail
        );
        assert!(answer.detail.contains("no leader"), "{}", answer.detail);
    }
    let bad = member(400, "\"bad\"").await;
    let keys = format!("{}\npeers = [\"{}\"]", table(&bad), ill.url());
    let answer = connector(&keys, "", &[]).send(order()).await;
    assert_eq!(
        (answer.outcome, answer.permanent),
        (FinishOutcome::Unknown, false)
    );
}

#[test]
fn what_would_make_each_alert_a_new_one_is_refused_as_a_label() {
    let keys = "kind = \"alertmanager\"\nurl = \"https://am.example.com\"";
    let table = [
        (
            "labels = { id = \"{{ action_id }}\" }",
            "with.labels.id: holds action_id",
        ),
        (
            "labels = { why = \"{{ reasons[0] }}\" }",
            "with.labels.why: holds reasons",
        ),
        (
            "alertname = \"{{ event_id }}\"",
            "with.alertname: holds event_id",
        ),
        (
            "labels = { \"a-b\" = \"x\" }",
            "with.labels.a-b: is not a label's name",
        ),
        (
            "labels = { a = \"{{ nope }}\" }",
            "unknown template variable `nope`",
        ),
        ("hold_minutes = 0", "hold_minutes"),
        ("hold_minutes = 99999", "hold_minutes"),
    ];
    for (with, expected) in table {
        let found = faults(keys, with, &[]);
        assert!(found.contains(expected), "{with}: {found}");
    }
    let found = faults(&format!("{keys}\npeers = [\"am-1:9093\"]"), "", &[]);
    assert!(found.contains("people.peers.url: is not a URL"), "{found}");
    let found = faults(&format!("{keys}?x=1"), "", &[]);
    assert!(
        found.contains("is not") || found.contains("query"),
        "{found}"
    );
}

/// A real Alertmanager, ended with the test.
struct Real {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// `None`, said once, where it is not installed; an error where `CI` is set.
fn program() -> Option<&'static str> {
    let names = ["prometheus-alertmanager", "alertmanager"];
    let runs = |name: &&str| {
        let mut version = Command::new(name);
        let version = version
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        version.status().is_ok()
    };
    let found = names.into_iter().find(runs);
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "alertmanager is missing; use scripts/test"
        );
        eprintln!("not run: Alertmanager (Debian: prometheus-alertmanager)");
    }
    found
}

impl Real {
    async fn start(program: &str, hook: &str) -> Self {
        // Free again at the end of the line.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let configuration = format!(
            "route:\n  receiver: hook\n  group_by: [alertname, target, severity]\n  group_wait: 0s\n  group_interval: 1s\nreceivers:\n- name: hook\n  webhook_configs:\n  - url: {hook}\n"
        );
        std::fs::write(folder.path().join("alertmanager.yml"), configuration).unwrap();
        let child = Self::run(program, folder.path(), port);
        let real = Self {
            child,
            port,
            folder,
        };
        real.ready().await;
        real
    }

    fn run(program: &str, folder: &std::path::Path, port: u16) -> Child {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!(
                "--config.file={}/alertmanager.yml",
                folder.display()
            ))
            .arg(format!("--storage.path={}/data", folder.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().unwrap()
    }

    async fn restart_empty(&mut self, program: &str) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
        self.child = Self::run(program, self.folder.path(), self.port);
        self.ready().await;
    }

    async fn ready(&self) {
        for _ in 0..200 {
            if self.get("/-/ready").await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        panic!("alertmanager does not start: {log}");
    }

    async fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = crate::bench::client().get(url).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    async fn alerts(&self) -> Vec<Value> {
        serde_json::from_str(&self.get("/api/v2/alerts").await.unwrap()).unwrap()
    }
}

/// Waits for a notification that the receiver got, in which every alert has this status.
async fn notified(hook: &Stub, status: &str) {
    for _ in 0..200 {
        let got = hook.taken();
        if got
            .iter()
            .any(|request| json_of(request)["status"] == status)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the receiver never got a notification that is {status}");
}

#[tokio::test]
async fn a_real_alertmanager_merges_repeats_has_the_alert_back_after_a_restart_and_resolves_it() {
    let Some(program) = program() else { return };
    let hook = member(200, "").await;
    let mut real = Real::start(program, &hook.url()).await;
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let now = i64::try_from(now).unwrap();
    let keys = format!(
        "kind = \"alertmanager\"\nurl = \"http://127.0.0.1:{}\"",
        real.port
    );
    let alerts = connector(&keys, "labels = { team = \"드리프트\" }", &[]);
    let found = alerts.examine(at(now)).await;
    assert!(
        matches!(&found[..], [Finding::Fine(found)] if found.contains("Alertmanager 0.")),
        "{found:?}"
    );
    for attempt in 1..=3 {
        let order = Order {
            attempt,
            event_id: format!("event-{attempt}"),
            ..at(now + i64::from(attempt))
        };
        let answer = alerts.send(order).await;
        assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    }
    let [alert] = &real.alerts().await[..] else {
        panic!("repeats were not merged")
    };
    assert_eq!(alert["status"]["state"], "active");
    assert_eq!(alert["labels"]["team"], "드리프트");
    let fingerprint = alert["fingerprint"].clone();
    notified(&hook, "firing").await;

    real.restart_empty(program).await;
    assert!(real.alerts().await.is_empty());
    let tended = tend(&*alerts, at(now + MINUTE), tending(now, false)).await;
    assert_eq!(tended, Tended::Again(Duration::from_mins(1)));
    let [alert] = &real.alerts().await[..] else {
        panic!("the alert did not come back")
    };
    assert_eq!(alert["fingerprint"], fingerprint);
    notified(&hook, "firing").await;

    let grave = Order {
        severity: Severity::Critical,
        ..at(now)
    };
    alerts.send(grave).await;
    assert_eq!(
        real.alerts().await.len(),
        2,
        "another severity is another alert"
    );
    // The present of the machine, or the alert would end in the future.
    assert_eq!(
        tend(&*alerts, at(now), tending(now, true)).await,
        Tended::Over
    );
    let left = real.alerts().await;
    let severities: Vec<&Value> = left
        .iter()
        .map(|alert| &alert["labels"]["severity"])
        .collect();
    assert_eq!(severities, ["critical"]);
    notified(&hook, "resolved").await;
}

#[tokio::test]
async fn what_a_real_alertmanager_refuses_is_never_sent_again_and_its_words_are_kept() {
    let Some(program) = program() else { return };
    let real = Real::start(program, "http://127.0.0.1:1/").await;
    let keys = format!(
        "kind = \"alertmanager\"\nurl = \"http://127.0.0.1:{}\"",
        real.port
    );
    let with = "alertname = \"{{ params.none | default('') }}\"\nlabels = { severity = \"\", target_kind = \"\", target = \"\", event_type = \"\", job = \"\" }";
    let answer = connector(&keys, with, &[]).send(order()).await;
    assert_eq!(
        (answer.outcome, answer.permanent),
        (FinishOutcome::Failed, true)
    );
    assert!(
        answer.detail.contains("400") && answer.detail.contains("label"),
        "{}",
        answer.detail
    );
}

#[tokio::test]
async fn a_dry_run_shows_the_alert_and_posts_nothing() {
    let stub = member(200, "").await;
    let dry = Order {
        dry_run: true,
        ..order()
    };
    let answer = connector(&table(&stub), "", &[]).send(dry).await;
    assert_eq!(answer.outcome, FinishOutcome::Done);
    assert!(
        answer.detail.contains("dry run: would send POST"),
        "{}",
        answer.detail
    );
    assert!(
        answer.detail.contains("data drift: fraud/eu"),
        "{}",
        answer.detail
    );
    assert!(stub.taken().is_empty());
}
