//! What a rollback leaves in the registry beside the alias: tags of the version that it left, and of the model.

use std::collections::BTreeMap;

use futures_util::future::join3;
use homeostat_actors::ports::connector::Answer;

use super::choice::Move;
use super::registry::{Registry, said};
use super::{PREVIOUS_TAG, ROLLED_BACK, Rollback};

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
        let action = order.action_id.to_string();
        let last_action = registry.tag_model(model, LAST_ACTION, &action).await;
        let mut written = BTreeMap::from(versions);
        written.insert(LAST_MOVE, last_move);
        written.insert(LAST_EVENT, last_event);
        written.insert(LAST_ACTION, last_action);
        match said(written) {
            None => detail,
            Some(failed) => format!("{detail}; these tags were not written: {failed}"),
        }
    }

    /// As [`Rollback::recorded`], unless it was recorded before: by now people may have given the version another status.
    pub(super) async fn recorded_again(
        &self,
        registry: &Registry<'_>,
        fixed: &Move,
        detail: String,
    ) -> String {
        match self.is_recorded(registry, &fixed.model).await {
            Ok(false) if fixed.from != fixed.to && !registry.talk.order.dry_run => {
                self.recorded(registry, fixed, detail).await
            }
            Ok(_) => detail,
            Err(answer) => format!("{detail}; its tags were not looked at: {}", answer.detail),
        }
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
