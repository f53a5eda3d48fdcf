//! Homeostat: how the service talks to the world.

pub mod configuration;
pub mod connectors;
pub mod log;
pub mod metrics;
