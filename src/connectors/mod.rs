//! The ways to carry out an action. `Kind` is the one closed list; a new connector is a variant here and a file beside.

pub mod log;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_actors::ports::connector::Connector;
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::action::Action;

/// Every connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Records and publishes what it would do.
    Log,
    /// Calls a URL.
    Webhook,
}

const ALL: [Kind; 2] = [Kind::Log, Kind::Webhook];

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Log => log::NAME,
            Self::Webhook => webhook::NAME,
        }
    }
}

/// The names configuration and records use.
pub const NAMES: [&str; 2] = [log::NAME, webhook::NAME];

/// All connectors by name.
pub fn build(
    events: &Arc<dyn EventLog>,
    endpoints: &BTreeMap<Action, Arc<webhook::Endpoint>>,
) -> BTreeMap<&'static str, Arc<dyn Connector>> {
    ALL.into_iter()
        .map(|kind| {
            let connector: Arc<dyn Connector> = match kind {
                Kind::Log => Arc::new(log::LogConnector::new(Arc::clone(events))),
                Kind::Webhook => Arc::new(webhook::Webhook::new(endpoints.clone())),
            };
            (kind.name(), connector)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connector_is_known_to_the_configuration_by_its_name() {
        assert_eq!(ALL.map(Kind::name), NAMES);
    }
}
