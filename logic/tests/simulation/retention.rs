//! Checkpoints by the owners, deletion of what is behind them, and starts over a truncated ledger (ledger-protocol §8).

use std::rc::Rc;

use homeostat_logic::ledger::change::{Change, ChangeKind, CheckpointVerdict};
use homeostat_logic::ledger::fold::restore::Restore;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold};
use homeostat_logic::ledger::record::Record;
use homeostat_logic::ledger::retention::{KEEP_MS_MIN, Retention};

use crate::log::LedgerPartition;
use crate::process::{Payload, Pending, Purpose};
use crate::profile::Sabotage;
use crate::world::World;

impl World {
    /// The owner writes the state down at a boundary, where `fold` stands.
    pub(crate) fn write_checkpoint(&mut self, process: usize, ledger: usize, changes: &[Change]) {
        let boundary = changes
            .iter()
            .any(|change| change.kind == ChangeKind::Boundary);
        let view = &self.processes[process].views[ledger];
        if !boundary
            || !self.profile.checkpoints
            || view.act_at.is_none()
            || view.execution.is_none()
        {
            return;
        }
        for checkpoint in view.fold.checkpoint().unwrap() {
            let payload = Payload::Ledger(ledger, Rc::new(Record::Checkpoint(checkpoint)));
            self.append(
                process,
                Pending {
                    payload,
                    purpose: Purpose::Fact,
                },
            );
        }
    }

    /// Deletes what is old enough, behind a checkpoint that is whole and agrees with the full fold.
    pub(crate) fn keep(&mut self, ledger: usize, offset: i64, changes: &[Change]) {
        let now = self.referee[ledger].now();
        let partition = &mut self.log.ledger[ledger];
        let whole = is_whole(partition, offset);
        let retention = partition
            .retention
            .get_or_insert_with(|| Retention::new(KEEP_MS_MIN));
        retention.folded(now, offset);
        for change in changes {
            match change.kind {
                ChangeKind::Boundary => drop(partition.boundaries.insert(offset, now)),
                ChangeKind::CheckpointRead {
                    covers,
                    verdict: CheckpointVerdict::Agrees,
                } if whole => {
                    let low = retention.behind(partition.boundaries[&covers]);
                    partition.low = low.map_or(partition.low, |low| low.max(partition.low));
                }
                _ => {}
            }
        }
    }
}

fn is_whole(partition: &LedgerPartition, offset: i64) -> bool {
    let entry = &partition.entries[usize::try_from(offset).unwrap()];
    matches!(&*entry.record, Ok(Record::Checkpoint(checkpoint)) if checkpoint.parts == 1)
}

/// A process that starts now, over what is left of the ledger.
pub(crate) fn restart(partition: &LedgerPartition, sabotage: Sabotage) -> Option<Fold> {
    let (low, entries) = (usize::try_from(partition.low).unwrap(), &partition.entries);
    let (mut fold, mut from) = (Fold::new(), low);
    if low > 0 && sabotage != Sabotage::FoldedFromFirstLeft {
        let mut restore = Restore::new(FOLD_VERSION);
        fold = (low..entries.len()).find_map(|offset| {
            let (entry, offset) = (&entries[offset], i64::try_from(offset).unwrap());
            restore
                .read(offset, entry.time, (*entry.record).clone())
                .unwrap()
        })?;
        from = usize::try_from(fold.offset() + 1).unwrap();
    }
    for (entry, offset) in entries[from..].iter().zip(from..) {
        let offset = i64::try_from(offset).unwrap();
        fold.apply(offset, entry.time, (*entry.record).clone());
    }
    Some(fold)
}
