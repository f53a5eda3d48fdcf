//! A server on a free port over an event log in memory, whose faults a test can order.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use homeostat::http::{ApiState, Control, Queries, Readiness, Server};
use homeostat::metrics::Metrics;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::*;
use homeostat_logic::action::Action;
use homeostat_logic::history::*;
use homeostat_logic::ledger::record::*;
use homeostat_logic::rules::Rules;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::TargetKind;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: Millis = 1_767_225_600_000;

/// What the log does with the next append.
pub(crate) enum Order {
    /// Takes so many records, then says this of the others.
    Fail(usize, LogError),
    /// Never answers.
    Hang,
}

/// An event log in memory: one partition per topic.
#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) records: Mutex<BTreeMap<String, Vec<NewRecord>>>,
    pub(crate) orders: Mutex<VecDeque<Order>>,
    /// Every value ever offered, taken or not.
    pub(crate) offered: Mutex<Vec<String>>,
}

impl MemoryLog {
    /// Values of a topic, in order.
    pub(crate) fn values(&self, topic: &str) -> Vec<String> {
        let records = self.records.lock().unwrap();
        let records = records.get(topic).map(Vec::as_slice).unwrap_or_default();
        let text = |record: &NewRecord| String::from_utf8(record.value.clone().unwrap()).unwrap();
        records.iter().map(text).collect()
    }

    pub(crate) fn total(&self) -> usize {
        self.records.lock().unwrap().values().map(Vec::len).sum()
    }

    pub(crate) fn order(&self, order: Order) {
        self.orders.lock().unwrap().push_back(order);
    }

    fn store(&self, record: NewRecord) -> Appended {
        let mut records = self.records.lock().unwrap();
        let topic = records.entry(record.topic.clone()).or_default();
        topic.push(record);
        Appended {
            partition: 0,
            offset: i64::try_from(topic.len()).unwrap() - 1,
        }
    }
}

impl EventLog for MemoryLog {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn ensure_topics(&self, _: Vec<TopicSettings>) -> BoxFuture<'static, Result<(), LogError>> {
        Box::pin(async { Ok(()) })
    }

    fn describe_topics(
        &self,
        _: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        for record in &records {
            let value = String::from_utf8(record.value.clone().unwrap()).unwrap();
            self.offered.lock().unwrap().push(value);
        }
        let (taken, error) = match self.orders.lock().unwrap().pop_front() {
            Some(Order::Hang) => return Box::pin(std::future::pending()),
            Some(Order::Fail(taken, error)) => (taken, Some(error)),
            None => (usize::MAX, None),
        };
        let answer = |(index, record)| match &error {
            Some(error) if index >= taken => Err(error.clone()),
            _ => Ok(self.store(record)),
        };
        let answers = records.into_iter().enumerate().map(answer).collect();
        Box::pin(async { answers })
    }

    fn subscribe(
        &self,
        _: GroupSettings,
        _: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        Err(LogError::Fatal("not in this fake".to_owned()))
    }

    fn tail(
        &self,
        _: TopicPartition,
        _: i64,
        _: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        Err(LogError::Fatal("not in this fake".to_owned()))
    }

    fn read(
        &self,
        _: TopicPartition,
        _: i64,
        _: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn close(&self) {}
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Millis {
        NOW
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// Answers as ordered, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) not_ready: Mutex<Vec<String>>,
    pub(crate) asked: Mutex<Vec<Filter>>,
}

pub(crate) const STORY: Id = Id([1; 16]);
pub(crate) const NEXT: Cursor = Cursor {
    time: NOW,
    id: STORY,
};

impl Queries for Answers {
    fn decisions(&self, filter: &Filter) -> Page {
        self.asked.lock().unwrap().push(filter.clone());
        Page {
            items: vec![story().summary],
            next: (filter.limit == 1).then_some(NEXT),
        }
    }

    fn decision(&self, id: Id) -> Option<DecisionStory> {
        (id == STORY).then(story)
    }

    fn cooldowns(&self) -> Vec<ActiveCooldown> {
        vec![ActiveCooldown {
            target: "model/m".to_owned(),
            key: "k".to_owned(),
            state: "cooldown",
            action_id: Some(STORY),
            changed: Some(9),
            until: Some(NOW),
        }]
    }

    fn budgets(&self) -> Vec<ActiveBudget> {
        Vec::new()
    }

    fn actors(&self) -> serde_json::Value {
        // A bug, on demand: the tests see what becomes of a panic in a handler.
        assert!(
            self.not_ready
                .lock()
                .unwrap()
                .iter()
                .all(|reason| reason != "bug")
        );
        serde_json::json!({"path": "root"})
    }

    fn readiness(&self) -> Readiness {
        let reasons = self.not_ready.lock().unwrap().clone();
        Readiness {
            ready: reasons.is_empty(),
            reasons,
        }
    }
}

fn story() -> DecisionStory {
    let event = serde_json::value::RawValue::from_string(r#"{"x": 1.50}"#.to_owned()).unwrap();
    DecisionStory {
        summary: DecisionSummary {
            id: STORY,
            time: NOW,
            event_id: "e".to_owned(),
            event_type: "data_drift_detected".to_owned(),
            topic: "data.drift.detected".to_owned(),
            partition: 1,
            offset: 7,
            target: "m".to_owned(),
            target_kind: TargetKind::Model,
            severity: Severity::High,
            severity_reason: "declared high".to_owned(),
            rule: "matrix.data_drift_detected.high".to_owned(),
            proposed_action: Action::Retrain,
            action: Action::Retrain,
            outcome: Outcome::Executed,
            phase: "done",
            changed: 9,
            reasons: vec!["within working hours".to_owned()],
            escalation_of: None,
        },
        event: EventBody::Inline(RawJson(event)),
        connector: "log".to_owned(),
        params: serde_json::json!({}),
        policy: Policy::Idempotent,
        max_attempts: 3,
        not_after: NOW,
        cooldown_ms: 1,
        windows: Vec::new(),
        gates: Vec::new(),
        attempts: Vec::new(),
        escalation: None,
        rule_rev: "r".to_owned(),
    }
}

/// A running server with its log and answers.
pub(crate) struct Outside {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) server: Server,
    pub(crate) client: reqwest::Client,
}

impl Outside {
    pub(crate) fn start() -> Self {
        Self::start_with(Duration::from_secs(10))
    }

    pub(crate) fn start_with(acknowledge_limit: Duration) -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap_or_default();
        let log = Arc::new(MemoryLog::default());
        let answers = Arc::new(Answers::default());
        let metrics = Arc::new(Metrics::new([], NOW).unwrap());
        let defaults = homeostat::configuration::load(&[], BTreeMap::new()).unwrap();
        let state = ApiState {
            log: Arc::clone(&log) as Arc<dyn EventLog>,
            queries: Arc::clone(&answers) as Arc<dyn Queries>,
            clock: Arc::new(Still),
            metrics: Arc::clone(&metrics),
            acknowledge_limit,
            control: Control {
                views: Vec::new(),
                rules: Arc::new(Rules::new(&defaults.rules).unwrap()),
                operator_token: None,
                read_back_limit: acknowledge_limit,
            },
        };
        let server = Server::start("127.0.0.1:0", state).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            log,
            answers,
            metrics,
            server,
            client,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }
}
