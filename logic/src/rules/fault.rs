//! What is wrong with a setting.

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct RuleError {
    /// Key path in the configuration.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}
