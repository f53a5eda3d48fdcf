//! What is measured of an arm. Each metric is a ratio of two sums over users, so that one way of inference holds for all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured of an arm.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Clicks for each item shown.
    ClickThrough,
    /// Negative feedback (dislikes, hidden items) for each item shown.
    NegativeFeedback,
    /// Milliseconds until a list was made, for each list whose time is known.
    LatencyMs,
    /// Items recommended for each place that was asked for: whether lists are full.
    Coverage,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 4] = [
        Self::ClickThrough,
        Self::NegativeFeedback,
        Self::LatencyMs,
        Self::Coverage,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClickThrough => "click_through",
            Self::NegativeFeedback => "negative_feedback",
            Self::LatencyMs => "latency_ms",
            Self::Coverage => "coverage",
        }
    }

    /// Whether more of it is better.
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::ClickThrough | Self::Coverage)
    }

    /// Whether it counts things that happen or do not, once for each unit of its denominator: then its variance has a floor,
    /// that of independent events.
    pub const fn is_share(self) -> bool {
        !matches!(self, Self::LatencyMs)
    }

    /// What people read.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ClickThrough => "the click-through rate",
            Self::NegativeFeedback => "the rate of negative feedback",
            Self::LatencyMs => "the time until a list was made",
            Self::Coverage => "the share of places that were filled",
        }
    }
}
