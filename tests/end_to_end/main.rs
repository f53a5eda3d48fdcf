//! The built binary from outside, end to end: what is published, what is decided, what is done, and what survives.
//!
//! Kafka's tests start brokers of their own, because the topics' names are fixed; `scripts/test` sees to what they need.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops where it fails; the configuration allows this only inside test functions"
)]

mod arms;
mod bulkheads;
mod catalog;
mod census;
mod crash;
mod dead_letters;
mod decisions;
mod denied;
mod dry_run;
mod emptied;
mod erasure;
mod external_model;
mod from_gorse;
mod gates_over_api;
mod ingest;
mod installation;
mod instances;
mod kafka;
mod ledger_changed;
mod ledger_topic;
mod life_cycle;
mod lost_alerts;
mod many_profiles;
mod odd_headers;
mod open_actions;
mod openapi;
mod operators;
mod push;
mod raw_records;
mod reaching_people;
#[path = "../user_store/server.rs"]
mod redis;
mod registry;
mod rules_over_api;
mod sample;
mod secured;
mod statistics;
mod support;
mod topics_again;
mod transactions;
mod unreadable;
mod users;
mod warm_up;
mod webhook_actions;
