//! The executor of one ledger partition (ledger-protocol §6) as a state machine without IO: it receives what happened and
//! says what to append and what to send.
//!
//! | State | Event | Step |
//! |---|---|---|
//! | idle | the fold says ready, it is due, and its connection has room | append a Start with a fresh id: bidding |
//! | bidding | read back as winner, and report is success, and within D, and still Started | send: sending |
//! | bidding | read back as void | idle, again a second later at the earliest |
//! | bidding | the order is made absolute before the append | D counts from the end of that |
//! | bidding | D over, append failed, or revoked | given up: idle once the report is there |
//! | any | a bid given up is read back as winner | append `Finish(not_sent)` |
//! | sending | answer, error or timeout | append Finish: idle |
//! | idle | the fold says doubt or unknown, the lease is over by the own clock too, and its connection has room | ask the target: see `probing` |
//!
//! Everything here is lost with its owner and nothing is missed: the fold's lease decides (G1 to G4).

mod bidding;
mod probing;
mod ready;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use self::probing::Probed;

use self::probing::Question;
use self::ready::Ready;
use super::change::{Change, ChangeKind, VoidRecord};
use super::fold::Fold;
pub use super::limits::DETAIL_BYTES_MAX;
use super::phase::{DerivedKind, Phase};
use super::record::{Finish, FinishOutcome, Id, Millis, Start, Step, Via};
use super::state::Subject;

/// Ticks at most one per this time, and bids for one action after a void one.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether connections have room. An action that is refused stays as it is: nothing is appended and no attempt is spent, and it is
/// asked for again at the next tick. Safety does not depend on it.
pub trait Admission {
    /// Takes a place for an action that is due since `due` (log time); `false`: its connection has none now. The place is given
    /// back when the request ends, or when [`Execution::holds`] says so without one.
    fn admit(&mut self, connection: &str, action: Id, due: Millis) -> bool;

    /// So many actions that are due since `due` or later wait for a connection that was full.
    fn waits(&mut self, _connection: &str, _count: usize, _due: Millis) {}
}

impl<F: FnMut(&str, Id) -> bool> Admission for F {
    fn admit(&mut self, connection: &str, action: Id, _: Millis) -> bool {
        self(connection, action)
    }
}

/// What the shell has to do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append it once, without repeating it, and call [`Execution::reported`] with the delivery report, whatever it says:
    /// until then the action is not bid for again. Where [`Execution::first_order`] names an order that is to be made absolute before,
    /// say so by [`Execution::asks`] and [`Execution::absolute`].
    AppendStart(Start),
    /// Send the request now and call [`Execution::answered`] with what came of it.
    Send(Box<Dispatch>),
    /// Append it and repeat the append until it is acknowledged; also after revocation.
    AppendFinish(Finish),
    /// Ask the target whether the attempt had its effect, and call [`Execution::probed`] with what it says.
    Probe(Box<Dispatch>),
    /// Append a Tick, so that log time passes.
    AppendTick,
}

/// A request to be sent once.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The action; also the idempotency key.
    pub action: Id,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The bid that won it.
    pub start_id: Id,
    /// Boot time after which no byte of a request may leave; answer `not_sent` then. Without meaning for a probe.
    pub deadline: Duration,
    /// What to do, through which connector, with which parameters.
    pub step: Arc<Step>,
    /// Parameters resolved at the first Start; they replace those of the step.
    pub resolved: Option<serde_json::Value>,
    /// What it is about.
    pub subject: Arc<Subject>,
    /// The action it reports or follows.
    pub derived_from: Option<(Id, DerivedKind)>,
    /// Log time as of which the action was wanted: that of its event, or of the order that fired it again.
    pub as_of: Millis,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its class (ledger-protocol §3).
    pub outcome: FinishOutcome,
    /// Request and answer in words, without secrets.
    pub detail: String,
    /// The target asked for this pause.
    pub retry_after_ms: Option<Millis>,
    /// No repetition can mend it.
    pub permanent: bool,
}

impl Answer {
    /// The record of it, its detail cut to [`DETAIL_BYTES_MAX`]. A fact that is written whichever instance sent the request
    /// (ledger-protocol §2).
    pub fn finish(mut self, action_id: Id, attempt: u32, start_id: Id) -> Finish {
        let end = self.detail.floor_char_boundary(DETAIL_BYTES_MAX);
        self.detail.truncate(end);
        Finish {
            action_id,
            attempt,
            start_id,
            outcome: self.outcome,
            via: Via::Response,
            detail: self.detail,
            retry_after_ms: self.retry_after_ms,
            permanent: self.permanent,
        }
    }
}

/// The present, read by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Boot time: a clock that also runs while the host is suspended (`CLOCK_BOOTTIME`).
    pub boot: Duration,
    /// Estimate of log time: that of the newest record and the time passed since it was read, or the wall clock if that
    /// is later (behind a restart on a quiet log the newest record may be old). Wrong estimates cost void bids and one
    /// Tick a second, nothing else.
    pub log: Millis,
}

/// A bid whose Start was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Bid {
    attempt: u32,
    start_id: Id,
    /// Boot time before the append; the end of all time while its order is made absolute.
    since: Duration,
    /// The append was acknowledged.
    reported: bool,
    /// Read back as winner.
    won: bool,
    /// Given up or void: it only waits for its report, because a new bid must not overtake it.
    over: bool,
}

/// The executor of one ledger partition in one incarnation. Make a new one at each assignment and each restart: it
/// recognises no earlier bid (V1).
///
/// Bounds: as many actions are bid for, sent or asked about as [`Admission`] admits; bids given up are remembered while their action
/// is open, at most 16 per action (beyond it the oldest is left to the lease).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    owner: String,
    /// False after revocation: no new Start and no Tick.
    live: bool,
    /// Actions in Ready.
    ready: Ready,
    /// By action.
    bids: BTreeMap<Id, Bid>,
    /// Start ids that must never be sent, by action.
    given_up: BTreeMap<Id, VecDeque<Id>>,
    /// Actions and attempts under way, by start id.
    sending: BTreeMap<Id, (Id, u32)>,
    /// Boot time before which an action is not bid for again.
    not_before: BTreeMap<Id, Duration>,
    /// Actions in doubt or unknown, of which the target is asked.
    questions: BTreeMap<Id, Question>,
    /// Boot time at which the start of an action's newest attempt was read.
    started: BTreeMap<Id, (u32, Duration)>,
    /// Boot time at which this incarnation began.
    began: Duration,
    /// Boot time of the newest record read or Tick appended.
    stirred: Duration,
}

impl Execution {
    /// Begins in the middle of a log: `fold` has reached the high watermark taken after the assignment. `owner` informs
    /// people only.
    pub fn new(owner: impl Into<String>, fold: &Fold, boot: Duration) -> Self {
        let mut execution = Self {
            owner: owner.into(),
            live: true,
            ready: Ready::default(),
            bids: BTreeMap::new(),
            given_up: BTreeMap::new(),
            sending: BTreeMap::new(),
            not_before: BTreeMap::new(),
            questions: BTreeMap::new(),
            started: BTreeMap::new(),
            began: boot,
            stirred: boot,
        };
        for action in fold.state().actions.keys() {
            execution.follow(fold, *action);
        }
        execution
    }

    /// A record was folded; `fold` is at least as far.
    pub fn folded<'a>(
        &mut self,
        fold: &Fold,
        changes: impl IntoIterator<Item = &'a Change>,
        boot: Duration,
    ) -> Vec<Effect> {
        self.stirred = boot;
        let mut effects = Vec::new();
        for change in changes {
            match &change.kind {
                ChangeKind::Entered(entered) => self.follow(fold, entered.action),
                ChangeKind::Derived(derived) => self.follow(fold, derived.action),
                ChangeKind::Moved { action, .. } => self.follow(fold, *action),
                ChangeKind::BidWon {
                    action,
                    attempt,
                    start_id,
                    ..
                } => {
                    self.started.insert(*action, (*attempt, boot));
                    effects.extend(self.won(fold, *action, *attempt, *start_id, boot));
                }
                ChangeKind::Void {
                    record: VoidRecord::Start { action, start_id },
                    ..
                } => self.lost(fold, *action, *start_id, boot),
                _ => {}
            }
        }
        effects
    }

    /// Time passed. Call it several times a second. `fresh` yields the start id of a bid for an action: random
    /// bits at each call ([`super::rehearsal`]).
    /// Questions go before bids: they are about older attempts, and an action that was asked about is not asked about again soon.
    pub fn tick(
        &mut self,
        fold: &Fold,
        now: Moment,
        fresh: &mut dyn FnMut(Id) -> Id,
        admission: &mut dyn Admission,
    ) -> Vec<Effect> {
        let mut effects = self.give_up_overdue(fold, now.boot);
        if self.live {
            self.ask_due(fold, now.boot, admission, &mut effects);
            self.bid_for_due(fold, now, fresh, admission, &mut effects);
            let timer_due = fold.next_timer().is_some_and(|timer| timer < now.log);
            if timer_due && now.boot.saturating_sub(self.stirred) >= PAUSE {
                self.stirred = now.boot;
                effects.push(Effect::AppendTick);
            }
        }
        effects
    }

    /// A request ended: by an answer, an error or its limit. `None` when it was answered before.
    pub fn answered(&mut self, start_id: Id, answer: Answer) -> Option<Effect> {
        let (action_id, attempt) = self.sending.remove(&start_id)?;
        Some(Effect::AppendFinish(
            answer.finish(action_id, attempt, start_id),
        ))
    }

    /// The partition belongs to another instance now. Bids are given up, requests under way go on; keep calling
    /// [`Self::folded`], [`Self::reported`] and [`Self::answered`] until [`Self::is_idle`].
    pub fn revoked(&mut self, fold: &Fold) -> Vec<Effect> {
        self.live = false;
        let bids: Vec<Id> = self.bids.keys().copied().collect();
        bids.into_iter()
            .filter_map(|action| self.give_up(fold, action))
            .collect()
    }

    /// Whether a place taken for this action is still used by its bid or by a question about it. That of a request goes with the
    /// request.
    pub fn holds(&self, action: Id) -> bool {
        let asked = self.questions.get(&action).is_some_and(|one| one.under_way);
        asked || self.bids.contains_key(&action)
    }

    /// Nothing is bid for and nothing is being sent.
    pub fn is_idle(&self) -> bool {
        self.bids.is_empty() && self.sending.is_empty()
    }

    /// Requests under way.
    pub fn sending(&self) -> usize {
        self.sending.len()
    }

    /// Follows an action into its phase.
    fn follow(&mut self, fold: &Fold, action: Id) {
        let state = fold.action(action);
        let phase = state.map(|state| state.phase);
        self.follow_doubt(action, phase);
        match (phase, state) {
            (Some(Phase::Ready { from, .. }), Some(state)) => {
                self.ready.insert(action, &state.step.connector, from);
                return;
            }
            (Some(phase), _) if phase.is_open() => {}
            // No Start of a closed action can win any more.
            _ => {
                self.given_up.remove(&action);
                self.not_before.remove(&action);
            }
        }
        self.ready.remove(action);
    }
}
