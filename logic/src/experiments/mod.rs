//! Honest statistics of recommendations: which arm a user is in, what was shown and clicked, and what follows from it.
//!
//! ```text
//! arms: user ─► arm      impressions: a user's events ─► counts ─► shards: sums of all shards ─► inference ─► verdict, report
//! ```
//!
//! docs/experiments.md has the formulas, their sources, and what they do not say. Pure: times are arguments, nothing is drawn
//! at random, and equal inputs give equal outputs. Everything is bounded, and each file says what happens at its bounds.

pub mod arms;
pub mod baseline;
mod bounded;
mod compare;
pub mod counts;
mod experiment_report;
mod exposure;
pub mod guardrails;
pub mod impressions;
pub mod inference;
pub mod metric;
pub mod mismatch;
pub mod names;
pub mod position;
pub mod ratio;
pub mod report;
mod rows;
pub mod seen;
pub mod settings;
pub mod shards;
mod tables;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use arms::{Assigned, BUILTIN, Experiment, ExperimentError, State};
pub use counts::{Counts, Day};
pub use experiment_report::{
    ArmReport, ComparisonReport, DivisionReport, ExperimentReport, GuardrailReport, Verdict,
};
pub use guardrails::Standing;
pub use impressions::Viewer;
pub use metric::Metric;
pub use report::RecommendationStats;
pub use seen::{Happening, Impression, Reaction, Seen, Sort};
pub use settings::{CountPushed, ExperimentSettings, Guardrail, StatisticsSettings};
pub use shards::{AllCounts, CountsDelta, ShardCounts};
pub use tables::{Counted, Rate, Row};
pub use verdict::{Degraded, Watch};
