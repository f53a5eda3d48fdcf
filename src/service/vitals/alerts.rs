//! Alerts that were not delivered: a warning, for an instance that is taken out of service delivers them no better.

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::lost_alerts::Delivered;
use homeostat_logic::ledger::record::{Id, Millis};

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::service::state::ServiceState;

pub(super) struct Alerts(pub(super) Arc<ServiceState>);

impl Vital for Alerts {
    fn warnings(&self) -> Vec<String> {
        undelivered(self.0.views())
    }

    fn gauges(&self, metrics: &Metrics) {
        let delivered = Delivered::of(self.0.views());
        let count = |view: &Arc<LedgerView>| delivered.lost(&view.read().fold).count();
        let count: usize = self.0.views().iter().map(count).sum();
        metrics.ledger_undelivered.set([], count);
    }
}

/// The alerts that were lost on one connector.
struct Lost {
    count: usize,
    /// When the newest of them ended, and which it is.
    newest: (Option<Millis>, Id),
    target: String,
}

/// One sentence per connector that lost alerts; the connectors are configured, so they are few.
fn undelivered(views: &[Arc<LedgerView>]) -> Vec<String> {
    let mut by_connector: BTreeMap<String, Lost> = BTreeMap::new();
    let delivered = Delivered::of(views);
    for view in views {
        let state = view.read();
        for (id, alert) in delivered.lost(&state.fold) {
            let ended = (alert.end, id);
            let target = || alert.subject.target.to_string();
            by_connector
                .entry(alert.step.connector.clone())
                .and_modify(|lost| {
                    lost.count += 1;
                    if lost.newest < ended {
                        (lost.newest, lost.target) = (ended, target());
                    }
                })
                .or_insert_with(|| Lost {
                    count: 1,
                    newest: ended,
                    target: target(),
                });
        }
    }
    let warnings = by_connector.into_iter().map(|(connector, lost)| {
        let Lost {
            count,
            newest: (_, id),
            target,
        } = lost;
        let alerts = if count == 1 { "alert" } else { "alerts" };
        format!(
            "{count} {alerts} of the last eight days not delivered through `{connector}`, the newest about {target}; repair the connector: the next alert delivered through it ends this warning; or acknowledge: `homeostat override acknowledge {id} --reason WHY`; list them: `homeostat ledger status`"
        )
    });
    warnings.collect()
}
