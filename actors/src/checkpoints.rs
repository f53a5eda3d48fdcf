//! Writes checkpoints of a ledger partition while this instance owns it (ledger-protocol §8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::record::{Checkpoint, Record};

use crate::ledger_view::{LedgerView, Progress, State};
use crate::ports::log::{EventLog, NewRecord};
use crate::responder::ledger_record;

/// One at a time. A checkpoint that fails is left out: it is redundant, and the next one comes within C.
pub(crate) struct Checkpoints {
    log: Arc<dyn EventLog>,
    view: Arc<LedgerView>,
    writing: Arc<AtomicBool>,
}

impl Checkpoints {
    pub(crate) fn new(log: Arc<dyn EventLog>, view: Arc<LedgerView>) -> Self {
        Self {
            log,
            view,
            writing: Arc::default(),
        }
    }

    /// A record was folded. At a boundary the owner writes its state down, as it is at this very record.
    pub(crate) fn folded(&self, state: &State, changes: &[Change]) {
        let boundary = changes
            .iter()
            .any(|change| matches!(change.kind, ChangeKind::Boundary));
        let due = boundary && state.progress == Progress::Live && self.view.owner().is_some();
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
            write(&*log, partition, parts).await;
            writing.store(false, Ordering::Release);
        });
    }
}

/// Appends part by part; the first failure ends it, for without all its parts a checkpoint is none.
async fn write(log: &dyn EventLog, partition: i32, parts: Vec<Checkpoint>) {
    let count = parts.len();
    for part in parts {
        let covers = part.covers;
        let record = match ledger_record(String::new(), &Record::Checkpoint(part)) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(partition, covers, %error, "a part of a checkpoint cannot be written");
                return;
            }
        };
        let record = NewRecord {
            partition: Some(partition),
            ..record
        };
        if let Some(Err(error)) = log.append(vec![record]).await.pop() {
            tracing::warn!(partition, covers, %error, "a checkpoint was not written; the next one follows");
            return;
        }
    }
    tracing::debug!(partition, parts = count, "checkpoint written");
}
