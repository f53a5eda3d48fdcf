//! The start and the end of the service: what it waits for, and why it ends.

use std::sync::Arc;
use std::time::Instant;

use super::vital::Vital;
use crate::service::state::{Hindrance, ServiceState};

pub(super) struct Start(pub(super) Arc<ServiceState>);

impl Vital for Start {
    fn reasons(&self, _: Instant) -> Vec<String> {
        match self.0.hindrance() {
            Hindrance::Starting(what) => {
                let unreachable = self.0.unreachable().into_iter();
                unreachable.chain([format!("starting: {what}")]).collect()
            }
            Hindrance::Ending(reason) => vec![format!("ending: {reason}")],
            Hindrance::None => Vec::new(),
        }
    }
}
