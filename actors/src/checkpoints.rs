//! Writes checkpoints of a ledger partition while this instance owns it, and removes the records that are too old to be
//! needed behind one (ledger-protocol §8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::record::{Checkpoint, Millis, Record};
use homeostat_logic::ledger::retention::Retention;
use homeostat_logic::topic::LEDGER;

use crate::ledger_record::ledger_record;
use crate::ledger_view::{FoldProgress, LedgerView, State};
use crate::ports::log::{EventLog, TopicPartition};

/// One at a time. A checkpoint that fails is left out: it is redundant, and the next one comes within C.
pub(crate) struct Checkpoints {
    log: Arc<dyn EventLog>,
    view: Arc<LedgerView>,
    writing: Arc<AtomicBool>,
    retention: Retention,
}

impl Checkpoints {
    /// `keep_ms`: least age of a record that may be removed.
    pub(crate) fn new(log: Arc<dyn EventLog>, view: Arc<LedgerView>, keep_ms: Millis) -> Self {
        Self {
            log,
            view,
            writing: Arc::default(),
            retention: Retention::new(keep_ms),
        }
    }

    /// A record was folded. At a boundary the owner writes its state down, as it is at this very record.
    pub(crate) fn folded(&mut self, state: &State, changes: &[Change]) {
        let (now, offset) = (state.fold.now(), state.fold.offset());
        self.retention.folded(now, offset);
        let boundary = changes
            .iter()
            .any(|change| matches!(change.kind, ChangeKind::Boundary));
        if !boundary {
            return;
        }
        // Those who do not own the partition forget it as well: the next answer covers what this one does.
        let keep_from = self.retention.behind(now);
        let due = state.progress == FoldProgress::Live && self.view.owner().is_some();
        if !due || self.writing.swap(true, Ordering::AcqRel) {
            return;
        }
        let partition = self.view.partition;
        let parts = match state.fold.checkpoint() {
            Ok(parts) => parts,
            Err(error) => {
                tracing::error!(partition, %error, "the state cannot be written as a checkpoint");
                self.writing.store(false, Ordering::Release);
                return;
            }
        };
        let (log, writing) = (Arc::clone(&self.log), Arc::clone(&self.writing));
        tokio::spawn(async move {
            if write(&*log, partition, parts).await
                && let Some(keep_from) = keep_from
            {
                remove(&*log, partition, keep_from).await;
            }
            writing.store(false, Ordering::Release);
        });
    }
}

/// Appends part by part and says whether all are in the log; the first failure ends it, for without all its parts a
/// checkpoint is none.
async fn write(log: &dyn EventLog, partition: i32, parts: Vec<Checkpoint>) -> bool {
    let count = parts.len();
    for part in parts {
        let covers = part.covers;
        let record = match ledger_record(partition, String::new(), &Record::Checkpoint(part)) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(partition, covers, %error, "a part of a checkpoint cannot be written");
                return false;
            }
        };
        let answer = log.append(vec![record]).await.pop();
        if !matches!(answer, Some(Ok(_))) {
            tracing::warn!(
                partition,
                covers,
                ?answer,
                "a checkpoint was not written; the next one follows"
            );
            return false;
        }
    }
    tracing::debug!(partition, parts = count, "checkpoint written");
    true
}

/// Removes what a start from the checkpoint just written does not need. What stays now goes with a later one.
async fn remove(log: &dyn EventLog, partition: i32, keep_from: i64) {
    let place = TopicPartition {
        topic: LEDGER.to_owned(),
        partition,
    };
    match log.delete_before(place, keep_from).await {
        Ok(()) => tracing::info!(partition, keep_from, "old ledger records removed"),
        Err(error) => {
            tracing::warn!(partition, keep_from, %error, "old ledger records were not removed; a later checkpoint tries again");
        }
    }
}
