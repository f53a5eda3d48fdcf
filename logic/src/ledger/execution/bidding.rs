//! Bids: from the fresh start id to the one moment in which a request may be sent.

use std::time::Duration;

use super::{Admission, Bid, Dispatch, Effect, Execution, Moment, PAUSE};
use crate::ledger::fold::Fold;
use crate::ledger::phase::Phase;
use crate::ledger::record::{AbsentProbe, Finish, FinishOutcome, Id, Millis, Start, Via};
use crate::ledger::state::ActionState;
use crate::ledger::times::{REFIRE_START_MS, START_DEADLINE};

/// Bids given up that are remembered per action.
const GIVEN_UP_MAX: usize = 16;

impl Execution {
    /// The delivery report of a Start: whether it was acknowledged.
    pub fn reported(
        &mut self,
        fold: &Fold,
        action: Id,
        start_id: Id,
        delivered: bool,
        boot: Duration,
    ) -> Vec<Effect> {
        let Some(bid) = self.bids.get_mut(&action) else {
            return Vec::new();
        };
        if bid.start_id != start_id {
            return Vec::new();
        }
        bid.reported = true;
        if delivered && !bid.over {
            return self
                .send_if_allowed(fold, action, boot)
                .into_iter()
                .collect();
        }
        let effect = self.give_up(fold, action);
        self.bids.remove(&action);
        self.pause(fold, action, boot);
        effect.into_iter().collect()
    }

    /// Bids for every action that is due, the longest due first, as far as its connection has room. One without room costs the
    /// same however many wait for it, and delays no other.
    pub(super) fn bid_for_due(
        &mut self,
        fold: &Fold,
        now: Moment,
        fresh: &mut dyn FnMut(Id) -> Id,
        admission: &mut dyn Admission,
        effects: &mut Vec<Effect>,
    ) {
        // While people hold everything back every bid is void; without this there would be one a second.
        if fold.held(now.log) {
            return;
        }
        self.ready.advance(now.log);
        let mut chosen = Vec::new();
        for (connection, due) in self.ready.due() {
            let before = chosen.len();
            for &(from, action) in due {
                let waits = self.not_before.get(&action).is_some_and(|t| now.boot < *t);
                if waits || self.bids.contains_key(&action) {
                    continue;
                }
                let Some(attempt) = fold.action(action).and_then(|a| startable(a, now)) else {
                    continue;
                };
                if !admission.admit(connection, action, from) {
                    let bids = self.bids.keys();
                    let bid_for = bids.filter(|id| self.ready.connection(**id) == Some(connection));
                    let taken = chosen.len() - before + bid_for.count();
                    admission.waits(connection, due.len().saturating_sub(taken), from);
                    break;
                }
                chosen.push((action, attempt));
            }
        }
        for (action, attempt) in chosen {
            let start_id = fresh(action);
            effects.push(self.bid(action, attempt, start_id, now.boot, None));
        }
    }

    /// Bids for an attempt; behind a doubt with the target's word that the one before had no effect.
    pub(super) fn bid(
        &mut self,
        action: Id,
        attempt: u32,
        start_id: Id,
        since: Duration,
        probe: Option<AbsentProbe>,
    ) -> Effect {
        let bid = Bid {
            attempt,
            start_id,
            since,
            reported: false,
            won: false,
            over: false,
        };
        self.bids.insert(action, bid);
        self.not_before.remove(&action);
        Effect::AppendStart(Start {
            action_id: action,
            attempt,
            start_id,
            owner: self.owner.clone(),
            resolved_params: None,
            probe,
        })
    }

    /// The order to make absolute before this bid is appended: that of an action which was not made absolute yet, and of
    /// which no attempt can have had an effect.
    pub fn first_order(fold: &Fold, start: &Start) -> Option<Dispatch> {
        let state = fold.action(start.action_id)?;
        let mut winners = state.winners.values();
        let first = state.resolved.is_none() && winners.all(|winner| winner.without_effect);
        first.then(|| {
            let Start {
                action_id,
                attempt,
                start_id,
                ..
            } = *start;
            order(state, action_id, attempt, start_id, Duration::MAX)
        })
    }

    /// The order of an action that waits for a person, a window or the end of a pause, and was not made absolute yet.
    pub fn waiting_order(fold: &Fold, action: Id, now: Millis) -> Option<Dispatch> {
        let state = fold.action(action)?;
        let waits = match state.phase {
            Phase::Approval | Phase::Waiting { .. } => true,
            Phase::Ready { .. } => fold.held(now),
            _ => false,
        };
        let mut winners = state.winners.values();
        let first = state.resolved.is_none() && winners.all(|winner| winner.without_effect);
        (waits && first).then(|| order(state, action, 1, Id([0; 16]), Duration::MAX))
    }

    /// The order of this bid is being made absolute. That may take as long as a request: D counts from its end.
    pub fn asks(&mut self, action: Id, start_id: Id) {
        if let Some(bid) = self.bid_of(action, start_id) {
            bid.since = Duration::MAX;
        }
    }

    /// The order of this bid is absolute, and its Start is about to be appended. `false`: the bid was given up meanwhile; append
    /// nothing, and report that.
    pub fn absolute(&mut self, action: Id, start_id: Id, boot: Duration) -> bool {
        let bid = self.bid_of(action, start_id).filter(|bid| !bid.over);
        bid.is_some_and(|bid| {
            bid.since = boot;
            true
        })
    }

    fn bid_of(&mut self, action: Id, start_id: Id) -> Option<&mut Bid> {
        let bid = self.bids.get_mut(&action);
        bid.filter(|bid| bid.start_id == start_id)
    }

    /// The order of a done action as its last attempt had it.
    pub fn done_order(fold: &Fold, action: Id) -> Option<Dispatch> {
        let state = fold
            .action(action)
            .filter(|state| state.phase == Phase::Done)?;
        let (attempt, winner) = state.winners.last_key_value()?;
        Some(order(
            state,
            action,
            *attempt,
            winner.start_id,
            Duration::MAX,
        ))
    }

    /// A bid was read back as winner, perhaps that of another instance.
    pub(super) fn won(
        &mut self,
        fold: &Fold,
        action: Id,
        attempt: u32,
        start_id: Id,
        boot: Duration,
    ) -> Option<Effect> {
        let given_up = self.given_up.get(&action);
        if given_up.is_some_and(|given_up| given_up.contains(&start_id)) {
            return Some(not_sent(action, attempt, start_id));
        }
        let bid = self.bids.get_mut(&action)?;
        if bid.start_id != start_id {
            return None;
        }
        bid.won = true;
        self.send_if_allowed(fold, action, boot)
    }

    /// An own bid was read back as void: it landed and did not win. A repeated landing of it might still win, and is
    /// then answered as one given up.
    pub(super) fn lost(&mut self, fold: &Fold, action: Id, start_id: Id, boot: Duration) {
        let own = self
            .bids
            .get(&action)
            .filter(|bid| bid.start_id == start_id);
        let Some(reported) = own.map(|bid| bid.reported) else {
            return;
        };
        self.give_up(fold, action);
        if reported {
            self.bids.remove(&action);
        }
        self.pause(fold, action, boot);
    }

    /// Not again at once: a Start that landed too early is tried again a second later.
    fn pause(&mut self, fold: &Fold, action: Id, boot: Duration) {
        if fold.phase(action).is_some_and(Phase::is_open) {
            self.not_before.insert(action, boot.saturating_add(PAUSE));
        }
    }

    /// Sends when every condition of ledger-protocol §6 holds; gives the bid up when one cannot hold any more.
    fn send_if_allowed(&mut self, fold: &Fold, action: Id, boot: Duration) -> Option<Effect> {
        let bid = self.bids.get(&action)?;
        if !(bid.won && bid.reported) || bid.over {
            return None;
        }
        let (attempt, start_id, since) = (bid.attempt, bid.start_id, bid.since);
        let state = fold.action(action);
        let in_time = boot.saturating_sub(since) <= START_DEADLINE;
        let Some(state) = state.filter(|state| in_time && holds(state, attempt, start_id)) else {
            let effect = self.give_up(fold, action);
            self.bids.remove(&action);
            return effect;
        };
        self.bids.remove(&action);
        self.sending.insert(start_id, (action, attempt));
        let deadline = since.saturating_add(START_DEADLINE);
        let order = order(state, action, attempt, start_id, deadline);
        Some(Effect::Send(Box::new(order)))
    }

    pub(super) fn give_up_overdue(&mut self, fold: &Fold, boot: Duration) -> Vec<Effect> {
        let overdue = self
            .bids
            .iter()
            .filter(|(_, bid)| !bid.over && boot.saturating_sub(bid.since) > START_DEADLINE);
        let overdue: Vec<Id> = overdue.map(|(action, _)| *action).collect();
        overdue
            .into_iter()
            .filter_map(|action| self.give_up(fold, action))
            .collect()
    }

    /// From here on the bid is never sent. One that has won already is reported as not sent at once.
    pub(super) fn give_up(&mut self, fold: &Fold, action: Id) -> Option<Effect> {
        let bid = self.bids.get_mut(&action).filter(|bid| !bid.over)?;
        bid.over = true;
        let (attempt, start_id, won) = (bid.attempt, bid.start_id, bid.won);
        if bid.reported {
            self.bids.remove(&action);
        }
        if won {
            return Some(not_sent(action, attempt, start_id));
        }
        if fold.phase(action).is_some_and(Phase::is_open) {
            let given_up = self.given_up.entry(action).or_default();
            given_up.push_back(start_id);
            if given_up.len() > GIVEN_UP_MAX {
                given_up.pop_front();
            }
        }
        None
    }
}

/// What has to be known of an attempt outside.
pub(super) fn order(
    state: &ActionState,
    action: Id,
    attempt: u32,
    start_id: Id,
    deadline: Duration,
) -> Dispatch {
    let fired_again = state.not_after.saturating_sub(REFIRE_START_MS);
    Dispatch {
        action,
        attempt,
        start_id,
        deadline,
        step: state.step.clone(),
        resolved: state.resolved.clone(),
        subject: state.subject.clone(),
        derived_from: state.derived_from,
        as_of: if state.refires > 0 {
            fired_again
        } else {
            state.subject.src.ts
        },
    }
}

/// Whether the bid is the newest phase of its action.
fn holds(state: &ActionState, attempt: u32, start_id: Id) -> bool {
    matches!(state.phase, Phase::Started { attempt: a, start_id: s, .. } if (a, s) == (attempt, start_id))
}

/// The attempt to bid for, when a bid would be valid now.
fn startable(state: &ActionState, now: Moment) -> Option<u32> {
    let Phase::Ready {
        attempt,
        from,
        window,
    } = state.phase
    else {
        return None;
    };
    let open = state
        .window(window)
        .is_none_or(|window| (window.from..window.to).contains(&now.log));
    (open && from <= now.log && now.log <= state.not_after).then_some(attempt)
}

fn not_sent(action_id: Id, attempt: u32, start_id: Id) -> Effect {
    Effect::AppendFinish(Finish {
        action_id,
        attempt,
        start_id,
        outcome: FinishOutcome::NotSent,
        via: Via::Response,
        detail: "given up before a byte was sent".to_owned(),
        retry_after_ms: None,
        permanent: false,
    })
}
