//! `system_overload`: a service that cannot bear its load.

use super::{About, EventKind};
use crate::language::Language;

pub(super) struct SystemOverload;

impl EventKind for SystemOverload {
    fn name(&self) -> &'static str {
        "system_overload"
    }

    fn about(&self, _: &str) -> About {
        About::Service
    }

    fn words(&self, event_type: &str, language: Language) -> String {
        match language {
            Language::En => event_type.replace('_', " "),
            Language::Ko => "시스템 과부하".to_owned(),
        }
    }
}
