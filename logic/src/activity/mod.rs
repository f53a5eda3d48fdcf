//! What users do: their events, streams of the newest ones, and profiles (SPEC §5).
//!
//! ```text
//! a record of business.* ─► event::read ─► UserEvent ─► homeostat.users ─► Shard::apply ─► stream, profile; the model's part of it
//! ```
//!
//! A shard holds the users of one partition of `homeostat.users`. Applying the same records in the same order gives the same
//! users; a user's state carries the position of the last event in it, so that a record that comes again changes nothing.

pub mod event;
pub mod list;
pub mod origin;
pub mod profile;
pub mod shard;
pub mod stored;
pub mod stream;
pub mod tally;
#[cfg(test)]
mod tests;
mod users;

pub use event::{Did, UserEvent};
pub use list::List;
pub use origin::{Origin, Origins};
pub use shard::{Change, Shard, ShardSettings};
pub use tally::{Arms, Tally};
