//! Gives every ledger partition its Genesis, the record that names the installation (ledger-protocol §13.2; issue 13,
//! row 12), before anything is proposed or ordered.
//!
//! Instances that start together may all append one: the first in the log counts, and each takes its id from the fold. The
//! partitions share the identity of the first one that has any; safety does not depend on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use homeostat_actors::ledger_view::{FoldProgress, LedgerView};
use homeostat_actors::ports::log::{EventLog, LogError, NewRecord};
use homeostat_logic::ledger::codec::encode;
use homeostat_logic::ledger::record::{Genesis, Id, Record};
use homeostat_logic::topic::LEDGER;

use super::{LOOK, RETRY};
use crate::random::fresh_id;

/// Resolves when every partition that is folded here has read a Genesis. The log may be away: it is asked until it
/// answers. An append that failed and landed all the same makes the next one void, which is harmless.
pub(super) async fn founded(log: &dyn EventLog, views: &[Arc<LedgerView>]) {
    let mut acknowledged = BTreeSet::new();
    loop {
        let known = views.iter().find_map(|view| installation(view));
        let lacking: Vec<_> = views.iter().filter(|view| lacks_one(view)).collect();
        if lacking.is_empty() {
            return;
        }
        // The first partition alone, until its Genesis is read back: the others then share its identity.
        let now = if known.is_some() { lacking.len() } else { 1 };
        for view in lacking.into_iter().take(now) {
            if acknowledged.contains(&view.partition) || view.read().progress != FoldProgress::Live
            {
                continue;
            }
            let partition = view.partition;
            match append(log, partition, known.unwrap_or_else(fresh_id)).await {
                Ok(()) => drop(acknowledged.insert(partition)),
                Err(reason) => {
                    tracing::warn!(partition, %reason, "the ledger partition has no Genesis record yet; appending it again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn installation(view: &LedgerView) -> Option<Id> {
    view.read().fold.installation()
}

/// A partition that is refused stays as it is.
fn lacks_one(view: &LedgerView) -> bool {
    let state = view.read();
    state.progress.goes_on() && state.fold.installation().is_none()
}

async fn append(log: &dyn EventLog, partition: i32, installation: Id) -> Result<(), String> {
    let genesis = Record::Genesis(Genesis::new(installation));
    let record = NewRecord {
        topic: LEDGER.to_owned(),
        partition: Some(partition),
        value: Some(encode(&genesis).map_err(|error| error.to_string())?),
        ..NewRecord::default()
    };
    let silent = || Err(LogError::Unavailable("it did not answer".to_owned()));
    let answer = log.append(vec![record]).await.pop().unwrap_or_else(silent);
    answer.map(drop).map_err(|error| error.to_string())
}
