//! What Homeostat does, as pure functions.
//!
//! Data flows one way through these modules:
//!
//! ```text
//! bytes ─► envelope ─► event ─► rules ─► decide ─► ledger::record ─► ledger::fold ─► ledger::execution ─► history
//!                                                                       │
//! offsets ◄──────────── settled when the effect is durable ◄────────────┘
//! ```
//!
//! Invariants: no IO, no clock, no randomness, no generated identifiers: all of them come in as arguments, so equal
//! inputs give equal outputs and any decision can be replayed. Nothing here panics on any input.

#![forbid(unsafe_code)]

pub mod actions;
pub mod activity;
pub mod catalog;
pub mod clock_text;
pub mod dead_letters;
pub mod decide;
pub mod enrich;
pub mod envelope;
pub mod event;
pub mod event_text;
pub mod event_time;
pub mod events;
pub mod experiments;
pub mod field;
pub mod form;
mod formats;
pub mod forms;
pub mod history;
pub mod language;
pub mod ledger;
pub mod model_reference;
pub mod naming;
pub mod offsets;
pub mod params;
pub mod payload_fault;
pub mod push;
pub mod raw_json;
pub mod recommend;
pub mod rules;
pub mod severity;
pub mod target;
pub mod texts;
pub mod topic;
pub mod traffic;
pub mod view;
