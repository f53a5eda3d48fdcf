//! The kind `kafka`: an order is published as a CloudEvent, so that people can write executors of their own.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order};
use homeostat_actors::ports::log::{EventLog, Header, NewRecord};
use homeostat_logic::actions::Action;
use homeostat_logic::topic::{INTERNAL_PREFIX, ORIGIN_HEADER, SOURCE, find};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::kind::Kind;
use super::kit::exchange::{cut, done, failed, not_sent};
use super::kit::notice::iso;
use super::kit::{Act, Acting, Compile, Context, refused};
use super::log::{ORIGIN, appended};

/// Prefix of the type of each event.
const TYPE: &str = "io.homeostat.action";
/// Longest name of a topic that Kafka takes.
const TOPIC_BYTES_MAX: u32 = 249;
/// Bytes of an event that a dry run shows.
const SHOWN_BYTES_MAX: usize = 2_048;

/// Keys of `[connections.NAME]`: none, the log is the service's own.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {}

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// The topic, which is there already: Homeostat creates none of other names than its own.
    #[serde(default)]
    #[schemars(length(max = TOPIC_BYTES_MAX))]
    topic: String,
    /// How the CloudEvent is written: structured = all of it as one JSON value, binary = its attributes as headers ce_….
    #[serde(default)]
    mode: Mode,
}

/// How a CloudEvent is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Structured,
    Binary,
}

/// A connection of this kind.
pub(crate) struct Kafka;

impl Kind for Kafka {
    const NAME: &'static str = "kafka";
    const ABOUT: &'static str =
        "executors of your own, by a topic of the event log that Homeostat reads from";
    const EXAMPLE: &'static str = r#"[connections.executors]
kind = "kafka"

[actions.retrain]
connection = "executors"

[actions.retrain.with]
topic = "ml.orders"
mode = "binary"
"#;
    const NOTES: &'static str = "\
Needs: the topic, and the right to describe it and to write to it. Homeostat does not create it.

Each order is a CloudEvent 1.0: `id` is the action's id and the same for all attempts, `type` is `io.homeostat.action.` and the action's
name, `source` is `mlops_system`, `subject` and the record's key are the target (`model/fraud`), `data` is the order as the kind webhook
sends it. Extensions: `attempt`, counted from 1, `partitionkey`, and `severity`. An executor remembers the ids that it has carried out,
because an order may come twice.

In doubt: an append without an answer is repeated under the same `id`.

Done means that the order is in the log. What the executor makes of it is not known here: publish the result as an event of your own.
Records carry the header `homeostat-origin`, so that Homeostat never takes one for an event.

Verified against Apache Kafka 4.1 and the embedded log in November 2026, with `cloudevents` 2.2.0 of PyPI as the reader.
";
    type Settings = Settings;
    type With = With;

    fn connect(_: Settings, _: &mut Compile<'_>) -> Option<Self> {
        Some(Self)
    }

    fn carry(
        &self,
        _: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        let topic = with.topic;
        let is_name =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if topic.is_empty() {
            compile.problem(
                "topic",
                "is missing",
                "write the name of the topic that the executor reads",
            );
        } else if topic.starts_with(INTERNAL_PREFIX) {
            compile.problem("topic", "is one of Homeostat's own", "write another topic");
        } else if !topic.chars().all(is_name) || matches!(&*topic, "." | "..") {
            compile.problem(
                "topic",
                "is not a topic's name",
                "use letters, digits, dots, hyphens and underscores",
            );
        }
        Some(Acting::connector(Orders {
            topic,
            mode: with.mode,
            events: None,
        }))
    }
}

/// Orders of one configuration on their topic.
struct Orders {
    topic: String,
    mode: Mode,
    /// `None` until the service has its event log.
    events: Option<Arc<dyn EventLog>>,
}

/// The order as a record.
fn record(topic: &str, mode: Mode, order: &Order) -> Result<NewRecord, Answer> {
    let key = order.target.to_string();
    let attributes = [
        ("specversion", "1.0".to_owned()),
        ("id", order.action_id.to_string()),
        ("source", SOURCE.to_owned()),
        ("type", format!("{TYPE}.{}", order.action)),
        ("subject", key.clone()),
        ("time", iso(order.now)),
        ("partitionkey", key.clone()),
        ("severity", order.severity.name().to_owned()),
    ];
    let data = serde_json::to_string(&Context::exact(order))
        .map_err(|error| refused(format!("the order cannot be written as JSON: {error}")))?;
    let mut headers = vec![Header::new(ORIGIN_HEADER, ORIGIN)];
    let value = match mode {
        Mode::Binary => {
            headers.push(Header::new("content-type", "application/json"));
            headers
                .extend(attributes.map(|(name, value)| Header::new(format!("ce_{name}"), value)));
            headers.push(Header::new("ce_attempt", order.attempt.to_string()));
            data
        }
        Mode::Structured => {
            headers.push(Header::new(
                "content-type",
                "application/cloudevents+json; charset=UTF-8",
            ));
            let mut event =
                json!({ "datacontenttype": "application/json", "attempt": order.attempt });
            if let Some(event) = event.as_object_mut() {
                event.extend(attributes.map(|(name, value)| (name.to_owned(), value.into())));
            }
            // The data keep their bytes: a value could not hold all of its numbers.
            let mut event = event.to_string();
            event.pop();
            format!("{event},\"data\":{data}}}")
        }
    };
    Ok(NewRecord {
        topic: topic.to_owned(),
        partition: None,
        key: Some(key.into_bytes()),
        value: Some(value.into_bytes()),
        headers,
    })
}

impl Act for Orders {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let events = self.events.as_deref();
        let events = events.ok_or_else(|| not_sent("there is no event log yet".to_owned()))?;
        let record = record(&self.topic, self.mode, order)?;
        self.partitions(events).await?;
        if order.dry_run {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
            let shown = cut(&value, SHOWN_BYTES_MAX);
            return Ok(done(format!(
                "dry run: would publish on {} {shown}",
                self.topic
            )));
        }
        let answers = events.append(vec![record]).await;
        Ok(appended(&self.topic, answers.into_iter().next()))
    }

    async fn look(&self, _: &Order) -> Result<Vec<Finding>, Answer> {
        let topic = &self.topic;
        let Some(events) = self.events.as_deref() else {
            let unsure = format!("the event log was not asked for topic {topic}");
            return Ok(vec![Finding::Unsure(unsure)]);
        };
        Ok(vec![match self.partitions(events).await {
            Ok(partitions) => Finding::Fine(format!("topic {topic}, {partitions} partitions")),
            Err(answer) => Finding::wrong(answer.detail, "create the topic, or correct with.topic"),
        }])
    }

    fn over(&self, events: &Arc<dyn EventLog>) -> Option<Self> {
        Some(Self {
            topic: self.topic.clone(),
            mode: self.mode,
            events: Some(Arc::clone(events)),
        })
    }
}

impl Orders {
    /// `Err` = the topic is not there, or it cannot be known.
    async fn partitions(&self, events: &dyn EventLog) -> Result<usize, Answer> {
        let topic = &self.topic;
        let described = events.describe_topics(vec![topic.clone()]).await;
        let described = described.map_err(|error| not_sent(format!("topic {topic}: {error}")))?;
        let found = described
            .first()
            .filter(|found| !found.partitions.is_empty());
        let found = found.ok_or_else(|| {
            let mend = if find(topic).is_some() {
                "`homeostat topics create` creates it"
            } else if events.kind() == "kafka" {
                "create it with `kafka-topics.sh --create`"
            } else {
                "the embedded log has only the topics that `homeostat topics list` names; use one of these, or Kafka"
            };
            failed(format!("topic {topic} does not exist; {mend}"))
        })?;
        Ok(found.partitions.len())
    }
}
