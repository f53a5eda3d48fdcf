//! What users have to see because they acted: lists of recommendations for the cache and for those who are connected.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::future::join_all;
use homeostat_logic::activity::{Arms as _, Did, List, UserEvent};
use homeostat_logic::enrich::{Stamp, enrich};
use homeostat_logic::experiments::CountPushed;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::recommend::Request;
use homeostat_logic::topic::{ORIGIN_HEADER, PUSH_RECOMMENDATIONS};
use serde::Serialize;

use super::state::ActivityActor;
use super::unkept::{Outgoing, Unranked};
use crate::kinds::gather::record_of;
use crate::ports::log::{Header, NewRecord};
use crate::ports::user_store::{Change, Entry, Key};
use crate::serving::Serving;

/// Newest items of a user that another model gets at most.
const RECENT_MAX: usize = 100;
/// Where it is said that recommendations changed because of a click.
pub(super) const UPDATED: &str = "recommendations.updated";

impl ActivityActor {
    /// Computes the lists of these users; each with the offset of the event that asked for it. Those that another model looks
    /// at are left to [`Self::ranked`].
    pub(super) fn refresh(
        &mut self,
        users: &BTreeMap<String, i64>,
        now: Millis,
        outgoing: &mut Outgoing,
    ) {
        for (user, offset) in users {
            let experiments = &self.users.model.statistics.experiments;
            let assigned = experiments.of_user(user, now);
            let serving = self.users.servings.of(&assigned).clone();
            let (id, began) = (format!("{}-{offset}", self.number), Instant::now());
            let mut list = self.recommend(user, id, &serving, now);
            list.join(&assigned);
            list.took(began.elapsed());
            let Some(ranker) = serving.ranker else {
                if self.counts_published() {
                    let pushed = list.first(self.users.pushed_max);
                    let shown = pushed.impression(assigned, self.users.pushed_max, now);
                    let position = self.position(*offset);
                    self.shard.pushed(user, position, shown, now);
                }
                self.show(&list, now, outgoing);
                continue;
            };
            let shared = self.users.model.read();
            let taste = shared.model().export_user(user);
            drop(shared);
            let recent = taste.map(|taste| taste.newest_items(RECENT_MAX));
            outgoing.unranked.push(Unranked {
                list,
                recent: recent.unwrap_or_default(),
                ranker,
            });
        }
    }

    /// Asks the other model about these lists, at the same time; each is answered within its time limit.
    pub(super) fn ranked(
        &self,
        unranked: Vec<Unranked>,
    ) -> impl Future<Output = Vec<List>> + Send + use<> {
        let count = self.users.cached_max;
        let asked = unranked.into_iter().map(move |one| async move {
            let began = Instant::now();
            let mut list = one.ranker.rank(one.list, one.recent, count).await;
            list.took(began.elapsed());
            list
        });
        join_all(asked)
    }

    /// Whether lists count as shown once they are published. Else the instance counts them that hands them to a client.
    fn counts_published(&self) -> bool {
        self.users.model.statistics.settings.count_pushed == CountPushed::Published
    }

    /// The event by which a list of another model is counted as shown: it came when the batch was applied already.
    pub(super) fn served(&self, list: &List, now: Millis) -> Option<NewRecord> {
        if !self.counts_published() {
            return None;
        }
        let count = self.users.pushed_max;
        let event = UserEvent {
            user: list.user_id.clone(),
            at: now,
            origin: None,
            did: Did::Served(list.first(count).served(count)),
        };
        record_of(&event, self.users.partitions).ok()
    }

    /// A list into the cache, and its first items to who is connected.
    pub(super) fn show(&self, list: &List, now: Millis, outgoing: &mut Outgoing) {
        let (user, pushed) = (&list.user_id, list.first(self.users.pushed_max));
        outgoing
            .may
            .extend(self.event_record(PUSH_RECOMMENDATIONS, user, &pushed.update(), now));
        let key = Key::new(Entry::Realtime, user.clone());
        if list.recommendations.is_empty() {
            // Nothing was known to recommend: the next question computes it again.
            return outgoing.lists.push(Change::Remove { key });
        }
        match serde_json::to_string(list) {
            Ok(value) => outgoing.lists.push(Change::Put {
                key,
                position: 0,
                value,
            }),
            Err(error) => tracing::error!(%error, "a list of recommendations is no JSON"),
        }
    }

    fn recommend(&mut self, user: &str, list: String, serving: &Serving, now: Millis) -> List {
        let shared = self.users.model.read();
        let catalog = self.users.catalog.read();
        let request = Request {
            user,
            count: serving.wants(self.users.cached_max),
            now_ms: now,
            before_ms: None,
            scoring: serving.scoring.as_deref(),
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
