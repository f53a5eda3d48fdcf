//! Alerts that were not delivered, over all ledger partitions: one that is delivered through a connector shows people where to
//! look, so that what was lost on it before is no warning any more, whatever partition its target lives in (issue 13, row 14).

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::ledger::state::ActionState;

use crate::ledger_view::LedgerView;

/// When an alert was last delivered through each connector, in any partition.
#[derive(Clone, Debug, Default)]
pub struct Delivered(BTreeMap<String, Millis>);

impl Delivered {
    /// As the folds have it now.
    pub fn of(views: &[Arc<LedgerView>]) -> Self {
        let mut delivered: BTreeMap<String, Millis> = BTreeMap::new();
        for view in views {
            for (connector, &end) in view.read().fold.last_delivered() {
                let last = delivered.entry(connector.clone()).or_insert(end);
                *last = end.max(*last);
            }
        }
        Self(delivered)
    }

    /// The alerts of a fold that were not delivered and that no later one made up for.
    pub fn lost<'a>(&'a self, fold: &'a Fold) -> impl Iterator<Item = (Id, &'a ActionState)> {
        fold.undelivered()
            .filter(|(_, alert)| self.0.get(&alert.step.connector).copied() < alert.end)
    }
}
