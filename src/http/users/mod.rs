//! What is a user's, and who may read it.

pub(super) mod access;
pub(super) mod activity;
pub(super) mod erasure;
mod known;
mod last_event;
pub(super) mod place;
pub(super) mod profile;
pub(super) mod recommendations;
pub(super) mod similar;
pub(super) mod stream;
pub(super) mod websocket;

pub(super) use known::{Known, unanswered};
