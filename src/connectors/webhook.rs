//! The kind `webhook`: each action is one HTTP request, with a configured body or all fields as JSON, signed if wanted.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::kind::Kind;
use super::kit::act::with_texts;
use super::kit::{
    Act, Acting, Call, Compile, Context, Headers, Plain, Purpose, Reply, Service, ServiceSettings,
    Signer, Talk, Template, headers, json_fault, refused,
};
use crate::live::{Derived, LiveSecret};

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    /// Signs each request by the Standard Webhooks scheme: a reference to `whsec_` and the base64 of at least 24 bytes, as
    /// `echo "whsec_$(openssl rand -base64 32)"` makes it. Padding may be left out. Of the URL-safe alphabet (`-`, `_`) some
    /// libraries read only a part, so that a request then has two signatures, of which the receiver accepts either.
    #[schemars(length(min = 1))]
    secret: Option<String>,
}

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Appended to the connection's url; a template like that.
    path: Option<String>,
    /// POST, PUT or PATCH.
    #[serde(default)]
    method: Verb,
    /// Further headers of this action's requests; a value may be a reference. Credentials must be.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Body as a minijinja template over the fields action_id, attempt, action, target {kind, name}, severity, event_type,
    /// event_id, params, reasons and timestamp; `| tojson` quotes a value. Without it all fields are sent as one JSON object.
    body: Option<String>,
    /// Where the service is asked whether an attempt without a clear answer had its effect; policy = "verify" needs it.
    probe: Option<ProbeWith>,
}

/// Keys of `[actions.ACTION.with.probe]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ProbeWith {
    /// Path of the one thing that the action makes, appended to the connection's url and read by GET: 2xx means that the action
    /// was done; 404 and 410 that it was not and, a minute after the attempt, never will be; anything else says nothing, and the
    /// service is asked again. An address that answers 404 for other reasons lets an attempt be sent twice.
    #[serde(default)]
    #[schemars(length(min = 1))]
    path: String,
    /// Further headers of this request.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// Methods of a webhook.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Post,
    Put,
    Patch,
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct Webhook {
    service: Arc<Service>,
    signer: Option<Arc<Derived<Signer>>>,
}

impl Kind for Webhook {
    const NAME: &'static str = "webhook";
    const ABOUT: &'static str = "any service that takes an HTTP request";
    const EXAMPLE: &'static str = r#"[connections.jobs]
kind = "webhook"
url = "https://jobs.example.com"
headers = { Authorization = "env:JOBS_AUTHORIZATION" }
secret = "env:JOBS_WEBHOOK_SECRET"

[actions.retrain]
connection = "jobs"
policy = "verify"

[actions.retrain.with]
path = "/models/{{ target.name }}/train"
body = '{"model": {{ target.name | tojson }}, "reason": {{ event_type | tojson }}}'
probe.path = "/runs/{{ action_id }}"
"#;
    type Settings = Settings;
    type With = With;

    fn probed_by() -> Option<&'static str> {
        Some("probe.path")
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let signer = settings.secret.as_ref();
        let signer = signer.and_then(|reference| compile.signer("secret", reference));
        Some(Self {
            service: Arc::new(Service::new(&settings.service, compile)?),
            signer,
        })
    }

    fn carry(
        &self,
        _action: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        let headers = self.service.headers.clone();
        // In place of the connection's own, or the body would be escaped for the wrong type.
        let headers = headers.with(compile.headers(&with.headers));
        let content = headers::purpose(&headers.map());
        let path = with.path.as_ref().map(|path| self.path(path, compile));
        let body = with.body.as_ref();
        let probe = with.probe.map(|probe| {
            compile.within("probe", |compile| {
                let headers = compile.headers(&probe.headers);
                Some((self.path(&probe.path, compile)?, headers))
            })
        });
        Some(Acting::connector(Hook {
            service: Arc::clone(&self.service),
            signer: self.signer.clone(),
            method: match with.method {
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
                Verb::Patch => Method::PATCH,
            },
            path: path.flatten(),
            body: body.and_then(|source| compile.template("body", source, content)),
            headers,
            content,
            probe: probe.flatten(),
            secrets: compile.secrets(),
        }))
    }
}

impl Webhook {
    fn path(&self, path: &str, compile: &mut Compile<'_>) -> Option<Template> {
        if self.service.has_query() {
            compile.problem(
                "path",
                "cannot be appended: the connection's url has a query",
                "move the query from the url into each path",
            );
        } else if path.trim().is_empty() {
            compile.problem(
                "path",
                "is empty or missing",
                "write a path such as \"/runs/{{ action_id }}\"",
            );
        }
        compile.template("path", path, Purpose::Url)
    }
}

/// One action over its connection.
struct Hook {
    service: Arc<Service>,
    signer: Option<Arc<Derived<Signer>>>,
    method: Method,
    path: Option<Template>,
    headers: Headers,
    content: Purpose,
    /// `None` = all fields as JSON.
    body: Option<Template>,
    probe: Option<(Template, Headers)>,
    secrets: Vec<LiveSecret>,
}

impl Act for Hook {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let talk = self.talk(order);
        let request = self.request(&talk)?;
        talk.change(request).await.map(Reply::outcome)
    }

    fn can_be_asked(&self) -> bool {
        self.probe.is_some()
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let Some((path, headers)) = &self.probe else {
            return Ok(Probe::NoAnswer(String::new()));
        };
        let talk = self.talk(order);
        let mut call = Call::get(talk.path(path)?);
        call.headers = headers.map();
        let reply = talk.ask(call).await?;
        Ok(probed(reply.status, reply.detail))
    }

    /// Whether the service is there at all: its root is asked for, which no webhook minds.
    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let talk = self.talk(order);
        let reached = match talk.reach().await {
            Ok(reply) if reply.status >= 500 => Finding::Unsure(format!(
                "the service answers {} to HEAD / and may take the action all the same; that is only seen with the first one",
                reply.status
            )),
            Ok(reply) => Finding::Fine(format!("the service answers ({})", reply.status)),
            Err(answer) => Finding::unreachable(answer.detail),
        };
        Ok(with_texts(reached, self.request(&talk)))
    }
}

impl Hook {
    fn talk<'a>(&'a self, order: &'a Order) -> Talk<'a> {
        self.service.talk(order, &self.secrets)
    }

    fn request(&self, talk: &Talk<'_>) -> Result<Call, Answer> {
        let order = talk.order;
        let body = self.body(order).map_err(refused)?;
        let id = order.action_id.to_string();
        let mut headers = self.headers.map();
        let json = HeaderValue::from_static(headers::JSON);
        headers.entry(CONTENT_TYPE).or_insert(json);
        let mut own = vec![
            ("idempotency-key", id.clone()),
            ("homeostat-attempt", order.attempt.to_string()),
        ];
        if let Some(signer) = &self.signer {
            let timestamp = order.now.div_euclid(1_000);
            let signature = signer.current().sign(&id, timestamp, &body);
            own.push(("webhook-signature", signature));
            own.push(("webhook-timestamp", timestamp.to_string()));
            own.push(("webhook-id", id));
        }
        for (name, value) in own {
            let value = HeaderValue::try_from(value);
            let value = value.map_err(|error| refused(format!("header {name}: {error}")))?;
            headers.insert(name, value);
        }
        let path = self.path.as_ref().map(|path| talk.path(path));
        Ok(Call {
            method: self.method.clone(),
            path: path.transpose()?,
            headers,
            body: Some(body),
        })
    }

    fn body(&self, order: &Order) -> Result<String, String> {
        let Some(template) = &self.body else {
            return serde_json::to_string(&Context::exact(order))
                .map_err(|error| format!("the order cannot be written as JSON: {error}"));
        };
        let body = template
            .render(&Plain::plain(order))
            .map_err(|error| format!("the template `body` failed: {error}"))?;
        if self.content == Purpose::Json
            && let Some(fault) = json_fault(&body)
        {
            return Err(format!(
                "the template `body` did not render to JSON: {fault}"
            ));
        }
        Ok(body)
    }
}

/// What a status says of the thing asked for. What is neither yes nor no says nothing.
const fn probed(status: u16, evidence: String) -> Probe {
    match status {
        200..=299 => Probe::Found(evidence),
        404 | 410 => Probe::Absent(evidence),
        _ => Probe::NoAnswer(evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_or_no_says_anything() {
        let said = |status| match probed(status, String::new()) {
            Probe::Found(_) => "found",
            Probe::Absent(_) => "absent",
            Probe::NoAnswer(_) => "nothing",
        };
        let table = [
            (&[200, 204, 299][..], "found"),
            (&[404, 410], "absent"),
            (
                &[100, 301, 302, 304, 400, 401, 403, 405, 429, 500, 503],
                "nothing",
            ),
        ];
        for (statuses, expected) in table {
            for status in statuses {
                assert_eq!(said(*status), expected, "{status}");
            }
        }
    }
}
