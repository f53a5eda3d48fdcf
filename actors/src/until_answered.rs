//! Asking the user store until it answers: the one loop by which a partition of events about users waits for it.

use std::time::Duration;

use crate::flight::Flight;
use crate::ports::user_store::{StoreError, StoreFuture};
use crate::throttle::Throttle;

/// Pause before the store is asked again; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

static WAITING: Throttle = Throttle::new();

/// Asks the store until it answers or refuses, which it would do each time. `None`: the partition went away before.
pub(crate) async fn until_answered<T>(
    ask: impl Fn() -> StoreFuture<T>,
    flight: &Flight,
) -> Option<Result<T, String>> {
    let mut pause = RETRY_FIRST;
    while !flight.ended() {
        let error = match ask().await {
            Ok(answer) => return Some(Ok(answer)),
            Err(error @ StoreError::Refused(_)) => return Some(Err(error.to_string())),
            Err(error @ StoreError::Unavailable(_)) => error,
        };
        waits(error.to_string(), flight);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
    None
}

/// As [`until_answered`], for what the partition cannot do without: a refusal holds it until a person has mended the store.
pub(crate) async fn until_done<T>(ask: impl Fn() -> StoreFuture<T>, flight: &Flight) -> Option<T> {
    loop {
        match until_answered(&ask, flight).await? {
            Ok(answer) => return Some(answer),
            Err(why) => waits(why, flight),
        }
        tokio::time::sleep(RETRY_MAX).await;
    }
}

fn waits(reason: String, flight: &Flight) {
    if let Some(more) = WAITING.pass() {
        let partition = &flight.partition;
        tracing::warn!(%partition, reason, more, "the events of users wait for the store");
    }
    flight.held_up(reason);
}
