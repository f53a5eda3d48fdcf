//! Groupless readers: one thread delivers to all tails of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeostat_actors::ports::log::Tail;

use super::cursor::{Cursor, Round};
use super::new_tails::NewTail;
use super::shared::Shared;
use super::subscription::{FAILED, FULL, IDLE};

/// The caller's handle; dropping it ends the delivery.
pub(super) struct RunningTail {
    alive: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Tail for RunningTail {}

impl Drop for RunningTail {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Release);
        self.shared.signal.notify();
    }
}

/// Hands a tail to the thread.
pub(super) fn add(shared: &Arc<Shared>, cursor: Cursor) -> RunningTail {
    let alive = shared.tails.add(cursor);
    shared.signal.notify();
    RunningTail {
        alive,
        shared: Arc::clone(shared),
    }
}

/// Starts the thread; it ends when the log is closed.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name("log-tails".to_owned())
        .spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    let mut tails: Vec<NewTail> = Vec::new();
    while !shared.is_closed() {
        let seen = shared.signal.generation();
        tails.extend(shared.tails.take());
        tails.retain(|tail| tail.alive.load(Ordering::Acquire));
        let mut busiest = Round::Idle;
        let mut failed = false;
        tails.retain_mut(|tail| {
            // A sink that panics ends its own tail, not its neighbours.
            match catch_unwind(AssertUnwindSafe(|| tail.cursor.deliver(&shared.store))) {
                Ok(Ok(round)) => busiest = busiest.max(round),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "embedded log: a read failed");
                    failed = true;
                }
                Err(_) => {
                    tracing::error!("embedded log: a tail's sink panicked, the tail ends");
                    return false;
                }
            }
            true
        });
        let pause = match busiest {
            _ if failed => FAILED,
            Round::Delivered => continue,
            Round::Full => FULL,
            Round::Idle => IDLE,
        };
        shared.signal.wait(seen, pause);
    }
}
