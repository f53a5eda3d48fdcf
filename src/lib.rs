//! Homeostat: how the service talks to the world.

pub mod clock;
pub mod configuration;
pub mod connectors;
pub mod http;
pub mod log;
pub mod metrics;
pub mod service;
