//! The kind `teams`: an alert becomes an Adaptive Card, posted to a workflow of Microsoft Teams.

use std::sync::Arc;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::severity::Severity;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::kit::act::with_texts;
use super::kit::notice::{Link, Notice, NoticeSettings, is_for_people, shortened};
use super::kit::{Act, Acting, Call, Compile, Reply, Service, ServiceSettings, headers};
use crate::live::LiveSecret;

/// A message of Teams may have 28 KB in all, and a letter four bytes.
const MESSAGE_LETTERS_MAX: usize = 1_500;
const REASONS_LETTERS_MAX: usize = 500;
const TITLE_LETTERS_MAX: usize = 250;
const FACT_LETTERS_MAX: usize = 256;
/// Lines of a message, and of the reasons: each is a block of the card.
const LINES_MAX: usize = 20;

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    #[serde(flatten)]
    notice: NoticeSettings,
}

/// Keys of `[actions.alert.with]`: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {}

/// A connection of this kind.
pub(crate) struct Teams {
    service: Arc<Service>,
    link: Link,
}

impl Kind for Teams {
    const NAME: &'static str = "teams";
    const ABOUT: &'static str = "Microsoft Teams, by the webhook of a workflow";
    const EXAMPLE: &'static str = r#"[connections.channel]
kind = "teams"
url = "env:TEAMS_WORKFLOW_URL"

[actions.alert]
connection = "channel"
policy = "at_most_once"
"#;
    const NOTES: &'static str = "\
Needs: in Teams, Workflows, \"Send webhook alerts to a channel\" (a workflow that begins with \"When a Teams webhook request is
received\"); `url` is a reference to its address. The address is the credential, and is never shown.

In doubt: the workflow cannot be asked, and shows a repeated attempt as a second message. `policy = \"at_most_once\"` is the default
of this kind: an alert without a clear answer is not sent again, and a person decides. With `policy = \"idempotent\"` it is.

The answer 202 says that the workflow has started. Whether it posts the card is seen in its run history.

Verified in November 2026: each card against the published schema of Adaptive Cards 1.5; the answers by a stub; not against Teams
itself.
";
    const POLICY: Option<&'static str> = Some("at_most_once");
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        is_for_people(action)
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        compile.secret_url(&settings.service.url);
        let link = compile.link(&settings.notice);
        Some(Self {
            service: Arc::new(Service::new(&settings.service, compile)?),
            link,
        })
    }

    fn carry(&self, _: Action, _: With, compile: &mut Compile<'_>) -> Option<Arc<dyn Connector>> {
        Some(Acting::connector(Cards {
            service: Arc::clone(&self.service),
            link: self.link.clone(),
            secrets: compile.secrets(),
        }))
    }
}

/// Alerts of one configuration over their connection.
struct Cards {
    service: Arc<Service>,
    link: Link,
    secrets: Vec<LiveSecret>,
}

impl Act for Cards {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let notice = Notice::of(order, &self.link)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(headers::JSON));
        let call = Call {
            method: Method::POST,
            path: None,
            headers,
            body: Some(message(&notice).to_string()),
        };
        let talk = self.service.talk(order, &self.secrets);
        talk.change(call).await.map(Reply::outcome_unless_page)
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let reached = match self.service.talk(order, &self.secrets).reach().await {
            Ok(_) => Finding::Unsure(
                "the workflow's host answers; whether the address is still valid is only seen with the first message"
                    .to_owned(),
            ),
            Err(answer) => Finding::unreachable(answer.detail),
        };
        Ok(with_texts(reached, Notice::of(order, &self.link)))
    }
}

fn message(notice: &Notice<'_>) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(notice),
        }],
    })
}

fn card(notice: &Notice<'_>) -> Value {
    let title = shortened(&notice.title, TITLE_LETTERS_MAX);
    let colour = colour(notice.order.severity);
    let mut body = vec![json!({
        "type": "Container",
        "style": container(notice.order.severity),
        "bleed": true,
        "items": [rich(&[json!({
            "type": "TextRun", "text": title, "size": "large", "weight": "bolder", "color": colour,
        })])],
    })];
    let message = shortened(&notice.message, MESSAGE_LETTERS_MAX);
    body.extend(lines(&message, &json!({ "type": "TextRun" })));
    body.extend(notice.facts().iter().map(|(label, value)| {
        rich(&[
            json!({ "type": "TextRun", "text": format!("{label}: "), "weight": "bolder" }),
            json!({ "type": "TextRun", "text": plain(&shortened(value, FACT_LETTERS_MAX)) }),
        ])
    }));
    let reasons = shortened(&notice.reasons(), REASONS_LETTERS_MAX);
    body.extend(lines(
        &reasons,
        &json!({ "type": "TextRun", "isSubtle": true, "size": "small" }),
    ));
    let mut card = json!({
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": title,
        "body": body,
    });
    if let (Some(link), Some(card)) = (&notice.link, card.as_object_mut()) {
        let open = json!([{ "type": "Action.OpenUrl", "title": notice.link_label(), "url": link }]);
        card.insert("actions".to_owned(), open);
    }
    card
}

/// A block of text that is read as it is: a text block would read Markdown.
fn rich(runs: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}

/// A block per line, in the form of a run.
fn lines(text: &str, run: &Value) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.take(LINES_MAX).map(|line| {
        let mut run = run.clone();
        if let Some(run) = run.as_object_mut() {
            run.insert("text".to_owned(), plain(line).into());
        }
        rich(&[run])
    });
    lines.collect()
}

fn plain(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ")
}

const fn container(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "default",
        Severity::Medium => "accent",
        Severity::High => "warning",
        Severity::Critical => "attention",
    }
}

const fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Low | Severity::Medium => "default",
        Severity::High => "warning",
        Severity::Critical => "attention",
    }
}
