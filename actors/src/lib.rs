//! Who holds state and order in Homeostat.
//!
//! [`supervision`] is the domain-free runtime: supervised actors on actix whose failures are caught, whose mailboxes
//! survive and are bounded. [`ports`] are the traits through which actors reach the outside; adapters live in the
//! binary's package. Every other module is one thin actor: it receives, reads the clock, calls logic, passes on the
//! result.

#![forbid(unsafe_code)]

mod append;
pub mod assignment;
pub mod batch;
pub mod changes;
mod checkpoints;
mod continuity;
pub mod dead_letters;
pub mod executor;
mod executor_context;
pub mod fail_point;
pub mod feed;
pub mod flight;
mod generations;
pub mod in_force;
mod inquiry;
pub mod keeper;
pub mod kinds;
pub mod ledger;
mod ledger_record;
pub mod ledger_view;
pub mod lost_alerts;
pub mod model;
pub mod ownership;
pub mod partition;
pub mod ports;
mod request;
pub mod roster;
pub mod roster_settings;
mod routing;
pub mod serving;
mod shard_keys;
pub mod sink;
mod starter;
pub mod statistics;
pub mod supervision;
pub mod throttle;
pub mod traffic;
mod under_way;
mod until_answered;
pub mod work;
