//! How the history follows the fold: one story per decision, the newest kept.

use std::collections::BTreeMap;

use super::{Attempt, Cursor, DecisionStory, DecisionSummary, Filter, Page, story};
use crate::action::Action;
use crate::history::Outcome;
use crate::ledger::change::{Change, ChangeKind, Derived};
use crate::ledger::phase::DerivedKind;
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis};

/// Stories kept of each kind, unless told otherwise (SPEC §4: the latest 1,000).
pub const CAPACITY_DEFAULT: usize = 1000;

/// The newest decisions of all ledger partitions.
///
/// Bounds: `capacity` decisions that demanded a response and, apart from them, `capacity` that asked for nothing, so that
/// notices push no decision out. The oldest leaves, open or not; what happens to it later is ignored.
///
/// One thread applies changes, others read: put it behind a read-write lock. Applying touches one story; reading clones
/// what it returns.
#[derive(Debug)]
pub struct History {
    capacity: usize,
    demanding: Ring,
    ignored: Ring,
}

/// Stories by position, and where each id stands.
#[derive(Debug, Default)]
struct Ring {
    stories: BTreeMap<Cursor, DecisionStory>,
    positions: BTreeMap<Id, Cursor>,
}

impl Ring {
    fn insert(&mut self, story: DecisionStory, capacity: usize) {
        let (time, id) = (story.summary.time, story.summary.id);
        let position = Cursor { time, id };
        // Read again after a restart of the reader: the newer telling replaces the older one.
        if let Some(before) = self.positions.insert(id, position) {
            self.stories.remove(&before);
        }
        self.stories.insert(position, story);
        while self.stories.len() > capacity {
            if let Some((oldest, _)) = self.stories.pop_first() {
                self.positions.remove(&oldest.id);
            }
        }
    }

    fn get(&self, id: Id) -> Option<&DecisionStory> {
        self.stories.get(self.positions.get(&id)?)
    }

    fn get_mut(&mut self, id: Id) -> Option<&mut DecisionStory> {
        self.stories.get_mut(self.positions.get(&id)?)
    }
}

impl History {
    /// An empty history that keeps `capacity` decisions of each of both kinds.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            demanding: Ring::default(),
            ignored: Ring::default(),
        }
    }

    /// Follows one change of a fold.
    pub fn apply(&mut self, change: &Change) {
        match &change.kind {
            ChangeKind::Entered(entered) => {
                if let Some(story) = story::of_decision(entered, change.offset, change.time) {
                    let ring = match story.summary.action {
                        Action::Ignore => &mut self.ignored,
                        _ => &mut self.demanding,
                    };
                    ring.insert(story, self.capacity);
                }
            }
            ChangeKind::Derived(derived) => self.derived(derived, change.offset, change.time),
            ChangeKind::Judged(judged) => {
                self.tell(judged.action, |story| story::judged_again(story, judged));
            }
            ChangeKind::BidWon {
                action,
                attempt,
                owner,
                ..
            } => self.tell(*action, |story| {
                story.attempts.push(Attempt {
                    attempt: *attempt,
                    started: change.time,
                    owner: owner.clone(),
                    finished: None,
                    outcome: None,
                    detail: None,
                });
            }),
            ChangeKind::Finished {
                action,
                attempt,
                outcome,
                detail,
                ..
            } => self.tell(*action, |story| {
                let attempt = story.attempts.iter_mut().find(|a| a.attempt == *attempt);
                if let Some(attempt) = attempt {
                    attempt.finished = Some(change.time);
                    attempt.outcome = Some(*outcome);
                    attempt.learn(detail);
                }
            }),
            ChangeKind::Moved {
                action,
                phase,
                cause,
            } => self.tell(*action, |story| {
                story.summary.outcome = Outcome::of(*phase, story.summary.action);
                story.summary.phase = phase.name();
                story.next_attempt = story::next_attempt(*phase, &story.windows);
                story.summary.changed = change.offset;
                if !matches!(cause, Cause::Won { .. }) {
                    story.summary.reasons.push(cause.to_string());
                }
                let awaited = story::approval_awaited(*phase, story.not_after);
                story.summary.reasons.extend(awaited);
            }),
            ChangeKind::Observed {
                action,
                recovered,
                evidence,
            } => self.tell(*action, |story| {
                let seen = if *recovered {
                    "recovered"
                } else {
                    "not recovered"
                };
                story.summary.reasons.push(format!("{seen}: {evidence}"));
            }),
            // Orders on an action show as its moves; the rest is about the partition.
            ChangeKind::Overridden { .. }
            | ChangeKind::Boundary
            | ChangeKind::CheckpointRead { .. }
            | ChangeKind::Emptied { .. }
            | ChangeKind::Upgraded { .. }
            | ChangeKind::Halted { .. }
            | ChangeKind::Void { .. } => {}
        }
    }

    /// The decisions asked for, newest first.
    pub fn list(&self, filter: &Filter) -> Page {
        let mut items = Vec::new();
        for story in self.newest_first(filter.before) {
            if story.summary.time < filter.since {
                break;
            }
            if !matches(&story.summary, filter) {
                continue;
            }
            if items.len() == filter.limit {
                // There is more: the next page begins behind the last item of this one.
                let next = items.last().map(cursor);
                return Page { items, next };
            }
            items.push(story.summary.clone());
        }
        Page { items, next: None }
    }

    /// One decision.
    pub fn get(&self, id: Id) -> Option<DecisionStory> {
        self.find(id).cloned()
    }

    /// Decisions kept.
    pub fn len(&self) -> usize {
        self.demanding.stories.len() + self.ignored.stories.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, id: Id) -> Option<&DecisionStory> {
        self.demanding.get(id).or_else(|| self.ignored.get(id))
    }

    fn tell(&mut self, id: Id, what: impl FnOnce(&mut DecisionStory)) {
        if let Some(story) = self.demanding.get_mut(id) {
            what(story);
        }
    }

    /// Both rings merged by position, from `before` (excluded) downwards.
    fn newest_first(&self, before: Option<Cursor>) -> impl Iterator<Item = &DecisionStory> {
        let end = before.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let range = (std::ops::Bound::Unbounded, end);
        let mut demanding = self.demanding.stories.range(range).rev().peekable();
        let mut ignored = self.ignored.stories.range(range).rev().peekable();
        std::iter::from_fn(move || {
            let position = |story: Option<&(&Cursor, &DecisionStory)>| story.map(|(at, _)| **at);
            let newer = position(demanding.peek()) >= position(ignored.peek());
            let next = if newer {
                demanding.next()
            } else {
                ignored.next()
            };
            next.map(|(_, story)| story)
        })
    }

    fn derived(&mut self, derived: &Derived, changed: i64, time: Millis) {
        self.tell(derived.parent, |parent| {
            parent.escalation = Some(derived.action);
        });
        let parent = self.find(derived.parent);
        let why = match derived.kind {
            DerivedKind::Escalation => parent.and_then(|p| p.summary.reasons.last().cloned()),
            DerivedKind::Next | DerivedKind::Unverified => Some("no recovery was seen".to_owned()),
        };
        let why = why.unwrap_or_default();
        let event = parent.map(|parent| parent.event.clone());
        let story = story::of_derived(derived, changed, time, event, &why);
        self.demanding.insert(story, self.capacity);
    }
}

fn cursor(summary: &DecisionSummary) -> Cursor {
    Cursor {
        time: summary.time,
        id: summary.id,
    }
}

fn matches(summary: &DecisionSummary, filter: &Filter) -> bool {
    let target = |wanted: &String| {
        *wanted == summary.target
            || wanted.split_once('/').is_some_and(|(kind, name)| {
                kind == summary.target_kind.name() && name == summary.target
            })
    };
    let id = |prefix: &String| summary.id.to_string().starts_with(prefix.as_str());
    filter
        .event_type
        .as_ref()
        .is_none_or(|wanted| *wanted == summary.event_type)
        && filter.id_prefix.as_ref().is_none_or(id)
        && filter.target.as_ref().is_none_or(target)
        && filter.action.is_none_or(|wanted| wanted == summary.action)
        && filter
            .outcome
            .is_none_or(|wanted| wanted == summary.outcome)
}
