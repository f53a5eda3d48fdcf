//! A client of the HTTP API, as any script is one.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};

/// Requests of all tests run here; whoever waits drives it.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
});

/// Runs a future to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// A status and the body as text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Talks to one service. Its process may die at any time, so each request has a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let _guard = RUNTIME.enter();
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            url: url.to_owned(),
            http,
        }
    }

    /// Where it is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// `None` when there is no answer.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        let request = self.http.get(format!("{}{path}", self.url));
        run(answer(request))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path)
            .unwrap_or_else(|| panic!("no answer to GET {path}"))
    }

    /// `None` when there is no answer: then nobody knows what became of the body.
    pub(crate) fn try_post(&self, path: &str, body: impl Into<Vec<u8>>) -> Option<Answer> {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .body(body.into());
        run(answer(request.header("content-type", "application/json")))
    }

    /// The answer to a DELETE, `None` if none came.
    pub(crate) fn try_delete(&self, path: &str) -> Option<Answer> {
        let request = self.http.delete(format!("{}{path}", self.url));
        run(answer(request))
    }

    /// Posts events and expects that they are taken; their ids.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, events: &Value) -> Vec<String> {
        let path = format!("/api/v1/events/{topic}");
        let answer = self.try_post(&path, events.to_string()).expect("an answer");
        assert_eq!(answer.status, 202, "{topic} {events}: {answer:?}");
        ids(&answer.json())
    }

    /// Every decision in memory, oldest first, over as many pages as it takes.
    #[track_caller]
    pub(crate) fn decisions(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut path = "/api/v1/decisions?limit=100".to_owned();
        loop {
            let answer = self.get(&path);
            assert_eq!(answer.status, 200, "{answer:?}");
            let page = answer.json();
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else {
                break;
            };
            path = format!("/api/v1/decisions?limit=100&cursor={next}");
        }
        all.reverse();
        all
    }

    /// Waits until each of these events has a decision that is not pending; by event id. Fails at a second one.
    #[track_caller]
    pub(crate) fn decided(&self, event_ids: &[String]) -> BTreeMap<String, Value> {
        let mut missing = Vec::new();
        super::wait_for(&format!("decisions on {} events", event_ids.len()), || {
            let found = by_event(&self.decisions());
            missing = event_ids
                .iter()
                .filter(|id| {
                    found
                        .get(*id)
                        .is_none_or(|decision| decision["outcome"] == json!("pending"))
                })
                .cloned()
                .collect();
            missing.is_empty().then_some(found)
        })
    }

    /// Publishes one event and waits for its decision.
    #[track_caller]
    pub(crate) fn decide(&self, topic: &str, event: &Value) -> Value {
        let ids = self.publish(topic, event);
        assert_eq!(ids.len(), 1);
        self.decided(&ids).remove(&ids[0]).unwrap()
    }

    /// The whole story of a decision.
    #[track_caller]
    pub(crate) fn story(&self, decision: &Value) -> Value {
        self.get(&format!(
            "/api/v1/decisions/{}",
            decision["id"].as_str().unwrap()
        ))
        .json()
    }
}

/// Decisions by the id of their event, escalations and what was suppressed as a repetition left out.
#[track_caller]
pub(crate) fn by_event(decisions: &[Value]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for decision in decisions
        .iter()
        .filter(|decision| decision["escalation_of"].is_null())
        .filter(|decision| {
            !decision["reasons"]
                .to_string()
                .contains("duplicate of an event")
        })
    {
        let id = decision["event_id"].as_str().unwrap().to_owned();
        let earlier = found.insert(id, decision.clone());
        assert!(
            earlier.is_none(),
            "two decisions on one event: {earlier:#?} {decision:#}"
        );
    }
    found
}

fn ids(answer: &Value) -> Vec<String> {
    let ids = answer["event_ids"].as_array().unwrap();
    ids.iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

async fn answer(request: reqwest::RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let text = response.text().await.ok()?;
    Some(Answer { status, text })
}
