//! How good recommendations are on interactions of the past, beside plain methods, with intervals.
//!
//! Prequential: for every event of a user who has a past, in order of time, ten items are recommended, then the event is
//! learned. Leave-last-out: all is learned but the last event of each user, which is to be recommended. Ranks are pessimistic:
//! of items with equal scores, the one looked for comes last. Intervals are 95 %, from a bootstrap over users.

mod baselines;
mod dataset;
mod measures;
mod ours;
mod protocol;
mod random;
mod recommender;
#[cfg(test)]
mod shape_tests;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

pub use dataset::{Builder, Dataset, Row, RowError};
pub use measures::{Figure, Lead, Measures};
pub use protocol::{Method, Protocol, evaluate};

/// Items that are recommended for each event.
pub const LIST: usize = 10;
