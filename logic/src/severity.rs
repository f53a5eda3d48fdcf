//! How bad an event is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The four severities of SPEC §4, ordered from mild to grave.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth noting.
    Low,
    /// Worth acting on in good time; also what a missing or unknown severity means.
    Medium,
    /// Worth acting on now.
    High,
    /// Worth waking a person.
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

    /// What a word or a number of other systems usually means: the default of `[severity.synonyms]`, and how the gravest of
    /// several alerts in one event is found (issue 13, row 10).
    pub fn usual(word: &str) -> Option<Self> {
        Self::parse(word).or_else(|| {
            let word = normalized(word);
            SYNONYMS
                .iter()
                .find_map(|(synonym, severity)| (*synonym == word).then_some(*severity))
        })
    }

    /// Reads a severity in any case, surrounding blanks ignored; `None` when it is not one of the four.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(text))
    }
}

/// Words of syslog, Prometheus, `PagerDuty`, `OpenTelemetry` and others; P1 and SEV1 are the gravest of their scales, and a
/// bare number counts like them.
pub const SYNONYMS: [(&str, Severity); 42] = [
    ("emergency", Severity::Critical),
    ("emerg", Severity::Critical),
    ("alert", Severity::Critical),
    ("panic", Severity::Critical),
    ("fatal", Severity::Critical),
    ("crit", Severity::Critical),
    ("page", Severity::Critical),
    ("blocker", Severity::Critical),
    ("disaster", Severity::Critical),
    ("p0", Severity::Critical),
    ("p1", Severity::Critical),
    ("sev0", Severity::Critical),
    ("sev1", Severity::Critical),
    ("0", Severity::Critical),
    ("1", Severity::Critical),
    ("error", Severity::High),
    ("err", Severity::High),
    ("major", Severity::High),
    ("urgent", Severity::High),
    ("p2", Severity::High),
    ("sev2", Severity::High),
    ("2", Severity::High),
    ("warning", Severity::Medium),
    ("warn", Severity::Medium),
    ("average", Severity::Medium),
    ("p3", Severity::Medium),
    ("sev3", Severity::Medium),
    ("3", Severity::Medium),
    ("minor", Severity::Low),
    ("notice", Severity::Low),
    ("info", Severity::Low),
    ("information", Severity::Low),
    ("informational", Severity::Low),
    ("debug", Severity::Low),
    ("trace", Severity::Low),
    ("ticket", Severity::Medium),
    ("p4", Severity::Low),
    ("p5", Severity::Low),
    ("sev4", Severity::Low),
    ("sev5", Severity::Low),
    ("4", Severity::Low),
    ("5", Severity::Low),
];

/// A word as synonyms are compared: in lower case, without blanks, `-` and `_` inside, so that `SEV-1` is `sev1`. A sign stays.
pub fn normalized(word: &str) -> String {
    word.trim()
        .chars()
        .enumerate()
        .filter(|(place, letter)| *place == 0 || !separates(*letter))
        .map(|(_, letter)| letter)
        .flat_map(char::to_lowercase)
        .collect()
}

fn separates(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '-' | '_')
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
