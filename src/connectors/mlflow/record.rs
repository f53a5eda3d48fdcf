//! What a rollback leaves in the registry beside the alias: tags of the version that it left, and of the model.

use std::collections::BTreeMap;

use futures_util::future::join3;
use homeostat_actors::ports::connector::Answer;

use super::choice::Move;
use super::registry::{Missing, Registry, missing};
use super::{PREVIOUS_TAG, ROLLED_BACK, Rollback};
use crate::connectors::kit::refused;

/// Tags of a model: what the last rollback was. The action is written last: with it, all are written.
const LAST_MOVE: &str = "last_rollback";
const LAST_EVENT: &str = "last_rollback_event";
pub(super) const LAST_ACTION: &str = "last_rollback_action";

impl Rollback {
    /// Records a move in tags. The alias decides: what cannot be written is said, and changes nothing else.
    pub(super) async fn recorded(
        &self,
        registry: &Registry<'_>,
        fixed: &Move,
        detail: String,
    ) -> String {
        match self.written(registry, fixed).await {
            None => detail,
            Some(missing) => format!("{detail}; {missing}"),
        }
    }

    /// As [`Rollback::recorded`], unless it was recorded before: by now people may have given the version another status.
    pub(super) async fn recorded_again(
        &self,
        registry: &Registry<'_>,
        fixed: &Move,
        detail: String,
    ) -> String {
        match self.completed(registry, fixed).await {
            Ok(None) => detail,
            Ok(Some(missing)) => format!("{detail}; {missing}"),
            Err(answer) => format!("{detail}; its tags were not looked at: {}", answer.detail),
        }
    }

    /// Writes the tags of a move that was made, unless they are there; what could not be written.
    pub(super) async fn completed(
        &self,
        registry: &Registry<'_>,
        fixed: &Move,
    ) -> Result<Option<Missing>, Answer> {
        if fixed.from == fixed.to || registry.talk.order.dry_run {
            return Ok(None);
        }
        if self.is_recorded(registry, &fixed.model).await? {
            return Ok(None);
        }
        Ok(self.written(registry, fixed).await)
    }

    async fn written(&self, registry: &Registry<'_>, fixed: &Move) -> Option<Missing> {
        let Move {
            model, from, to, ..
        } = fixed;
        let order = registry.talk.order;
        let change = format!("{from} -> {to}");
        // At once, as far as one does not say that the others are written.
        let (versions, last_move, last_event) = join3(
            async {
                // One after the other: they change the same row of the registry.
                let status = registry.tag_version(model, from, &self.stable_tag, ROLLED_BACK);
                let status = status.await;
                let previous = registry.tag_version(model, from, PREVIOUS_TAG, to);
                [(&*self.stable_tag, status), (PREVIOUS_TAG, previous.await)]
            },
            registry.tag_model(model, LAST_MOVE, &change),
            registry.tag_model(model, LAST_EVENT, &order.event_id),
        )
        .await;
        let mut written = BTreeMap::from(versions);
        written.insert(LAST_MOVE, last_move);
        written.insert(LAST_EVENT, last_event);
        if let Some(missing) = missing(written) {
            return Some(missing);
        }
        let action = order.action_id.to_string();
        let last_action = registry.tag_model(model, LAST_ACTION, &action).await;
        missing(BTreeMap::from([(LAST_ACTION, last_action)]))
    }

    /// Refuses where a rollback for an event of the same id made what the alias leads to: it may be the same event once more.
    pub(super) async fn unrepeated(
        &self,
        registry: &Registry<'_>,
        model: &str,
        current: &str,
    ) -> Result<(), Answer> {
        let order = registry.talk.order;
        let tags = registry.model(model).await?;
        let to = tags
            .tag(LAST_MOVE)
            .and_then(|change| change.split_once(" -> "));
        let repeated = tags.tag(LAST_EVENT) == Some(&*order.event_id)
            && tags.tag(LAST_ACTION) != Some(&*order.action_id.to_string())
            && to.is_some_and(|(_, to)| to == current);
        if !repeated {
            return Ok(());
        }
        Err(refused(format!(
            "{model} was rolled back to version {current} for an event of the id {} before, and {} leads to it still: an event that is repeated takes nothing one version further back; look whether it works; if not, force a rollback, name a version in the event's to_version, or send an event with an id of its own",
            order.event_id, self.alias
        )))
    }

    pub(super) async fn is_recorded(
        &self,
        registry: &Registry<'_>,
        model: &str,
    ) -> Result<bool, Answer> {
        let action = registry.talk.order.action_id.to_string();
        let model = registry.model(model).await?;
        Ok(model.tag(LAST_ACTION) == Some(&*action))
    }
}
