//! The installation's identity (ledger-protocol §13.2; issue 13, row 12): the first Genesis counts, nothing is decided
//! before it, and every action's id follows from it.

use crate::actions::Action::{Alert, Retrain};
use crate::ledger::change::{ChangeKind, Halt};
use crate::ledger::codec::{self, DecodeError};
use crate::ledger::fold::restore::Restore;
use crate::ledger::fold::samples::*;
use crate::ledger::fold::{FOLD_VERSION, Fold, empty_checkpoint};
use crate::ledger::identity;
use crate::ledger::record::FinishOutcome::Failed;
use crate::ledger::record::{Finish, Id, Propose, Record, Step};
use crate::ledger::times::{CHECKPOINT_MS, HORIZON_MS, RESTORE_MARGIN_MS};

const OTHER: Id = Id([0x22; 16]);

fn begun_by(installation: Id) -> Bench {
    let mut bench = Bench {
        fold: Fold::new(),
        changes: Vec::new(),
    };
    bench.apply(0, genesis(installation));
    bench
}

/// Every id of the actions that the same event leads to: a failed one, and the alert about it.
fn ids(bench: &mut Bench) -> Vec<Id> {
    let propose = propose(1, vec![step(Retrain)]);
    bench.apply(1, Record::Propose(Box::new(propose)));
    let action = bench.fold.open_actions().next().unwrap().0;
    bench.start(2, action, 1, 1);
    let failed = Finish {
        permanent: true,
        ..finish(action, 1, 1, Failed)
    };
    bench.apply(3, Record::Finish(failed));
    bench.fold.state().actions.keys().copied().collect()
}

#[test]
fn x1_the_same_event_of_another_installation_leads_to_other_ids_also_of_what_is_derived() {
    let (mut one, mut other) = (begun_by(INSTALLATION), begun_by(OTHER));
    let (one, other) = (ids(&mut one), ids(&mut other));
    assert_eq!((one.len(), other.len()), (2, 2));
    assert!(one.iter().all(|id| !other.contains(id)));
    let again = ids(&mut begun_by(INSTALLATION));
    assert_eq!(one, again, "the same installation arrives at the same ids");
    let target = propose(1, vec![step(Alert)]).target;
    let id = |installation| identity::action_id(installation, id(1), &target, 0);
    assert_ne!(id(INSTALLATION), id(OTHER));
}

#[test]
fn the_first_genesis_counts_and_later_ones_are_void() {
    let mut bench = begun_by(INSTALLATION);
    let founded = ChangeKind::Founded {
        installation: INSTALLATION,
    };
    assert_eq!(bench.changes[0].kind, founded);
    let hash = bench.fold.state().clone();
    for again in [OTHER, INSTALLATION] {
        bench.apply(0, genesis(again));
        let void = bench.void().unwrap();
        assert!(void.contains("whose Genesis was read first"), "{void}");
        assert_eq!(bench.fold.installation(), Some(INSTALLATION));
    }
    assert_eq!(bench.fold.state().actions, hash.actions);
    let action = bench.propose(1, propose(1, vec![step(Retrain)]));
    assert_eq!(bench.phase(action), "ready");
}

#[test]
fn a_proposal_before_the_genesis_stops_every_fold_at_the_same_record() {
    let mut fold = Fold::new();
    // What decides nothing may stand before it.
    for record in [Record::Tick, Record::Tick] {
        fold.apply(fold.offset() + 1, T0, Ok(record));
    }
    let early = Record::Propose(Box::new(propose(1, vec![step(Retrain)])));
    let changes = fold.apply(2, T0, Ok(early));
    let why = Halt::NoGenesis { offset: 2 };
    assert_eq!(changes.last().unwrap().kind, ChangeKind::Halted(why));
    assert_eq!(fold.halted(), Some(why));
    assert!(why.to_string().contains("start-empty --yes"), "{why}");
    assert_eq!(fold.apply(3, T0, Ok(genesis(INSTALLATION))), []);
    assert_eq!((fold.installation(), fold.offset()), (None, 2));
    assert_eq!(fold.state().actions.len(), 0);
}

#[test]
fn a_checkpoint_carries_the_installation_over_removed_records() {
    let mut bench = begun_by(INSTALLATION);
    let later = HORIZON_MS + 2 * RESTORE_MARGIN_MS + 2 * CHECKPOINT_MS;
    bench.apply(later, Record::Tick);
    let mut restore = Restore::new(FOLD_VERSION);
    // The second instance's Genesis is what is left of the beginning: it is not the partition's.
    assert!(restore.read(1, T0, Ok(genesis(OTHER))).unwrap().is_none());
    assert_eq!(restore.installation(), None);
    let part = bench.fold.checkpoint().unwrap().remove(0);
    let read = restore.read(3, T0 + later, Ok(Record::Checkpoint(part)));
    let mut restored = read.unwrap().expect("a state to start from");
    assert_eq!(restored.installation(), Some(INSTALLATION));
    let proposal = Propose {
        not_after: T0 + later,
        ..propose(1, vec![step(Retrain)])
    };
    let id = action_of(&proposal);
    restored.apply(4, T0 + later, Ok(Record::Propose(Box::new(proposal))));
    assert!(restored.action(id).is_some());
}

#[test]
fn what_cannot_be_started_from_still_tells_the_installation_and_an_empty_start_keeps_it() {
    let mut bench = begun_by(INSTALLATION);
    let mut restore = Restore::new(FOLD_VERSION);
    let part = bench.fold.checkpoint().unwrap().remove(0);
    let read = restore.read(1, T0, Ok(Record::Checkpoint(part)));
    assert!(read.unwrap().is_none(), "too little log before it");
    let installation = restore.installation().unwrap();
    assert_eq!(installation, INSTALLATION);
    let empty = Record::Checkpoint(empty_checkpoint("ada", installation));
    let before = ids(&mut bench);
    bench.apply(10, empty.clone());
    assert_eq!(bench.fold.state().actions.len(), 0);
    // The event is read again: its key is the one that its target knows.
    assert_eq!(ids(&mut bench), before);
    let restored = restore.read(9, T0, Ok(empty)).unwrap().unwrap();
    assert_eq!(restored.installation(), Some(INSTALLATION));
}

#[test]
fn a_ledger_of_version_1_is_refused_with_the_remedy() {
    let old = b"\x01{\"propose\":{}}";
    let refused = codec::decode(old).unwrap_err();
    assert_eq!(refused, DecodeError::OlderVersion { found: 1 });
    let told = refused.to_string();
    for part in ["schema version 1", "an older Homeostat", "new ledger"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_forced_action_without_a_genesis_is_refused_and_not_lost() {
    let mut bench = Bench {
        fold: Fold::new(),
        changes: Vec::new(),
    };
    let mut propose = propose(
        1,
        vec![Step {
            approval: false,
            ..step(Retrain)
        }],
    );
    propose.event_key = identity::forced_key(id(1));
    let order = crate::ledger::record::OverrideOrder::Force(Box::new(propose));
    assert_eq!(bench.order(0, 1, order), Err("invalid"));
    assert_eq!(bench.fold.halted(), None);
}
