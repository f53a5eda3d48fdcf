//! The kind `alertmanager`: an alert is posted to Prometheus Alertmanager, again while it lasts, and resolved at its end.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{Id, Millis};
use parking_lot::Mutex;
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::kit::exchange::{done, either};
use super::kit::notice::{Link, Notice, NoticeSettings, is_for_people, iso, shortened};
use super::kit::{Call, Compile, Plain, Purpose, Service, ServiceSettings, Template, refused};
use crate::live::LiveSecret;

/// How often an alert is posted while it lasts: Alertmanager forgets what it has when it restarts without its data.
const REPEAT: Duration = Duration::from_mins(1);
/// How long a posted alert lasts without being posted again, in milliseconds: four repetitions may be lost.
const AHEAD_MS: Millis = 5 * 60 * 1000;
/// Longest hold: within the ledger's memory of eight days.
const HOLD_MINUTES_MAX: u32 = 7 * 24 * 60;
/// Letters of the event in its annotation.
const EVENT_LETTERS_MAX: usize = 4_096;
/// Alerts that are known to share their labels with others; of more, an acknowledgement of one resolves all.
const OPEN_MAX: usize = 4_096;
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
    const NOTES: &'static str = "\
Needs: no rights of its own; a proxy before Alertmanager may ask for a header.

In doubt: an attempt is sent again. Alertmanager merges alerts of equal labels, so that this changes nothing.

While an alert lasts it is posted each minute, with an end five minutes ahead, so that an Alertmanager that restarted has it back
after a minute at most, and one that hears no more of Homeostat resolves it. When a person acknowledges the alert
(`homeostat override acknowledge ID --reason WHY`), it is posted with the present as its end, unless another open alert has the same labels. When
`hold_minutes` are over it ends by itself. Ids, reasons and scores are annotations: they differ in each alert.

Verified against Alertmanager 0.25.0, restarted without its data, in November 2026.
";
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
        let annotations = compile.within("annotations", |compile| {
            let annotations = with.annotations.into_iter().map(|(name, source)| {
                let template = compile.template(&name, &source, Purpose::Plain)?;
                Some((name, template))
            });
            annotations.collect::<Option<_>>()
        });
        Some(Arc::new(Alerts {
            members: Arc::clone(&self.members),
            link: self.link.clone(),
            labels: labels.into_iter().collect::<Option<_>>()?,
            annotations: annotations?,
            hold_ms: Millis::from(with.hold_minutes) * 60_000,
            secrets: compile.secrets(),
            open: Mutex::default(),
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

type Labels = BTreeMap<String, String>;

/// Alerts of one configuration over their connection.
struct Alerts {
    members: Arc<Vec<Service>>,
    link: Link,
    labels: Vec<(String, Template)>,
    annotations: Vec<(String, Template)>,
    hold_ms: Millis,
    secrets: Vec<LiveSecret>,
    /// Which actions hold an alert, and until when: one that is acknowledged does not end what another one holds.
    open: Mutex<BTreeMap<Labels, BTreeMap<Id, Millis>>>,
}

impl Alerts {
    fn labels(&self, order: &Order) -> Result<Labels, Answer> {
        let mut labels: Labels = [
            ("severity", order.severity.name()),
            ("target_kind", order.target.kind.name()),
            ("target", &order.target.name),
            ("event_type", &order.event_type),
            ("job", "homeostat"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        labels.extend(filled(&self.labels, "labels", order)?);
        labels.retain(|_, value| !value.is_empty());
        Ok(labels)
    }

    fn annotations(&self, notice: &Notice<'_>) -> Result<Map<String, Value>, Answer> {
        let order = notice.order;
        let event = notice.event();
        let event = event.map(|event| shortened(&event.to_string(), EVENT_LETTERS_MAX));
        let own = [
            ("summary", Some(notice.title.clone())),
            ("description", Some(notice.message.clone())),
            ("reasons", Some(notice.reasons())),
            ("event", event),
            ("event_id", Some(order.event_id.clone())),
            ("action_id", Some(order.action_id.to_string())),
            ("link", notice.link.clone()),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let further = filled(&self.annotations, "annotations", order)?;
        let all = own.chain(further).filter(|(_, value)| !value.is_empty());
        Ok(all.map(|(name, value)| (name, value.into())).collect())
    }

    /// The alert, lasting from one time to another.
    fn alert(&self, order: &Order, from: Millis, until: Millis) -> Result<Value, Answer> {
        let notice = Notice::of(order, &self.link)?;
        let mut alert = json!({
            "labels": self.labels(order)?,
            "annotations": self.annotations(&notice)?,
            "startsAt": iso(from),
            "endsAt": iso(until),
        });
        if let (Some(link), Some(alert)) = (notice.link, alert.as_object_mut()) {
            alert.insert("generatorURL".to_owned(), link.into());
        }
        Ok(json!([alert]))
    }

    /// Posts to every member. One that took it is enough: they share what they have, and each is posted to again.
    async fn post(&self, order: &Order, alert: &Value) -> Answer {
        let posts = self.members.iter().map(|member| async move {
            let talk = member.talk(order, &self.secrets);
            let call = Call::json(Method::POST, "/api/v2/alerts", alert);
            either(talk.change(call).await.map(super::kit::Reply::outcome))
        });
        together(join_all(posts).await)
    }

    /// Notes that an action holds an alert until then, or no more; answers whether another action holds it.
    fn hold(&self, order: &Order, until: Option<Millis>) -> bool {
        let Ok(labels) = self.labels(order) else {
            return false;
        };
        let mut open = self.open.lock();
        open.retain(|_, holders| {
            holders.retain(|_, until| *until > order.now);
            !holders.is_empty()
        });
        if open.len() >= OPEN_MAX && !open.contains_key(&labels) {
            return false;
        }
        let holders = open.entry(labels).or_default();
        holders.remove(&order.action_id);
        let shared = !holders.is_empty();
        if let Some(until) = until {
            holders.insert(order.action_id, until);
        }
        shared
    }

    async fn send_first(&self, order: &Order) -> Result<Answer, Answer> {
        let until = order.now + AHEAD_MS.min(self.hold_ms);
        let alert = self.alert(order, order.now, until)?;
        Ok(self.post(order, &alert).await)
    }

    async fn look_after(&self, order: &Order, state: Tending) -> Tended {
        let end = state.done_at.saturating_add(self.hold_ms);
        if order.dry_run || order.now >= end {
            self.hold(order, None);
            return Tended::Over;
        }
        let until = if state.acknowledged {
            order.now
        } else {
            end.min(order.now + AHEAD_MS)
        };
        let shared = self.hold(order, (!state.acknowledged).then_some(end));
        if state.acknowledged && shared {
            return Tended::Over;
        }
        let answer = match self.alert(order, state.done_at.min(until), until) {
            Ok(alert) => self.post(order, &alert).await,
            Err(answer) => answer,
        };
        let is_done = answer.outcome == homeostat_logic::ledger::record::FinishOutcome::Done;
        if !is_done {
            tracing::warn!(
                action_id = %order.action_id,
                detail = answer.detail,
                "an alert that lasts could not be posted again; it is tried each minute"
            );
        }
        if state.acknowledged && is_done {
            return Tended::Over;
        }
        let left = u64::try_from(end - order.now).unwrap_or_default();
        Tended::Again(REPEAT.min(Duration::from_millis(left)))
    }

    async fn look(&self, member: &Service, order: &Order) -> Finding {
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
    use homeostat_logic::ledger::record::FinishOutcome::Done;
    let all = answers.len();
    let took = answers
        .iter()
        .filter(|answer| answer.outcome == Done)
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

fn filled(
    templates: &[(String, Template)],
    table: &str,
    order: &Order,
) -> Result<Vec<(String, String)>, Answer> {
    let context = Plain::plain(order);
    let filled = templates.iter().map(|(name, template)| {
        let value = template.render(&context);
        let value = value
            .map_err(|error| refused(format!("the template `{table}.{name}` failed: {error}")));
        Ok((name.clone(), value?))
    });
    filled.collect()
}

impl Connector for Alerts {
    fn send(&self, order: Order) -> BoxFuture<'_, Answer> {
        async move { either(self.send_first(&order).await) }.boxed()
    }

    fn examine(&self, order: Order) -> BoxFuture<'_, Vec<Finding>> {
        async move {
            let looks = self.members.iter().map(|member| self.look(member, &order));
            let mut findings = join_all(looks).await;
            if let Err(answer) = self.alert(&order, order.now, order.now) {
                findings.push(Finding::wrong(answer.detail, "correct the template"));
            }
            findings
        }
        .boxed()
    }

    fn is_tended(&self) -> bool {
        true
    }

    fn tend(&self, order: Order, state: Tending) -> BoxFuture<'_, Tended> {
        async move { self.look_after(&order, state).await }.boxed()
    }
}
