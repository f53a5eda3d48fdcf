//! What an alert says: its labels, by which Alertmanager knows it again, and its annotations.

use std::collections::BTreeMap;

use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::ledger::record::Millis;
use serde_json::{Map, Value, json};

use crate::connectors::kit::Texts;
use crate::connectors::kit::notice::{Link, Notice, iso, shortened};

/// Letters of the event in its annotation.
const EVENT_LETTERS_MAX: usize = 4_096;

/// By their names.
pub(super) type Labels = BTreeMap<String, String>;

/// The texts of an action.
pub(super) struct Text {
    pub(super) link: Link,
    pub(super) labels: Texts,
    pub(super) annotations: Texts,
}

impl Text {
    /// Alerts of equal labels are one alert.
    pub(super) fn labels(&self, order: &Order) -> Result<Labels, Answer> {
        let mut labels: Labels = [
            ("severity", order.severity.name()),
            ("target_kind", order.target.kind.name()),
            ("target", &order.target.name),
            ("event_type", &order.event_type),
            ("job", "homeostat"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        labels.extend(self.labels.fill(order)?);
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
        let further = self.annotations.fill(order)?;
        let all = own.chain(further).filter(|(_, value)| !value.is_empty());
        Ok(all.map(|(name, value)| (name, value.into())).collect())
    }

    /// The alert, lasting from one time to another.
    pub(super) fn alert(
        &self,
        order: &Order,
        from: Millis,
        until: Millis,
    ) -> Result<Value, Answer> {
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
}
