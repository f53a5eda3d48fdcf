//! Recommendations for one user: from the cache, or computed now.

use std::sync::Arc;
use std::time::Instant;

use homeostat_actors::kinds::gather::record_of;
use homeostat_actors::ports::user_store::{Entry, Key};
use homeostat_actors::serving::Serving;
use homeostat_actors::throttle::Throttle;
use homeostat_logic::activity::{Arms as _, Did, List, UserEvent};
use homeostat_logic::experiments::Assigned;
use homeostat_logic::recommend::{Request, Taste};

use super::asked::Asked;
use super::{UserError, Users, kept};
use crate::random::fresh_number;

/// Newest items of a user that another model gets at most.
const RECENT_MAX: usize = 100;
static NOT_COUNTED: Throttle = Throttle::new();

impl Users {
    /// The best items for a user: what was computed when the user acted last, else what is computed now, which is then kept. With
    /// a context or genres it is computed, and not kept. A cache that does not answer is no reason against an answer. That the
    /// list was shown is counted by the owner of the user.
    ///
    /// # Errors
    /// The store does not answer about the user's profile, or holds something else.
    pub async fn recommendations(&self, user: &str, asked: &Asked) -> Result<List, UserError> {
        let experiments = &self.model.statistics.experiments;
        let assigned = experiments.of_user(user, self.clock.now());
        let cached = match self.cached(user, asked).await {
            // One of arms that the user is no longer in was made for another experiment.
            Ok(cached) => cached.filter(|list| list.is_of(&assigned)),
            Err(error) => {
                tracing::debug!(%error, "the cache of recommendations is passed over");
                None
            }
        };
        let list = match cached {
            Some(list) => list,
            None => self.made(user, asked, &assigned).await?,
        };
        let list = list.first(asked.count);
        if !asked.is_preview {
            self.count_served(&list, asked.count);
        }
        Ok(list)
    }

    /// The best items for somebody without an id, by the context alone: by our own model, in no experiment, and not counted.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn for_anybody(&self, asked: &Asked) -> Result<List, UserError> {
        let taste = Taste::default().looking_at(&asked.context, self.clock.now());
        self.compute("", &taste, &Serving::default(), asked, asked.count)
    }

    async fn made(
        &self,
        user: &str,
        asked: &Asked,
        assigned: &[Assigned],
    ) -> Result<List, UserError> {
        let began = Instant::now();
        let profile = self.profile(user).await?;
        let as_of = profile.as_ref().map(|profile| profile.interactions);
        let taste = profile.and_then(|profile| profile.taste);
        let taste = taste.unwrap_or_default();
        let taste = taste.looking_at(&asked.context, self.clock.now());
        let serving = self.servings.of(assigned);
        let wanted = if asked.is_plain() {
            asked.count.max(self.cached_max)
        } else {
            asked.count
        };
        let mut list = self.compute(user, &taste, serving, asked, serving.wants(wanted))?;
        list.join(assigned);
        if let Some(ranker) = &serving.ranker {
            let ours = list.recommendations.clone();
            let recent = taste.newest_items(RECENT_MAX);
            list = ranker.rank(list, recent, wanted).await;
            let catalog = self.catalog.read();
            // What it named itself was not asked about context and genres yet.
            list.narrow(&ours, wanted, |item| asked.allows(item, &catalog));
        }
        list.took(began.elapsed());
        // Without an item, the next question may find more.
        if asked.is_plain() && !asked.is_preview && !list.recommendations.is_empty() {
            self.keep(&list, as_of).await;
        }
        Ok(list)
    }

    /// Writes down that a list was shown, while the caller has it already. At the bound it is left out: numbers are missed, and
    /// answers never wait for them.
    pub(super) fn count_served(&self, list: &List, asked: usize) {
        if list.recommendations.is_empty() {
            return;
        }
        let Ok(place) = Arc::clone(&self.served).try_acquire_owned() else {
            if let Some(more) = NOT_COUNTED.pass() {
                tracing::warn!(
                    more,
                    "lists are served faster than the event log takes it down; they are missing in the statistics"
                );
            }
            return;
        };
        let event = UserEvent {
            user: list.user_id.clone(),
            at: self.clock.now(),
            // The same list counts once, however often it is read.
            origin: None,
            did: Did::Served(list.served(asked)),
        };
        let Ok(record) = record_of(&event, self.partitions) else {
            return;
        };
        let appended = self.log.append(vec![record]);
        tokio::spawn(async move {
            let answers = appended.await;
            drop(place);
            for error in answers.into_iter().filter_map(Result::err) {
                if let Some(more) = NOT_COUNTED.pass() {
                    tracing::warn!(%error, more, "a list that was served is missing in the statistics");
                }
            }
        });
    }

    /// A list that is long enough, unless fewer items are known.
    async fn cached(&self, user: &str, asked: &Asked) -> Result<Option<List>, UserError> {
        if asked.count > self.cached_max || !asked.is_plain() {
            return Ok(None);
        }
        let keys = [Entry::Realtime, Entry::Recommendations].map(|entry| Key::new(entry, user));
        let found = self.store.read(keys.into()).await?;
        let Some(found) = found.into_iter().flatten().next() else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_str(&found.value)?))
    }

    fn compute(
        &self,
        user: &str,
        taste: &Taste,
        serving: &Serving,
        asked: &Asked,
        count: usize,
    ) -> Result<List, UserError> {
        let now = self.clock.now();
        let mut scratch = self.scratches.lock().pop().unwrap_or_default();
        let list = {
            let shared = self.model.read();
            let catalog = self.catalog.read();
            let request = Request {
                user,
                count,
                now_ms: now,
                before_ms: None,
                scoring: serving.scoring.as_deref(),
                allow: &|item| asked.allows(item, &catalog),
            };
            let best = shared.model().recommend_for(taste, &request, &mut scratch);
            best.map(|best| List::of(user, format!("r-{:016x}", fresh_number()), &best, now))
        };
        let mut scratches = self.scratches.lock();
        if scratches.len() < super::SCRATCHES_MAX {
            scratches.push(scratch);
        }
        let mut list = list.map_err(|error| UserError::Unreadable(error.to_string()))?;
        list.explain_by(&asked.context);
        Ok(list)
    }

    /// Keeps a list that was made of the profile after so many interactions. One that cannot be kept is computed again.
    async fn keep(&self, list: &List, as_of: Option<u64>) {
        let Ok(value) = serde_json::to_string(&list.first(self.cached_max)) else {
            return;
        };
        let is_current = async {
            let profile = self.profile(&list.user_id).await;
            profile.is_ok_and(|profile| profile.map(|profile| profile.interactions) == as_of)
        };
        let kept = kept::keep(&*self.store, &list.user_id, value, is_current).await;
        if let Err(error) = kept {
            tracing::debug!(%error, "a list of recommendations is not kept");
        }
    }
}
