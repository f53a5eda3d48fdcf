//! The push of recommendations to connected users, as pure functions: what an update is, which one a user still misses, who
//! may connect, and how many may.

pub mod ending;
pub mod latest;
pub mod places;
pub mod token;
pub mod update;
