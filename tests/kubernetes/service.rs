//! The service itself on a real cluster: it is killed after each kind of action had its effect and before that is written down.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::lab::{Lab, template};

const TOKEN: &str = "operator-token-of-the-tests-0123456789";
const PATIENCE: Duration = Duration::from_mins(2);

/// A service of its own on the embedded log.
struct Service<'a> {
    lab: &'a Lab,
    port: u16,
    running: Option<Child>,
    /// Minutes by which its wall clock is ahead.
    ahead: i64,
}

impl Service<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeostat"));
        command
            .current_dir(self.lab.folder.path())
            .env("HOMEOSTAT_OPERATOR_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn start(&mut self, fail_points: &str) {
        self.stop();
        let clock = self.lab.folder.path().join("clock");
        std::fs::write(&clock, (self.ahead * 60_000).to_string()).unwrap();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.lab.folder.path().join("log"))
            .unwrap();
        let started = self
            .command()
            .args(["run", "--config", "service.toml"])
            .env("FAILPOINTS", fail_points)
            .env("HOMEOSTAT_CLOCK_OFFSET", clock)
            .stdout(log)
            .spawn();
        self.running = Some(started.unwrap());
    }

    /// Kills it, if it is still there.
    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.kill());
            running.wait().unwrap();
        }
    }

    /// Orders an action. While it is not ready it takes no orders, and it may end before it answers this one.
    async fn force(&mut self, action: &str, target: &str) {
        let url = format!("http://127.0.0.1:{}", self.port);
        let order = [
            "override", "force", "--action", action, "--target", target, "--reason", "test",
        ];
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.running.as_mut().unwrap().try_wait().unwrap().is_none() {
                let ordered = self.command().args(order).args(["--url", &url]).status();
                if ordered.unwrap().success() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        assert!(waited.await.is_ok(), "{}", self.log());
    }

    /// Waits until it ended by itself.
    async fn died(&mut self) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.running.as_mut().unwrap().try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(waited.await.is_ok(), "{}", self.log());
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let url = format!("http://127.0.0.1:{}", self.port);
        let asked = self
            .command()
            .args(arguments)
            .args(["--url", &url])
            .stdout(Stdio::piped())
            .output();
        String::from_utf8(asked.unwrap().stdout).unwrap()
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = self.ask(arguments);
                if wanted(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        match waited.await {
            Ok(answer) => answer,
            Err(_) => panic!("{arguments:?}: {}\n{}", self.ask(arguments), self.log()),
        }
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.lab.folder.path().join("log")).unwrap();
        let lines: Vec<&str> = log
            .lines()
            .rev()
            .filter(|line| !line.contains("supervision"))
            .take(30)
            .collect();
        lines.join("\n")
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn configuration(lab: &Lab, port: u16) -> String {
    let mut text = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\noperator_token = \"env:HOMEOSTAT_OPERATOR_TOKEN\"\n"
    );
    for (action, kind, with) in [
        ("retrain", "kubernetes_job", "with.cronjob = \"web\""),
        ("rollback", "kubernetes_rollout", ""),
        ("scale_up", "kubernetes_scale", "with.max = 9"),
        ("monitor", "kubernetes_monitor", ""),
    ] {
        text.push_str(&format!(
            "[connections.{action}]\nkind = \"{kind}\"\n{}[actions.{action}]\nconnection = \"{action}\"\n{with}\n",
            lab.admin()
        ));
    }
    text
}

#[tokio::test]
async fn an_action_whose_outcome_was_lost_with_the_service_happens_once() {
    let Some(lab) = Lab::start("service").await else {
        return;
    };
    let cronjob = json!({"metadata": {"name": "web"}, "spec": {"schedule": "17 3 * * *", "jobTemplate": {"spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
    }}}});
    lab.post(&lab.path("batch/v1", "cronjobs"), &cronjob).await;
    let deployment = lab.deployment(&json!({"replicas": 1})).await;
    for (image, revision) in [("web:1", "1"), ("web:2", "2"), ("web:3", "3")] {
        lab.patch(&deployment, &json!({"spec": {"template": template(image)}}))
            .await;
        let known = "deployment.kubernetes.io/revision";
        lab.until(&deployment, |object| {
            object["metadata"]["annotations"][known] == revision
        })
        .await;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    std::fs::write(
        lab.folder.path().join("service.toml"),
        configuration(&lab, port),
    )
    .unwrap();
    let mut service = Service {
        lab: &lab,
        port,
        running: None,
        ahead: 0,
    };
    for (action, target) in [
        ("retrain", "model/web"),
        ("rollback", "model/web"),
        ("scale_up", "service/web"),
        ("monitor", "model/web"),
    ] {
        service.start("executor::after_send=return");
        service
            .until(&["decisions", "list"], |answer| !answer.is_empty())
            .await;
        service.force(action, target).await;
        service.died().await;
        // Past the lease of the attempt.
        service.ahead += 10;
        service.start("");
        let done = |answer: &str| {
            let mut lines = answer.lines();
            lines.any(|line| line.contains("executed") && line.contains(action))
        };
        let decisions = service.until(&["decisions", "list"], done).await;
        let line = decisions
            .lines()
            .find(|line| line.contains(action))
            .unwrap();
        assert!(
            line.contains("attempt 2 was done")
                && (line.contains("already") || line.contains("earlier attempt")),
            "{line}"
        );
    }
    let jobs = lab.get(&lab.path("batch/v1", "jobs")).await;
    let own = jobs["items"].as_array().unwrap().iter();
    assert_eq!(
        own.filter(|job| job["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("retrain-web-"))
            .count(),
        1
    );
    let workload = lab.get(&deployment).await;
    assert_eq!(
        workload["spec"]["template"]["spec"]["containers"][0]["image"],
        "registry.example/web:2"
    );
    assert_eq!(workload["spec"]["replicas"], 3);
    let path = lab.path("batch/v1", "cronjobs/web");
    assert_eq!(lab.get(&path).await["spec"]["schedule"], "* * * * *");
    // Two hours later, on another start: what it was is restored.
    service.ahead += 120;
    service.start("");
    lab.until(&path, |object| object["spec"]["schedule"] == "17 3 * * *")
        .await;
}
