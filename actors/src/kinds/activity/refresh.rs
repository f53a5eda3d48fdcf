//! What users have to see because they acted: lists of recommendations for the cache and for those who are connected.

use std::collections::BTreeMap;

use homeostat_logic::activity::List;
use homeostat_logic::enrich::{Stamp, enrich};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::recommend::Request;
use homeostat_logic::topic::ORIGIN_HEADER;
use serde::Serialize;

use super::actor::ActivityActor;
use super::write::Outgoing;
use crate::ports::log::{Header, NewRecord};
use crate::ports::user_store::{Change, Entry, Key};

/// Where lists are pushed.
const PUSH: &str = "push.recommendations";
/// Where it is said that recommendations changed because of a click.
pub(super) const UPDATED: &str = "recommendations.updated";

impl ActivityActor {
    /// Computes the lists of these users; each with the offset of the event that asked for it.
    pub(super) fn refresh(
        &mut self,
        users: &BTreeMap<String, i64>,
        now: Millis,
        outgoing: &mut Outgoing,
    ) {
        for (user, offset) in users {
            let list = self.recommend(user, format!("{}-{offset}", self.number), now);
            let pushed = list.first(self.users.pushed_max);
            outgoing
                .may
                .extend(self.event_record(PUSH, user, &pushed.update(), now));
            match serde_json::to_string(&list) {
                Ok(value) => outgoing.users.push(Change::Put {
                    key: Key::new(Entry::Realtime, user.clone()),
                    position: 0,
                    value,
                }),
                Err(error) => tracing::error!(%error, "a list of recommendations is no JSON"),
            }
        }
    }

    fn recommend(&mut self, user: &str, list: String, now: Millis) -> List {
        let shared = self.users.model.read();
        let catalog = self.users.catalog.read();
        let request = Request {
            user,
            count: self.users.cached_max,
            now_ms: now,
            before_ms: None,
            allow: &|item| catalog.is_available(item),
        };
        let best = shared.model().recommend(&request, &mut self.scratch);
        List::of(user, list, &best, now)
    }

    /// An event of ours about a user; `None` if it cannot be written down, which is logged.
    pub(super) fn event_record(
        &self,
        topic: &str,
        user: &str,
        event: &impl Serialize,
        now: Millis,
    ) -> Option<NewRecord> {
        let id = (self.users.fresh_event_id)();
        let stamp = Stamp {
            event_id: &id,
            time: now,
        };
        let text = serde_json::to_vec(event).map_err(|error| error.to_string());
        let text = text.and_then(|text| enrich(&text, stamp).map_err(|error| error.to_string()));
        match text {
            Ok(enriched) => Some(NewRecord {
                topic: topic.to_owned(),
                partition: None,
                key: Some(user.as_bytes().to_vec()),
                value: Some(enriched.text.into_bytes()),
                headers: vec![Header::new(ORIGIN_HEADER, "activity")],
            }),
            Err(error) => {
                tracing::error!(topic, error, "an event about a user cannot be published");
                None
            }
        }
    }
}
