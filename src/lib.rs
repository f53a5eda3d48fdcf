//! Homeostat: how the service talks to the world.
//!
//! `homeostat_logic` says what to do, `homeostat_actors` holds state and order; here are the command line, the
//! configuration, the event log adapters, the connectors, the HTTP API, the metrics, and the wiring of all of it.

mod addressed_event;
mod authority;
pub mod catalog;
pub mod clock;
pub mod command;
pub mod configuration;
pub mod connectors;
mod forms_of_topics;
pub mod http;
pub mod ingest;
mod live;
pub mod log;
pub mod log_output;
pub mod metrics;
pub mod push;
mod random;
pub mod recommendations;
mod schema;
mod schema_registry;
pub mod secrets;
pub mod service;
pub mod store;
mod tables;
pub mod user_secret;
pub mod users;
