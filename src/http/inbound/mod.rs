//! `POST /api/v1/events/{form}`: the payload of another tool becomes events, which are published like any other. One route
//! for each form of `homeostat_logic::forms`.

mod sender;

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use homeostat_actors::ports::log::NewRecord;
use homeostat_logic::enrich::{EventError, Stamp, enrich_for};
use homeostat_logic::forms::{self, FORMS, Form, Payload, PayloadFault, Said};
use homeostat_logic::topic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answers::Accepted;
use super::body::{Body, Content};
use super::describe::Operation;
use super::incoming;
use super::parameters::Parameters;
use super::problem::{Kind, Problem};
use super::publish::{Outcome, Publishing, append};
use super::route::Route;
use crate::metrics::Published;
use crate::secrets::InboundSecrets;

use sender::{Known, check_signature};

/// The form whose sender signs instead of showing a token.
const SIGNED: &str = "mlflow";

/// Path, name and summary of each form's route, which live as long as the process.
static NAMES: LazyLock<Vec<[String; 3]>> = LazyLock::new(|| {
    let names = FORMS.iter().map(|form| {
        let name = form.name();
        [
            format!("/api/v1/events/{name}"),
            format!("receive_{name}"),
            format!("Receive the payload of {}", form.sender()),
        ]
    });
    names.collect()
});

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let routes = FORMS.into_iter().zip(NAMES.iter());
    let routes = routes.map(|(form, [path, name, summary])| {
        let route = if form.name() == SIGNED {
            Route::post(path, name, move |publishing, secrets, parameters, request, body| {
                receive_signed(form, publishing, secrets, parameters, request, body)
            })
            .problems(&SIGNED_PROBLEMS)
            .details("The signature of MLflow's webhook is checked: `X-MLflow-Signature` over delivery id, timestamp and body, with the secret that `inbound.mlflow_secret` refers to, not older than 5 minutes. Answered like a receiver of the other forms.")
        } else {
            Route::post(path, name, move |publishing, known, parameters, request, body| {
                receive(form, publishing, known, parameters, request, body)
            })
            .problems(&PROBLEMS)
            .details("The payload becomes events of the platform's topics, each with the identity of a CloudEvent, so that the same payload sent again leads to no second action. What it does not name itself is given by parameters. If one event cannot be made, none is published. At most 1 MiB a payload, 256 events. `nothing` says why a payload means no event.")
        };
        route.summary(summary)
    });
    routes.collect()
}

const PROBLEMS: [Kind; 6] = [
    Kind::MalformedEvent,
    Kind::UnreadableForm,
    Kind::UnsupportedMediaType,
    Kind::RefusedByLog,
    Kind::LogUnavailable,
    Kind::LogTimeout,
];

const SIGNED_PROBLEMS: [Kind; 8] = [
    Kind::NoInboundSecret,
    Kind::UnknownSender,
    Kind::MalformedEvent,
    Kind::UnreadableForm,
    Kind::UnsupportedMediaType,
    Kind::RefusedByLog,
    Kind::LogUnavailable,
    Kind::LogTimeout,
];

/// What is said beside a payload.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Beside {
    /// Model of a payload that names none: `fraud`, `fraud@3` or `models:/fraud/3`.
    #[schemars(length(max = 256))]
    model: Option<String>,
    /// Service of a payload that names none.
    #[schemars(length(max = 256))]
    service: Option<String>,
    /// When a payload without a time was made. RFC 3339, or milliseconds since 1970; now without it.
    #[schemars(length(max = 64))]
    timestamp: Option<String>,
}

/// A body of any form, for the document.
struct AnyPayload;

impl Content for AnyPayload {
    fn content(_: &mut Operation<'_>) -> Value {
        let examples = FORMS.iter().map(|form| {
            let example = json!({"summary": form.sender(), "value": form.example()});
            (form.name().to_owned(), example)
        });
        let schema = json!({"type": ["object", "array"]});
        json!({
            "application/json": {"schema": schema, "examples": examples.collect::<Map<_, _>>()},
            "application/cloudevents+json": {"schema": {"type": "object"}},
        })
    }
}

/// Every event of the payload is durable.
#[derive(Serialize, JsonSchema)]
struct Received {
    /// In the order of the payload; none if it means none.
    events: Vec<ReceivedEvent>,
    /// Why a payload means no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<String>,
}

/// An event of a payload, and where it is in the log.
#[derive(Serialize, JsonSchema)]
struct ReceivedEvent {
    event_id: String,
    topic: &'static str,
    partition: i32,
    offset: i64,
}

async fn receive(
    form: &'static dyn Form,
    publishing: Data<Publishing>,
    _: Known,
    parameters: Parameters<Beside>,
    request: HttpRequest,
    body: Body<AnyPayload>,
) -> Result<Accepted<Received>, Problem> {
    let _permit = publishing.admission.enter(publishing.log.limit).await?;
    let body = body.read().await.inspect_err(|_| refused(&publishing))?;
    publish(form, &publishing, &parameters, request.headers(), &body).await
}

async fn receive_signed(
    form: &'static dyn Form,
    publishing: Data<Publishing>,
    secrets: Data<InboundSecrets>,
    parameters: Parameters<Beside>,
    request: HttpRequest,
    body: Body<AnyPayload>,
) -> Result<Accepted<Received>, Problem> {
    let _permit = publishing.admission.enter(publishing.log.limit).await?;
    let body = body.read().await.inspect_err(|_| refused(&publishing))?;
    let now = publishing.clock.now();
    check_signature(&secrets.mlflow, request.headers(), &body, now)
        .inspect_err(|_| refused(&publishing))?;
    publish(form, &publishing, &parameters, request.headers(), &body).await
}

fn refused(publishing: &Publishing) {
    publishing.metrics.published("", Published::Refused, 0);
}

async fn publish(
    form: &dyn Form,
    publishing: &Publishing,
    parameters: &Parameters<Beside>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Accepted<Received>, Problem> {
    let prepared = prepare(form, publishing, parameters, headers, body);
    let prepared = prepared.inspect_err(|_| refused(publishing))?;
    let Prepared { events, nothing } = prepared;
    let topics: Vec<(String, &'static str)> = events
        .iter()
        .map(|(id, topic, _)| (id.clone(), *topic))
        .collect();
    let records = events.into_iter().map(|(_, _, record)| record).collect();
    let answers = append(&publishing.log, records).await;
    for ((_, topic), answer) in topics.iter().zip(&answers) {
        publishing
            .metrics
            .published_events(topic, u64::from(answer.is_ok()));
    }
    let outcome = Outcome::of(topics.iter().cloned().zip(answers));
    publishing.metrics.published("", outcome.counted(), 0);
    let events = outcome.events(|(event_id, topic), at| ReceivedEvent {
        event_id,
        topic,
        partition: at.partition,
        offset: at.offset,
    })?;
    Ok(Accepted(Received { events, nothing }))
}

/// The events of a payload: id, topic and record.
struct Prepared {
    events: Vec<(String, &'static str, NewRecord)>,
    nothing: Option<String>,
}

fn prepare(
    form: &dyn Form,
    publishing: &Publishing,
    parameters: &Parameters<Beside>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Prepared, Problem> {
    let Beside {
        model,
        service,
        timestamp,
    } = parameters.read()?;
    let some = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let said = Said {
        model: some(model),
        service: some(service),
        timestamp: some(timestamp),
    };
    incoming::check_encoding(headers)?;
    let text = incoming::payload(headers, body).map_err(|error| unreadable(&error))?;
    let mut payload = Payload::of(&text, &said).map_err(|error| unreadable(&error))?;
    if payload.attributes.is_empty() {
        let attributes =
            incoming::attributes(headers).map_err(|error| unreadable(&error.into()))?;
        payload.attributes = attributes.into_iter().collect();
    }
    let read = forms::read(form, &payload).map_err(|fault| unsuitable(&fault))?;
    let mut events = Vec::with_capacity(read.events.len());
    for event in read.events {
        let fresh = Uuid::new_v4().to_string();
        let stamp = Stamp {
            event_id: &fresh,
            time: publishing.clock.now(),
        };
        let topic = topic::publishable(event.topic).map_err(super::publish::not_publishable)?;
        let enriched = enrich_for(topic, event.text.as_bytes(), stamp);
        let enriched = enriched.map_err(|error| unreadable(&error))?;
        let record = NewRecord {
            topic: event.topic.to_owned(),
            key: event.key.map(String::into_bytes),
            value: Some(enriched.text.into_bytes()),
            ..NewRecord::default()
        };
        events.push((enriched.event_id, event.topic, record));
    }
    let nothing = read.nothing;
    Ok(Prepared { events, nothing })
}

fn unreadable(error: &EventError) -> Problem {
    let detail = format!("{error}; nothing was published");
    Problem::new(incoming::kind_of(error), detail).with("offset", error.offset())
}

fn unsuitable(fault: &PayloadFault) -> Problem {
    let detail = Cow::from(format!("{fault}; nothing was published"));
    Problem::new(Kind::UnreadableForm, detail)
}
