//! How bad an event is.

use serde::{Deserialize, Serialize};

/// The four severities of SPEC §4, ordered from mild to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth noting.
    Low,
    /// Worth acting on in good time; also what a missing or unknown severity means.
    Medium,
    /// Worth acting on now.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// Every severity, from mild to grave.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name used in configuration, records, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads a severity in any case, surrounding blanks ignored; `None` when it is not one of the four.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(text))
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
