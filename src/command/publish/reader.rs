//! Reads lines on a separate thread, so that a signal is heard while the next line is waited for.

use tokio::sync::mpsc::{Receiver, channel};

use super::super::Failure;
use super::lines::{Input, Line};

/// Lines read ahead; with the longest line it bounds the memory to some 32 MiB.
const AHEAD: usize = 32;

/// What the thread sends.
pub(super) enum Read {
    /// The next line.
    Line(Line),
    /// The next line may take a while: a live producer (`tail -f`) pauses.
    Pause,
}

/// Lines of an input, in order.
pub(super) struct Reader(Receiver<Result<Read, String>>);

impl Reader {
    /// Reads on from line `first`; those before it are passed over unread.
    pub(super) fn start(mut input: Input, first: u64) -> Result<Self, Failure> {
        let (sender, receiver) = channel(AHEAD);
        let read = move || {
            loop {
                let next = match input.next_line() {
                    Ok(None) => match input.ends_before(first) {
                        Some(problem) => Err(problem),
                        None => return,
                    },
                    Ok(Some(line)) if line.number() < first => continue,
                    Ok(Some(line)) => Ok(Read::Line(line)),
                    Err(problem) => Err(problem),
                };
                let is_last = next.is_err();
                if sender.blocking_send(next).is_err() || is_last {
                    return;
                }
                if !input.has_more_ready() && sender.blocking_send(Ok(Read::Pause)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("lines".to_owned());
        let failed =
            |error| Failure::Failed(format!("cannot start a thread to read lines: {error}"));
        thread.spawn(read).map_err(failed)?;
        Ok(Self(receiver))
    }

    /// The next one; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Read>, Failure> {
        self.0.recv().await.transpose().map_err(Failure::Failed)
    }
}
