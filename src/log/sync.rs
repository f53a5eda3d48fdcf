//! Small blocking primitives shared by the adapters' threads.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::{Duration, Instant};

/// Locks; a thread that panicked while holding the lock does not take the others with it. Right here because every
/// critical section of the adapters leaves its data consistent at each step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], shared.
pub(super) fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], exclusive.
pub(super) fn write_lock<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes waiting threads; a wake between looking and waiting is not missed, because waiters name what they saw.
#[derive(Debug, Default)]
pub(super) struct Signal {
    generation: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    /// The present generation, to be taken *before* looking for work.
    pub(super) fn generation(&self) -> u64 {
        *lock(&self.generation)
    }

    /// Wakes every waiter.
    pub(super) fn notify(&self) {
        let mut generation = lock(&self.generation);
        *generation = generation.wrapping_add(1);
        self.changed.notify_all();
    }

    /// Waits until the generation is no longer `seen`, at most `timeout`.
    pub(super) fn wait(&self, seen: u64, timeout: Duration) {
        let guard = lock(&self.generation);
        drop(
            self.changed
                .wait_timeout_while(guard, timeout, |generation| *generation == seen)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// A flag that is raised once and can be waited for.
#[derive(Debug, Default)]
pub(super) struct Flag {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Flag {
    /// Raises it.
    pub(super) fn raise(&self) {
        *lock(&self.raised) = true;
        self.changed.notify_all();
    }

    /// Whether it was raised.
    pub(super) fn is_raised(&self) -> bool {
        *lock(&self.raised)
    }

    /// Waits until it is raised, at most `timeout`; returns whether it was.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let guard = lock(&self.raised);
        let (guard, _) = self
            .changed
            .wait_timeout_while(guard, timeout, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        *guard
    }
}

/// When a loop last went round.
#[derive(Debug)]
pub(super) struct Heartbeat(Mutex<Instant>);

impl Heartbeat {
    /// Starts now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// The loop went round.
    pub(super) fn beat(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Time since the last beat.
    pub(super) fn age(&self) -> Duration {
        lock(&self.0).elapsed()
    }
}
