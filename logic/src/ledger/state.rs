//! The state of the fold of one ledger partition (ledger-protocol §4): plain data with canonical encoding, so that
//! instances can compare it and checkpoints can carry it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::phase::{DerivedKind, Phase};
use super::reason::Refusal;
use super::record::{Decision, Id, Millis, Propose, Source, Step, Window};
use crate::severity::Severity;
use crate::target::Target;

/// Everything but the memory of seen events, which is rebuilt from the records (ledger-protocol §8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldState {
    /// Version of the fold's rules.
    pub version: u32,
    /// Log time: the largest seen.
    pub now: Millis,
    /// Newest folded offset; -1 before the first.
    pub offset: i64,
    /// The installation, from the first Genesis; none before it. Nothing is decided without one.
    pub installation: Option<Id>,
    /// Actions that can still change or be corrected; closed ones leave H after their end. Decisions suppressed or
    /// ignored at acceptance are not kept: they have no winner and no timer, so no record can ever refer to them.
    pub actions: BTreeMap<Id, ActionState>,
    /// Keys and budgets by target (`kind/name`). The protocol has one map for all targets of a partition; a cooldown
    /// belongs to its target, so keys of different targets never meet even if a proposer leaves the target out.
    pub targets: BTreeMap<String, TargetState>,
    /// Highest offset that left the memory of seen events, by source partition.
    pub low: BTreeMap<Arc<str>, i64>,
    /// Source partitions of which a proposal older than the memory was read: one alert for each.
    pub told_old: BTreeSet<String>,
    /// What people hold back, in the order in which they ordered it. Bound: see [`Hold`].
    pub holds: Vec<Hold>,
    /// What became of people's orders of the last H, so that a repeated one gets the first answer.
    pub overrides: BTreeMap<Id, OverrideEntry>,
}

impl FoldState {
    /// The state of the empty prefix.
    pub const fn empty(version: u32) -> Self {
        Self {
            version,
            now: 0,
            offset: -1,
            installation: None,
            actions: BTreeMap::new(),
            targets: BTreeMap::new(),
            low: BTreeMap::new(),
            told_old: BTreeSet::new(),
            holds: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }
}

/// A pause or a silence that a person ordered for the whole partition (ledger-protocol §9).
///
/// Bound: [`Hold::MAX`] of a partition are kept, those that last longest; so dropping one never ends a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// End of a silence in log time; a pause lasts until `resume`.
    pub until: Option<Millis>,
    /// Who ordered it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Log time of the order.
    pub at: Millis,
    /// The target that the person named; the whole partition is held all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

impl Hold {
    /// Holds of a partition at most.
    pub const MAX: usize = 16;

    /// Whether it holds anything back at `now`.
    pub fn active(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The name of the order that made it.
    pub const fn order(&self) -> &'static str {
        match self.until {
            None => "pause",
            Some(_) => "silence",
        }
    }
}

/// What people hold back, all orders together: new proposals are suppressed and bids are void; requests under way end
/// (ledger-protocol §9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Until `resume`.
    pub paused: bool,
    /// Until this log time, also while paused.
    pub silenced_until: Option<Millis>,
}

impl Holds {
    /// The sum of some holds.
    pub fn of<'a>(holds: impl IntoIterator<Item = &'a Hold>) -> Self {
        let mut sum = Self::default();
        for hold in holds {
            sum.paused |= hold.until.is_none();
            sum.silenced_until = sum.silenced_until.max(hold.until);
        }
        sum
    }

    /// Whether anything is held back at `now`.
    pub fn active(self, now: Millis) -> bool {
        self.paused || self.silenced_until.is_some_and(|until| now < until)
    }
}

/// A person's order and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideEntry {
    /// Log time of the order.
    pub at: Millis,
    /// Offset of the order.
    pub offset: i64,
    /// Name of the order, e.g. `cancel`.
    pub order: String,
    /// Identity of the whole order: another order under the same id is not the same.
    pub digest: Id,
    /// What became of it.
    pub verdict: OverrideVerdict,
}

/// What became of a person's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideVerdict {
    /// It took effect.
    Applied {
        /// On this action; none for orders about the whole partition.
        action: Option<Id>,
    },
    /// It had no effect.
    Refused(Refusal),
}

/// What a target has in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// By cooldown key.
    pub keys: BTreeMap<String, KeyState>,
    /// By budget scope.
    pub scopes: BTreeMap<String, ScopeState>,
}

/// A cooldown key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyState {
    /// The open action that holds it.
    pub open: Option<Id>,
    /// The action that ended last, done or unknown.
    pub last: Option<KeyEnd>,
}

/// End of the last action of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEnd {
    /// The action.
    pub action: Id,
    /// When it was accepted: offset and index in the proposal.
    pub accepted: (i64, usize),
    /// When it ended.
    pub end: Millis,
    /// Its cooldown.
    pub cooldown_ms: Millis,
}

/// A budget scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeState {
    /// Log times of activations, oldest first; slots are never given back.
    pub slots: VecDeque<Millis>,
    /// Window that the newest activated action counted in; only for display.
    pub window_ms: Millis,
    /// Cap that the newest activated action had; only for display.
    pub cap: u32,
}

impl ScopeState {
    /// Slots taken within the window before `now`.
    pub fn used(&self, now: Millis, window_ms: Millis) -> u32 {
        let since = now.saturating_sub(window_ms);
        let used = self.slots.iter().rev().take_while(|&&slot| slot > since);
        u32::try_from(used.count()).unwrap_or(u32::MAX)
    }
}

/// What an action is about, without the event itself; shared with the actions derived from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Identity of the source position.
    pub event_key: Id,
    /// Id of the event.
    pub event_id: String,
    /// Type of the event.
    pub event_type: String,
    /// What it is aimed at.
    pub target: Target,
    /// Where the event is.
    pub src: Source,
    /// Revision of the rules that decided.
    pub rule_rev: String,
    /// The rule that decided.
    pub rule: String,
    /// Severity after context.
    pub severity: Severity,
    /// Why it is that severity.
    pub severity_reason: String,
}

impl Subject {
    /// The subject of one decision of a proposal.
    pub fn new(propose: &Propose, decision: &Decision) -> Self {
        Self {
            event_key: propose.event_key,
            event_id: propose.event_id.clone(),
            event_type: propose.event_type.clone(),
            target: propose.target.clone(),
            src: propose.src.clone(),
            rule_rev: propose.rule_rev.clone(),
            rule: decision.rule.clone(),
            severity: decision.severity,
            severity_reason: decision.severity_reason.clone(),
        }
    }
}

/// An action of the fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionState {
    /// What it is about.
    pub subject: Arc<Subject>,
    /// What to do.
    pub step: Arc<Step>,
    /// The steps below it in the ladder; kept while it is scheduled.
    pub later: VecDeque<Arc<Step>>,
    /// What to do when it fails; a derived alert has none.
    pub escalation: Option<Arc<Step>>,
    /// After this time it is not started.
    pub not_after: Millis,
    /// Where it is.
    pub phase: Phase,
    /// The winning bid of each attempt.
    pub winners: BTreeMap<u32, Winner>,
    /// Absolute parameters resolved at the first Start.
    pub resolved: Option<serde_json::Value>,
    /// An earlier attempt was done while a later one is under way.
    pub evidence_of_effect: bool,
    /// Offset of the last phase change.
    pub changed: i64,
    /// Log time of its acceptance.
    pub accepted_at: Millis,
    /// Place of its acceptance: offset and index in the proposal.
    pub accepted: (i64, usize),
    /// Log time of its end, if it is closed.
    pub end: Option<Millis>,
    /// The action it was derived from.
    pub derived_from: Option<(Id, DerivedKind)>,
    /// The actions derived from it.
    pub derived: BTreeMap<DerivedKind, Id>,
    /// Done, and not helpful unless observed by this time.
    pub verify_by: Option<Millis>,
    /// How often a person fired it again. Each time its end gets a separate alert, with its own idempotency key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refires: u32,
    /// People know of its bad end: a person said so, or a later alert went out through the same connector.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub acknowledged: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The bid that won an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winner {
    /// The bid.
    pub start_id: Id,
    /// Its log time.
    pub at: Millis,
    /// The winner reported that the attempt certainly had no effect: nothing of it is under way any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_effect: bool,
}

impl ActionState {
    /// The action whose end it reports; none if it is no such alert.
    pub const fn alert_about(&self) -> Option<Id> {
        match self.derived_from {
            Some((parent, DerivedKind::Escalation | DerivedKind::Unverified)) => Some(parent),
            _ => None,
        }
    }

    /// Whether it is an alert about another action that was neither delivered nor acknowledged.
    pub const fn is_undelivered(&self) -> bool {
        let lost = matches!(
            self.phase,
            Phase::Failed | Phase::Expired | Phase::Unknown { .. }
        );
        self.alert_about().is_some() && lost && !self.acknowledged
    }

    /// Until when a request of it may still be under way; in the past if none can be (V11).
    pub fn under_way_until(&self) -> Option<Millis> {
        let open = self.winners.values().filter(|one| !one.without_effect);
        let last = open.map(|winner| winner.at).max()?;
        Some(last.saturating_add(self.step.lease_ms))
    }

    /// The window of the step by index.
    pub fn window(&self, window: Option<usize>) -> Option<Window> {
        self.step.start.windows().nth(window?).copied()
    }

    /// When log time alone moves the action (ledger-protocol §4 `advance`). Due as soon as log time is beyond it.
    pub fn timer(&self) -> Option<Millis> {
        match self.phase {
            Phase::Waiting { window } => {
                Some(self.window(Some(window)).map_or(self.not_after, |w| w.from))
            }
            Phase::Ready { window, .. } => Some(
                self.window(window)
                    .map_or(self.not_after, |w| w.to.min(self.not_after)),
            ),
            Phase::Approval => Some(self.not_after),
            Phase::Started { at, .. } => Some(at.saturating_add(self.step.lease_ms)),
            Phase::Doubt { since, .. } => Some(since.saturating_add(self.step.probe_for_ms)),
            Phase::Done => self.verify_by,
            _ => None,
        }
    }
}
