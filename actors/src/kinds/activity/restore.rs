//! A store that lost what was written: a Redis that was emptied, or started again without its data. It is noticed by a mark that each
//! owner of a shard sets, and the users in memory are written again. Of others nothing is left to write: they begin again with
//! nothing, unless their events are read again (docs/store.md).

use std::sync::Arc;

use homeostat_logic::activity::shard::PARTS;

use super::state::ActivityActor;
use super::write::{mark_change, mark_key, origins_change, put_origins, put_users};
use crate::supervision::Scope;

impl ActivityActor {
    /// Looks whether the mark is still there. A store that does not answer is asked again at the next look.
    pub(super) fn look_at_store(&self, scope: &mut Scope<'_, Self>) {
        let Some(owned) = &self.owned else { return };
        let found = self.users.store.read(vec![mark_key(self.shard_number())]);
        let token = owned.token;
        scope.spawn(found, move |worker, found, scope| {
            let is_same = worker.owned.as_ref().is_some_and(|owned| owned.token == token);
            let is_gone = found.is_ok_and(|found| found.iter().all(Option::is_none));
            if is_same && is_gone {
                let shard = worker.shard_number();
                let users = worker.shard.len();
                tracing::error!(
                    shard,
                    users,
                    "the user store lost what was written: it was emptied, or started again without its data. Users of this partition who are in memory are written again; the others begin again with nothing"
                );
                worker.restore_due = true;
                worker.go_on(scope);
            }
            Ok(())
        });
    }

    /// Writes the users of a part and then those of the next one; events wait meanwhile. No batch is half
    /// written here: it begins when nothing is unkept, and no other task of this actor runs meanwhile.
    pub(super) fn write_part(&self, part: usize, scope: &mut Scope<'_, Self>) {
        let Some(owned) = &self.owned else { return };
        let (store, flight) = (Arc::clone(&self.users.store), Arc::clone(&owned.flight));
        if part == PARTS {
            let shard = self.shard_number();
            let origins = owned.kept_to;
            let origins = origins.map(|to| origins_change(shard, to, &self.shard.origins));
            let marked = async move {
                for change in origins.into_iter().chain([mark_change(shard)]) {
                    if !put_origins(&*store, change, &flight).await {
                        return false;
                    }
                }
                true
            };
            scope.hold(marked, |worker, is_marked, scope| {
                if is_marked {
                    worker.users.losses.noted(worker.shard.len());
                    if worker.number == 0 {
                        worker.users.model.lost_snapshot();
                    }
                } else {
                    worker.give_up();
                }
                worker.go_on(scope);
                Ok(())
            });
            return;
        }
        let names = self.shard.names_of(part);
        let mut changes = Vec::new();
        self.put_users(names.iter(), &mut changes);
        let written = async move { put_users(&*store, changes, &flight).await };
        scope.hold(written, move |worker, is_written, scope| {
            if is_written {
                worker.write_part(part + 1, scope);
            } else {
                worker.give_up();
                worker.go_on(scope);
            }
            Ok(())
        });
    }
}
