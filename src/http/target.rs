//! A target as callers name it: `model/NAME` or `service/NAME`.

use homeostat_logic::target::{Target, TargetKind};

/// How the document says it. Characters may be of four bytes, so it promises fewer than are taken.
pub(super) const PATTERN: &str = r"^(model|service)/[^\n\r]{1,64}$";

/// Reads it.
pub(super) fn read_target(text: &str) -> Option<Target> {
    text.split_once('/').and_then(|(kind, name)| {
        let kinds = [TargetKind::Model, TargetKind::Service];
        let kind = kinds.into_iter().find(|known| known.name() == kind)?;
        let name = (1..=Target::NAME_BYTES_MAX)
            .contains(&name.len())
            .then(|| name.to_owned())?;
        Some(Target { kind, name })
    })
}
