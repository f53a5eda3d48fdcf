//! A strict stand-in for Airflow 3.3.2 and 2.11.2. It has the DAGs of `scripts/airflow`, refuses what they refuse, and answers with the
//! bodies that they answered with; the tests of `contract` run on it and on them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::server::Received;
use crate::stub::Fate;

pub(super) const PASSWORD: &str = "password-of-homeostat";
pub(super) const VISITOR: &str = "password-of-a-visitor";

/// What Airflow 2 says of any path that it does not know.
const PAGE: &str =
    "\n<!DOCTYPE html>\n<html lang=\"en\">\n  <head>\n    <title>Airflow 404</title>\n";
/// What Airflow 3 says of any path that it does not know, with 200.
const APPLICATION: &str = "<!doctype html>\n<html style=\"height: 100%\" dir=\"ltr\" lang=\"en\">\n  <head>\n    <title>Airflow</title>\n";

pub(super) struct Flow {
    major: u8,
    paused: Mutex<bool>,
    runs: Mutex<BTreeMap<(String, String), Value>>,
    /// Tokens with this number are good.
    tokens: AtomicU32,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Visitor,
    Operator,
}

impl Flow {
    pub(super) fn new(major: u8) -> Self {
        Self {
            major,
            paused: Mutex::new(true),
            runs: Mutex::default(),
            tokens: AtomicU32::new(1),
        }
    }

    /// Ids of the runs so far.
    pub(super) fn runs(&self) -> Vec<String> {
        let runs = self.runs.lock().unwrap();
        runs.keys().map(|(_, id)| id.clone()).collect()
    }

    /// No token that was given out is taken any more.
    pub(super) fn expire(&self) {
        self.tokens.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn answer(&self, request: &Received) -> Fate {
        let mut words = request.line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let path = target.split('?').next().unwrap();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (self.major, &*parts) {
            (3, ["auth", "token"]) => self.log_in(request),
            (3, ["api", "v1", ..]) => Fate::json(
                404,
                &json!({"error": "/api/v1 has been removed in Airflow 3, please use its upgraded version /api/v2 instead."}),
            ),
            (3, ["api", "v2", "version"]) => Fate::json(
                200,
                &json!({"version": "3.3.2", "git_version": ".release:aa19d2d"}),
            ),
            (2, ["api", "v1", "version"]) => {
                Fate::json(200, &json!({"git_version": "", "version": "2.11.2"}))
            }
            (3, ["api", "v2", "monitor", "health"]) | (2, ["api", "v1", "health"]) => Fate::json(
                200,
                &json!({"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}, "triggerer": {"status": null}}),
            ),
            (3, ["api", "v2", "dags", rest @ ..]) | (2, ["api", "v1", "dags", rest @ ..]) => {
                let who = match self.who(request) {
                    Ok(who) => who,
                    Err(refusal) => return refusal,
                };
                self.dags(method, rest, who, &request.body)
            }
            (3, _) => Fate::Answer(200, APPLICATION.to_owned()),
            _ => Fate::Answer(404, PAGE.to_owned()),
        }
    }

    fn log_in(&self, request: &Received) -> Fate {
        let said: Value = serde_json::from_str(&request.body).unwrap();
        let user = said["username"].as_str().unwrap();
        let known = [("homeostat", PASSWORD), ("visitor", VISITOR)];
        if !known.contains(&(user, said["password"].as_str().unwrap())) {
            return Fate::json(401, &json!({"detail": "Invalid credentials"}));
        }
        let token = format!("{user}.{}", self.tokens.load(Ordering::SeqCst));
        Fate::json(201, &json!({ "access_token": token }))
    }

    fn who(&self, request: &Received) -> Result<Who, Fate> {
        let header = request
            .headers
            .get("authorization")
            .map_or("", |header| &**header);
        let user = |user: &str| {
            if user == "visitor" {
                Who::Visitor
            } else {
                Who::Operator
            }
        };
        if self.major == 2 {
            let known = |name: &str, password: &str| {
                header == format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
            };
            return match (known("homeostat", PASSWORD), known("visitor", VISITOR)) {
                (true, _) => Ok(Who::Operator),
                (_, true) => Ok(Who::Visitor),
                _ => Err(self.problem(403, "Forbidden", None)),
            };
        }
        let Some(token) = header.strip_prefix("Bearer ") else {
            return Err(Fate::json(401, &json!({"detail": "Not authenticated"})));
        };
        match token.split_once('.') {
            Some((name, number)) if number == self.tokens.load(Ordering::SeqCst).to_string() => {
                Ok(user(name))
            }
            Some((_, number)) if number.parse::<u32>().is_ok() => {
                Err(Fate::json(401, &json!({"detail": "Token Expired"})))
            }
            _ => Err(Fate::json(403, &json!({"detail": "Invalid JWT token"}))),
        }
    }

    /// An error in the form of the version.
    fn problem(&self, status: u16, title: &str, detail: Option<&str>) -> Fate {
        match self.major {
            3 => Fate::json(status, &json!({ "detail": detail })),
            _ => Fate::json(
                status,
                &json!({ "detail": detail, "status": status, "title": title, "type": "https://airflow.apache.org/docs/" }),
            ),
        }
    }

    fn dags(&self, method: &str, path: &[&str], who: Who, body: &str) -> Fate {
        match (method, path) {
            ("GET", [dag]) => self.dag(dag),
            ("PATCH", [dag]) if who == Who::Operator => {
                let said: Value = serde_json::from_str(body).unwrap();
                if *dag == "homeostat_paused" {
                    *self.paused.lock().unwrap() = said["is_paused"].as_bool().unwrap();
                }
                self.dag(dag)
            }
            ("GET", [dag, "dagRuns", run]) => {
                let runs = self.runs.lock().unwrap();
                match runs.get(&((*dag).to_owned(), (*run).to_owned())) {
                    Some(run) => Fate::json(200, run),
                    None if self.major == 3 => Fate::json(
                        404,
                        &json!({"detail": format!("The DagRun with dag_id: `{dag}` and run_id: `{run}` was not found")}),
                    ),
                    None => self.problem(
                        404,
                        "DAGRun not found",
                        Some(&format!(
                            "DAGRun with DAG ID: '{dag}' and DagRun ID: '{run}' not found"
                        )),
                    ),
                }
            }
            ("POST", [dag, "dagRuns"]) if who == Who::Operator => self.trigger(dag, body),
            ("POST" | "PATCH", _) => {
                self.problem(403, "Forbidden", (self.major == 3).then_some("Forbidden"))
            }
            _ => panic!("{method} {path:?}"),
        }
    }

    fn dag(&self, dag: &str) -> Fate {
        let is_broken = dag == "homeostat_broken";
        if ![
            "homeostat_train",
            "homeostat_paused",
            "homeostat_strict",
            "homeostat_broken",
        ]
        .contains(&dag)
        {
            return match self.major {
                3 => Fate::json(
                    404,
                    &json!({"detail": format!("The Dag with ID: `{dag}` was not found")}),
                ),
                _ => self.problem(
                    404,
                    "DAG not found",
                    Some(&format!("The DAG with dag_id: {dag} was not found")),
                ),
            };
        }
        let is_paused = dag == "homeostat_paused" && *self.paused.lock().unwrap();
        let mut said = json!({ "dag_id": dag, "is_paused": is_paused, "has_import_errors": is_broken, "tags": [], "owners": ["airflow"] });
        // Airflow 2 still calls the broken one active.
        let (name, value) = if self.major == 3 {
            ("is_stale", is_broken)
        } else {
            ("is_active", true)
        };
        said[name] = value.into();
        Fate::json(200, &said)
    }

    fn trigger(&self, dag: &str, body: &str) -> Fate {
        let said: Map<String, Value> = serde_json::from_str(body).unwrap();
        if self.major == 3 && !said.contains_key("logical_date") {
            return Fate::json(
                422,
                &json!({"detail": [{"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}]}),
            );
        }
        for name in said.keys() {
            let known: &[&str] = match self.major {
                3 => &["dag_run_id", "conf", "note", "logical_date", "run_after"],
                _ => &["dag_run_id", "conf", "note"],
            };
            if !known.contains(&&**name) {
                return self.problem(
                    400,
                    "Bad Request",
                    Some(&format!("{{'{name}': ['Unknown field.']}}")),
                );
            }
        }
        if self.major == 2 && said["note"].as_str().unwrap().chars().count() > 1_000 {
            return self.problem(
                400,
                "Bad Request",
                Some("{'note': ['Longer than maximum length 1000.']}"),
            );
        }
        let exists = ["homeostat_train", "homeostat_paused", "homeostat_strict"].contains(&dag);
        if !exists {
            return self.problem(
                404,
                "DAG not found",
                Some(&format!("DAG with dag_id: '{dag}' not found")),
            );
        }
        let epochs = said["conf"].get("epochs").and_then(Value::as_i64);
        if dag == "homeostat_strict" && epochs.is_some_and(|epochs| epochs < 1) {
            let detail = "Invalid input for param epochs: 0 is less than the minimum of 1\n\nFailed validating 'minimum' in schema:\n    {'type': 'integer', 'minimum': 1}\n\nOn instance:\n    0";
            return self.problem(400, "Bad Request", Some(detail));
        }
        let id = said["dag_run_id"].as_str().unwrap();
        let mut runs = self.runs.lock().unwrap();
        let key = (dag.to_owned(), id.to_owned());
        if runs.contains_key(&key) {
            return match self.major {
                3 => Fate::json(
                    409,
                    &json!({"detail": {"reason": "Unique constraint violation", "statement": "hidden", "orig_error": "hidden"}}),
                ),
                _ => self.problem(
                    409,
                    "Conflict",
                    Some(&format!(
                        "DAGRun with DAG ID: '{dag}' and DAGRun ID: '{id}' already exists"
                    )),
                ),
            };
        }
        let run = json!({
            "dag_run_id": id, "dag_id": dag, "logical_date": null, "run_type": "manual", "state": "queued", "conf": said["conf"], "note": said["note"],
            "run_after": said.get("run_after").cloned().unwrap_or_else(|| "2026-11-30T12:10:39.835035Z".into())
        });
        runs.insert(key, run.clone());
        Fate::json(200, &run)
    }
}
