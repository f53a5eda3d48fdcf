//! Checkpoints and the start over a truncated ledger (ledger-protocol §8): G6, and what V8 would do without them.

use proptest::prelude::*;

use super::random::{log_of, moves};
use crate::actions::Action::{Alert, Retrain};
use crate::ledger::change::{Change, ChangeKind, CheckpointVerdict};
use crate::ledger::codec;
use crate::ledger::fold::restore::{Restore, RestoreError};
use crate::ledger::fold::samples::*;
use crate::ledger::fold::{FOLD_VERSION, Fold, Memory, empty_checkpoint};
use crate::ledger::record::{Checkpoint, Millis, Record, Step, Upgrade};
use crate::ledger::state::FoldState;
use crate::ledger::times::{CHECKPOINT_MS, CHECKPOINT_RECORDS, HORIZON_MS, RESTORE_MARGIN_MS};

const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// Rules that come into force in the middle of a ledger.
const NEXT_VERSION: u32 = FOLD_VERSION + 1;

/// A ledger with its owner's checkpoints in it, as it is written: each with its log time.
struct Written {
    fold: Fold,
    log: Vec<(Millis, Record)>,
}

impl Written {
    fn new() -> Self {
        let mut written = Self {
            fold: Fold::new().knowing(NEXT_VERSION),
            log: Vec::new(),
        };
        written.append(T0, genesis(INSTALLATION));
        written
    }

    /// Appends a record, and the checkpoint that it makes due.
    fn append(&mut self, time: Millis, record: Record) -> Vec<Change> {
        let changes = self
            .fold
            .apply(self.fold.offset() + 1, time, Ok(record.clone()));
        self.log.push((time, record));
        let boundary = |change: &Change| matches!(change.kind, ChangeKind::Boundary);
        if changes.iter().any(boundary) {
            for part in self.fold.checkpoint().unwrap() {
                self.append(time, Record::Checkpoint(part));
            }
        }
        changes
    }

    /// Appends an upgrade once there are so many records.
    fn upgrade(&mut self, at: Option<usize>) {
        if at.is_some_and(|at| self.log.len() >= at) && self.fold.state().version < NEXT_VERSION {
            let fold_version = NEXT_VERSION;
            self.append(self.fold.now(), Record::Upgrade(Upgrade { fold_version }));
        }
    }

    /// Starts over with the first records gone.
    fn restarted(&self, gone: usize) -> Option<Fold> {
        let mut restore = Restore::new(NEXT_VERSION);
        for (offset, (time, record)) in self.log.iter().enumerate().skip(gone) {
            let number = i64::try_from(offset).unwrap();
            if let Some(mut fold) = restore.read(number, *time, Ok(record.clone())).unwrap() {
                let from = usize::try_from(fold.offset() + 1).unwrap();
                for (offset, (time, record)) in self.log.iter().enumerate().skip(from) {
                    fold.apply(i64::try_from(offset).unwrap(), *time, Ok(record.clone()));
                }
                return Some(fold);
            }
        }
        None
    }
}

fn assert_same(restarted: &Fold, full: &Fold) {
    assert_eq!(restarted.state(), full.state());
    assert_eq!(restarted.memory(), full.memory());
    assert_eq!(restarted.hash(), full.hash());
}

fn keyed(number: i64) -> Step {
    Step {
        cooldown_key: format!("key-{number}"),
        ..step(Retrain)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn g6_a_start_over_a_truncated_ledger_equals_the_full_fold(
        moves in moves(),
        gone in 1..40_usize,
        upgraded in prop::option::of(0..120_usize),
    ) {
        let mut written = Written::new();
        let log = log_of(&moves);
        let last = log.last().unwrap().0;
        // Its Genesis is there.
        for (time, record) in log.into_iter().skip(1) {
            // The margin covers clocks that step back by less than itself; brokers' clocks differ by seconds (J).
            let earliest = written.fold.now() - RESTORE_MARGIN_MS;
            written.append(time.max(earliest), record);
            written.upgrade(upgraded);
        }
        // Somebody goes on running, so that a checkpoint with all of H before it comes.
        let mut time = written.fold.now().max(last);
        let end = time + HORIZON_MS + 2 * RESTORE_MARGIN_MS + 6 * DAY;
        let mut number = 10_000;
        while time < end {
            number += 1;
            let proposal = propose(number, vec![keyed(number % 3)]);
            written.append(time, Record::Propose(Box::new(proposal)));
            written.upgrade(upgraded);
            time += 5 * HOUR;
        }
        let gone = gone.min(written.log.len() / 2);
        let restarted = written.restarted(gone).expect("a checkpoint to start from");
        assert_same(&restarted, &written.fold);
    }
}

proptest! {
    #[test]
    fn g6_numbers_of_parameters_survive_a_checkpoint(number in any::<f64>().prop_filter("JSON has finite numbers only", |n| n.is_finite())) {
        let step = Step {
            params: serde_json::json!({ "drift_score": number }).into(),
            ..step(Retrain)
        };
        let mut fold = founded();
        fold.apply(0, T0, Ok(Record::Propose(Box::new(propose(1, vec![step])))));
        let part = fold.checkpoint().unwrap().remove(0);
        let state: FoldState = serde_json::from_str(&part.state).unwrap();
        prop_assert_eq!(Fold::resume(state, Memory::default()).hash(), part.hash);
    }
}

#[test]
fn without_a_checkpoint_that_has_all_of_h_before_it_there_is_no_start() {
    let mut written = Written::new();
    for hour in 0..(8 * 24) {
        let proposal = propose(hour, vec![keyed(hour)]);
        written.append(T0 + hour * HOUR, Record::Propose(Box::new(proposal)));
    }
    assert!(
        written.restarted(1).is_none(),
        "less than H before every checkpoint"
    );
    for hour in (8 * 24)..(8 * 24 + 4) {
        let proposal = propose(hour, vec![keyed(hour)]);
        written.append(T0 + hour * HOUR, Record::Propose(Box::new(proposal)));
    }
    let restarted = written.restarted(2).expect("a checkpoint to start from");
    assert_same(&restarted, &written.fold);
    // V8: a fold from the first record left accepts what the full one holds back.
    let mut naive = founded();
    for (offset, (time, record)) in written.log.iter().enumerate().skip(2) {
        naive.apply(i64::try_from(offset).unwrap(), *time, Ok(record.clone()));
    }
    assert_ne!(naive.hash(), written.fold.hash());
}

#[test]
fn checkpoints_are_due_by_log_time_and_by_records_alike_for_everybody() {
    let mut fold = Fold::new();
    let mut due = |offset: i64, time: Millis| {
        let changes = fold.apply(offset, time, Ok(Record::Tick));
        changes
            .iter()
            .any(|change| matches!(change.kind, ChangeKind::Boundary))
    };
    let start = T0 - T0 % CHECKPOINT_MS;
    assert!(!due(0, start + 1), "the first record of all");
    assert!(!due(1, start + CHECKPOINT_MS - 1));
    assert!(due(2, start + CHECKPOINT_MS));
    assert!(!due(3, start + CHECKPOINT_MS - 1), "the clock stepped back");
    assert!(!due(4, start + CHECKPOINT_MS + 1), "passed once only");
    assert!(due(CHECKPOINT_RECORDS - 1, start + CHECKPOINT_MS + 2));
    assert!(!due(CHECKPOINT_RECORDS, start + CHECKPOINT_MS + 2));
}

/// What a fold says of the checkpoint records it reads behind its first boundary.
fn verdicts(alter: impl Fn(&mut Checkpoint)) -> Vec<CheckpointVerdict> {
    let mut fold = founded();
    fold.apply(
        0,
        T0,
        Ok(Record::Propose(Box::new(propose(1, vec![step(Retrain)])))),
    );
    fold.apply(1, T0 + CHECKPOINT_MS, Ok(Record::Tick));
    let before = fold.clone();
    let mut found = Vec::new();
    for mut part in fold.checkpoint().unwrap() {
        alter(&mut part);
        let changes = fold.apply(
            fold.offset() + 1,
            T0 + CHECKPOINT_MS,
            Ok(Record::Checkpoint(part)),
        );
        found.extend(changes.into_iter().filter_map(|change| match change.kind {
            ChangeKind::CheckpointRead { verdict, .. } => Some(verdict),
            _ => None,
        }));
    }
    assert_eq!(
        fold.state().actions,
        before.state().actions,
        "a checkpoint changes nothing"
    );
    found
}

#[test]
fn a_checkpoint_is_compared_with_the_own_state_at_that_place() {
    assert_eq!(verdicts(|_| ()), [CheckpointVerdict::Agrees]);
    assert_eq!(
        verdicts(|part| part.hash = "0".repeat(64)),
        [CheckpointVerdict::Differs]
    );
    assert_eq!(
        verdicts(|part| part.covers -= 1),
        [CheckpointVerdict::NotCompared]
    );
}

#[test]
fn a_large_state_is_written_in_parts_that_fit_into_records() {
    let mut written = Written::new();
    for number in 0..400 {
        // Quotes and backslashes double inside JSON inside JSON.
        let quoted = Step {
            params: serde_json::json!({ "text": "\"\\".repeat(200) }).into(),
            ..keyed(number)
        };
        let proposal = propose(number, vec![quoted]);
        written.append(T0, Record::Propose(Box::new(proposal)));
    }
    let parts = written.fold.checkpoint().unwrap();
    assert!(parts.len() > 3, "{} parts", parts.len());
    for part in &parts {
        codec::encode(&Record::Checkpoint(part.clone())).unwrap();
    }
    // Two writers at once, the first of which stops in the middle: the parts are the same, so it does not matter.
    let mut restore = Restore::new(FOLD_VERSION);
    restore
        .read(0, T0 - HORIZON_MS - DAY, Ok(Record::Tick))
        .unwrap();
    let (last, first) = parts.split_last().unwrap();
    for part in first.iter().chain(first) {
        let loaded = restore
            .read(9, T0, Ok(Record::Checkpoint(part.clone())))
            .unwrap();
        assert!(loaded.is_none());
    }
    let loaded = restore
        .read(10, T0, Ok(Record::Checkpoint(last.clone())))
        .unwrap();
    assert_eq!(loaded.unwrap().state(), written.fold.state());
}

#[test]
fn a_damaged_checkpoint_is_not_started_from() {
    let mut written = Written::new();
    written.append(T0, Record::Propose(Box::new(propose(1, vec![step(Alert)]))));
    let part = written.fold.checkpoint().unwrap().remove(0);
    for alter in [
        |part: &mut Checkpoint| part.state = part.state.replace("event-1", "event-2"),
        |part: &mut Checkpoint| part.covers += 1,
        |part: &mut Checkpoint| part.parts = 2,
    ] {
        let mut damaged = part.clone();
        alter(&mut damaged);
        let mut restore = Restore::new(FOLD_VERSION);
        restore
            .read(0, T0 - HORIZON_MS - DAY, Ok(Record::Tick))
            .unwrap();
        assert!(
            restore
                .read(1, T0, Ok(Record::Checkpoint(damaged)))
                .unwrap()
                .is_none()
        );
    }
}

#[test]
fn an_ordered_empty_start_is_the_same_for_those_who_were_there_and_those_who_come_later() {
    let mut written = Written::new();
    for number in 0..5 {
        let proposal = propose(number, vec![keyed(number)]);
        written.append(T0, Record::Propose(Box::new(proposal)));
    }
    let empty = empty_checkpoint("anna", INSTALLATION);
    let changes = written.append(T0 + 1, Record::Checkpoint(empty));
    let emptied = |change: &Change| matches!(&change.kind, ChangeKind::Emptied { ordered_by, installation: INSTALLATION } if ordered_by == "anna");
    assert!(changes.iter().any(emptied));
    // The same position is new again: nothing is remembered.
    written.append(
        T0 + 2,
        Record::Propose(Box::new(propose(1, vec![keyed(1)]))),
    );
    assert_eq!(written.fold.open_actions().count(), 1);
    let restarted = written.restarted(3).expect("an ordered start");
    assert_same(&restarted, &written.fold);
}

#[test]
fn newer_rules_are_not_started_from() {
    let newer = RestoreError::NewerVersion {
        found: FOLD_VERSION + 1,
        known: FOLD_VERSION,
    };
    let upgrade = Record::Upgrade(Upgrade {
        fold_version: FOLD_VERSION + 1,
    });
    let mut restore = Restore::new(FOLD_VERSION);
    assert_eq!(restore.read(0, T0, Ok(upgrade)).unwrap_err(), newer);
    let mut checkpoint = Fold::new().checkpoint().unwrap().remove(0);
    checkpoint.fold_version = FOLD_VERSION + 1;
    let read = restore.read(1, T0, Ok(Record::Checkpoint(checkpoint)));
    assert_eq!(read.unwrap_err(), newer);
}
