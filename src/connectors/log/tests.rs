//! Tests of the log connector: what it publishes, and how a log that refuses is answered.

use std::sync::Mutex;

use homeostat_actors::ports::log::{
    GroupHandler, GroupSettings, PartitionSink, StoredRecord, Subscription, Tail, TopicDescription,
    TopicPartition, TopicSettings,
};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;

use super::*;

/// Answers appends as it is set up to, and keeps the records.
struct Twin {
    answer: Result<Appended, LogError>,
    records: Mutex<Vec<NewRecord>>,
}

fn unused<T>() -> BoxFuture<'static, Result<T, LogError>> {
    async { Err(LogError::Refused("not used here".to_owned())) }.boxed()
}

impl EventLog for Twin {
    fn kind(&self) -> &'static str {
        "twin"
    }
    fn ensure_topics(&self, _: Vec<TopicSettings>) -> BoxFuture<'static, Result<(), LogError>> {
        unused()
    }
    fn describe_topics(
        &self,
        _: Vec<String>,
    ) -> BoxFuture<'static, Result<Vec<TopicDescription>, LogError>> {
        unused()
    }
    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, LogError>>> {
        let answers = records.iter().map(|_| self.answer.clone()).collect();
        self.records.lock().unwrap().extend(records);
        async { answers }.boxed()
    }
    fn subscribe(
        &self,
        _: GroupSettings,
        _: Box<dyn GroupHandler>,
    ) -> Result<Arc<dyn Subscription>, LogError> {
        Err(LogError::Refused("not used here".to_owned()))
    }
    fn tail(
        &self,
        _: TopicPartition,
        _: i64,
        _: Box<dyn PartitionSink>,
    ) -> Result<Box<dyn Tail>, LogError> {
        Err(LogError::Refused("not used here".to_owned()))
    }
    fn read(
        &self,
        _: TopicPartition,
        _: i64,
        _: usize,
    ) -> BoxFuture<'static, Result<Vec<StoredRecord>, LogError>> {
        unused()
    }
    fn delete_before(&self, _: TopicPartition, _: i64) -> BoxFuture<'static, Result<(), LogError>> {
        unused()
    }
    fn close(&self) {}
}

fn order(action: Action, attempt: u32) -> Order {
    Order {
        action_id: Id([0xab; 16]),
        attempt,
        action,
        target: Target::model("fraud"),
        severity: Severity::Critical,
        event_type: "data_drift_detected".to_owned(),
        event_id: "e1".to_owned(),
        params: json!({"title": "Drift", "drift_score": 0.9}).into(),
        reasons: vec!["score above 0.8".to_owned()],
        now: 1_700_000_000_000,
        as_of: 1_700_000_000_000,
        dry_run: false,
    }
}

async fn send(order: Order, answer: Result<Appended, LogError>) -> (Answer, NewRecord, Value) {
    let twin = Arc::new(Twin {
        answer,
        records: Mutex::new(Vec::new()),
    });
    let answer = LogConnector::new(Arc::clone(&twin) as Arc<dyn EventLog>)
        .send(order)
        .await;
    let record = twin.records.lock().unwrap().pop().unwrap();
    let event = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
    (answer, record, event)
}

const WRITTEN: Result<Appended, LogError> = Ok(Appended {
    partition: 1,
    offset: 42,
});

#[tokio::test]
async fn an_alert_is_published_with_its_own_words_and_the_origin_header() {
    let (answer, record, event) = send(order(Action::Alert, 1), WRITTEN).await;
    assert_eq!(answer.outcome, FinishOutcome::Done);
    assert_eq!(answer.detail, "published on system.alerts/1 at 42");
    assert_eq!(record.topic, "system.alerts");
    assert_eq!(record.key.unwrap(), b"model/fraud");
    assert_eq!(
        record.headers,
        [Header::new("homeostat-origin", "homeostat")]
    );
    assert_eq!(event["event_type"], "alert");
    assert_eq!(event["title"], "Drift");
    assert_eq!(event["message"], "score above 0.8");
    assert_eq!(event["severity"], "critical");
    assert_eq!(event["drift_score"], 0.9);
    assert_eq!(event["source"], "mlops_system");
    assert_eq!(event["timestamp"], "2023-11-14T22:13:20.000+00:00");
    assert_eq!(
        event["source_event"],
        json!({"event_id": "e1", "event_type": "data_drift_detected"})
    );
}

#[tokio::test]
async fn any_other_action_is_published_as_simulated_with_its_parameters() {
    let (_, _, event) = send(order(Action::Retrain, 3), WRITTEN).await;
    assert_eq!(event["event_type"], "automatic_response");
    assert_eq!(event["action"], "retrain");
    assert_eq!(event["simulated"], true);
    assert_eq!(event["attempt"], 3);
    assert_eq!(event["params"]["drift_score"], 0.9);
    assert_eq!(event["target"], json!({"kind": "model", "name": "fraud"}));
}

#[tokio::test]
async fn every_attempt_of_an_action_publishes_the_same_event_id() {
    let (_, _, first) = send(order(Action::Retrain, 1), WRITTEN).await;
    let (_, _, second) = send(order(Action::Retrain, 2), WRITTEN).await;
    assert_eq!(first["event_id"], second["event_id"]);
    let id = uuid::Uuid::parse_str(first["event_id"].as_str().unwrap()).unwrap();
    assert_eq!(id.get_version_num(), 4);
}

#[tokio::test]
async fn only_an_acknowledged_append_is_done() {
    let table = [
        (
            LogError::Unavailable("x".to_owned()),
            FinishOutcome::Unknown,
            false,
        ),
        (
            LogError::Refused("x".to_owned()),
            FinishOutcome::Failed,
            true,
        ),
        (
            LogError::Denied("x".to_owned()),
            FinishOutcome::Failed,
            false,
        ),
        (
            LogError::Fatal("x".to_owned()),
            FinishOutcome::Unknown,
            false,
        ),
    ];
    for (error, outcome, permanent) in table {
        let (answer, ..) = send(order(Action::Alert, 1), Err(error.clone())).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (outcome, permanent),
            "{error}"
        );
    }
}
