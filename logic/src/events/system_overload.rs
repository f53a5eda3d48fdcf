//! `system_overload`: a service that cannot bear its load.

use super::{About, EventKind};

pub(super) struct SystemOverload;

impl EventKind for SystemOverload {
    fn name(&self) -> &'static str {
        "system_overload"
    }

    fn about(&self, _: &str) -> About {
        About::Service
    }
}
