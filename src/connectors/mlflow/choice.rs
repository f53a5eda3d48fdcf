//! Which version a rollback goes back to. It is chosen once, before the first attempt, and travels with the order: an order
//! that is delivered again moves to the same version, not one further back.

use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::registry::{Aliased, Registry, StableTag, Version};
use super::{PREVIOUS_TAG, ROLLED_BACK, Rollback};
use crate::connectors::kit::refused;

/// A move of an alias, fixed before the first attempt; fields of the order's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) model: String,
    pub(super) alias: String,
    /// Version that the alias must lead to, so that nothing newer of others is overwritten.
    pub(super) from: String,
    pub(super) to: String,
    /// Which source named the version.
    #[serde(default)]
    pub(super) chosen_by: String,
}

impl Move {
    /// The move that an order carries; `None` = it was not fixed.
    pub(super) fn of(order: &Order) -> Option<Self> {
        let text = |field| order.params.text(field).filter(|text| !text.is_empty());
        Some(Self {
            model: text("model")?,
            alias: text("alias")?,
            from: text("from")?,
            to: text("to").filter(|to| number(to).is_some())?,
            chosen_by: text("chosen_by").unwrap_or_default(),
        })
    }

    /// Parameters with this move beside them.
    pub(super) fn beside(self, params: &Params) -> Result<Value, Answer> {
        let fixed = serde_json::to_value(self).map_err(|error| refused(error.to_string()))?;
        let mut params = params.value();
        if let (Value::Object(params), Value::Object(fixed)) = (&mut params, fixed) {
            params.extend(fixed);
        }
        Ok(params)
    }
}

impl std::fmt::Display for Move {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            model,
            alias,
            from,
            to,
            chosen_by,
        } = self;
        write!(
            formatter,
            "alias {alias} of {model} from version {from} to {to} ({chosen_by})"
        )
    }
}

/// A version's number, as people and events write it: `3`, `v3`.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.strip_prefix(['v', 'V']).unwrap_or(text).parse().ok()
}

/// The version that an order names, if it names one.
fn named(order: &Order) -> Option<String> {
    let fields = ["to_version", "to"].into_iter();
    let mut texts = fields.filter_map(|field| {
        let value = order.params.value();
        match value.get(field)? {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    });
    texts.find(|text| !text.is_empty() && text != "previous_stable")
}

impl Rollback {
    /// The model that an order is about.
    pub(super) fn model_of(&self, registry: &Registry<'_>) -> Result<String, Answer> {
        let order = registry.talk.order;
        let Some(template) = &self.model else {
            if order.target.kind == homeostat_logic::target::TargetKind::Service {
                return Err(refused(format!(
                    "{} is a service, and a registry rolls back models: write with.model, or another connection for it in [targets.\"service/{}\".actions.rollback]",
                    order.target, order.target.name
                )));
            }
            return Ok(order.target.name.clone());
        };
        let model = template.fill("model", order)?;
        if model.trim().is_empty() {
            return Err(refused(
                "the template `model` rendered to nothing".to_owned(),
            ));
        }
        Ok(model)
    }

    /// Chooses, by what the registry says now. `Err` that is permanent = there is nothing to go back to.
    pub(super) async fn choose(&self, registry: &Registry<'_>) -> Result<Move, Answer> {
        let model = self.model_of(registry)?;
        let alias = &self.alias;
        let current = match registry.alias(&model, alias).await? {
            Aliased::Version(version) => version,
            Aliased::NoAlias(said) => {
                return Err(refused(format!(
                    "{model} has no alias {alias}, so that nothing can be rolled back; set it to the version in use, or write with.alias; {said}"
                )));
            }
        };
        self.is_about(registry.talk.order, &current, &model)?;
        if named(registry.talk.order).is_none() {
            self.unrepeated(registry, &model, &current.version).await?;
        }
        let (to, chosen_by) = match named(registry.talk.order) {
            Some(named) => (
                self.explicit(registry, &model, &named).await?,
                "named by the order",
            ),
            None => self.previous(registry, &model, &current).await?,
        };
        Ok(Move {
            model,
            alias: alias.clone(),
            from: current.version,
            to,
            chosen_by: chosen_by.to_owned(),
        })
    }

    /// Whether the version in use is the one that the event is about: the version of the registry that it names, or the one that was in
    /// use then. An event that names none is tied to what is found only for a while.
    fn is_about(&self, order: &Order, current: &Version, model: &str) -> Result<(), Answer> {
        let about = order.params.text("current_version");
        let about = about.as_deref().and_then(number);
        let (alias, version) = (&self.alias, &current.version);
        let Some(about) = about else {
            let seconds = order.now.saturating_sub(order.as_of) / 1_000;
            if seconds <= i64::from(self.unnamed_within_s) {
                return Ok(());
            }
            return Err(refused(format!(
                "the event names no version of {model}, and is {seconds} s old: {alias} leads to version {version}, and may have been moved by others since (with.unnamed_within_s = {}); look whether it works, and refire the action if it is to be rolled back all the same; name the version in the event's model_version",
                self.unnamed_within_s
            )));
        };
        if current.number().is_some_and(|current| current != about) {
            return Err(refused(format!(
                "the event is about version {about} of {model}, and {alias} leads to version {version} already: it was changed by others"
            )));
        }
        Ok(())
    }

    async fn explicit(
        &self,
        registry: &Registry<'_>,
        model: &str,
        named: &str,
    ) -> Result<String, Answer> {
        let Some(number) = number(named) else {
            return Err(refused(format!(
                "the order names `{named}`, which is no version of {model}; versions are numbers"
            )));
        };
        let version = registry.version(model, &number.to_string()).await?;
        let version = version.ok_or_else(|| {
            refused(format!(
                "the order names version {number} of {model}, which does not exist"
            ))
        })?;
        if let Some(why) = self.unfit(&version) {
            return Err(refused(format!(
                "the order names version {number} of {model}, and {why}"
            )));
        }
        Ok(version.version)
    }

    /// The sources in turn: what was recorded, what is tagged, what an alias says. Only older versions count, so that a
    /// second rollback never returns to the version that the first one left.
    async fn previous(
        &self,
        registry: &Registry<'_>,
        model: &str,
        current: &Version,
    ) -> Result<(String, &'static str), Answer> {
        let below = current.number();
        let below = below.ok_or_else(|| {
            refused(format!(
                "version {} of {model} is no number",
                current.version
            ))
        })?;
        if let Some(recorded) = current.tag(PREVIOUS_TAG).and_then(number)
            && recorded < below
            && let Some(version) = registry.version(model, &recorded.to_string()).await?
            && self.unfit(&version).is_none()
        {
            return Ok((version.version, "recorded in its tag homeostat.previous"));
        }
        let tag = StableTag {
            key: &self.stable_tag,
            value: &self.stable_value,
        };
        if let Some(version) = registry.newest_stable(model, below, &tag).await? {
            return Ok((
                version.version,
                "the newest older version that is tagged as stable",
            ));
        }
        if let Aliased::Version(version) = registry.alias(model, &self.previous_alias).await?
            && version.number().is_some_and(|number| number < below)
            && self.unfit(&version).is_none()
        {
            return Ok((version.version, "the alias of the previous version"));
        }
        Err(refused(format!(
            "{model} has no version below {below} to go back to: none is recorded in the tag {PREVIOUS_TAG} of version {below}, none is READY and tagged {} = {}, and the alias {} leads to none; tag one, or name one in the event's to_version",
            self.stable_tag, self.stable_value, self.previous_alias
        )))
    }

    /// Why a version is none to go back to, if it is none.
    pub(super) fn unfit(&self, version: &Version) -> Option<String> {
        if version.tag(&self.stable_tag) == Some(ROLLED_BACK) {
            return Some(format!(
                "it was rolled back itself (tag {} = {ROLLED_BACK}); remove the tag if it may be used again",
                self.stable_tag
            ));
        }
        version.unfit()
    }
}

#[cfg(test)]
mod tests {
    use homeostat_logic::actions::Action;
    use homeostat_logic::ledger::record::Id;
    use homeostat_logic::severity::Severity;
    use homeostat_logic::target::Target;
    use serde_json::{Value, json};

    use super::*;

    fn order(params: Value) -> Order {
        Order {
            action_id: Id([7; 16]),
            attempt: 1,
            action: Action::Rollback,
            target: Target::model("fraud"),
            severity: Severity::High,
            event_type: "model_performance_degraded".to_owned(),
            event_id: "event-1".to_owned(),
            params: params.into(),
            reasons: Vec::new(),
            now: 0,
            as_of: 0,
            dry_run: false,
        }
    }

    #[test]
    fn an_order_names_a_version_or_leaves_it_to_the_registry() {
        for (params, expected) in [
            (json!({"to": "previous_stable"}), None),
            (json!({}), None),
            (json!({"to": "2"}), Some("2")),
            (json!({"to": 2}), Some("2")),
            (
                json!({"to": "previous_stable", "to_version": " 7 "}),
                Some("7"),
            ),
            (json!({"to": "previous_stable", "to_version": ""}), None),
        ] {
            let order = order(params.clone());
            assert_eq!(named(&order).as_deref(), expected, "{params}");
            assert_eq!(Move::of(&order), None);
        }
        for (text, expected) in [
            ("3", Some(3)),
            ("v3", Some(3)),
            (" 3 ", Some(3)),
            ("2.1", None),
            ("", None),
            ("champion", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_move_is_read_back_as_it_was_written() {
        let fixed = Move {
            model: "fraud".to_owned(),
            alias: "champion".to_owned(),
            from: "3".to_owned(),
            to: "2".to_owned(),
            chosen_by: "named by the order".to_owned(),
        };
        let params = serde_json::to_value(&fixed).unwrap();
        assert_eq!(Move::of(&order(params)), Some(fixed));
    }
}
