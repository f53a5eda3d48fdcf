//! Which actions hold an alert that lasts: several may have the same labels, and Alertmanager sees one alert.

use std::collections::BTreeMap;

use homeostat_actors::ports::connector::Order;
use homeostat_logic::ledger::record::{Id, Millis};
use parking_lot::Mutex;

use super::text::Labels;

/// Alerts that are known to share their labels with others; of more, an acknowledgement of one resolves all.
const OPEN_MAX: usize = 4_096;

/// Which actions hold an alert, and until when: one that is acknowledged does not end what another one holds.
#[derive(Default)]
pub(super) struct Open(Mutex<BTreeMap<Labels, BTreeMap<Id, Millis>>>);

impl Open {
    /// Notes that an action holds an alert until then, or no more; answers whether another action holds it.
    pub(super) fn hold(&self, order: &Order, labels: Labels, until: Option<Millis>) -> bool {
        let mut open = self.0.lock();
        open.retain(|_, holders| {
            holders.retain(|_, until| *until > order.now);
            !holders.is_empty()
        });
        if open.len() >= OPEN_MAX && !open.contains_key(&labels) {
            return false;
        }
        let holders = open.entry(labels).or_default();
        holders.remove(&order.action_id);
        let shared = !holders.is_empty();
        if let Some(until) = until {
            holders.insert(order.action_id, until);
        }
        shared
    }
}
