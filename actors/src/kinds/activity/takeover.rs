//! Taking a partition over: from here on, nothing of an earlier owner counts.

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::activity::{Origins, Tally};
use homeostat_logic::recommend::ModelRecord;
use homeostat_logic::topic::{MODEL, USERS};

use super::UserMeans;
use super::load::until_done;
use super::state::Owned;
use super::write::{mark_change, mark_key};
use crate::flight::Flight;
use crate::generations::{Reached, end_of};
use crate::ports::log::{EventLog, NewRecord};
use crate::shard_keys::origins_key;
use crate::throttle::Throttle;

/// Pause before a claim is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// How often it is looked whether the partition is still this instance's.
const LOOK: Duration = Duration::from_millis(100);

static WAITING: Throttle = Throttle::new();

/// The partition as it was taken over.
pub(super) struct Taken {
    pub(super) owned: Owned,
    pub(super) origins: Origins,
    pub(super) tally: Tally,
}

/// Claims the shard, waits until the model is up to the claim, and reads which records came already. `None`: the partition went
/// away before.
pub(super) async fn take_over(
    shard: u32,
    users: UserMeans,
    log: Arc<dyn EventLog>,
    flight: Arc<Flight>,
) -> Option<Taken> {
    let token = (users.fresh_token)();
    let claim = ModelRecord::Claim {
        shard,
        token,
        store: users.store.identity(),
    };
    let record = NewRecord {
        topic: MODEL.to_owned(),
        partition: Some(0),
        value: Some(claim.to_bytes()),
        ..NewRecord::default()
    };
    let offset = claimed(&*log, record, &flight).await?;
    while users.model.next() <= offset {
        if flight.ended() {
            return None;
        }
        let waited = tokio::time::timeout(LOOK, users.model.applied(offset)).await;
        if waited.is_err()
            && let Some(more) = WAITING.pass()
        {
            tracing::debug!(
                shard,
                more,
                "waiting for the model to be read up to the claim"
            );
        }
    }
    let counted_to = {
        let model = users.model.read();
        let progress = model.progress(shard);
        // Another owner has claimed it since: the partition is about to be taken away.
        let progress = progress.filter(|progress| progress.token == token)?;
        progress.to.unwrap_or(-1)
    };
    let statistics = &users.model.statistics;
    let tally = Tally::behind(
        statistics.counted_to(shard),
        &statistics.settings,
        Arc::clone(&statistics.experiments),
    );
    let kept = kept(&users, shard, &flight).await?;
    let end = end_of(&*log, USERS, shard, &flight).await?;
    let generation = Reached::at(kept.to.max(Some(counted_to))).generation(
        users.generation,
        end,
        flight.created_again,
    );
    if generation > users.generation {
        tracing::warn!(
            shard,
            generation,
            "{USERS} was created again since its events were applied first: their positions go on in another generation"
        );
    }
    if !kept.is_marked && (kept.to.is_some() || counted_to >= 0) {
        tracing::error!(
            shard,
            counted_to,
            "the user store lost what was written of the users of this partition: it was emptied or replaced. Those that are not in it begin again with nothing; docs/store.md says how to read their events again"
        );
        users.losses.noted(0);
        if shard == 0 {
            users.model.lost_snapshot();
        }
    }
    tracing::info!(
        shard,
        counted_to,
        "users of a partition are looked after here"
    );
    Some(Taken {
        owned: Owned {
            flight,
            token,
            counted_to,
            kept_to: kept.to,
            generation,
        },
        origins: kept.origins,
        tally,
    })
}

/// The offset of the claim, appended until it is durable.
async fn claimed(log: &dyn EventLog, record: NewRecord, flight: &Flight) -> Option<i64> {
    while !flight.ended() {
        let answer = log.append(vec![record.clone()]).await.pop();
        let reason = match answer {
            Some(Ok(appended)) => return Some(appended.offset),
            Some(Err(error)) => error.to_string(),
            None => "the event log gave no answer".to_owned(),
        };
        if let Some(more) = WAITING.pass() {
            tracing::warn!(reason, more, "a shard of users cannot be claimed yet");
        }
        flight.held_up(reason);
        tokio::time::sleep(RETRY).await;
    }
    None
}

/// What the store has of a shard as a whole.
struct Kept {
    /// Which records came already.
    origins: Origins,
    /// Position of the last event in it; `None`: of none.
    to: Option<i64>,
    /// Whether the mark was there that every owner sets.
    is_marked: bool,
}

/// What the last owner wrote; sets the mark by which a loss is noticed.
async fn kept(users: &UserMeans, shard: u32, flight: &Flight) -> Option<Kept> {
    let read = || users.store.read(vec![origins_key(shard), mark_key(shard)]);
    let mut found = until_done(read, flight).await?.into_iter();
    let (found, mark) = (found.next().flatten(), found.next().flatten());
    let set = || users.store.change(vec![mark_change(shard)]);
    until_done(set, flight).await?;
    let Some(found) = found else {
        return Some(Kept {
            origins: Origins::default(),
            to: None,
            is_marked: mark.is_some(),
        });
    };
    let json = serde_json::from_str::<serde_json::Value>(&found.value).ok();
    let origins = json
        .as_ref()
        .and_then(|json| Origins::from_json(json.get("origins")?));
    let Some(origins) = origins else {
        let key = origins_key(shard);
        tracing::error!(%key, "the store holds something else than was written there; remove it to go on, and events that were read again after a crash may then count twice");
        flight.held_up(format!("{key} in the user store cannot be read"));
        tokio::time::sleep(RETRY).await;
        return None;
    };
    Some(Kept {
        origins,
        to: Some(found.position),
        is_marked: mark.is_some(),
    })
}
