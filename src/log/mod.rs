//! The event log adapters behind [`homeostat_actors::ports::log::EventLog`]: [`embedded`] (no server, one process) and
//! [`kafka`] (scale-out). Both place keys alike, so that an installation can move from one to the other.

pub mod embedded;
pub mod kafka;
mod sync;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::log::{Header, LogError, NewRecord};

pub use homeostat_logic::ledger::placement::partition_of_key;

/// Largest record taken, in bytes of key, value and headers together, on both logs: an event of the largest size (1 MiB)
/// with its key, and with the headers that a dead letter of it has.
pub const MAX_RECORD_BYTES: usize = (1024 + 64) * 1024;

/// Bytes of key, value and headers.
fn payload_size(record: &NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(Header::size).sum();
    record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len) + headers
}

/// Runs a blocking call off the executor's thread, where there is an executor.
fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> BoxFuture<'static, Result<T, LogError>> {
    async move {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(call)
                .await
                .map_err(|error| LogError::Unavailable(format!("the call was cut off: {error}")))?,
            Err(_) => call(),
        }
    }
    .boxed()
}
