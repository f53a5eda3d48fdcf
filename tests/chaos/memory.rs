//! The memory of the instances, looked at all the time (Linux; elsewhere it is 0 and bounds nothing).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Watched {
    pids: Mutex<BTreeSet<u32>>,
    peak: AtomicU64,
    over: AtomicBool,
}

/// The largest resident set of any instance since it was last asked.
pub(crate) struct Memory {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    pub(crate) fn watch() -> Self {
        let watched = Arc::<Watched>::default();
        let looked_at = Arc::clone(&watched);
        let thread = std::thread::spawn(move || {
            while !looked_at.over.load(Ordering::SeqCst) {
                let pids = looked_at.pids.lock().unwrap().clone();
                let largest = pids.into_iter().map(resident).max().unwrap_or(0);
                looked_at.peak.fetch_max(largest, Ordering::SeqCst);
                std::thread::sleep(LOOK);
            }
        });
        Self {
            watched,
            thread: Some(thread),
        }
    }

    pub(crate) fn add(&self, pid: u32) {
        self.watched.pids.lock().unwrap().insert(pid);
    }

    /// Bytes; begins anew.
    pub(crate) fn take_peak(&self) -> u64 {
        self.watched.peak.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.watched.over.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Bytes; 0 of a process that is gone.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
