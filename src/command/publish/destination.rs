//! Where events go: a running service, or an event log itself. Tries again what may pass, with the same ids.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, LogError, NewRecord};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::super::Failure;
use super::super::service::{self, innermost};
use super::batch::Batch;

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
pub(super) struct Delivered {
    /// Events that nobody acknowledged.
    pub(super) unacknowledged: usize,
    /// Why.
    pub(super) fault: Option<Fault>,
}

/// Why events were not acknowledged.
pub(super) enum Fault {
    /// These events will never be taken; others may.
    Refused(String),
    /// Nothing gets through.
    Unreachable(String),
}

/// One try: the ids acknowledged by it, and what was wrong.
struct Try {
    acknowledged: Vec<String>,
    fault: Option<Fault>,
}

impl Try {
    const fn unreachable(problem: String) -> Self {
        Self {
            acknowledged: Vec::new(),
            fault: Some(Fault::Unreachable(problem)),
        }
    }
}

impl Destination {
    /// A service at a URL.
    pub(super) fn service(url: &str) -> Result<Self, Failure> {
        let (client, url) = service::client(url)?;
        Ok(Self::Service { client, url })
    }

    /// Sends a batch until every event of it is acknowledged or refused, or nothing gets through.
    pub(super) async fn deliver(&self, mut batch: Batch) -> Delivered {
        let mut pause = FIRST_PAUSE;
        for tries in 1.. {
            let outcome = match self {
                Self::Service { client, url } => post(client, url, &batch).await,
                Self::Log(log) => append(log.as_ref(), &batch).await,
            };
            let acknowledged: BTreeSet<String> = outcome.acknowledged.into_iter().collect();
            batch.events.retain(|(id, _)| !acknowledged.contains(id));
            let unacknowledged = batch.events.len();
            // A log's client has tried for as long as SPEC §2 lets a publisher wait.
            let tries_max = if matches!(self, Self::Log(_)) {
                1
            } else {
                TRIES_MAX
            };
            let again = matches!(outcome.fault, Some(Fault::Unreachable(_))) && tries < tries_max;
            if unacknowledged == 0 || !again {
                let fault = outcome.fault.filter(|_| unacknowledged > 0);
                return Delivered {
                    unacknowledged,
                    fault,
                };
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Delivered {
            unacknowledged: batch.events.len(),
            fault: None,
        }
    }

    /// Ends it.
    pub(super) fn close(&self) {
        if let Self::Log(log) = self {
            log.close();
        }
    }
}

async fn post(client: &reqwest::Client, base: &Url, batch: &Batch) -> Try {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty()
            .extend(["api", "v1", "events", batch.topic.as_str()]);
    }
    if let Some(key) = &batch.key {
        url.query_pairs_mut().append_pair("key", key);
    }
    let lines: Vec<&str> = batch.events.iter().map(|(_, text)| text.as_str()).collect();
    let request = client
        .post(url)
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let cause = innermost(&error);
            return Try::unreachable(format!("{base}: {cause}; is the service running there?"));
        }
    };
    let status = response.status();
    let answer: Value = match response.json().await {
        Ok(answer) => answer,
        Err(error) if status.is_success() => {
            return Try::unreachable(format!(
                "{base}: the answer broke off: {}",
                innermost(&error)
            ));
        }
        Err(_) => Value::Null,
    };
    judge(status, &answer, batch)
}

/// What an answer says of a batch.
fn judge(status: StatusCode, answer: &Value, batch: &Batch) -> Try {
    let ids = answer.get("event_ids").and_then(Value::as_array);
    let ids = ids.map(|ids| {
        ids.iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    });
    let acknowledged: Vec<String> = ids.unwrap_or_default();
    if status.is_success() && acknowledged.len() == batch.events.len() {
        return Try {
            acknowledged,
            fault: None,
        };
    }
    let detail = answer.get("detail").and_then(Value::as_str);
    let detail = detail.unwrap_or("no Homeostat answers there");
    let problem = format!("{}: {}: {detail}", batch.topic, status.as_u16());
    let passing = matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504);
    let fault = if passing {
        Fault::Unreachable(problem)
    } else {
        Fault::Refused(problem)
    };
    Try {
        acknowledged,
        fault: Some(fault),
    }
}

async fn append(log: &dyn EventLog, batch: &Batch) -> Try {
    let record = |(_, text): &(String, String)| NewRecord {
        topic: batch.topic.clone(),
        key: batch.key.clone().map(String::into_bytes),
        value: Some(text.clone().into_bytes()),
        ..NewRecord::default()
    };
    let answers = log.append(batch.events.iter().map(record).collect()).await;
    let mut outcome = Try {
        acknowledged: Vec::new(),
        fault: None,
    };
    for ((id, _), answer) in batch.events.iter().zip(answers) {
        match answer {
            Ok(_) => outcome.acknowledged.push(id.clone()),
            Err(error) => worsen(&mut outcome.fault, &batch.topic, &error),
        }
    }
    outcome
}

/// What may pass is tried again first; what is refused then is refused again.
fn worsen(fault: &mut Option<Fault>, topic: &str, error: &LogError) {
    let problem = format!("{topic}: {error}");
    match (error, &fault) {
        // A person is there to mend what is denied.
        (LogError::Refused(_) | LogError::TooLarge(_) | LogError::Denied(_), None) => {
            *fault = Some(Fault::Refused(problem));
        }
        (LogError::Unavailable(_) | LogError::Fatal(_), None | Some(Fault::Refused(_))) => {
            *fault = Some(Fault::Unreachable(problem));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Batches;
    use super::super::lines::Event;
    use super::*;

    fn batch() -> Batch {
        let mut batches = Batches::default();
        for id in ["a", "b"] {
            let pushed = batches.push(Event {
                topic: "data.ingested".to_owned(),
                key: None,
                id: id.to_owned(),
                place: String::new(),
                text: "{}".to_owned(),
            });
            assert!(pushed.is_none());
        }
        batches.flush().unwrap()
    }

    #[test]
    fn answers_are_told_apart_into_done_refused_and_worth_another_try() {
        for (status, answer, acknowledged, verdict) in [
            (202, serde_json::json!({"event_ids": ["a", "b"]}), 2, "done"),
            (202, serde_json::json!({"event_ids": ["a"]}), 1, "refused"),
            (200, Value::Null, 0, "refused"),
            (301, Value::Null, 0, "refused"),
            (400, serde_json::json!({"detail": "byte 3"}), 0, "refused"),
            (413, Value::Null, 0, "refused"),
            (429, Value::Null, 0, "again"),
            (500, Value::Null, 0, "refused"),
            (502, Value::Null, 0, "again"),
            (503, serde_json::json!({"event_ids": ["a"]}), 1, "again"),
            (504, Value::Null, 0, "again"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let judged = judge(status, &answer, &batch());
            assert_eq!(judged.acknowledged.len(), acknowledged, "{status}");
            let told = match judged.fault {
                None => "done",
                Some(Fault::Refused(_)) => "refused",
                Some(Fault::Unreachable(_)) => "again",
            };
            assert_eq!(told, verdict, "{status}");
        }
    }

    #[test]
    fn what_may_pass_outweighs_what_is_refused_in_whatever_order() {
        let unavailable = LogError::Unavailable("x".to_owned());
        let refused = LogError::Refused("x".to_owned());
        for order in [[&unavailable, &refused], [&refused, &unavailable]] {
            let mut fault = None;
            for error in order {
                worsen(&mut fault, "t", error);
            }
            assert!(matches!(fault, Some(Fault::Unreachable(_))));
        }
        let mut fault = None;
        worsen(&mut fault, "t", &refused);
        assert!(matches!(fault, Some(Fault::Refused(_))));
    }
}
