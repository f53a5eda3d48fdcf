//! The event log as handlers use it: within the time that callers wait, and its faults as problems.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{ErrorClass, EventLog, LogError, TopicDescription};

use super::problem::{Kind, Problem};

/// The log, and how long callers wait for it.
pub(super) struct Log {
    pub(super) log: Arc<dyn EventLog>,
    /// Callers learn within this time what became of their request.
    pub(super) limit: Duration,
}

impl Log {
    /// What the log says of these topics, by name; those that are missing are left out.
    pub(super) async fn describe(
        &self,
        names: Vec<String>,
    ) -> Result<BTreeMap<String, TopicDescription>, Problem> {
        let described = tokio::time::timeout(self.limit, self.log.describe_topics(names)).await;
        let described = described.map_err(|_| {
            let detail = "the event log did not describe its topics in time; try again";
            Problem::new(Kind::LogTimeout, detail)
        })?;
        let described = described.map_err(|error| problem(&error))?;
        let by_name = described.into_iter();
        Ok(by_name.map(|topic| (topic.name.clone(), topic)).collect())
    }
}

/// What a fault of the log is for the caller.
pub(super) fn problem(error: &LogError) -> Problem {
    Problem::new(kind(error), error.to_string())
}

/// Whether asking again may help.
pub(super) fn kind(error: &LogError) -> Kind {
    match error.class() {
        ErrorClass::Reject => Kind::RefusedByLog,
        ErrorClass::Retry | ErrorClass::Stop => Kind::LogUnavailable,
    }
}
