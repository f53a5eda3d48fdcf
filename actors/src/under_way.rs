//! The count of requests and outcomes under way, kept over all incarnations of an executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts one request or outcome as long as it lives.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    /// Counts one more, until it is dropped.
    pub(crate) fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
