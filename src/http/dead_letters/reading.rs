//! What listing, showing and replaying share: the one reader, and how ids, times and faults are written.

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, LogError};
use tokio::sync::{Mutex, MutexGuard};

use super::reader::Reader;
use crate::http::log;
use crate::http::problem::{Kind, Problem};

/// How the document says the id of a letter.
pub(super) const ID_PATTERN: &str = "^(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,17})$";

/// The reader, for one request at a time: that bounds its memory, and no letter is replayed twice at once by one process.
pub(in crate::http) struct Reading(Mutex<Reader>);

impl Reading {
    pub(in crate::http) fn of(log: &Arc<dyn EventLog>) -> Self {
        Self(Mutex::new(Reader::new(Arc::clone(log))))
    }

    pub(super) async fn reader(&self, limit: Duration) -> Result<MutexGuard<'_, Reader>, Problem> {
        let waiting = tokio::time::timeout(limit, self.0.lock());
        waiting.await.map_err(|_| {
            let detail = "dead letters are being read for others; try again";
            Problem::new(Kind::Busy, detail)
        })
    }
}

/// Milliseconds of an RFC 3339 time.
pub(super) fn time(text: &str) -> Option<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

pub(super) fn bad_body(problem: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::BadRequest, format!("the body: {problem}"))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "used as a function for map_err"
)]
pub(super) fn log_problem(error: LogError) -> Problem {
    log::problem(&error)
}
