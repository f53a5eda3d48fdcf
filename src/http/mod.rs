//! The HTTP API (DESIGN §7): publishing, the decision history, operators' orders, probes, metrics, the
//! supervision tree.
//!
//! Each route is declared in the file of its handler and listed in [`routes::table`]; the OpenAPI document follows from the
//! types of the handlers. What a route reads comes from a small trait in its file, which the service implements; writes go to
//! the event log and are acknowledged when they are durable. Every error is a problem document (RFC 9457), see [`problem`].

mod answers;
mod body;
mod catalog;
mod connection_list;
mod connection_traffic;
mod connections;
mod control;
mod cooldowns;
mod dead_letters;
mod decisions;
mod describe;
mod document;
mod exclusive;
mod guard;
mod holds;
mod hosts;
mod inbound;
mod incoming;
mod index;
mod ledger;
mod list_query;
mod log;
mod pages;
mod parameters;
mod parts;
mod probes;
pub mod problem;
mod publish;
mod publish_lines;
mod recommendations;
mod route;
pub mod routes;
mod server;
mod similar_items;
mod target;
mod token;
mod topics;
mod users;

pub use crate::authority::{Authority, NoAuthority};
pub use body::BODY_BYTES_MAX;
pub use catalog::CatalogItems;
pub use connections::CONNECTIONS_MAX;
pub use control::Control;
pub use cooldowns::Cooldowns;
pub use dead_letters::Stopped;
pub use decisions::Decisions;
pub use incoming::EVENTS_MAX;
pub use parts::{ACKNOWLEDGE_LIMIT, ApiParts};
pub use probes::{Health, Readiness, Tree};
pub use route::Route;
pub use server::{ServeError, Server};
pub use topics::usage as topic_usage;
