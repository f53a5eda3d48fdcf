//! What is a user's, and who may read it.

pub(super) mod access;
mod last_event;
pub(super) mod place;
pub(super) mod stream;
pub(super) mod websocket;
