//! What has to hold of every history, whatever made it.

use std::collections::{BTreeMap, BTreeSet};

use super::random::{Log, ended_badly};
use crate::ledger::change::{Change, ChangeKind, Entered};
use crate::ledger::fold::Fold;
use crate::ledger::phase::{DerivedKind, Phase};
use crate::ledger::reason::Cause;
use crate::ledger::record::{Id, Millis};
use crate::ledger::state::{ActionState, OverrideVerdict};
use crate::ledger::times::HORIZON_MS;

/// Folds a log and shows each record's changes with the fold behind it.
pub(super) fn each(log: &Log, mut look: impl FnMut(&Fold, &[Change])) -> Fold {
    let mut fold = Fold::new();
    for (offset, (time, record)) in log.iter().enumerate() {
        let offset = i64::try_from(offset).unwrap();
        let changes = fold.apply(offset, *time, Ok(record.clone()));
        look(&fold, &changes);
    }
    fold
}

pub(super) fn is_accepted(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Ready { .. } | Phase::Waiting { .. } | Phase::Approval
    )
}

/// Whether a person skipped the gates of a decision.
pub(super) fn is_forced(entered: &Entered) -> bool {
    entered.gates.iter().any(|gate| gate.gate == "forced")
}

/// The action on which an order of this name was just carried out.
pub(super) fn applied(fold: &Fold, change: &Change, order: &str) -> Option<Id> {
    let ChangeKind::Overridden {
        override_id,
        verdict,
    } = &change.kind
    else {
        return None;
    };
    let named = fold.override_entry(*override_id)?.order == order;
    match verdict {
        OverrideVerdict::Applied { action } if named => *action,
        _ => None,
    }
}

/// G11: an event is decided once for ever, by its position; one that carries a name, once in H by that name. A person's order
/// is an order once in H (ledger-protocol §9): its key may be used again afterwards, for another action.
pub(super) fn one_event_leads_to_one_decision(log: &Log) {
    let mut decided = BTreeSet::new();
    let mut accepted: BTreeMap<Id, Millis> = BTreeMap::new();
    each(log, |fold, changes| {
        for change in changes {
            let ChangeKind::Entered(entered) = &change.kind else {
                continue;
            };
            let action = entered.action;
            assert!(decided.insert(action), "{action} decided twice");
            let name = entered.propose.event_identity;
            let name = name.filter(|_| is_accepted(entered.phase));
            if let Some(before) = name.and_then(|name| accepted.insert(name, fold.now())) {
                assert!(fold.now() - before > HORIZON_MS);
            }
        }
    });
}

/// G1.
pub(super) fn one_bid_wins_an_attempt(log: &Log) {
    let mut wins = BTreeSet::new();
    each(log, |_, changes| {
        for change in changes {
            if let ChangeKind::BidWon {
                action, attempt, ..
            } = change.kind
            {
                assert!(wins.insert((action, attempt)), "{action} {attempt} twice");
            }
        }
    });
}

/// G7.
pub(super) fn one_action_of_a_key_is_open(log: &Log) {
    // By key: the action accepted last.
    let mut last: BTreeMap<String, Id> = BTreeMap::new();
    let mut cleared = BTreeSet::new();
    each(log, |fold, changes| {
        for change in changes {
            cleared.extend(applied(fold, change, "clear_cooldown"));
            if let Some(again) = applied(fold, change, "refire") {
                cleared.remove(&again);
            }
            let ChangeKind::Entered(entered) = &change.kind else {
                continue;
            };
            if !is_accepted(entered.phase) {
                continue;
            }
            let step = &entered.propose.decisions[entered.decision].ladder[entered.step];
            let previous = last.insert(step.cooldown_key.clone(), entered.action);
            // As the fold saw it: the action may have ended by time within this record.
            let previous = previous.and_then(|id| Some((id, fold.action(id)?)));
            let Some((id, previous)) = previous else {
                continue;
            };
            // A scheduled action that fell back has another key by now.
            if previous.step.cooldown_key != step.cooldown_key {
                continue;
            }
            assert!(!previous.phase.is_open(), "{id} is still open");
            let lifted = is_forced(entered) || cleared.contains(&id);
            if matches!(previous.phase, Phase::Done | Phase::Unknown { .. }) && !lifted {
                let cooldown = previous.step.cooldown_ms.max(step.cooldown_ms);
                assert!(change.time >= previous.end.unwrap() + cooldown);
            }
        }
        let mut held = BTreeSet::new();
        for (_, action) in fold
            .open_actions()
            .filter(|(_, a)| a.derived_from.is_none())
        {
            assert!(
                held.insert(action.step.cooldown_key.clone()),
                "two open in one key"
            );
        }
    });
}

/// Each bad end is told, by an alert with an id of its own.
pub(super) fn each_bad_end_has_an_alert_of_its_own(log: &Log) {
    // By action: whether the present round was told.
    let mut rounds: BTreeMap<Id, bool> = BTreeMap::new();
    let mut alerts = BTreeSet::new();
    each(log, |fold, changes| {
        for change in changes {
            match &change.kind {
                ChangeKind::Entered(entered) if is_accepted(entered.phase) => {
                    let again = rounds.insert(entered.action, false).is_some();
                    assert!(!again, "two decisions have one action");
                }
                ChangeKind::Derived(derived) if derived.kind == DerivedKind::Escalation => {
                    assert!(alerts.insert(derived.action), "one alert for two ends");
                    let told = rounds.insert(derived.parent, true);
                    assert_eq!(told, Some(false), "two alerts about one end");
                }
                ChangeKind::Derived(derived) if derived.kind == DerivedKind::Next => {
                    rounds.insert(derived.action, false);
                }
                _ => {}
            }
            if let Some(action) = applied(fold, change, "refire")
                && let Some(told) = rounds.get_mut(&action)
            {
                *told = false;
            }
        }
        for (action, told) in &rounds {
            let untold = fold.phase(*action).is_some_and(ended_badly) && !told;
            assert!(!untold, "{action} ended badly and nobody is told");
        }
    });
}

/// The index agrees with the state.
pub(super) fn the_index_is_what_a_scan_finds(log: &Log) {
    each(log, |fold, _| {
        let actions = fold.state().actions.values();
        let timer = actions.clone().filter_map(ActionState::timer).min();
        assert_eq!(fold.next_timer(), timer);
        // What this record brought may be due already and waits for the next one.
        let older = actions
            .clone()
            .filter(|action| action.changed < fold.offset());
        let left = older.filter_map(ActionState::timer).min();
        assert!(
            left.is_none_or(|timer| timer >= fold.now()),
            "a due timer was left"
        );
        let lost = actions
            .clone()
            .filter(|action| action.is_undelivered())
            .count();
        assert_eq!(fold.undelivered().count(), lost);
        let open = actions.filter(|action| action.phase.is_open()).count();
        assert_eq!(fold.open_actions().count(), open);
    });
}

/// What people know of moves nothing, and none of the alerts about it is a warning any more.
pub(super) fn acknowledged_actions_stay_where_they_are(log: &Log) {
    each(log, |fold, changes| {
        let order = changes
            .iter()
            .find_map(|change| applied(fold, change, "acknowledge"));
        let Some(action) = order else { return };
        // One that ended long before is forgotten behind the same record.
        assert!(fold.action(action).is_none_or(|action| action.acknowledged));
        let by_order = |change: &&Change| {
            matches!(
                &change.kind,
                ChangeKind::Moved {
                    cause: Cause::Ordered { .. },
                    ..
                }
            )
        };
        assert_eq!(changes.iter().find(by_order), None);
        let mut lost = fold.undelivered();
        let about = lost.find(|(_, alert)| alert.alert_about() == Some(action));
        assert_eq!(about.map(|(alert, _)| alert), None, "still a warning");
    });
}
