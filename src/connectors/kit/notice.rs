//! What an alert has for people, taken from its order. Kinds of connections put it into the form of their service.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use homeostat_actors::ports::connector::{Answer, Due, Order, Tending};
use homeostat_logic::actions::Action;
use homeostat_logic::language::Language;
use homeostat_logic::ledger::record::Millis;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::answer::refused;
use super::compile::Compile;
use super::context::Plain;
use super::template::{Purpose, Template};

/// Letters of a title; those of events are a line.
const TITLE_LETTERS_MAX: usize = 250;
/// How long an acknowledgement still changes what people see, in milliseconds: within the ledger's memory of eight days.
const FOLLOWED_MS: Millis = 7 * 24 * 60 * 60 * 1000;
/// Longest time between two looks at whether that is over.
const LOOK: Duration = Duration::from_hours(1);
/// Where a text was cut.
const CUT: char = '…';

/// Keys of every connection that reaches people.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct NoticeSettings {
    /// Where people read more: a URL as a minijinja template over the fields of an action (see webhook, body), such as
    /// "https://homeostat.example.com/api/v1/decisions/{{ action_id }}". Without it alerts have no link.
    #[schemars(length(min = 1))]
    link: Option<String>,
}

/// The link of alerts, ready to be filled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link(Option<Template>);

/// An alert in words.
#[derive(Debug)]
pub(crate) struct Notice<'a> {
    pub(crate) order: &'a Order,
    pub(crate) language: Language,
    /// One line, without control characters.
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) link: Option<String>,
}

impl Compile<'_> {
    /// The link of alerts.
    pub(crate) fn link(&mut self, settings: &NoticeSettings) -> Link {
        let Some(link) = &settings.link else {
            return Link(None);
        };
        if !(link.starts_with("https://") || link.starts_with("http://")) {
            self.problem(
                "link",
                "is not a URL",
                "write https://HOST/PATH; the path may hold {{ action_id }}",
            );
        }
        Link(self.template("link", link, Purpose::Url))
    }
}

/// Kinds that reach people carry alerts; another action is no text.
pub(crate) fn is_for_people(action: Action) -> bool {
    action == Action::Alert
}

/// Whether the service is to hear that a person acknowledged an alert; `known`: it would know which one.
pub(crate) fn followed(order: &Order, state: Tending, known: bool) -> Due {
    let left = state.done_at.saturating_add(FOLLOWED_MS) - order.now;
    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
    match (known && !left.is_zero(), state.acknowledged) {
        (false, _) => Due::Over,
        (true, true) => Due::Now,
        (true, false) => Due::In(LOOK.min(left)),
    }
}

impl<'a> Notice<'a> {
    /// Of an order. What it has no title or message for is named by its event type and target.
    pub(crate) fn of(order: &'a Order, link: &Link) -> Result<Self, Answer> {
        let text = |name| order.params.text(name).filter(|text| !text.is_empty());
        let title = text("title");
        let title = title.unwrap_or_else(|| format!("{} on {}", order.event_type, order.target));
        let title = title.replace(|letter: char| letter.is_control(), " ");
        let message = text("message").or_else(|| order.reasons.last().cloned());
        let language = text("language");
        let language = Language::ALL
            .into_iter()
            .find(|one| language.as_deref() == Some(one.name()));
        let link = link.0.as_ref();
        let link = link.map(|link| link.render(&Plain::plain(order)));
        let link = link
            .transpose()
            .map_err(|error| refused(format!("the template `link` failed: {error}")))?;
        Ok(Self {
            order,
            language: language.unwrap_or_default(),
            message: message.unwrap_or_else(|| title.clone()),
            title: shortened(&title, TITLE_LETTERS_MAX),
            link,
        })
    }

    /// Labels and values that let people place the alert.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let [severity, target, event, event_id, action_id, _] = self.labels();
        let Order {
            target: about,
            event_type,
            ..
        } = self.order;
        let kind = self.language.target_kind(about.kind);
        vec![
            (
                severity,
                self.language.severity(self.order.severity).to_owned(),
            ),
            (target, format!("{kind} {}", about.name)),
            (event, event_type.clone()),
            (event_id, self.order.event_id.clone()),
            (action_id, self.order.action_id.to_string()),
        ]
    }

    /// What a link is called.
    pub(crate) fn link_label(&self) -> &'static str {
        let [.., link] = self.labels();
        link
    }

    const fn labels(&self) -> [&'static str; 6] {
        match self.language {
            Language::En => [
                "Severity",
                "Target",
                "Event type",
                "Event ID",
                "Action ID",
                "Details",
            ],
            Language::Ko => [
                "심각도",
                "대상",
                "이벤트 유형",
                "이벤트 ID",
                "조치 ID",
                "자세히",
            ],
        }
    }

    /// The reasons, a line each.
    pub(crate) fn reasons(&self) -> String {
        self.order.reasons.join("\n")
    }

    /// The event behind the alert.
    pub(crate) fn event(&self) -> Option<Value> {
        let mut params = self.order.params.value();
        params.get_mut("source_event").map(Value::take)
    }
}

/// At most so many letters of a text; what was cut is marked.
pub(crate) fn shortened(text: &str, letters: usize) -> String {
    if text.chars().nth(letters).is_none() {
        return text.to_owned();
    }
    let kept = text.chars().take(letters.saturating_sub(1));
    kept.chain([CUT]).collect()
}

/// ISO 8601 in UTC. A time that no calendar has is the epoch.
pub(crate) fn iso(time: Millis) -> String {
    DateTime::from_timestamp_millis(time)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_letters_and_marked() {
        let table = [
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("드리프트", 4, "드리프트"),
            ("드리프트!", 4, "드리프…"),
        ];
        for (text, letters, expected) in table {
            assert_eq!(shortened(text, letters), expected, "{text}");
        }
    }
}
