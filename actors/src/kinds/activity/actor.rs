//! The actor of one partition: the order of the steps.

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::activity::{Shard, UserEvent};

use super::apply::Applied;
use super::load::{Loaded, load};
use super::state::ActivityActor;
use super::takeover::{Taken, take_over};
use super::unkept::{Outgoing, Unkept, is_unkept};
use super::write::publish;
use crate::supervision::{Failure, Handle, Scope, Worker};
use crate::work::Work;

/// How often users who are quiet are looked for, in one of the shard's parts, and whether the store still has what was written.
const SWEEP: Duration = Duration::from_secs(5);

impl ActivityActor {
    pub(super) fn begin(&mut self, work: Work<UserEvent>, scope: &mut Scope<'_, Self>) {
        let epoch = work.flight().epoch;
        let owned = self.owned.as_ref();
        if owned.is_some_and(|owned| owned.flight.epoch == epoch) {
            return self.load(work, scope);
        }
        self.give_up();
        let flight = Arc::clone(work.flight());
        let (users, log) = (self.users.clone(), Arc::clone(&self.means.log));
        let taken = take_over(self.shard_number(), users, log, flight);
        scope.hold(taken, move |worker, taken, scope| {
            // The partition went away before: its next owner gets the events.
            let Some(Taken {
                owned,
                origins,
                tally,
            }) = taken
            else {
                return Ok(());
            };
            (worker.shard.origins, worker.shard.tally) = (origins, tally);
            if worker.number == 0 {
                worker.users.model.lead(owned.token);
            }
            worker.owned = Some(owned);
            worker.load(work, scope);
            Ok(())
        });
    }

    /// Forgets what another owner may change from now on.
    pub(super) fn give_up(&mut self) {
        self.owned = None;
        self.unkept = Unkept::default();
        self.restore_due = false;
        self.shard = Shard::new(self.users.shard, (self.users.fresh_token)());
        if self.number == 0 {
            self.users.model.lead(0);
        }
    }

    fn load(&mut self, work: Work<UserEvent>, scope: &mut Scope<'_, Self>) {
        let lacking = self.lacking(&work);
        if lacking.is_empty() {
            return self.apply(work, Loaded::default(), scope);
        }
        let (store, flight) = (Arc::clone(&self.users.store), Arc::clone(work.flight()));
        scope.hold(
            load(store, lacking, flight),
            move |worker, loaded, scope| {
                if let Some(loaded) = loaded {
                    worker.apply(work, loaded, scope);
                } else {
                    worker.give_up();
                }
                Ok(())
            },
        );
    }

    fn apply(&mut self, mut work: Work<UserEvent>, loaded: Loaded, scope: &mut Scope<'_, Self>) {
        let unreadable = self.put(loaded, &work);
        let Applied {
            mut outgoing,
            settled,
            refused,
        } = self.apply_all(&mut work, &unreadable);
        work.handled();
        work.refuse(refused);
        let unranked = std::mem::take(&mut outgoing.unranked);
        if unranked.is_empty() {
            return self.write(work, outgoing, settled, scope);
        }
        scope.hold(self.ranked(unranked), move |worker, lists, scope| {
            let now = worker.means.clock.now();
            for list in &lists {
                worker.show(list, now, &mut outgoing);
                outgoing.may.extend(worker.served(list, now));
            }
            worker.write(work, outgoing, settled, scope);
            Ok(())
        });
    }

    /// Publishes at once, so that who is connected waits for no store, and leaves the rest to [`Self::keep`].
    fn write(
        &mut self,
        work: Work<UserEvent>,
        mut outgoing: Outgoing,
        settled: Vec<i64>,
        scope: &mut Scope<'_, Self>,
    ) {
        let records = std::mem::take(&mut outgoing.may);
        if !records.is_empty() {
            self.publishing += 1;
            let published = publish(Arc::clone(&self.means.log), records);
            scope.spawn(published, |worker, (), scope| {
                worker.publishing -= 1;
                worker.go_on(scope);
                Ok(())
            });
        }
        self.unkept.add(work, outgoing, settled);
        self.keep(scope);
    }
}

impl Worker for ActivityActor {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(SWEEP, |worker, scope| {
            let now = worker.means.clock.now();
            let (unkept, keeping) = (&worker.unkept, &worker.keeping);
            let is_unkept = |user: &str| is_unkept(user, unkept, keeping.as_ref());
            worker.shard.sweep(now, is_unkept);
            worker.look_at_store(scope);
            Ok(())
        });
        Self::begin_warm_up(scope);
        Ok(())
    }
}

impl Handle<Work<UserEvent>> for ActivityActor {
    type Reply = ();

    fn handle(
        &mut self,
        work: Work<UserEvent>,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        self.waiting.push_back(work);
        self.go_on(scope);
        Ok(())
    }
}
