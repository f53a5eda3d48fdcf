//! The promises on requests and their effects (ledger-protocol §1).

use std::hash::Hasher as _;

use homeostat_logic::ledger::execution::Dispatch;
use homeostat_logic::ledger::record::{Id, Policy};

use super::world::{Request, World, Worlds};
use crate::canon::Canon;
use crate::promises::Ordered;

/// What of a request G4 is about.
pub(super) fn print_of(order: &Dispatch) -> u64 {
    let params = order
        .resolved
        .as_ref()
        .map_or_else(|| order.step.params.to_string(), ToString::to_string);
    let mut canon = Canon::default();
    canon.add((order.action, params));
    canon.finish()
}

fn broken(when: bool, promise: &str) -> Option<String> {
    when.then(|| promise.to_owned())
}

impl Worlds {
    /// A request was checked and is on its way out; `again` if its attempt was before.
    pub(super) fn sent(&self, world: &World, order: &Dispatch, again: bool) -> Option<String> {
        let attempts = world
            .sends
            .range((order.action, 0)..=(order.action, u32::MAX));
        let sends = attempts.clone().count();
        let mut prints = attempts.map(|(_, print)| *print);
        let first = prints.next();
        let facts = &self.ledger.at(world.log).facts;
        let winner = facts.won.get(&(order.action, order.attempt));
        let at_most_once = order.step.policy == Policy::AtMostOnce;
        broken(again, "G1: an attempt is sent twice")
            .or_else(|| {
                let won = winner.is_some_and(|(_, start_id)| *start_id == order.start_id);
                broken(!won, "G1: sent without having won")
            })
            .or_else(|| {
                let allowed = 1 + self.refires(world, order.action);
                broken(at_most_once && sends > allowed, "G2: sent a second time")
            })
            .or_else(|| {
                let same = prints.all(|print| Some(print) == first);
                broken(!same, "G4: another key or other parameters")
            })
            .or_else(|| self.left(world, world.requests.last().copied()?))
    }

    /// The first byte leaves: nobody may have decided otherwise since its bid won, and what is cancelled never starts.
    pub(super) fn left(&self, world: &World, request: Request) -> Option<String> {
        let mut orders = self.orders(world, request.action);
        let behind =
            orders.any(|(order, name)| name == "cancel" || order.won_before >= request.attempt);
        broken(behind, "G10: sent behind a person's decision")
    }

    /// The target did it.
    pub(super) fn took_effect(&self, world: &World, request: Request) -> Option<String> {
        let prefix = self.ledger.at(world.log);
        let policy = prefix
            .fold
            .action(request.action)
            .map(|action| action.step.policy);
        let effects = world
            .effects
            .get(&request.action)
            .copied()
            .unwrap_or_default();
        let twice = policy == Some(Policy::Verify)
            && usize::from(effects) > 1 + self.refires(world, request.action);
        broken(twice, "G3: two effects").or_else(|| {
            let refired = self
                .orders(world, request.action)
                .any(|(order, name)| name == "refire" && order.won_before >= request.attempt);
            broken(refired, "G10: took effect behind a refire")
        })
    }

    /// The orders about an action that took effect, by name.
    fn orders(&self, world: &World, action: Id) -> impl Iterator<Item = (Ordered, String)> {
        let prefix = self.ledger.at(world.log);
        let orders = prefix.facts.orders.clone().into_iter();
        let of_action = orders.filter(move |order| order.action == Some(action));
        of_action.filter_map(move |order| {
            let entry = prefix.fold.state().overrides.get(&order.override_id)?;
            Some((order, entry.order.clone()))
        })
    }

    fn refires(&self, world: &World, action: Id) -> usize {
        let orders = self.orders(world, action);
        orders.filter(|(_, name)| name == "refire").count()
    }
}
