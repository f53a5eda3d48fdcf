//! The kind `slack`: an alert is a message in a channel, by an incoming webhook or, with a bot's token, in threads by target.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Due, Finding, Order, Tended, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Millis};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use self::answers::{NOT_SLACK, Said, hooked, judged};
use self::message::{acknowledged, message};
use self::threads::{Posted, Threads};
use super::kind::Kind;
use super::kit::act::{once, with_texts};
use super::kit::exchange::either;
use super::kit::notice::{Link, Notice, NoticeSettings, followed, is_for_people};
use super::kit::{Act, Acting, Call, Compile, Service, ServiceSettings, Talk, refused};
use crate::live::LiveSecret;

mod answers;
mod message;
mod threads;

const API: &str = "https://slack.com/api";
/// Longest thread of a target.
const THREAD_MINUTES_MAX: u32 = 7 * 24 * 60;

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    /// Token of a bot (xoxb-…): a reference. Messages are then posted by chat.postMessage, in threads; without it url is a
    /// reference to the address of an incoming webhook.
    #[schemars(length(min = 1))]
    token: Option<String>,
    #[serde(flatten)]
    notice: NoticeSettings,
}

/// Keys of `[actions.alert.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Id of the channel (C…), with a bot's token; a webhook has its channel.
    #[schemars(length(min = 1))]
    channel: Option<String>,
    /// With a bot's token: alerts about a target within so many minutes of the last one are replies in its thread; one that is
    /// graver than those before is shown in the channel too. 0 = each alert is a message of its own.
    #[serde(default = "thread_minutes")]
    #[schemars(range(min = 0, max = THREAD_MINUTES_MAX))]
    thread_minutes: u32,
}

const fn thread_minutes() -> u32 {
    24 * 60
}

/// A connection of this kind.
pub(crate) struct Slack {
    service: Arc<Service>,
    token: Option<LiveSecret>,
    link: Link,
}

impl Kind for Slack {
    const NAME: &'static str = "slack";
    const ABOUT: &'static str = "Slack, by an incoming webhook or a bot";
    const EXAMPLE: &'static str = r#"[connections.chat]
kind = "slack"
token = "env:SLACK_BOT_TOKEN"
link = "https://homeostat.example.com/api/v1/decisions/{{ action_id }}"

[actions.alert]
connection = "chat"
policy = "at_most_once"

[actions.alert.with]
channel = "C0123456789"
"#;
    const NOTES: &'static str = include_str!("slack/notes.md");
    const POLICY: Option<&'static str> = Some("at_most_once");
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        is_for_people(action)
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let mut service = settings.service;
        let token = if let Some(token) = &settings.token {
            if service.url.is_empty() {
                API.clone_into(&mut service.url);
            }
            Some(compile.secret_of_form("token", token, token_form)?)
        } else {
            compile.secret_url(&service.url);
            None
        };
        if let Some(problem) = token
            .as_ref()
            .and_then(|token| token_form(token.current().expose()))
        {
            compile.problem(
                "token",
                problem,
                "copy it from the app's page OAuth & Permissions",
            );
        }
        let link = compile.link(&settings.notice);
        let service = Service::new(&service, compile)?;
        if token.is_some() && service.has_query() {
            compile.problem(
                "url",
                "has a query",
                "write the address before the method, such as https://slack.com/api",
            );
        }
        Some(Self {
            service: Arc::new(service),
            token,
            link,
        })
    }

    fn carry(
        &self,
        _: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        match (&self.token, &with.channel) {
            (Some(_), None) => {
                compile.problem(
                    "channel",
                    "is missing",
                    "write the id of the channel (C…), which Slack shows under its details",
                );
            }
            (None, Some(_)) => {
                compile.problem(
                    "channel",
                    "has no effect: an incoming webhook has its own channel",
                    "remove it, or write the token of a bot in the connection",
                );
            }
            _ => {}
        }
        Some(Acting::connector(Messages {
            service: Arc::clone(&self.service),
            token: self.token.clone(),
            link: self.link.clone(),
            channel: with.channel,
            threads: Threads::lasting(Millis::from(with.thread_minutes) * 60_000),
            secrets: compile.secrets(),
        }))
    }
}

fn token_form(token: &str) -> Option<String> {
    HeaderValue::try_from(token)
        .err()
        .map(|_| "has characters that no token has".to_owned())
}

/// Alerts of one configuration over their connection.
struct Messages {
    service: Arc<Service>,
    /// `None` = an incoming webhook.
    token: Option<LiveSecret>,
    link: Link,
    channel: Option<String>,
    threads: Threads,
    secrets: Vec<LiveSecret>,
}

impl Act for Messages {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let notice = Notice::of(order, &self.link)?;
        let mut message = message(&notice);
        if self.token.is_none() {
            let call = call(None, &message, None);
            return self.talk(order).change(call).await.map(hooked);
        }
        let place = self.threads.place(order);
        set(&mut message, "channel", json!(self.channel));
        if let Some(place) = &place {
            set(&mut message, "thread_ts", json!(place.root));
            set(&mut message, "reply_broadcast", json!(place.is_graver));
        }
        let call = self.method("/chat.postMessage", &message)?;
        let reply = self.talk(order).change(call).await?;
        let said = reply.json::<Said>().ok();
        let answer = judged(reply, said.as_ref());
        if answer.outcome == FinishOutcome::Done
            && let Some(Said {
                ts: Some(ts),
                channel: Some(channel),
                ..
            }) = said
        {
            self.threads.posted(order, Posted { ts, channel }, place);
        }
        Ok(answer)
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let reached = self.reached(order).await;
        let reached = reached.unwrap_or_else(|answer| Finding::unreachable(answer.detail));
        Ok(with_texts(reached, Notice::of(order, &self.link)))
    }

    fn is_tended(&self) -> bool {
        self.token.is_some()
    }

    fn due(&self, order: &Order, state: Tending) -> Due {
        let known = !order.dry_run && self.threads.find(order.action_id).is_some();
        followed(order, state, known)
    }

    /// Shows in the message that a person acknowledged the alert.
    async fn tend(&self, order: &Order, _: Tending) -> Result<Tended, Answer> {
        let Some(posted) = self.threads.find(order.action_id) else {
            return Ok(Tended::Over);
        };
        once(either(self.mark(order, &posted).await))
    }
}

impl Messages {
    fn talk<'a>(&'a self, order: &'a Order) -> Talk<'a> {
        self.service.talk(order, &self.secrets)
    }

    fn method(&self, path: &str, body: &Value) -> Result<Call, Answer> {
        let token = self.token.as_ref().map(LiveSecret::current);
        let token = token.as_ref().map_or("", |token| token.expose());
        let token = HeaderValue::try_from(format!("Bearer {token}"));
        let mut token = token.map_err(|error| refused(format!("header authorization: {error}")))?;
        token.set_sensitive(true);
        Ok(call(Some(path), body, Some(token)))
    }

    async fn mark(&self, order: &Order, posted: &Posted) -> Result<Answer, Answer> {
        let notice = Notice::of(order, &self.link)?;
        let mut message = acknowledged(&notice);
        set(&mut message, "channel", json!(posted.channel));
        set(&mut message, "ts", json!(posted.ts));
        let reply = self
            .talk(order)
            .change(self.method("/chat.update", &message)?)
            .await?;
        let said = reply.json::<Said>().ok();
        Ok(judged(reply, said.as_ref()))
    }

    async fn reached(&self, order: &Order) -> Result<Finding, Answer> {
        if self.token.is_none() {
            return self.known_hook(order).await;
        }
        let reply = self
            .talk(order)
            .ask(self.method("/auth.test", &json!({}))?)
            .await?;
        Ok(match reply.json::<Said>() {
            Ok(Said {
                ok: true,
                team,
                user,
                ..
            }) => Finding::Fine(format!(
                "posts as {} in the workspace {}",
                user.unwrap_or_default(),
                team.unwrap_or_default()
            )),
            Ok(_) => Finding::wrong(reply.detail, "check the token of the connection"),
            Err(_) if reply.is_success() => {
                Finding::wrong(format!("{}{NOT_SLACK}", reply.detail), "check the url")
            }
            Err(_) => reply.finding(String::new),
        })
    }

    /// A message without text is refused by a webhook that is known, and nothing is posted.
    async fn known_hook(&self, order: &Order) -> Result<Finding, Answer> {
        let reply = self.talk(order).ask(call(None, &json!({}), None)).await?;
        let said = reply.text();
        let refused = reply.status == 400 && ["no_text", "invalid_payload"].contains(&said.trim());
        if refused {
            let fine = "Slack knows the webhook's address: it refuses a message without text";
            return Ok(Finding::Fine(fine.to_owned()));
        }
        Ok(match reply.status {
            200..=299 => Finding::wrong(format!("{}{NOT_SLACK}", reply.detail), "check the url"),
            // no_service, invalid_token, channel_is_archived and the like.
            300..=428 | 430..=499 => Finding::wrong(
                reply.detail,
                "check the webhook's address, or make another one in Slack",
            ),
            _ => Finding::Unsure(reply.detail),
        })
    }
}

fn call(path: Option<&str>, body: &Value, token: Option<HeaderValue>) -> Call {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.extend(token.map(|token| (AUTHORIZATION, token)));
    Call {
        method: Method::POST,
        path: path.map(str::to_owned),
        headers,
        body: Some(body.to_string()),
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
