//! The kind `pagerduty`: an alert triggers an incident through Events API v2, and its acknowledgement here resolves it.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Due, Finding, Order, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::severity::Severity;
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::kind::Kind;
use super::kit::act::{once, with_texts};
use super::kit::exchange::either;
use super::kit::notice::{Link, Notice, NoticeSettings, followed, is_for_people, iso, shortened};
use super::kit::{Act, Acting, Call, Compile, Reply, Service, ServiceSettings};
use crate::live::LiveSecret;

const EVENTS: &str = "https://events.pagerduty.com";
/// Limits of the API.
const SUMMARY_LETTERS_MAX: usize = 1_024;
const DEDUP_BYTES_MAX: usize = 255;
/// Bytes of the event in the details; an event of PagerDuty may have 512 KB in all.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    /// Integration key of the service in PagerDuty (Events API v2): a reference.
    #[serde(default)]
    #[schemars(length(min = 1))]
    routing_key: String,
    #[serde(flatten)]
    notice: NoticeSettings,
}

/// Keys of `[actions.alert.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// What makes two alerts one incident (dedup_key): action = attempts of one alert only, so that each alert pages; target = all
    /// alerts of an event type about a target, so that later ones are added to the open incident and page no one again.
    #[serde(default)]
    dedup: Dedup,
    /// The logical group of the incident, such as a team or a cluster.
    #[schemars(length(min = 1))]
    group: Option<String>,
}

/// What makes two alerts one incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Dedup {
    #[default]
    Action,
    Target,
}

/// A connection of this kind.
pub(crate) struct Pagerduty {
    service: Arc<Service>,
    routing_key: LiveSecret,
    link: Link,
}

impl Kind for Pagerduty {
    const NAME: &'static str = "pagerduty";
    const ABOUT: &'static str = "PagerDuty (Events API v2)";
    const EXAMPLE: &'static str = r#"[connections.pager]
kind = "pagerduty"
routing_key = "env:PAGERDUTY_ROUTING_KEY"
link = "https://homeostat.example.com/api/v1/decisions/{{ action_id }}"

[actions.alert]
connection = "pager"
"#;
    const NOTES: &'static str = "\
Needs: the integration key of an integration \"Events API V2\" of a service. Without `url` events go to
`https://events.pagerduty.com`; accounts in Europe write `url = \"https://events.eu.pagerduty.com\"`.

In doubt: an attempt is sent again. Its `dedup_key` is the action's id, so that PagerDuty adds it to the same incident.

Severities are critical, error (high), warning (medium) and info (low). With `dedup = \"action\"` an acknowledgement
(`homeostat override acknowledge ID --reason WHY`) resolves the incident, up to seven days after the alert. With `dedup = \"target\"` the incident belongs to
several alerts: it is resolved in PagerDuty.

Verified in November 2026 against a stub that the client `pagerduty` 7.2.0 of PyPI accepts, with the same requests as that client; not
against PagerDuty itself.
";
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        is_for_people(action)
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let mut service = settings.service;
        if service.url.is_empty() {
            EVENTS.clone_into(&mut service.url);
        }
        let routing_key = compile.required("routing_key", &settings.routing_key);
        let link = compile.link(&settings.notice);
        Some(Self {
            service: Arc::new(Service::new(&service, compile)?),
            routing_key: routing_key?,
            link,
        })
    }

    fn carry(
        &self,
        _: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        Some(Acting::connector(Incidents {
            service: Arc::clone(&self.service),
            routing_key: self.routing_key.clone(),
            link: self.link.clone(),
            dedup: with.dedup,
            group: with.group,
            secrets: compile.secrets(),
        }))
    }
}

/// Alerts of one configuration over their connection.
struct Incidents {
    service: Arc<Service>,
    routing_key: LiveSecret,
    link: Link,
    dedup: Dedup,
    group: Option<String>,
    secrets: Vec<LiveSecret>,
}

const NOT_PAGERDUTY: &str = ": this is no answer of PagerDuty; check the url";

/// What PagerDuty answers.
#[derive(Deserialize)]
struct Accepted {
    status: String,
}

impl Act for Incidents {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let notice = Notice::of(order, &self.link)?;
        self.enqueue(order, &self.trigger(&notice)).await
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let talk = self.service.talk(order, &self.secrets);
        // An event without anything is refused, and nothing comes of it.
        let reply = talk
            .ask(Call::json(Method::POST, "/v2/enqueue", &json!({})))
            .await;
        let reached = match reply {
            Ok(reply) if reply.status == 400 && reply.json::<Accepted>().is_ok() => Finding::Unsure(
                "PagerDuty answers; whether it knows the routing key is only seen with the first event".to_owned(),
            ),
            Ok(reply) if reply.is_success() => {
                Finding::wrong(format!("{}{NOT_PAGERDUTY}", reply.detail), "check the url")
            }
            Ok(reply) => reply.finding(String::new),
            Err(answer) => Finding::unreachable(answer.detail),
        };
        Ok(with_texts(reached, Notice::of(order, &self.link)))
    }

    fn is_tended(&self) -> bool {
        self.dedup == Dedup::Action
    }

    fn due(&self, order: &Order, state: Tending) -> Due {
        followed(order, state, !order.dry_run && self.dedup == Dedup::Action)
    }

    /// Resolves the incident of an alert that a person acknowledged.
    async fn tend(&self, order: &Order, _: Tending) -> Result<Tended, Answer> {
        once(either(
            self.enqueue(order, &self.event("resolve", order)).await,
        ))
    }
}

impl Incidents {
    fn dedup_key(&self, order: &Order) -> String {
        if self.dedup == Dedup::Action {
            return order.action_id.to_string();
        }
        let key = format!("homeostat/{}/{}", order.target, order.event_type);
        if key.len() <= DEDUP_BYTES_MAX {
            return key;
        }
        // Names may be longer than a key: two that begin alike must stay two.
        let hash = Sha256::digest(key.as_bytes());
        hash.iter().fold("homeostat/".to_owned(), |key, byte| {
            format!("{key}{byte:02x}")
        })
    }

    fn event(&self, kind: &str, order: &Order) -> Value {
        json!({
            "routing_key": self.routing_key.current().expose(),
            "event_action": kind,
            "dedup_key": self.dedup_key(order),
        })
    }

    fn trigger(&self, notice: &Notice<'_>) -> Value {
        let order = notice.order;
        let mut event = self.event("trigger", order);
        let mut details = json!({
            "message": notice.message,
            "reasons": order.reasons,
            "event_id": order.event_id,
            "action_id": order.action_id,
        });
        let source = notice.event();
        let source = source.filter(|event| event.to_string().len() <= EVENT_BYTES_MAX);
        if let Some(source) = source {
            set(&mut details, "event", source);
        }
        let mut payload = json!({
            "summary": shortened(&notice.title, SUMMARY_LETTERS_MAX),
            "source": order.target.to_string(),
            "severity": severity(order.severity),
            "timestamp": iso(order.now),
            "component": order.target.name,
            "class": order.event_type,
            "custom_details": details,
        });
        if let Some(group) = &self.group {
            set(&mut payload, "group", json!(group));
        }
        set(&mut event, "payload", payload);
        set(&mut event, "client", json!("Homeostat"));
        if let Some(link) = &notice.link {
            set(&mut event, "client_url", json!(link));
            set(
                &mut event,
                "links",
                json!([{ "href": link, "text": notice.link_label() }]),
            );
        }
        event
    }

    async fn enqueue(&self, order: &Order, event: &Value) -> Result<Answer, Answer> {
        let talk = self.service.talk(order, &self.secrets);
        let reply = talk
            .change(Call::json(Method::POST, "/v2/enqueue", event))
            .await?;
        Ok(judged(reply))
    }
}

/// Only what PagerDuty itself says is done: a proxy may answer 200 as well.
fn judged(reply: Reply) -> Answer {
    let accepted = reply.json::<Accepted>();
    if !reply.is_success() || accepted.is_ok_and(|accepted| accepted.status == "success") {
        return reply.outcome();
    }
    if reply.is_half() {
        return reply.half();
    }
    let mut answer = reply.answer(FinishOutcome::Failed, false);
    answer.detail.push_str(NOT_PAGERDUTY);
    answer
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "info",
        Severity::Medium => "warning",
        Severity::High => "error",
        Severity::Critical => "critical",
    }
}
