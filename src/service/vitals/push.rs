//! Updates to connected users: how many are connected, and a warning for what of their topic cannot be read.

use std::sync::Arc;

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::push::Hub;
use crate::push::tail::Troubles;

pub(in crate::service) struct Pushing {
    hub: Arc<Hub>,
    troubles: Arc<Troubles>,
}

impl Pushing {
    pub(in crate::service) const fn new(hub: Arc<Hub>, troubles: Arc<Troubles>) -> Self {
        Self { hub, troubles }
    }
}

impl Vital for Pushing {
    fn warnings(&self) -> Vec<String> {
        self.troubles.in_words()
    }

    fn gauges(&self, _: &Metrics) {
        self.hub.show();
    }
}
