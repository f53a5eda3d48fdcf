//! The languages of the texts that people read in alerts, and the words that all of these texts share.
//!
//! Reasons, logs and the command line are English in every language: they are what an audit searches for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::severity::Severity;
use crate::target::TargetKind;

/// A language of alerts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::Ko];

    /// The name used in configuration and records (ISO 639-1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    /// In place of a value that an event does not have.
    pub const fn unknown(self) -> &'static str {
        match self {
            Self::En => "unknown",
            Self::Ko => "알 수 없음",
        }
    }

    /// A severity as a word.
    pub const fn severity(self, severity: Severity) -> &'static str {
        match (self, severity) {
            (Self::En, severity) => severity.name(),
            (Self::Ko, Severity::Low) => "낮음",
            (Self::Ko, Severity::Medium) => "보통",
            (Self::Ko, Severity::High) => "높음",
            (Self::Ko, Severity::Critical) => "치명적",
        }
    }

    /// A kind of target as a word.
    pub const fn target_kind(self, kind: TargetKind) -> &'static str {
        match (self, kind) {
            (Self::En, kind) => kind.name(),
            (Self::Ko, TargetKind::Model) => "모델",
            (Self::Ko, TargetKind::Service) => "서비스",
        }
    }

    /// A score to three decimals (SPEC §4).
    pub fn decimals(self, value: Option<f64>) -> String {
        value.map_or_else(|| self.unknown().to_owned(), |value| format!("{value:.3}"))
    }

    /// A share as a percentage (SPEC §4).
    pub fn percent(self, value: Option<f64>) -> String {
        match (self, value) {
            (Self::En, Some(share)) => format!("{:.1} %", share * 100.0),
            (Self::Ko, Some(share)) => format!("{:.1}%", share * 100.0),
            (_, None) => self.unknown().to_owned(),
        }
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_each_language_writes_them() {
        for language in Language::ALL {
            let written = serde_json::to_value(language).unwrap();
            assert_eq!(written, language.name(), "its name in configuration");
            assert_eq!(language.decimals(Some(0.91249)), "0.912");
        }
        assert_eq!(Language::En.percent(Some(0.1234)), "12.3 %");
        assert_eq!(Language::Ko.percent(Some(0.1234)), "12.3%");
        assert_eq!(Language::En.decimals(None), "unknown");
        assert_eq!(Language::Ko.percent(None), "알 수 없음");
    }
}
