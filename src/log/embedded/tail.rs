//! Groupless readers: one thread delivers to all tails of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use homeostat_actors::ports::log::Tail;

use super::cursor::{Cursor, Round};
use super::shared::Shared;
use super::subscription::{FAILED, FULL, IDLE};
use crate::log::sync::lock;

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

struct Entry {
    alive: Arc<AtomicBool>,
    cursor: Cursor,
}

/// Tails that the thread has not taken up yet.
#[derive(Default)]
pub(super) struct NewTails(Mutex<Vec<Entry>>);

impl NewTails {
    /// Hands a tail to the thread.
    pub(super) fn add(&self, shared: &Arc<Shared>, cursor: Cursor) -> RunningTail {
        let alive = Arc::new(AtomicBool::new(true));
        lock(&self.0).push(Entry {
            alive: Arc::clone(&alive),
            cursor,
        });
        shared.signal.notify();
        RunningTail {
            alive,
            shared: Arc::clone(shared),
        }
    }
}

/// Starts the thread; it ends when the log is closed.
pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name("log-tails".to_owned())
        .spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    let mut tails: Vec<Entry> = Vec::new();
    while !shared.is_closed() {
        let seen = shared.signal.generation();
        tails.append(&mut lock(&shared.tails.0));
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
