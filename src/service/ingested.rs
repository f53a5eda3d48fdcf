//! Topics of `[ingest]` that are not there: the client takes each up when it appears, and says nothing until then.

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::EventLog;

use super::ledger_health::Asking;

/// Pause between two looks, and between two lines of the log.
const PERIOD: Duration = Duration::from_mins(1);

/// Looks for these topics until all of them are there.
pub(super) fn look_for(log: Arc<dyn EventLog>, topics: Vec<&'static str>) -> Asking {
    Asking(tokio::spawn(async move {
        loop {
            let names = topics.iter().map(ToString::to_string).collect();
            match log.describe_topics(names).await {
                Ok(found) => {
                    let is_there = |name: &&str| found.iter().any(|topic| topic.name == **name);
                    let missing: Vec<&str> = topics
                        .iter()
                        .copied()
                        .filter(|name| !is_there(name))
                        .collect();
                    if missing.is_empty() {
                        return;
                    }
                    tracing::warn!(
                        topics = missing.join(", "),
                        "topics of [ingest] are not in Kafka; they are read once they are created"
                    );
                }
                Err(error) => tracing::debug!(%error, "the topics of [ingest] are not known"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }))
}
