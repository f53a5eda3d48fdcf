//! Updates of recommendations to connected users: the registry of who is connected here, and the topic that says what is new.
//!
//! ```text
//! push.recommendations ─► tail ─► hub (latest update, who is connected) ─► seat of each connection ─► client
//! ```
//!
//! What is guaranteed is the latest state, not every update: an update replaces the one before that was not read yet, and a
//! client that comes back gets the latest if that is another one than it had.

mod hub;
mod link;
mod seat;
mod socket;
pub mod tail;

pub use hub::{Full, Hub, HubSettings, Shown};
pub use seat::{Event, Seat, Wanted};
pub use socket::Socket;
