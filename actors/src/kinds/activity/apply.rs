//! Applying events to users, and what has to be written for it.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_logic::activity::list::Boosted;
use homeostat_logic::activity::shard::Around;
use homeostat_logic::activity::{Change as Changed, Did, Origin, UserEvent};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::recommend::ModelRecord;
use homeostat_logic::topic::{MODEL, ORIGIN_HEADER, PUSH_RECOMMENDATIONS, USERS};

use super::refresh::UPDATED;
use super::state::ActivityActor;
use super::unkept::Outgoing;
use crate::kinds::gather::record_of;
use crate::ports::log::{Header, NewRecord};
use crate::ports::user_store::{Change, Entry, Key, VALUE_BYTES_MAX};
use crate::statistics::StatisticsRecord;
use crate::work::Work;

/// Other users that one event concerns, at most, in the numbering of origins.
const KIN_MAX: i64 = 64;

/// What became of a batch.
pub(super) struct Applied {
    pub(super) outgoing: Outgoing,
    /// Offsets to settle once that is written.
    pub(super) settled: Vec<i64>,
    pub(super) refused: Vec<(i64, String)>,
}

/// What the events of a batch change, collected.
#[derive(Default)]
struct Collected {
    touched: BTreeSet<String>,
    invalid: BTreeSet<String>,
    erased: BTreeSet<String>,
    /// Users whose recommendations are to be computed, with the offset of the last event that asks for it.
    refresh: BTreeMap<String, i64>,
    boosted: Vec<(String, String, Vec<String>)>,
    chosen: Vec<Chosen>,
}

/// A choice that similar users hear of.
struct Chosen {
    offset: i64,
    at: Millis,
    items: Vec<String>,
    kin: Vec<String>,
}

impl Collected {
    fn take(&mut self, offset: i64, event: &UserEvent, change: Changed) {
        let user = || event.user.clone();
        self.touched.insert(user());
        if change.invalidate {
            self.invalid.insert(user());
        }
        if change.refresh {
            self.refresh.insert(user(), offset);
        }
        if change.erase {
            self.refresh.remove(&event.user);
            self.erased.insert(user());
        }
        if let Some((item, similar)) = change.boosted {
            self.boosted.push((user(), item, similar));
        }
        if let Did::Interact(interaction) = &event.did
            && !change.kin.is_empty()
        {
            self.chosen.push(Chosen {
                offset,
                at: event.at,
                items: interaction.items.clone(),
                kin: change.kin,
            });
        }
    }
}

/// A record without a value: every instance forgets lists of the user, and closes the user's connections.
fn forget_record(user: &str) -> NewRecord {
    NewRecord {
        topic: PUSH_RECOMMENDATIONS.to_owned(),
        key: Some(user.as_bytes().to_vec()),
        headers: vec![Header::new(ORIGIN_HEADER, "activity")],
        ..NewRecord::default()
    }
}

/// Removes the cached lists that are no longer right.
fn forget_lists(collected: &Collected, lists: &mut Vec<Change>) {
    let remove = |entry, user: &String| Change::Remove {
        key: Key::new(entry, user.clone()),
    };
    for user in collected.invalid.union(&collected.erased) {
        lists.push(remove(Entry::Recommendations, user));
        if !collected.refresh.contains_key(user) {
            lists.push(remove(Entry::Realtime, user));
        }
    }
}

impl ActivityActor {
    pub(super) fn apply_all(
        &mut self,
        work: &mut Work<UserEvent>,
        unreadable: &BTreeMap<String, String>,
    ) -> Applied {
        let mut collected = Collected::default();
        let (mut settled, mut refused) = (Vec::new(), Vec::new());
        let delta = self.learn_all(work, unreadable, |offset, outcome| match outcome {
            Ok(change) => {
                settled.push(offset);
                if let Some((event, change)) = change {
                    collected.take(offset, event, change);
                }
            }
            Err(why) => refused.push((offset, why)),
        });
        let now = self.means.clock.now();
        let mut outgoing = Outgoing::default();
        outgoing.must.extend(delta);
        let chosen = collected.chosen.iter();
        outgoing
            .must
            .extend(chosen.flat_map(|chosen| self.kin_records(chosen)));
        self.refresh(&collected.refresh, now, &mut outgoing);
        for (user, item, similar) in &collected.boosted {
            let event = Boosted::by_click(user, item, similar);
            outgoing
                .may
                .extend(self.event_record(UPDATED, user, &event, now));
        }
        outgoing
            .may
            .extend(collected.erased.iter().map(|user| forget_record(user)));
        forget_lists(&collected, &mut outgoing.lists);
        let last = settled.last().map(|offset| self.position(*offset));
        outgoing
            .must
            .extend(last.and_then(|last| self.counts(last)));
        (outgoing.touched, outgoing.erased) = (collected.touched, collected.erased);
        Applied {
            outgoing,
            settled,
            refused,
        }
    }

    /// Applies each event under one lock, and says what became of it. Returns the record of what the model learned, if anything.
    fn learn_all(
        &mut self,
        work: &mut Work<UserEvent>,
        unreadable: &BTreeMap<String, String>,
        mut became: impl FnMut(i64, Result<Option<(&UserEvent, Changed)>, String>),
    ) -> Option<NewRecord> {
        let owned = self.owned.as_ref()?;
        let (token, counted_to) = (owned.token, owned.counted_to);
        let (model, catalog) = (self.users.model.clone(), self.users.catalog.clone());
        let (mut shared, catalog) = (model.write(), catalog.read());
        let now = self.means.clock.now();
        let (mut from, mut to) = (None, counted_to);
        // What a batch that failed left is not this one's.
        drop(shared.model_mut().take_delta());
        for index in 0..work.len() {
            let Some((item, record)) = work.begin(index) else {
                continue;
            };
            let (offset, event) = (item.offset, &item.value);
            if let Some(why) = unreadable.get(&event.user) {
                became(offset, Err(why.clone()));
                continue;
            }
            let position = self.position(offset);
            // What counts already is learned again for the users, and not for the items.
            if position > counted_to {
                if from.is_none() {
                    drop(shared.model_mut().take_delta());
                }
                from = from.or(Some(position));
                to = position;
            }
            let mut around = Around {
                model: shared.model_mut(),
                catalog: &catalog,
                now,
            };
            let change = self
                .shard
                .apply(event, position, record.timestamp, &mut around);
            became(offset, Ok(change.map(|change| (event, change))));
        }
        let delta = shared.model_mut().take_delta()?;
        let record = ModelRecord::Delta {
            shard: self.shard_number(),
            token,
            from: from?,
            to,
            delta,
        };
        if let Some(owned) = &mut self.owned {
            owned.counted_to = to;
        }
        Some(NewRecord {
            topic: MODEL.to_owned(),
            partition: Some(0),
            value: Some(record.to_bytes()),
            ..NewRecord::default()
        })
    }

    /// The record of what was counted up to a position, if anything.
    fn counts(&mut self, to: i64) -> Option<NewRecord> {
        let (shard, token) = (self.shard_number(), self.owned.as_ref()?.token);
        let delta = self.shard.tally.take(shard, token, to)?;
        StatisticsRecord::Counts(Box::new(delta)).to_record().ok()
    }

    /// Streams and profiles of these users, as far as they are in memory.
    pub(super) fn put_users<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
        into: &mut Vec<Change>,
    ) {
        let shared = self.users.model.read();
        for user in names {
            let Some((profile, stream)) = self.shard.stored(user, shared.model()) else {
                continue;
            };
            let put = |entry, position, value| Change::Put {
                key: Key::new(entry, user.clone()),
                position,
                value,
            };
            let (streamed_to, is_empty) = (stream.position, stream.activities.is_empty());
            let profiled_to = profile.position;
            match (
                profile.to_json(VALUE_BYTES_MAX),
                stream.to_json(VALUE_BYTES_MAX),
            ) {
                (Ok(value), Ok(activities)) => {
                    // The profile comes last: a stream that is missing beside it is over.
                    if !is_empty {
                        into.push(put(Entry::Stream, streamed_to, activities));
                    }
                    into.push(put(Entry::Profile, profiled_to, value));
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(%error, "a user's state is no JSON");
                }
            }
        }
    }

    /// The events by which similar users hear of a choice.
    fn kin_records(&self, chosen: &Chosen) -> Vec<NewRecord> {
        let partition = i32::try_from(self.number).unwrap_or(i32::MAX);
        let numbered = (0..KIN_MAX).zip(&chosen.kin);
        let records = numbered.filter_map(|(number, user)| {
            let place = chosen.offset.saturating_mul(KIN_MAX).saturating_add(number);
            let event = UserEvent {
                user: user.clone(),
                at: chosen.at,
                origin: Some(Origin::new(USERS, partition, place, self.generation())),
                did: Did::Kin {
                    items: chosen.items.clone(),
                },
            };
            record_of(&event, self.users.partitions).ok()
        });
        records.collect()
    }
}
