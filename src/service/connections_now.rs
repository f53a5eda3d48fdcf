//! The connections in force and their traffic, read together.

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
}
