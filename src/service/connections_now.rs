//! The connections in force and their traffic, read together.

use std::collections::BTreeSet;
use std::sync::Arc;

use homeostat_actors::in_force::Live;
use homeostat_actors::traffic::{ConnectionTraffic, Traffic};

/// See the module.
#[derive(Clone)]
pub(super) struct ConnectionsNow {
    traffic: Arc<Traffic>,
    live: Live,
}

impl ConnectionsNow {
    pub(super) const fn new(traffic: Arc<Traffic>, live: Live) -> Self {
        Self { traffic, live }
    }

    /// Every connection of the configuration in force, by name.
    pub(super) fn all(&self) -> Vec<ConnectionTraffic> {
        self.traffic.snapshot(&self.live.load().connections)
    }

    /// Those that only show what they would send.
    pub(super) fn in_dry_run(&self) -> BTreeSet<String> {
        let in_force = self.live.load();
        let bindings = in_force.connections.iter();
        let dry = bindings.filter(|(_, _, _, binding)| binding.dry_run);
        dry.map(|(name, ..)| name.to_owned()).collect()
    }
}
