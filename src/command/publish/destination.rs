//! Where events go: a running service, or an event log itself. Tries again what may pass, with the same ids.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{ErrorClass, EventLog, LogError, NewRecord};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use super::super::Failure;
use super::super::service::{self, innermost};
use super::batch::Batch;
use super::interrupt::Interrupt;
use super::lines::Event;

/// Tries of a batch before the whole publication stops.
const TRIES_MAX: u32 = 6;
/// Pause before the second try; each further one is twice as long: 0.25 s to 4 s, about 8 s in all.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Where events go.
pub(super) enum Destination {
    /// A running service.
    Service {
        /// Keeps its connection open between batches.
        client: reqwest::Client,
        /// As given.
        url: Url,
    },
    /// An event log.
    Log(Arc<dyn EventLog>),
}

/// What came of a batch.
#[derive(Default)]
pub(super) struct Delivered {
    /// Events that are durable, by topic.
    pub(super) acknowledged: BTreeMap<String, usize>,
    /// Events that will never be taken, each with the reason.
    pub(super) refused: Vec<(Event, String)>,
    /// Events that may be taken another time, in order.
    pub(super) left: Vec<Event>,
    /// Of those acknowledged, how many stood behind the first that is left.
    pub(super) beyond: usize,
    /// Why some are left.
    pub(super) problem: Option<String>,
}

/// What became of one event in one try.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    Refused(String),
    Again(String),
}

/// Why a try says nothing of single events.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    problem: String,
    may_pass: bool,
}

impl Destination {
    /// A service at a URL.
    pub(super) fn service(url: &str) -> Result<Self, Failure> {
        let (client, url) = service::client(url)?;
        Ok(Self::Service { client, url })
    }

    /// Sends a batch until every event of it is acknowledged or refused, or nothing gets through, or a person interrupts.
    pub(super) async fn deliver(&self, batch: Batch, interrupt: &mut Interrupt) -> Delivered {
        // A log's client has tried for as long as SPEC §2 lets a publisher wait.
        let tries_max = match self {
            Self::Log(_) => 1,
            Self::Service { .. } => TRIES_MAX,
        };
        let mut delivered = Delivered {
            left: batch.events,
            ..Delivered::default()
        };
        let mut pause = FIRST_PAUSE;
        for tries in 1..=tries_max {
            let outcome = match self {
                Self::Service { client, url } => post(client, url, &delivered.left).await,
                Self::Log(log) => Ok(append(log.as_ref(), &delivered.left).await),
            };
            let goes_on = delivered.take(outcome);
            if !goes_on || tries == tries_max || interrupt.is_set() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = interrupt.wait() => break,
            }
            pause *= 2;
        }
        delivered
    }

    /// Ends it.
    pub(super) fn close(&self) {
        if let Self::Log(log) = self {
            log.close();
        }
    }
}

impl Delivered {
    /// Takes in what one try brought; whether another one may help.
    fn take(&mut self, outcome: Result<Vec<Fate>, Whole>) -> bool {
        let verdicts = match outcome {
            Ok(verdicts) => verdicts,
            Err(whole) => {
                self.problem = Some(whole.problem);
                return whole.may_pass;
            }
        };
        self.problem = None;
        for (event, verdict) in std::mem::take(&mut self.left).into_iter().zip(verdicts) {
            match verdict {
                Fate::Done => {
                    *self.acknowledged.entry(event.topic).or_default() += 1;
                    self.beyond += usize::from(!self.left.is_empty());
                }
                Fate::Refused(problem) => self.refused.push((event, problem)),
                Fate::Again(problem) => {
                    self.problem.get_or_insert(problem);
                    self.left.push(event);
                }
            }
        }
        !self.left.is_empty()
    }
}

async fn post(client: &reqwest::Client, base: &Url, events: &[Event]) -> Result<Vec<Fate>, Whole> {
    let silent = |problem: String| Whole {
        problem: format!("{base}: {problem}"),
        may_pass: true,
    };
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["api", "v1", "events"]);
    }
    let lines: Vec<String> = events.iter().map(line).collect();
    let request = client
        .post(url)
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    let response = request.send().await.map_err(|error| {
        silent(format!(
            "{}; is the service running there?",
            innermost(&error)
        ))
    })?;
    let status = response.status();
    let answer: Value = match response.json().await {
        Ok(answer) => answer,
        Err(error) if status.is_success() => {
            return Err(silent(format!(
                "the answer broke off: {}",
                innermost(&error)
            )));
        }
        Err(_) => Value::Null,
    };
    judge(status, &answer, events)
}

/// The event's text is JSON already, and goes out as it is.
fn line(event: &Event) -> String {
    let (topic, key) = (json!(event.topic), json!(event.key));
    format!(r#"{{"topic":{topic},"key":{key},"value":{}}}"#, event.text)
}

fn may_pass(status: u64) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504)
}

/// What an answer says of each event.
fn judge(status: StatusCode, answer: &Value, events: &[Event]) -> Result<Vec<Fate>, Whole> {
    let results = answer.get("results").and_then(Value::as_array);
    if let Some(results) =
        results.filter(|results| status.is_success() && results.len() == events.len())
    {
        return Ok(results.iter().zip(events).map(verdict).collect());
    }
    let status = status.as_u16();
    let detail = answer.get("detail").and_then(Value::as_str);
    let detail = detail.unwrap_or("the answer is not from a Homeostat of this version");
    Err(Whole {
        problem: format!("{status}: {detail}"),
        may_pass: may_pass(status.into()),
    })
}

fn verdict((result, event): (&Value, &Event)) -> Fate {
    let status = result.get("status").and_then(Value::as_u64);
    let status = status.unwrap_or_default();
    if status == 202 {
        return Fate::Done;
    }
    let detail = result.pointer("/error/detail").and_then(Value::as_str);
    let detail = detail.unwrap_or("the answer does not say why");
    let problem = format!("{}: {status}: {detail}", event.topic);
    if may_pass(status) {
        Fate::Again(problem)
    } else {
        Fate::Refused(problem)
    }
}

async fn append(log: &dyn EventLog, events: &[Event]) -> Vec<Fate> {
    let record = |event: &Event| NewRecord {
        topic: event.topic.clone(),
        key: event.key.clone().map(String::into_bytes),
        value: Some(event.text.clone().into_bytes()),
        ..NewRecord::default()
    };
    let answers = log.append(events.iter().map(record).collect()).await;
    // A log that answers fewer records than it was given has not acknowledged the others.
    let silent = || Err(LogError::Unavailable("no answer for the record".to_owned()));
    let answers = answers.into_iter().chain(std::iter::repeat_with(silent));
    let pairs = events.iter().zip(answers);
    pairs
        .map(|(event, answer)| answer.map_or_else(|error| of_log(event, &error), |_| Fate::Done))
        .collect()
}

fn of_log(event: &Event, error: &LogError) -> Fate {
    let problem = match error {
        // The log's own words say that it is tried again, and it is not.
        LogError::Unavailable(why) => format!("the event log did not answer: {why}"),
        other => other.to_string(),
    };
    let problem = format!("{}: {problem}", event.topic);
    match (error, error.class()) {
        // A person is there to mend what is denied.
        (LogError::Denied(_), _) | (_, ErrorClass::Reject) => Fate::Refused(problem),
        (_, ErrorClass::Retry | ErrorClass::Stop) => Fate::Again(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Event> {
        let event = |line| Event {
            topic: "data.ingested".to_owned(),
            key: Some("k\"".to_owned()),
            line,
            text: "{\"n\": 1.0}".to_owned(),
        };
        (1..=3).map(event).collect()
    }

    #[test]
    fn a_line_is_what_the_service_reads() {
        let line = line(&events()[0]);
        let read = crate::addressed_event::read(line.as_bytes()).unwrap();
        assert_eq!(read.topic.name, "data.ingested");
        assert_eq!(read.key.as_deref(), Some("k\""));
        assert_eq!(read.value, "{\"n\": 1.0}");
    }

    #[test]
    fn each_line_of_an_answer_is_done_refused_or_worth_another_try() {
        let results = |statuses: [u16; 3]| {
            let result = |status: &u16| json!({"status": status, "error": {"detail": "why"}});
            json!({"results": statuses.iter().map(result).collect::<Vec<_>>()})
        };
        let status = StatusCode::MULTI_STATUS;
        let verdicts = judge(status, &results([202, 422, 503]), &events()).unwrap();
        assert_eq!(verdicts[0], Fate::Done);
        assert_eq!(
            verdicts[1],
            Fate::Refused("data.ingested: 422: why".to_owned())
        );
        assert_eq!(
            verdicts[2],
            Fate::Again("data.ingested: 503: why".to_owned())
        );
        for status in [408, 429, 502, 504] {
            let verdicts = judge(StatusCode::MULTI_STATUS, &results([status; 3]), &events());
            assert!(matches!(verdicts.unwrap()[0], Fate::Again(_)), "{status}");
        }
        let mut delivered = Delivered {
            left: events(),
            ..Delivered::default()
        };
        let outcome = judge(status, &results([202, 503, 202]), &events());
        assert!(delivered.take(outcome));
        assert_eq!((delivered.left.len(), delivered.beyond), (1, 1));
        assert_eq!(delivered.left[0].line, 2);
    }

    #[test]
    fn an_answer_about_the_whole_request_is_tried_again_or_ends_the_publication() {
        for (status, answer, again) in [
            (200, Value::Null, false),
            (202, json!({"results": []}), false),
            (301, Value::Null, false),
            (400, json!({"detail": "byte 3"}), false),
            (413, Value::Null, false),
            (421, json!({"detail": "not here"}), false),
            (429, Value::Null, true),
            (500, Value::Null, false),
            (502, Value::Null, true),
            (503, json!({"detail": "busy"}), true),
            (504, Value::Null, true),
        ] {
            let code = StatusCode::from_u16(status).unwrap();
            let whole = judge(code, &answer, &events()).unwrap_err();
            assert_eq!(whole.may_pass, again, "{status}");
            let mut delivered = Delivered {
                left: events(),
                ..Delivered::default()
            };
            assert_eq!(delivered.take(Err(whole)), again);
            assert_eq!(delivered.left.len(), 3, "nothing is lost");
        }
    }

    #[test]
    fn what_a_log_refuses_or_denies_is_not_sent_again() {
        let why = || "x".to_owned();
        for (error, again) in [
            (LogError::Unavailable(why()), true),
            (LogError::Fatal(why()), true),
            (LogError::Refused(why()), false),
            (LogError::Denied(why()), false),
        ] {
            let verdict = of_log(&events()[0], &error);
            assert_eq!(matches!(verdict, Fate::Again(_)), again, "{error}");
        }
    }
}
