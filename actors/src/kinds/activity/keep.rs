//! What is applied and not yet written. While a write is under way, further batches are applied, and the next write takes what all of
//! them changed: a user who acted ten times is written once. Events are settled when what they changed is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use homeostat_logic::activity::UserEvent;

use super::state::ActivityActor;
use super::unkept::{Done, Keeping, Unkept, is_unkept};
use super::write::{Kept, Writer, origins_change, write};
use crate::ports::observer::Consumed;
use crate::ports::user_store::{Change, Entry, Key};
use crate::supervision::Scope;
use crate::work::Work;

/// Batches of records under way to those who are connected; at the bound further events wait.
const PUBLISHING_MAX: usize = 64;

impl ActivityActor {
    /// Does what can be done now: writes, restores, or begins with the next batch.
    pub(super) fn go_on(&mut self, scope: &mut Scope<'_, Self>) {
        self.keep(scope);
        let is_idle = self.keeping.is_none() && self.unkept.is_empty();
        if self.restore_due && is_idle {
            self.restore_due = false;
            return self.write_part(0, scope);
        }
        self.waiting.retain(|work| !work.flight().ended());
        if self
            .waiting
            .front()
            .is_none_or(|work| self.has_to_wait(work))
        {
            return;
        }
        if let Some(work) = self.waiting.pop_front() {
            self.begin(work, scope);
        }
        if !self.waiting.is_empty() {
            // Behind whatever the batch holds the mailbox for.
            scope.spawn(std::future::ready(()), |worker, (), scope| {
                worker.go_on(scope);
                Ok(())
            });
        }
    }

    /// Whether a batch must not be applied yet. A user who is not in memory is read from the store, which has to be behind what
    /// was written of the user; the same goes for a partition that is taken over.
    fn has_to_wait(&self, work: &Work<UserEvent>) -> bool {
        let is_full =
            self.publishing >= PUBLISHING_MAX || self.unkept.touched.len() >= self.unkept_users_max;
        if self.restore_due || is_full {
            return true;
        }
        let epoch = work.flight().epoch;
        let is_owned = self
            .owned
            .as_ref()
            .is_some_and(|owned| owned.flight.epoch == epoch);
        if !is_owned {
            return self.keeping.is_some();
        }
        let mut lacking = self.lacking(work).into_iter();
        lacking.any(|user| is_unkept(&user, &self.unkept, self.keeping.as_ref()))
    }

    /// Writes what is unkept, unless a write is under way.
    pub(super) fn keep(&mut self, scope: &mut Scope<'_, Self>) {
        let Some(owned) = &self.owned else { return };
        if self.keeping.is_some() || self.unkept.is_empty() {
            return;
        }
        let (token, flight) = (owned.token, Arc::clone(&owned.flight));
        let writer = Writer {
            log: Arc::clone(&self.means.log),
            store: Arc::clone(&self.users.store),
            flight,
        };
        let Unkept {
            works,
            must,
            touched,
            erased,
            lists,
        } = std::mem::take(&mut self.unkept);
        let mut users = Vec::new();
        self.put_users(touched.iter(), &mut users);
        let mut streams = BTreeSet::new();
        streams.extend(users.iter().filter_map(|change| match change {
            Change::Put { key, .. } if key.entry == Entry::Stream => Some(key.user.clone()),
            _ => None,
        }));
        let gone = erased.into_iter().filter(|user| !streams.contains(user));
        users.extend(gone.map(|user| Change::Remove {
            key: Key::new(Entry::Stream, user),
        }));
        users.extend(lists.into_values());
        let last = works.iter().rev().find_map(|(_, settled)| settled.last());
        let last = last.map(|offset| self.position(*offset));
        let origins = &self.shard.origins;
        let origins = last.map(|last| origins_change(self.shard_number(), last, origins));
        self.keeping = Some(Keeping { users: touched });
        let kept = Kept {
            must,
            users,
            origins,
        };
        scope.spawn(write(writer, kept), move |worker, is_written, scope| {
            worker.keeping = None;
            worker.settle(works, last, token, is_written);
            worker.go_on(scope);
            Ok(())
        });
    }

    /// Settles batches whose changes are written. What was given up meanwhile is another owner's.
    fn settle(&mut self, works: Vec<Done>, last: Option<i64>, token: u64, is_written: bool) {
        let Some(owned) = self.owned.as_mut().filter(|owned| owned.token == token) else {
            return;
        };
        if !is_written || owned.flight.ended() {
            return self.give_up();
        }
        owned.kept_to = last.or(owned.kept_to);
        for (mut work, settled) in works {
            let topic = work.flight().topic.name;
            let settled = work.settle(&settled);
            self.means
                .observer
                .consumed(topic, Consumed::Settled, settled);
        }
    }
}
