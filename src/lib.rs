//! Homeostat: how the service talks to the world.

pub mod http;
pub mod metrics;
