//! Section `[recommendations]`: what users are recommended, and how it reaches them.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use schemars::JsonSchema;
use serde::Deserialize;

/// Section `[recommendations]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recommendations {
    /// Secret that signs users' tokens (docs/push.md), as a reference. Empty = users need no token.
    #[schemars(extend("default" = ""))]
    pub push_secret: String,
    /// Updates to connected users.
    pub push: Push,
}

/// `recommendations.push`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Connections of one user at once; one more closes his oldest.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 5))]
    pub per_user_max: usize,
    /// Connections of all users at this instance; one more is refused (503). Each takes two open files.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 20_000))]
    pub total_max: usize,
    /// Seconds between two signs of life; a WebSocket whose client answers none of three is closed.
    #[schemars(range(min = 1, max = 600), extend("default" = 15))]
    pub heartbeat_seconds: u64,
    /// Seconds after which a client that does not read is dropped.
    #[schemars(range(min = 1, max = 600), extend("default" = 30))]
    pub unread_seconds: u64,
}
