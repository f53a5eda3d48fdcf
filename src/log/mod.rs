//! The event log adapters behind [`homeostat_actors::ports::log::EventLog`]: [`embedded`] (no server, one process) and
//! [`kafka`] (scale-out). Both place keys alike, so that an installation can move from one to the other.

pub mod embedded;
mod partitioner;
mod sync;

pub use partitioner::partition_of_key;

/// Largest record taken, in bytes of key, value and headers together: what Kafka takes by default, on both logs.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
