//! Homeostat: how the service talks to the world.

pub mod command;
pub mod http;
pub mod metrics;
pub mod service;
