//! Groupless readers that their thread has not taken up yet.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::cursor::Cursor;
use crate::log::sync::lock;

/// A reader, until its handle is dropped.
pub(super) struct NewTail {
    pub(super) alive: Arc<AtomicBool>,
    pub(super) cursor: Cursor,
}

/// Those that wait for the thread.
#[derive(Default)]
pub(super) struct NewTails(Mutex<Vec<NewTail>>);

impl NewTails {
    /// Adds one; its life is in the hands of the caller.
    pub(super) fn add(&self, cursor: Cursor) -> Arc<AtomicBool> {
        let alive = Arc::new(AtomicBool::new(true));
        lock(&self.0).push(NewTail {
            alive: Arc::clone(&alive),
            cursor,
        });
        alive
    }

    /// Takes all of them.
    pub(super) fn take(&self) -> Vec<NewTail> {
        std::mem::take(&mut *lock(&self.0))
    }
}
