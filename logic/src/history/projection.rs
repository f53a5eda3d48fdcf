//! How the history follows the fold: one story per decision; every open one is kept, and of the closed ones those that
//! ended last.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attempt, Cursor, DecisionStory, DecisionSummary, Filter, Page, story};
use crate::actions::Action;
use crate::history::Outcome;
use crate::ledger::change::{Change, ChangeKind, Derived};
use crate::ledger::fold::Fold;
use crate::ledger::phase::DerivedKind;
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis};
use crate::target::Target;

/// Closed stories kept of each kind, by default (SPEC §4: the latest 1,000).
pub const CAPACITY_DEFAULT: usize = 1000;

/// The decisions of all ledger partitions that people may want to see or act on.
///
/// Bounds: `capacity` closed decisions that demanded a response and, apart from them, `capacity` that asked for nothing, so
/// that notices push no decision out; of each those that ended last. Open decisions are all kept, however many others
/// follow them: the fold bounds them, with one open action for each target and cooldown key and those derived from them.
///
/// One thread applies changes, others read: put it behind a read-write lock. Applying touches one story; reading clones
/// what it returns.
#[derive(Debug)]
pub struct History {
    capacity: usize,
    stories: BTreeMap<Cursor, DecisionStory>,
    positions: BTreeMap<Id, Cursor>,
    /// Closed decisions that demanded a response, by their end.
    closed: BTreeSet<Cursor>,
    /// Decisions that asked for nothing, by their end.
    ignored: BTreeSet<Cursor>,
    /// Time of the newest decision that had to make room.
    forgotten_until: Option<Millis>,
}

impl History {
    /// An empty history that keeps `capacity` closed decisions of each of both kinds.
    pub const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            stories: BTreeMap::new(),
            positions: BTreeMap::new(),
            closed: BTreeSet::new(),
            ignored: BTreeSet::new(),
            forgotten_until: None,
        }
    }

    /// Follows one change of a fold; `fold` is that fold, at this change or further on. What it says of an action whose
    /// story is not kept begins a story from the fold's state.
    pub fn apply(&mut self, change: &Change, fold: &Fold) {
        let (offset, time) = (change.offset, change.time);
        match &change.kind {
            ChangeKind::Entered(entered) => {
                if let Some(story) = story::of_decision(entered, offset, time) {
                    self.insert(story);
                }
            }
            ChangeKind::Derived(derived) => self.derived(derived, offset, time),
            ChangeKind::Judged(judged) => {
                self.note(fold, judged.action, |story| {
                    story::judged_again(story, judged);
                });
            }
            ChangeKind::BidWon {
                action,
                attempt,
                owner,
                ..
            } => self.note(fold, *action, |story| {
                // What is sent, once it was made absolute.
                let resolved = fold
                    .action(*action)
                    .and_then(|state| state.resolved.as_ref());
                if let Some(resolved) = resolved {
                    story.params = resolved.clone().into();
                }
                // A story that began from the fold's state may have it already.
                story.attempts.retain(|known| known.attempt != *attempt);
                story.attempts.push(Attempt {
                    attempt: *attempt,
                    started: time,
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
            } => self.note(fold, *action, |story| {
                let attempt = story.attempts.iter_mut().find(|a| a.attempt == *attempt);
                if let Some(attempt) = attempt {
                    attempt.finished = Some(time);
                    attempt.outcome = Some(*outcome);
                    attempt.learn(detail);
                }
            }),
            ChangeKind::Moved {
                action,
                phase,
                cause,
            } => self.note(fold, *action, |story| {
                story.summary.outcome = Outcome::of(*phase, story.summary.action);
                story.summary.phase = phase.name();
                story.next_attempt = story::next_attempt(*phase, &story.windows);
                story.summary.changed = offset;
                story.summary.ended = (!phase.is_open()).then_some(time);
                story.summary.acknowledged &= !phase.is_open();
                if !matches!(cause, Cause::Won { .. }) {
                    story.summary.reasons.push(cause.to_string());
                }
                let awaited = story::approval_awaited(*phase, story.not_after);
                story.summary.reasons.extend(awaited);
            }),
            ChangeKind::Acknowledged { action, cause } => self.note(fold, *action, |story| {
                story.summary.acknowledged = true;
                story.summary.reasons.push(cause.to_string());
            }),
            ChangeKind::Observed {
                action,
                recovered,
                evidence,
            } => self.note(fold, *action, |story| {
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
            | ChangeKind::Founded { .. }
            | ChangeKind::Emptied { .. }
            | ChangeKind::Upgraded { .. }
            | ChangeKind::Halted { .. }
            | ChangeKind::Void { .. } => {}
        }
    }

    /// Takes a whole state in: that of a fold which goes on from a checkpoint, or which was emptied. `held` names the targets
    /// of its partition. Every action that it keeps has a story from now on, and what it does not know is not open any more.
    pub fn restore(&mut self, fold: &Fold, held: impl Fn(&Target) -> bool) {
        let gone = |story: &&DecisionStory| {
            let target = target_of(&story.summary);
            story.summary.ended.is_none()
                && held(&target)
                && fold.action(story.summary.id).is_none()
        };
        let gone = self.stories.values().filter(gone);
        let gone: Vec<Id> = gone.map(|story| story.summary.id).collect();
        for id in gone {
            self.remove(id);
        }
        for id in fold.state().actions.keys() {
            self.note(fold, *id, |_| ());
        }
    }

    /// The decisions asked for, newest first.
    pub fn list(&self, filter: &Filter) -> Page {
        let end = filter
            .before
            .map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let older = self.stories.range((std::ops::Bound::Unbounded, end)).rev();
        let mut page = Page {
            items: Vec::new(),
            next: None,
            newest: self.stories.last_key_value().map(|(place, _)| place.time),
            forgotten_until: self.forgotten_until,
        };
        for story in older.map(|(_, story)| story) {
            if !matches(&story.summary, filter) {
                continue;
            }
            if page.items.len() == filter.limit {
                // There is more: the next page begins behind the last item of this one.
                page.next = page.items.last().map(cursor);
                return page;
            }
            page.items.push(story.summary.clone());
        }
        page
    }

    /// One decision.
    pub fn get(&self, id: Id) -> Option<DecisionStory> {
        self.find(id).cloned()
    }

    /// Decisions kept.
    pub fn len(&self) -> usize {
        self.stories.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, id: Id) -> Option<&DecisionStory> {
        self.stories.get(self.positions.get(&id)?)
    }

    /// Changes the story of an action and keeps the orders right; the only way to do so.
    fn note(&mut self, fold: &Fold, id: Id, what: impl FnOnce(&mut DecisionStory)) {
        let kept = || Some(story::of_state(id, fold.action(id)?));
        if let Some(mut story) = self.remove(id).or_else(kept) {
            what(&mut story);
            self.insert(story);
        }
    }

    /// Keeps a story; one of the same decision is replaced, for the reader may have been restarted.
    fn insert(&mut self, story: DecisionStory) {
        let (position, id) = (cursor(&story.summary), story.summary.id);
        self.remove(id);
        if let Some((ends, end)) = self.ends_of(&story.summary) {
            ends.insert(end);
        }
        self.positions.insert(id, position);
        self.stories.insert(position, story);
        for ignored in [true, false] {
            let ends = if ignored {
                &mut self.ignored
            } else {
                &mut self.closed
            };
            if ends.len() > self.capacity
                && let Some(first) = ends.pop_first()
                && let Some(position) = self.positions.remove(&first.id)
            {
                self.stories.remove(&position);
                self.forgotten_until = self.forgotten_until.max(Some(position.time));
            }
        }
    }

    fn remove(&mut self, id: Id) -> Option<DecisionStory> {
        let story = self.stories.remove(&self.positions.remove(&id)?)?;
        if let Some((ends, end)) = self.ends_of(&story.summary) {
            ends.remove(&end);
        }
        Some(story)
    }

    /// The place of a closed decision among those that are closed; `None` for an open one.
    fn ends_of(&mut self, summary: &DecisionSummary) -> Option<(&mut BTreeSet<Cursor>, Cursor)> {
        let (time, id) = (summary.ended?, summary.id);
        let ends = match summary.action {
            Action::Ignore => &mut self.ignored,
            _ => &mut self.closed,
        };
        Some((ends, Cursor { time, id }))
    }

    fn derived(&mut self, derived: &Derived, changed: i64, time: Millis) {
        if let Some(position) = self.positions.get(&derived.parent)
            && let Some(parent) = self.stories.get_mut(position)
        {
            parent.escalation = Some(derived.action);
        }
        let parent = self.find(derived.parent);
        let why = match derived.kind {
            DerivedKind::Escalation => parent.and_then(|p| p.summary.reasons.last().cloned()),
            DerivedKind::Next | DerivedKind::Unverified => Some("no recovery was seen".to_owned()),
        };
        let why = why.unwrap_or_default();
        let event = parent.map(|parent| parent.event.clone());
        self.insert(story::of_derived(derived, changed, time, event, &why));
    }
}

const fn cursor(summary: &DecisionSummary) -> Cursor {
    Cursor {
        time: summary.time,
        id: summary.id,
    }
}

fn target_of(summary: &DecisionSummary) -> Target {
    Target {
        kind: summary.target_kind,
        name: summary.target.clone(),
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
    let open = filter.open_of_any_age && summary.ended.is_none();
    (open || summary.time >= filter.since)
        && filter
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
