//! Promises of ledger-protocol §1 over random histories: valid and invalid records in any order, log time that also
//! steps back.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::histories::{self, applied, each, is_forced};
use super::random::{log_of, moves};
use crate::actions::Action::Retrain;
use crate::ledger::change::{Change, ChangeKind, Halt};
use crate::ledger::codec::{self, DecodeError, EncodeError};
use crate::ledger::fold::samples::*;
use crate::ledger::fold::{FOLD_VERSION, Fold, Memory};
use crate::ledger::phase::Phase;
use crate::ledger::reason::Cause;
use crate::ledger::record::FinishOutcome::NotSent;
use crate::ledger::record::{Gate, Id, Millis, Policy, Record, Step, Upgrade};
use crate::ledger::state::FoldState;

/// What is judged before any budget is asked.
const BEFORE_BUDGETS: [&str; 4] = ["duplicate", "not_after", "held", "forced"];

/// The step that a change activates, and whether a person forced it. `before`: the changes of the same record in front of
/// it; one record may open and end several windows of an action, each with a step of its own.
fn activated<'a>(before: &'a [Change], change: &'a Change) -> Option<(&'a Step, bool)> {
    match &change.kind {
        ChangeKind::Entered(entered) if matches!(entered.phase, Phase::Ready { .. }) => {
            let ladder = &entered.propose.decisions[entered.decision].ladder;
            Some((&ladder[entered.step], is_forced(entered)))
        }
        ChangeKind::Moved {
            action,
            phase: Phase::Ready { attempt: 1, .. },
            cause:
                Cause::WindowOpened
                | Cause::Ordered {
                    order: "approve", ..
                },
        } => before.iter().rev().find_map(|change| match &change.kind {
            ChangeKind::Judged(judged) if judged.action == *action => {
                Some((judged.step.as_ref(), false))
            }
            _ => None,
        }),
        _ => None,
    }
}

/// Activations by scope, counted anew.
#[derive(Default)]
struct Slots(BTreeMap<String, Vec<Millis>>);

impl Slots {
    fn take(&mut self, now: Millis, step: &Step) {
        for scope in &step.charges {
            self.0.entry(scope.clone()).or_default().push(now);
        }
    }

    fn used(&self, now: Millis, gate: &Gate) -> usize {
        let slots = self.0.get(&gate.scope).into_iter().flatten();
        slots.filter(|slot| **slot > now - gate.window_ms).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn g1_at_most_one_bid_wins_an_attempt(moves in moves()) {
        histories::one_bid_wins_an_attempt(&log_of(&moves));
    }

    #[test]
    fn g2_at_most_once_starts_again_only_when_nothing_was_sent(moves in moves()) {
        let mut sent: BTreeMap<Id, u32> = BTreeMap::new();
        each(&log_of(&moves), |fold, changes| {
            for change in changes {
                match &change.kind {
                    ChangeKind::BidWon { action, attempt, .. }
                        if fold.action(*action).unwrap().step.policy == Policy::AtMostOnce =>
                    {
                        assert!(sent.insert(*action, *attempt).is_none(), "{action} started again");
                    }
                    ChangeKind::Finished { action, attempt, outcome: NotSent, .. }
                        if sent.get(action) == Some(attempt) =>
                    {
                        sent.remove(action);
                    }
                    _ => {}
                }
                if let Some(action) = applied(fold, change, "refire") {
                    sent.remove(&action);
                }
            }
        });
    }

    #[test]
    fn g4_resolved_parameters_never_change(moves in moves()) {
        let mut resolved: BTreeMap<Id, serde_json::Value> = BTreeMap::new();
        each(&log_of(&moves), |fold, _| {
            for (id, action) in &fold.state().actions {
                if let Some(params) = &action.resolved {
                    let first = resolved.entry(*id).or_insert_with(|| params.clone());
                    assert_eq!(first, params);
                }
            }
        });
    }

    #[test]
    fn g5_whatever_was_accepted_ends_in_a_name_and_what_went_wrong_is_told(moves in moves()) {
        let mut log = log_of(&moves);
        let last = log.iter().map(|(time, _)| *time).max().unwrap();
        // Nobody sends any more; log time alone has to end everything. A month goes by, a day at a time.
        log.extend((1..=30).map(|day| (last + day * 24 * 60 * MINUTE, Record::Tick)));
        let mut phases = BTreeMap::new();
        let mut told = BTreeSet::new();
        let fold = each(&log, |_, changes| {
            for change in changes {
                match &change.kind {
                    ChangeKind::Entered(entered) => {
                        phases.insert(entered.action, (entered.phase, false));
                    }
                    ChangeKind::Derived(derived) => {
                        phases.insert(derived.action, (derived.phase, true));
                        told.insert(derived.parent);
                    }
                    ChangeKind::Moved { action, phase, .. } => {
                        phases.get_mut(action).unwrap().0 = *phase;
                    }
                    _ => {}
                }
            }
        });
        prop_assert_eq!(fold.open_actions().count(), 0);
        for (action, (phase, derived)) in phases {
            prop_assert!(!phase.is_open(), "{} is {}", action, phase.name());
            let wrong = matches!(phase, Phase::Failed | Phase::Expired | Phase::Unknown { .. });
            prop_assert!(!wrong || derived || told.contains(&action), "{} untold", action);
        }
    }

    #[test]
    fn g6_a_fold_resumed_anywhere_from_its_written_state_equals_the_full_fold(
        moves in moves(),
        cuts in prop::collection::btree_set(0..80_i64, 1..4),
    ) {
        let log = log_of(&moves);
        let mut resumed = Fold::new();
        let full = each(&log, |full, changes| {
            if cuts.contains(&full.offset()) {
                let state = serde_json::to_vec(resumed.state()).unwrap();
                let memory = serde_json::to_vec(resumed.memory()).unwrap();
                let state: FoldState = serde_json::from_slice(&state).unwrap();
                let memory: Memory = serde_json::from_slice(&memory).unwrap();
                resumed = Fold::resume(state, memory);
            }
            let (time, record) = &log[usize::try_from(full.offset()).unwrap()];
            let same = resumed.apply(full.offset(), *time, Ok(record.clone()));
            assert_eq!(same, changes);
        });
        prop_assert_eq!(resumed.state(), full.state());
        prop_assert_eq!(resumed.memory(), full.memory());
        prop_assert_eq!(resumed.hash(), full.hash());
    }

    #[test]
    fn g7_actions_of_one_key_are_never_open_together_and_keep_the_cooldown(moves in moves()) {
        histories::one_action_of_a_key_is_open(&log_of(&moves));
    }

    #[test]
    fn g8_no_budget_is_exceeded_in_any_window(moves in moves()) {
        let mut slots = Slots::default();
        each(&log_of(&moves), |fold, changes| {
            for (place, change) in changes.iter().enumerate() {
                let Some((step, forced)) = activated(&changes[..place], change) else { continue };
                slots.take(fold.now(), step);
                for gate in step.gates.iter().filter(|_| !forced) {
                    let used = slots.used(fold.now(), gate);
                    assert!(used <= gate.cap as usize, "{}: {used} of {}", gate.scope, gate.cap);
                }
            }
        });
    }

    #[test]
    fn g8_the_first_step_with_room_in_all_its_budgets_is_chosen_and_each_closed_one_is_told(moves in moves()) {
        let mut slots = Slots::default();
        each(&log_of(&moves), |fold, changes| {
            for (place, change) in changes.iter().enumerate() {
                if let ChangeKind::Entered(entered) = &change.kind
                    && !entered.gates.iter().any(|gate| BEFORE_BUDGETS.contains(&gate.gate))
                {
                    let ladder = &entered.propose.decisions[entered.decision].ladder;
                    let closed = |step: &Step| {
                        let full = step.gates.iter().find(|gate| {
                            slots.used(fold.now(), gate) >= gate.cap as usize
                        })?;
                        let (used, seconds) = (slots.used(fold.now(), full), full.window_ms / 1000);
                        let figures = format!("{used} of {} in {seconds} s", full.cap);
                        Some((step.action, full.scope.clone(), figures))
                    };
                    let expected: Vec<_> = ladder.iter().map_while(closed).collect();
                    let told = entered.gates.iter().filter(|gate| gate.gate == "budget" && !gate.passed);
                    let told = told.map(|gate| (gate.action, gate.scope.clone(), gate.detail.clone()));
                    assert_eq!(told.collect::<Vec<_>>(), expected);
                    if expected.len() == ladder.len() {
                        assert_eq!(entered.phase, Phase::Suppressed);
                    } else {
                        assert_eq!(entered.step, expected.len());
                    }
                }
                if let Some((step, _)) = activated(&changes[..place], change) {
                    slots.take(fold.now(), step);
                }
            }
        });
    }

    #[test]
    fn g9_a_scheduled_action_starts_first_inside_one_of_its_windows(moves in moves()) {
        each(&log_of(&moves), |fold, changes| {
            for change in changes {
                let ChangeKind::BidWon { action, attempt: 1, .. } = change.kind else { continue };
                let action = fold.action(action).unwrap();
                let start = &action.step.start;
                let inside = start.windows().any(|w| (w.from..w.to).contains(&fold.now()));
                assert!(start.is_now() || inside);
            }
        });
    }

    #[test]
    fn g10_nothing_starts_behind_a_cancel_and_an_order_counts_once(moves in moves()) {
        let mut cancelled = BTreeSet::new();
        let mut carried_out = BTreeMap::new();
        each(&log_of(&moves), |fold, changes| {
            for change in changes {
                cancelled.extend(applied(fold, change, "cancel"));
                match &change.kind {
                    ChangeKind::BidWon { action, .. } => {
                        assert!(!cancelled.contains(action), "{action} started behind its cancel");
                    }
                    ChangeKind::Overridden { override_id, .. } => {
                        let before = carried_out.insert(*override_id, fold.now());
                        let long_ago = |then| fold.now() - then > crate::ledger::times::HORIZON_MS;
                        assert!(before.is_none_or(long_ago), "carried out twice");
                    }
                    _ => {}
                }
            }
        });
    }

    #[test]
    fn nothing_is_accepted_or_started_while_people_hold_it_back(moves in moves()) {
        each(&log_of(&moves), |fold, changes| {
            for change in changes {
                if !fold.held(fold.now()) {
                    continue;
                }
                match &change.kind {
                    ChangeKind::Entered(entered) if !is_forced(entered) => {
                        assert!(matches!(entered.phase, Phase::Suppressed | Phase::Done));
                    }
                    ChangeKind::BidWon { action, .. } => panic!("{action} started"),
                    _ => {}
                }
            }
        });
    }

    #[test]
    fn g11_one_event_leads_to_one_decision(moves in moves()) {
        histories::one_event_leads_to_one_decision(&log_of(&moves));
    }

    #[test]
    fn each_bad_end_behind_acceptance_or_refire_is_told_by_an_alert_of_its_own(moves in moves()) {
        histories::each_bad_end_has_an_alert_of_its_own(&log_of(&moves));
    }

    #[test]
    fn what_people_acknowledge_moves_nothing(moves in moves()) {
        histories::acknowledged_actions_stay_where_they_are(&log_of(&moves));
    }

    #[test]
    fn timers_and_open_actions_are_indexed_as_a_scan_finds_them(moves in moves()) {
        histories::the_index_is_what_a_scan_finds(&log_of(&moves));
    }

    #[test]
    fn g6_an_upgrade_stops_those_who_do_not_know_it_there_and_nobody_else(moves in moves(), at in 0..80_usize) {
        let mut log = log_of(&moves);
        let at = at.min(log.len());
        let time = log.get(at).or_else(|| log.last()).unwrap().0;
        let fold_version = FOLD_VERSION + 1;
        log.insert(at, (time, Record::Upgrade(Upgrade { fold_version })));
        let stop = i64::try_from(at).unwrap();
        let (mut old, mut new) = (Fold::new(), Fold::new().knowing(fold_version));
        for (offset, (time, record)) in log.iter().enumerate() {
            let offset = i64::try_from(offset).unwrap();
            let changes = new.apply(offset, *time, Ok(record.clone()));
            let stopped = old.apply(offset, *time, Ok(record.clone()));
            if offset < stop {
                prop_assert_eq!(stopped, changes);
                prop_assert_eq!(old.hash(), new.hash());
            } else if offset > stop {
                prop_assert!(stopped.is_empty());
            }
            prop_assert_eq!(new.state().version, FOLD_VERSION + u32::from(offset >= stop));
        }
        prop_assert_eq!((old.halted(), old.offset()), (Some(Halt::NewerRules { found: fold_version, known: FOLD_VERSION }), stop));
        prop_assert_eq!(new.halted(), None);
    }

    #[test]
    fn records_are_read_as_they_were_written(moves in moves()) {
        for (_, record) in log_of(&moves) {
            let bytes = codec::encode(&record).unwrap();
            prop_assert_eq!(bytes[0], codec::SCHEMA_VERSION);
            prop_assert_eq!(codec::decode(&bytes).unwrap(), record);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..600_usize, flip in any::<u8>()) {
        let newer = bytes.first().is_some_and(|version| *version > codec::SCHEMA_VERSION);
        let is_newer = matches!(codec::decode(&bytes), Err(DecodeError::NewerVersion { .. }));
        prop_assert_eq!(is_newer, newer);
        // Damaged ones, too.
        let proposal = propose(1, vec![step(Retrain)]);
        let mut bytes = codec::encode(&Record::Propose(Box::new(proposal))).unwrap();
        if let Some(byte) = bytes.get_mut(cut) {
            *byte = flip;
        }
        codec::decode(&bytes).ok();
        bytes.truncate(cut);
        let cut_off = codec::decode(&bytes);
        prop_assert!(cut_off.is_err());
    }
}

#[test]
fn records_of_other_versions_and_sizes_are_told_apart() {
    assert_eq!(
        codec::decode(&[3, b'{']),
        Err(DecodeError::NewerVersion { found: 3 })
    );
    for broken in [
        &[][..],
        &[0],
        &[1],
        b"\x01{",
        b"\x01\"tick\"",
        &[2],
        b"\x02{}",
        b"\x02\"tock\"",
        b"\x02\"tick\" x",
    ] {
        assert!(
            matches!(codec::decode(broken), Err(DecodeError::Undecodable(_))),
            "{broken:?}"
        );
    }
    assert_eq!(codec::decode(b"\x02\"tick\""), Ok(Record::Tick));
    let deep = [b"\x02".to_vec(), vec![b'['; 100_000]].concat();
    assert!(matches!(
        codec::decode(&deep),
        Err(DecodeError::Undecodable(_))
    ));
    let mut large = propose(1, vec![step(Retrain)]);
    large.event_id = "x".repeat(300_000);
    let large = codec::encode(&Record::Propose(Box::new(large)));
    assert!(matches!(large, Err(EncodeError::TooLarge { .. })));
}
