//! The places that one executor holds for its bids and questions, and what of its partition waits. All of it ends with the
//! executor; places of requests went with the requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use homeostat_logic::ledger::execution::Admission;
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::traffic::{Claim, Wait};

use super::permit::Permit;
use super::{Traffic, known};
use crate::ports::connector::{Connections, Heard};

/// See the module.
#[derive(Debug)]
pub(crate) struct Places {
    traffic: Arc<Traffic>,
    partition: i32,
    /// By action.
    held: BTreeMap<Id, Permit>,
    /// Connections for which something waits, by the name of their state.
    claimed: BTreeSet<String>,
}

impl Places {
    pub(crate) const fn new(traffic: Arc<Traffic>, partition: i32) -> Self {
        Self {
            traffic,
            partition,
            held: BTreeMap::new(),
            claimed: BTreeSet::new(),
        }
    }

    /// For one look at what is due.
    pub(crate) fn admitting<'a>(&'a mut self, connections: &'a Connections) -> Admitting<'a> {
        Admitting {
            places: self,
            connections,
            wait: Wait::Concurrency,
            claims: BTreeMap::new(),
        }
    }

    /// The place of an action's bid, for its request.
    pub(crate) fn take(&mut self, action: Id) -> Option<Permit> {
        self.held.remove(&action)
    }

    /// What a question about an action, or a request to make it absolute, said of its service.
    pub(crate) fn hear(&mut self, action: Id, heard: &Heard) {
        if let Some(permit) = self.held.get_mut(&action) {
            permit.hear(heard);
        }
    }

    /// One more request leaves in the place of an action.
    pub(crate) fn charge(&self, action: Id) {
        if let Some(permit) = self.held.get(&action) {
            permit.charge();
        }
    }

    /// Gives back what is not used any more.
    pub(crate) fn keep(&mut self, used: impl Fn(Id) -> bool) {
        self.held.retain(|action, _| used(*action));
    }

    /// Nothing is bid for, asked or waits any more.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.publish(BTreeMap::new());
    }

    /// From now on this waits, and nothing else.
    fn publish(&mut self, claims: BTreeMap<String, Claim>) {
        for gone in &self.claimed {
            if !claims.contains_key(gone) {
                self.traffic.claim(gone, self.partition, None);
            }
        }
        for (connection, claim) in &claims {
            self.traffic.claim(connection, self.partition, Some(*claim));
        }
        self.claimed = claims.into_keys().collect();
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Hands places out while an executor looks at what is due; what waits is known to the others when it is dropped.
pub(crate) struct Admitting<'a> {
    places: &'a mut Places,
    connections: &'a Connections,
    /// Of the latest refusal.
    wait: Wait,
    claims: BTreeMap<String, Claim>,
}

impl Admission for Admitting<'_> {
    fn admit(&mut self, connection: &str, action: Id, due: Millis) -> bool {
        let Places {
            traffic,
            partition,
            held,
            ..
        } = &mut *self.places;
        match traffic.enter(self.connections, connection, *partition, due) {
            Ok(permit) => {
                // One of a bid that is given up at the look at which its action is bid for again comes back here.
                held.insert(action, permit);
                true
            }
            Err(wait) => {
                self.wait = wait;
                false
            }
        }
    }

    fn waits(&mut self, connection: &str, count: usize, due: Millis) {
        let (name, _) = known(self.connections, connection);
        let wait = self.wait;
        let claim = Claim { count, due, wait };
        let all = self.claims.entry(name.to_owned());
        let all = all.or_insert(Claim { count: 0, ..claim });
        all.count += count;
        all.due = all.due.min(due);
    }
}

impl Drop for Admitting<'_> {
    fn drop(&mut self) {
        let claims = std::mem::take(&mut self.claims);
        self.places.publish(claims);
    }
}
