//! The kind `alertmanager`: an alert is posted to Prometheus Alertmanager, again while it lasts, and resolved at its end.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use homeostat_actors::ports::connector::{Answer, Connector, Due, Finding, Order, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::open::Open;
use self::text::Text;
use super::kind::Kind;
use super::kit::exchange::{done, either};
use super::kit::notice::{Link, NoticeSettings, is_for_people};
use super::kit::{
    Act, Acting, Call, Compile, Purpose, Service, ServiceSettings, Template, Texts, refused,
};
use crate::live::LiveSecret;

mod open;
mod text;

/// How often an alert is posted while it lasts: Alertmanager forgets what it has when it restarts without its data.
const REPEAT: Duration = Duration::from_mins(1);
/// How long a posted alert lasts without being posted again, in milliseconds: four repetitions may be lost.
const AHEAD_MS: Millis = 5 * 60 * 1000;
/// Longest hold: within the ledger's memory of eight days.
const HOLD_MINUTES_MAX: u32 = 7 * 24 * 60;
/// What is different in each alert, so that it would never be the same one again.
const NEVER_LABELS: [&str; 5] = ["action_id", "event_id", "attempt", "reasons", "timestamp"];

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    /// Addresses of the other Alertmanagers of the cluster: each alert is posted to all of them, as Prometheus does, and counts as
    /// sent when one took it.
    #[serde(default)]
    peers: Vec<String>,
    #[serde(flatten)]
    notice: NoticeSettings,
}

/// Keys of `[actions.alert.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// The label alertname, as a minijinja template (fields: see webhook, body).
    #[serde(default = "alertname")]
    #[schemars(length(min = 1))]
    alertname: String,
    /// Further labels, each a template. The alert always has alertname, severity, target_kind, target, event_type and
    /// job = "homeostat"; a label of the same name takes the place of one of these, and an empty one removes it. Alerts of equal
    /// labels are one alert, so that no label may hold action_id, event_id, attempt, reasons or timestamp.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Further annotations, each a template, beside summary, description, reasons, event, event_id, action_id and link.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// Minutes for which the alert lasts, unless a person acknowledges it before that. It is posted each minute meanwhile.
    #[serde(default = "hold_minutes")]
    #[schemars(range(min = 1, max = HOLD_MINUTES_MAX))]
    hold_minutes: u32,
}

fn alertname() -> String {
    "{{ event_type }}".to_owned()
}

const fn hold_minutes() -> u32 {
    60
}

/// A connection of this kind.
pub(crate) struct Alertmanager {
    members: Arc<Vec<Service>>,
    link: Link,
}

impl Kind for Alertmanager {
    const NAME: &'static str = "alertmanager";
    const ABOUT: &'static str = "Prometheus Alertmanager (API v2)";
    const EXAMPLE: &'static str = r#"[connections.oncall]
kind = "alertmanager"
url = "https://alertmanager-0.example.com"
peers = ["https://alertmanager-1.example.com"]
headers = { Authorization = "env:ALERTMANAGER_AUTHORIZATION" }
link = "https://homeostat.example.com/api/v1/decisions/{{ action_id }}"

[actions.alert]
connection = "oncall"

[actions.alert.with]
hold_minutes = 120
labels = { team = "ml" }
annotations = { runbook_url = "https://wiki.example.com/runbooks/{{ event_type }}" }
"#;
    const NOTES: &'static str = include_str!("alertmanager/notes.md");
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        is_for_people(action)
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let first = member(&settings.service, compile);
        let mut members = vec![first];
        for url in settings.peers {
            let peer = ServiceSettings {
                url,
                ..settings.service.clone()
            };
            members.push(compile.within("peers", |compile| member(&peer, compile)));
        }
        Some(Self {
            link: compile.link(&settings.notice),
            members: Arc::new(members.into_iter().collect::<Option<_>>()?),
        })
    }

    fn carry(
        &self,
        _: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        let mut labels = vec![("alertname".to_owned(), "alertname", with.alertname)];
        labels.extend(
            with.labels
                .into_iter()
                .map(|(name, text)| (name, "labels", text)),
        );
        let labels = labels.into_iter().map(|(name, table, source)| {
            let template = match table {
                "labels" => compile.within(table, |compile| label(&name, &source, compile)),
                _ => label(&name, &source, compile),
            };
            Some((name, template?))
        });
        let labels: Vec<_> = labels.collect();
        let annotations = Texts::compile("annotations", &with.annotations, compile);
        Some(Acting::connector(Alerts {
            members: Arc::clone(&self.members),
            text: Text {
                link: self.link.clone(),
                labels: Texts::of("labels", labels.into_iter().collect::<Option<_>>()?),
                annotations: annotations?,
            },
            hold_ms: Millis::from(with.hold_minutes) * 60_000,
            secrets: compile.secrets(),
            open: Open::default(),
        }))
    }
}

fn member(settings: &ServiceSettings, compile: &mut Compile<'_>) -> Option<Service> {
    let service = Service::new(settings, compile)?;
    if service.has_query() {
        compile.problem(
            "url",
            "has a query",
            "write the address before /api/v2, such as https://alertmanager.example.com",
        );
    }
    Some(service)
}

fn label(name: &str, source: &str, compile: &mut Compile<'_>) -> Option<Template> {
    let mut letters = name.chars();
    let first = letters
        .next()
        .is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    if !first || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        compile.problem(
            name,
            "is not a label's name",
            "use letters, digits and underscores",
        );
    }
    let template = compile.template(name, source, Purpose::Plain)?;
    if let Some(field) = NEVER_LABELS.iter().find(|field| template.reads(field)) {
        compile.problem(
            name,
            format!("holds {field}, which differs in each alert, so that none would ever be the same one again"),
            "write it in annotations",
        );
    }
    Some(template)
}

/// Alerts of one configuration over their connection.
struct Alerts {
    members: Arc<Vec<Service>>,
    text: Text,
    hold_ms: Millis,
    secrets: Vec<LiveSecret>,
    open: Open,
}

impl Act for Alerts {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let until = order.now + AHEAD_MS.min(self.hold_ms);
        let alert = self.text.alert(order, order.now, until)?;
        Ok(self.post(order, &alert).await)
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let looks = self.members.iter().map(|member| self.at(member, order));
        let mut findings = join_all(looks).await;
        if let Err(answer) = self.text.alert(order, order.now, order.now) {
            findings.push(Finding::wrong(answer.detail, "correct the template"));
        }
        Ok(findings)
    }

    fn is_tended(&self) -> bool {
        true
    }

    fn due(&self, order: &Order, state: Tending) -> Due {
        let end = state.done_at.saturating_add(self.hold_ms);
        let over = order.dry_run || order.now >= end;
        let lasts = !over && !state.acknowledged;
        let labels = self.text.labels(order);
        let until = lasts.then_some(end);
        let shared = labels.is_ok_and(|labels| self.open.hold(order, labels, until));
        if over || (state.acknowledged && shared) {
            Due::Over
        } else {
            Due::Now
        }
    }

    async fn tend(&self, order: &Order, state: Tending) -> Result<Tended, Answer> {
        let end = state.done_at.saturating_add(self.hold_ms);
        let until = if state.acknowledged {
            order.now
        } else {
            end.min(order.now + AHEAD_MS)
        };
        let alert = self.text.alert(order, state.done_at.min(until), until)?;
        let answer = self.post(order, &alert).await;
        if answer.outcome != FinishOutcome::Done {
            return Err(answer);
        }
        if state.acknowledged {
            return Ok(Tended::Over);
        }
        let left = u64::try_from(end - order.now).unwrap_or_default();
        Ok(Tended::Again(REPEAT.min(Duration::from_millis(left))))
    }
}

impl Alerts {
    /// Posts to every member. One that took it is enough: they share what they have, and each is posted to again.
    async fn post(&self, order: &Order, alert: &Value) -> Answer {
        let posts = self.members.iter().map(|member| async move {
            let talk = member.talk(order, &self.secrets);
            let call = Call::json(Method::POST, "/api/v2/alerts", alert);
            either(
                talk.change(call)
                    .await
                    .map(super::kit::Reply::outcome_unless_page),
            )
        });
        together(join_all(posts).await)
    }

    async fn at(&self, member: &Service, order: &Order) -> Finding {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            cluster: Cluster,
            version_info: Version,
        }
        #[derive(Deserialize)]
        struct Cluster {
            status: String,
        }
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let talk = member.talk(order, &self.secrets);
        match talk.ask(Call::get("/api/v2/status")).await {
            Ok(reply) if reply.is_success() => match reply.json::<Status>() {
                Ok(status) => Finding::Fine(format!(
                    "Alertmanager {}, cluster {}",
                    status.version_info.version, status.cluster.status
                )),
                Err(problem) => Finding::wrong(
                    problem,
                    "check the url: it is the address before /api/v2 of an Alertmanager",
                ),
            },
            Ok(reply) => reply.finding(String::new),
            Err(answer) => Finding::unreachable(answer.detail),
        }
    }
}

/// The answers of all members as one.
fn together(answers: Vec<Answer>) -> Answer {
    let all = answers.len();
    let took = answers
        .iter()
        .filter(|answer| answer.outcome == FinishOutcome::Done)
        .count();
    let details: Vec<&str> = answers.iter().map(|answer| &*answer.detail).collect();
    let details = details.join("; ");
    if took > 0 {
        let detail = match all {
            1 => details,
            _ => format!("{took} of {all} Alertmanagers took it: {details}"),
        };
        return done(detail);
    }
    // What may be mended by another attempt counts before what cannot.
    let answer = answers.into_iter().min_by_key(|answer| answer.permanent);
    answer.map_or_else(
        || refused("there is no Alertmanager".to_owned()),
        |answer| Answer {
            detail: details,
            ..answer
        },
    )
}
