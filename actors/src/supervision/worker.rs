//! What a supervised actor is: a worker and the messages it handles.

use super::failure::Failure;
use super::scope::Scope;

/// State under supervision, with its start and its end.
///
/// A worker is built by its factory, possibly many times; nothing of a failed one is reused. It lives on one thread
/// and need not be `Send`.
pub trait Worker: Sized + 'static {
    /// Runs before the first message of this incarnation: arm timers, begin rehydration ([`Scope::hold`]).
    ///
    /// # Errors
    /// A failure here counts as any other: backoff, intensity, escalation.
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let _ = scope;
        Ok(())
    }

    /// Whether a draining worker may end once its mailbox is empty; `false` keeps it until work in flight comes back
    /// (or the deadline of the drain). Asked after each message and each continuation.
    fn drained(&self) -> bool {
        true
    }

    /// Runs before an orderly end or an ordered restart; not after a failure, whose state is not to be trusted.
    /// What it spawns is dropped.
    fn stopping(&mut self, scope: &mut Scope<'_, Self>) {
        let _ = scope;
    }
}

/// A worker that handles messages of type `M`, one at a time, in the order they came.
pub trait Handle<M: Send + 'static>: Worker {
    /// What a caller gets back; `()` for orders.
    type Reply: Send + 'static;

    /// Handles one message. Must not block: asynchronous work goes through [`Scope::spawn`].
    ///
    /// # Errors
    /// A failure (like a panic) ends this incarnation. The message is dropped, those behind it are kept.
    fn handle(&mut self, message: M, scope: &mut Scope<'_, Self>) -> Result<Self::Reply, Failure>;
}
