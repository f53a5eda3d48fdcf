//! Recommendations that others make: external models, and how their lists take the place of ours.

pub mod external;
mod ranking;

pub(crate) use ranking::ExternalRanker;
