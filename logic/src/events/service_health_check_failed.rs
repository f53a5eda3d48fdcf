//! `service_health_check_failed`: a service that fails its health checks.

use super::{About, EventKind};

pub(super) struct ServiceHealthCheckFailed;

impl EventKind for ServiceHealthCheckFailed {
    fn name(&self) -> &'static str {
        "service_health_check_failed"
    }

    fn about(&self, _: &str) -> About {
        About::Service
    }
}
