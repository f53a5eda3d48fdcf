//! Reading the whole topic from its beginning, without a group: every instance holds all items.

use std::sync::Arc;

use homeostat_actors::ports::log::{EventLog, LogError, Tail, TopicPartition};
use homeostat_logic::topic::CATALOG_ITEMS;

use super::now::CatalogNow;
use super::tail::{ItemSink, Progress};

/// The tails of the topic's partitions; dropping it ends them. Partitions that are added later are read after the next start.
pub(crate) struct Followed {
    partitions: Vec<Arc<Progress>>,
    _tails: Vec<Box<dyn Tail>>,
}

impl Followed {
    /// Begins to read every partition.
    ///
    /// # Errors
    /// What the log said.
    pub(crate) async fn begin(
        log: &dyn EventLog,
        catalog: &Arc<CatalogNow>,
    ) -> Result<Self, LogError> {
        let found = log.describe_topics(vec![CATALOG_ITEMS.to_owned()]).await?;
        let Some(topic) = found.into_iter().next() else {
            return Err(LogError::Unavailable(format!(
                "{CATALOG_ITEMS} is not visible yet"
            )));
        };
        if topic
            .cleanup_policy
            .as_deref()
            .is_some_and(|policy| !policy.contains("compact"))
        {
            tracing::warn!(
                "{CATALOG_ITEMS} is not compacted, so items are lost when their records are old: set its cleanup.policy to compact, as `kafka-configs.sh --alter --entity-type topics --entity-name {CATALOG_ITEMS} --add-config cleanup.policy=compact` does"
            );
        }
        let (mut partitions, mut tails) = (Vec::new(), Vec::new());
        for (partition, marks) in (0..).zip(&topic.partitions) {
            let progress = Arc::new(Progress::new(partition, marks.low, marks.high));
            let sink = ItemSink::new(Arc::clone(catalog), Arc::clone(&progress));
            let place = TopicPartition {
                topic: CATALOG_ITEMS.to_owned(),
                partition,
            };
            tails.push(log.tail(place, marks.low, Box::new(sink))?);
            partitions.push(progress);
        }
        Ok(Self {
            partitions,
            _tails: tails,
        })
    }

    /// What it waits for: what was in the topic at the start is not all read. `None` once it is.
    pub(crate) fn waiting_for(&self) -> Option<String> {
        let open = self.partitions.iter().filter(|one| !one.is_restored());
        let left: i64 = open.clone().map(|one| one.left()).sum();
        let obstacle = open.clone().find_map(|one| one.obstacle());
        open.clone().next()?;
        let why = obstacle.map_or_else(String::new, |why| format!(" ({why})"));
        Some(format!(
            "the catalog is being read: {left} records of {CATALOG_ITEMS} are left{why}"
        ))
    }

    /// Partitions that cannot be read now, one sentence each.
    pub(crate) fn obstacles(&self) -> Vec<String> {
        let obstacle = |one: &Arc<Progress>| {
            let (partition, why) = (one.partition, one.obstacle()?);
            Some(format!(
                "{CATALOG_ITEMS}/{partition} cannot be read, items stay as they are: {why}"
            ))
        };
        self.partitions.iter().filter_map(obstacle).collect()
    }
}
