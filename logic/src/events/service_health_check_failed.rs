//! `service_health_check_failed`: a service that fails its health checks.

use super::{About, EventKind};
use crate::language::Language;

pub(super) struct ServiceHealthCheckFailed;

impl EventKind for ServiceHealthCheckFailed {
    fn name(&self) -> &'static str {
        "service_health_check_failed"
    }

    fn about(&self, _: &str) -> About {
        About::Service
    }

    fn words(&self, event_type: &str, language: Language) -> String {
        match language {
            Language::En => event_type.replace('_', " "),
            Language::Ko => "서비스 상태 점검 실패".to_owned(),
        }
    }
}
