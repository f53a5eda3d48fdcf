//! Ctrl-C and SIGTERM: the first one lets the request under way end, the second one ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::super::Failure;

/// The exit code of a process that Ctrl-C ended, as shells count it.
const INTERRUPTED: i32 = 130;

/// Whether a person wants it to end.
pub(super) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from here on.
    pub(super) fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::Failed(format!("cannot listen for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            for is_second in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if is_second {
                    std::process::exit(INTERRUPTED);
                }
                sender.send_replace(true);
            }
        });
        Ok(Self(receiver))
    }

    /// Whether it came.
    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it.
    pub(super) async fn wait(&mut self) {
        // The sender lives until the process ends.
        self.0
            .wait_for(|is_set| *is_set)
            .await
            .map(drop)
            .unwrap_or_default();
    }
}
