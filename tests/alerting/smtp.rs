//! Mail: a real server by aiosmtpd, and one that breaks off where a test wants it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use homeostat_actors::ports::connector::{Finding, Order};
use homeostat_logic::ledger::record::FinishOutcome;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::bench::{connector, faults, korean, order};
use crate::python::{python, script};

const FROM: &str = "from = \"Homeostat <homeostat@example.com>\"";
const TO: &str = "to = [\"ML on call <ml@example.com>\", \"ops@example.com\"]";
const PASSWORD: [(&str, &str); 1] = [("PASSWORD", "correct horse")];

/// A real mail server, ended with the test.
struct Server {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    fn start(python: &str, mut given: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificate(folder.path());
        given["folder"] = folder.path().display().to_string().into();
        let mut command = Command::new(python);
        command.arg(script("mail_server")).arg(given.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .next()
            .expect("the mail server does not start")
            .unwrap();
        let port = port.parse().unwrap();
        Self {
            child,
            lines,
            port,
            folder,
        }
    }

    fn mail(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    fn keys(&self, more: &str) -> String {
        format!(
            "kind = \"smtp\"\nhost = \"localhost\"\nport = {}\nca = \"{}/ca.pem\"\n{FROM}\n{more}",
            self.port,
            self.folder.path().display()
        )
    }
}

/// A CA, and a certificate of this machine with its key.
fn certificate(folder: &std::path::Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &authority).unwrap();
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("cert.pem", own.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// Value of a header, with its folds removed.
fn header(mail: &Value, name: &str) -> Option<String> {
    let content = mail["content"].as_str().unwrap().replace("\r\n", "\n");
    let (head, _) = content.split_once("\n\n").unwrap();
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let prefix = format!("{name}: ");
    head.lines()
        .find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
}

#[tokio::test]
async fn a_mail_is_encrypted_logged_in_and_the_same_message_for_each_attempt() {
    let Some(python) = python("mail by aiosmtpd") else {
        return;
    };
    for security in ["starttls", "tls"] {
        let given = json!({"tls": security, "user": "homeostat", "password": "correct horse"});
        let mut server = Server::start(&python, given);
        let login = format!(
            "security = \"{security}\"\nusername = \"homeostat\"\npassword = \"env:PASSWORD\""
        );
        let alerts = connector(&server.keys(&login), TO, &PASSWORD);
        let found = alerts.examine(order()).await;
        assert_eq!(
            found,
            [Finding::Fine(
                "the mail server answers, encrypted, logged in".to_owned()
            )]
        );
        let mut ids = Vec::new();
        for attempt in [1, 2] {
            let answer = alerts.send(Order { attempt, ..order() }).await;
            assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
            assert!(
                answer
                    .detail
                    .contains("taken for 2 of 2: 250 2.0.0 queued as 4711"),
                "{}",
                answer.detail
            );
            let mail = server.mail();
            assert_eq!(
                (&mail["encrypted"], &mail["login"]),
                (&json!(true), &json!(true))
            );
            assert_eq!(mail["from"], "homeostat@example.com");
            assert_eq!(mail["to"], json!(["ml@example.com", "ops@example.com"]));
            ids.push((
                header(&mail, "Message-ID").unwrap(),
                header(&mail, "References").unwrap(),
            ));
            assert_eq!(header(&mail, "Subject").unwrap(), "data drift: fraud/eu");
            assert_eq!(header(&mail, "Auto-Submitted").unwrap(), "auto-generated");
        }
        assert_eq!(
            ids[0].0,
            "<abababababababababababababababab.homeostat@example.com>"
        );
        assert_eq!(ids[0], ids[1]);
        let wrong = connector(&server.keys(&login), TO, &[("PASSWORD", "wrong-word")]);
        let answer = wrong.send(order()).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, true),
            "{}",
            answer.detail
        );
        assert!(!answer.detail.contains("wrong-word"), "{}", answer.detail);
        assert!(matches!(
            &wrong.examine(order()).await[..],
            [Finding::Wrong { .. }]
        ));
    }
}

#[tokio::test]
async fn korean_is_readable_and_no_text_adds_a_header() {
    let Some(python) = python("mail by aiosmtpd") else {
        return;
    };
    let mut server = Server::start(&python, json!({"tls": "none"}));
    let keys = server.keys("security = \"none\"").replace("ca = ", "#");
    let alerts = connector(&keys, TO, &[]);
    let answer = alerts.send(korean()).await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    let mail = server.mail();
    let decoded = Command::new(&python)
        .arg("-c")
        .arg("import email, email.policy, json, sys\nm = email.message_from_string(sys.argv[1], policy=email.policy.default)\nprint(json.dumps([m['Subject'], m.get_content()]))")
        .arg(mail["content"].as_str().unwrap())
        .output()
        .unwrap();
    let decoded: Value = serde_json::from_slice(&decoded.stdout).unwrap();
    assert_eq!(decoded[0], "데이터 드리프트: fraud/eu");
    let body = decoded[1].as_str().unwrap();
    assert!(
        body.contains("데이터 드리프트 감지: 점수 0.712") && body.contains("심각도: 높음"),
        "{body}"
    );
    let hostile = Order {
        params: json!({"title": "x\r\nBcc: evil@example.com\r\n\r\nbody", "message": "line\r\n.\r\nMAIL FROM:<evil@example.com>"}).into(),
        ..order()
    };
    let answer = alerts.send(hostile).await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    let mail = server.mail();
    assert_eq!(header(&mail, "Bcc"), None);
    assert_eq!(mail["to"], json!(["ml@example.com", "ops@example.com"]));
    let dry = alerts
        .send(Order {
            dry_run: true,
            ..order()
        })
        .await;
    assert!(
        dry.detail
            .contains("would send a mail to ml@example.com, ops@example.com with data drift"),
        "{}",
        dry.detail
    );
}

#[tokio::test]
async fn the_servers_no_is_final_by_its_code_and_refused_recipients_are_named() {
    use FinishOutcome::{Done, Failed, Unknown};
    let Some(python) = python("mail by aiosmtpd") else {
        return;
    };
    let table = [
        (
            json!({"refuse": ["ops@example.com"]}),
            Done,
            false,
            "taken for 1 of 2",
        ),
        (
            json!({"refuse": ["ops@example.com", "ml@example.com"]}),
            Failed,
            true,
            "550",
        ),
        (
            json!({"refuse": ["ops@example.com"], "later": ["ml@example.com"]}),
            Failed,
            false,
            "450",
        ),
        (
            json!({"content": "451 4.3.0 try later"}),
            Failed,
            false,
            "451",
        ),
        (json!({"content": "554 5.7.1 spam"}), Failed, true, "554"),
        (
            json!({"content": "close"}),
            Unknown,
            false,
            "may have been taken",
        ),
        (
            json!({"content": "hang"}),
            Unknown,
            false,
            "no answer within the time limit",
        ),
    ];
    for (mut given, outcome, permanent, words) in table {
        given["tls"] = "none".into();
        let server = Server::start(&python, given.clone());
        let keys = server
            .keys("security = \"none\"\ntimeout_ms = 3000")
            .replace("ca = ", "#");
        let answer = connector(&keys, TO, &[]).send(order()).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (outcome, permanent),
            "{given}: {}",
            answer.detail
        );
        assert!(answer.detail.contains(words), "{given}: {}", answer.detail);
    }
}

#[tokio::test]
async fn before_the_mail_is_handed_over_a_broken_connection_is_no_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Answers so many commands after the greeting, then closes.
    tokio::spawn(async move {
        for answers in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let (read, mut write) = stream.into_split();
            let mut lines = tokio::io::BufReader::new(read).lines();
            write.write_all(b"220 mail.test\r\n").await.ok();
            for _ in 0..answers {
                let Ok(Some(line)) = lines.next_line().await else {
                    break;
                };
                let answer: &[u8] = if line == "DATA" {
                    b"354 go\r\n"
                } else {
                    b"250 OK\r\n"
                };
                write.write_all(answer).await.ok();
            }
        }
    });
    let keys = format!(
        "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n{FROM}"
    );
    let alerts = connector(&keys, "to = [\"ml@example.com\"]", &[]);
    // Greeting, EHLO, MAIL, RCPT: not sent. After DATA: a doubt.
    for answers in 0..=4 {
        let expected = if answers < 4 {
            FinishOutcome::NotSent
        } else {
            FinishOutcome::Unknown
        };
        let answer = alerts.send(order()).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (expected, false),
            "{answers}: {}",
            answer.detail
        );
    }
    // A server that does not encrypt gets neither password nor mail.
    let keys = keys
        .replace("security = \"none\"", "")
        .replace("127.0.0.1", "localhost");
    drop(alerts);
    let answer = connector(&keys, "to = [\"ml@example.com\"]", &[])
        .send(order())
        .await;
    assert_eq!(
        (answer.outcome, answer.permanent),
        (FinishOutcome::Failed, true),
        "{}",
        answer.detail
    );
    assert!(
        answer.detail.contains("does not offer STARTTLS"),
        "{}",
        answer.detail
    );
}

#[test]
fn a_connection_that_cannot_work_is_refused_with_what_to_write() {
    let host = "kind = \"smtp\"\nhost = \"smtp.example.com\"";
    let table = [
        (
            format!("kind = \"smtp\"\n{FROM}"),
            TO,
            "people.host: is not a host's name, or is missing",
        ),
        (
            format!("{host}\n{FROM}\nsecurity = \"none\""),
            TO,
            "people.security: is none for another machine",
        ),
        (
            host.to_owned(),
            TO,
            "people.from: `` is not an address, or is missing",
        ),
        (
            format!("{host}\nfrom = \"a@b.example\\nBcc: c@d.example\""),
            TO,
            "people.from",
        ),
        (
            format!("{host}\n{FROM}\nusername = \"u\""),
            TO,
            "people.password: is missing",
        ),
        (
            format!("{host}\n{FROM}\nusername = \"u\"\npassword = \"p\""),
            TO,
            "people.password: holds a secret",
        ),
        (format!("{host}\n{FROM}"), "", "with.to: has 0 addresses"),
        (
            format!("{host}\n{FROM}"),
            "to = [\"no-address\"]",
            "with.to: `no-address` is not an address",
        ),
    ];
    for (keys, with, expected) in table {
        let found = faults(&keys, with, &[]);
        assert!(found.contains(expected), "{keys} {with}: {found}");
    }
}
