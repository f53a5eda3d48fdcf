//! A server on a free port over an event log in memory, whose faults a test can order.

#![allow(dead_code, reason = "each test binary uses its part")]

mod answers;
pub(crate) mod users;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use homeostat::http::{
    ApiParts, Authority, Control, Cooldowns, Decisions, Health, Readiness, Server, Tree,
};
use homeostat::metrics::Metrics;
use homeostat::push::HubSettings;
use homeostat::secrets::{InboundSecrets, Secret};
use homeostat::user_secret::UserSecret;
use homeostat_actors::in_force::InForce;
use homeostat_actors::ledger_view::{FoldProgress, LedgerView};
use homeostat_actors::ports::connector::Connections;
use homeostat_actors::ports::log::*;
use homeostat_actors::traffic::Traffic;
use homeostat_logic::actions::Action;
use homeostat_logic::history::*;
use homeostat_logic::ledger::codec::decode;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold, Memory};
use homeostat_logic::ledger::listing::{ActiveBudget, ActiveCooldown};
use homeostat_logic::ledger::record::*;
use homeostat_logic::ledger::state::FoldState;
use homeostat_logic::rules::Rules;
use homeostat_logic::severity::Severity;
use homeostat_logic::target::TargetKind;
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER};

use users::Still;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: Millis = 1_767_225_600_000;
/// The installation of the ledgers.
pub(crate) const INSTALLATION: Id = Id([0x11; 16]);

/// What the log does with the next append.
pub(crate) enum NextAppend {
    /// Takes so many records, then says this of the others.
    Fail(usize, LogError),
    /// Never answers.
    Hang,
}

/// An event log in memory: one partition per topic.
#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) records: Mutex<BTreeMap<String, Vec<NewRecord>>>,
    /// Somebody deleted the dead-letter topic.
    pub(crate) no_dead_letters: AtomicBool,
    pub(crate) orders: Mutex<VecDeque<NextAppend>>,
    /// Views that fold the ledger as it is appended to, one for each partition.
    pub(crate) ledger: Mutex<Vec<Arc<LedgerView>>>,
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

    pub(crate) fn order(&self, order: NextAppend) {
        self.orders.lock().unwrap().push_back(order);
    }

    pub(crate) fn store(&self, record: NewRecord) -> Appended {
        if record.topic == LEDGER
            && let Some(folded) = self.fold(&record)
        {
            self.records
                .lock()
                .unwrap()
                .entry(record.topic.clone())
                .or_default()
                .push(record);
            return folded;
        }
        let mut records = self.records.lock().unwrap();
        let topic = records.entry(record.topic.clone()).or_default();
        topic.push(record);
        Appended {
            partition: 0,
            offset: i64::try_from(topic.len()).unwrap() - 1,
        }
    }
}

impl MemoryLog {
    /// Into the view of its partition, a second after the record before.
    pub(crate) fn fold(&self, record: &NewRecord) -> Option<Appended> {
        let ledger = self.ledger.lock().unwrap();
        let view = ledger.get(usize::try_from(record.partition?).unwrap())?;
        let mut state = view.write();
        let offset = state.fold.offset() + 1;
        let decoded = decode(record.value.as_deref().unwrap()).unwrap();
        let time = NOW + offset * 1_000;
        state.fold.apply(offset, time, Ok(decoded));
        drop(state);
        view.overridden().notify_waiters();
        Some(Appended {
            partition: view.partition,
            offset,
        })
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
        names: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        let records = self.records.lock().unwrap();
        let missing = self.no_dead_letters.load(Ordering::SeqCst);
        let describe = |name: String| {
            // The dead-letter topic is there from the start.
            let kept = records.get(&name).map(Vec::len);
            let kept = kept.or_else(|| (name == DEAD_LETTERS && !missing).then_some(0))?;
            let high = i64::try_from(kept).unwrap();
            Some(TopicDescription {
                name,
                partitions: vec![Watermarks { low: 0, high }],
                append_time: None,
                cleanup_policy: None,
                ..TopicDescription::default()
            })
        };
        let described = names.into_iter().filter_map(describe).collect();
        Box::pin(async { Ok(described) })
    }

    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        for record in &records {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
            let value = value.into_owned();
            self.offered.lock().unwrap().push(value);
        }
        let (taken, error) = match self.orders.lock().unwrap().pop_front() {
            Some(NextAppend::Hang) => return Box::pin(std::future::pending()),
            Some(NextAppend::Fail(taken, error)) => (taken, Some(error)),
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
        partition: TopicPartition,
        from: i64,
        max: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        let records = self.records.lock().unwrap();
        let records = records.get(&partition.topic).into_iter().flatten();
        // A record a second from NOW on, unless another clock stamped it.
        let stamped = |record: &NewRecord| {
            let mut headers = record.headers.iter();
            let time = headers.find(|header| header.name == b"original.stamped")?;
            std::str::from_utf8(time.bytes()).unwrap().parse().ok()
        };
        let stored = (0..).zip(records).map(|(offset, record)| StoredRecord {
            offset,
            timestamp: stamped(record).unwrap_or(NOW + offset * 1_000),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        });
        let from = usize::try_from(from).unwrap();
        let stored = stored.skip(from).take(max).collect();
        Box::pin(async { Ok(stored) })
    }

    fn delete_before(&self, _: TopicPartition, _: i64) -> BoxFuture<'static, Result<(), LogError>> {
        Box::pin(async { Err(LogError::Fatal("not in this fake".to_owned())) })
    }

    fn close(&self) {}
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

impl Decisions for Answers {
    fn decisions(&self, filter: &Filter) -> Page {
        self.asked.lock().unwrap().push(filter.clone());
        Page {
            items: vec![story().summary],
            next: (filter.limit == 1).then_some(NEXT),
            newest: Some(NOW),
            forgotten_until: None,
        }
    }

    fn decision(&self, id: Id) -> Option<DecisionStory> {
        (id == STORY).then(story)
    }
}

impl Cooldowns for Answers {
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
}

impl Tree for Answers {
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
}

impl Health for Answers {
    fn readiness(&self) -> Readiness {
        let reasons = self.not_ready.lock().unwrap().clone();
        Readiness {
            ready: reasons.is_empty(),
            reasons,
            warnings: vec!["look at it".to_owned()],
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
            ended: Some(NOW),
            acknowledged: false,
            reasons: vec!["within working hours".to_owned()],
            escalation_of: None,
        },
        event: EventBody::Inline(RawJson(event)),
        connector: "log".to_owned(),
        params: serde_json::json!({}).into(),
        policy: Policy::Idempotent,
        max_attempts: 3,
        not_after: NOW,
        cooldown_ms: 1,
        windows: Vec::new(),
        gates: Vec::new(),
        attempts: Vec::new(),
        next_attempt: None,
        escalation: None,
        rule_rev: "r".to_owned(),
    }
}

/// A dead letter as the service writes it; `more` are headers of the record itself.
pub(crate) fn letter(topic: &str, reason: &str, value: &[u8], more: &[(&str, &str)]) -> NewRecord {
    let header = |name: &str, value: &str| Header::new(name, value);
    let mut headers = vec![
        header("topic", topic),
        header("partition", "1"),
        header("offset", "7"),
        header("timestamp", "1767225600000"),
        header("reason", reason),
        header("error", "it was bad"),
        header("attempts", "3"),
        header("revision", "r1"),
        header("homeostat-origin", "dead-letter"),
    ];
    let own = |(name, value): &(&str, &str)| header(&format!("original.{name}"), value);
    headers.extend(more.iter().map(own));
    NewRecord {
        topic: "homeostat.dead-letters".to_owned(),
        partition: None,
        key: Some(b"key".to_vec()),
        value: Some(value.to_vec()),
        headers,
    }
}

/// What the operator shows.
pub(crate) const TOKEN: &str = "open sesame";

/// What orders need, with the default rules.
pub(crate) fn control(views: Vec<Arc<LedgerView>>, read_back_limit: Duration) -> Control {
    let defaults = homeostat::configuration::load(&[], BTreeMap::new()).unwrap();
    Control {
        views,
        live: InForce::begin(Rules::new(&defaults.rules).unwrap(), Connections::default()),
        read_back_limit,
    }
}

/// The parts of a server without a ledger and an operator.
pub(crate) fn parts(
    log: &Arc<MemoryLog>,
    answers: &Arc<Answers>,
    metrics: &Arc<Metrics>,
) -> ApiParts {
    ApiParts {
        log: log.clone(),
        clock: Arc::new(Still),
        metrics: metrics.clone(),
        decisions: answers.clone(),
        cooldowns: answers.clone(),
        catalog: answers.clone(),
        health: answers.clone(),
        tree: answers.clone(),
        stopped: answers.clone(),
        traffic: Traffic::new(Arc::new(Still)),
        control: control(Vec::new(), Duration::from_secs(1)),
        operator_token: None,
        inbound: InboundSecrets::default(),
        push: users::hub(metrics, HubSettings::default()),
        user_secret: UserSecret::default(),
        users: None,
        acknowledge_limit: Duration::from_secs(1),
        ingested: vec!["reports-of-a-tool"],
        allowed_hosts: Vec::new(),
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
        let limits = (InboundSecrets::default(), acknowledge_limit);
        Self::start_on(Vec::new(), None, limits, &[])
    }

    /// Reached under these names too.
    pub(crate) fn reached_as(hosts: &[&str]) -> Self {
        let limits = (InboundSecrets::default(), Duration::from_secs(10));
        Self::start_on(Vec::new(), None, limits, hosts)
    }

    /// Whose senders of other tools' payloads have to show this.
    pub(crate) fn receiving(inbound: InboundSecrets) -> Self {
        let within = Duration::from_secs(10);
        Self::start_on(Vec::new(), None, (inbound, within), &[])
    }

    /// With a ledger of two partitions and an operator's token.
    pub(crate) fn with_operator(acknowledge_limit: Duration) -> Self {
        let views: Vec<_> = (0..2).map(LedgerView::new).collect();
        for view in &views {
            let founded = FoldState {
                installation: Some(INSTALLATION),
                ..FoldState::empty(FOLD_VERSION)
            };
            let mut state = view.write();
            state.fold = Fold::resume(founded, Memory::default());
            state.progress = FoldProgress::Live;
        }
        let limits = (InboundSecrets::default(), acknowledge_limit);
        Self::start_on(views, Some(TOKEN), limits, &[])
    }

    fn start_on(
        views: Vec<Arc<LedgerView>>,
        token: Option<&str>,
        (inbound, acknowledge_limit): (InboundSecrets, Duration),
        hosts: &[&str],
    ) -> Self {
        let hosts = hosts.iter().map(|host| Authority::parse(host).unwrap());
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap_or_default();
        let log = Arc::new(MemoryLog::default());
        log.ledger.lock().unwrap().clone_from(&views);
        let answers = Arc::new(Answers::default());
        let metrics = Arc::new(Metrics::new([], NOW).unwrap());
        let parts = ApiParts {
            control: control(views, acknowledge_limit),
            operator_token: token.map(Secret::new),
            inbound,
            acknowledge_limit,
            allowed_hosts: hosts.collect(),
            ..parts(&log, &answers, &metrics)
        };
        let server = Server::start("127.0.0.1:0", parts).unwrap();
        Self {
            log,
            answers,
            metrics,
            server,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }
}
