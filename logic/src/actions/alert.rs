//! `alert`: notify people.

use serde::Serialize;

use super::kind::{ActionKind, Cooldown, Facts, Intents, Quoted, Strength};
use crate::language::Language;
use crate::params::Params;
use crate::severity::Severity;
use crate::view::EventView;

pub(super) const KIND: ActionKind = ActionKind {
    in_korean: "알림",
    strength: Strength::Notifies,
    cooldown: Cooldown {
        minutes: 5,
        meaning: "Minutes after an alert, so that people are not flooded.",
    },
    ..ActionKind::of::<Parameters>()
};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {}

#[derive(Serialize)]
struct Intent<'a> {
    /// Where it is another than English, for the texts that are written later.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    message: &'a str,
    severity: Severity,
    source_event: Quoted<'a>,
    timestamp: &'a str,
    title: &'a str,
}

impl Intents for Parameters {
    fn params(&self, _: &EventView<'_>, facts: &Facts<'_>) -> Params {
        Params::of(&Intent {
            language: Some(facts.language).filter(|language| *language != Language::En),
            message: facts.message,
            severity: facts.severity,
            source_event: facts.event,
            timestamp: facts.now,
            title: facts.title,
        })
    }
}
