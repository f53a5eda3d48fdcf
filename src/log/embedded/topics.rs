//! The topics of the embedded log and where each partition begins and ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use homeostat_actors::ports::log::{LogError, TopicSettings, Watermarks};
use homeostat_logic::ledger::record::Millis;
use serde::{Deserialize, Serialize};

use super::codec::{Mark, PartitionId, decode_record, offset_of};
use super::store::{Durability, Opened, Store};
use crate::log::sync::{lock, read_lock, write_lock};

/// Partitions of a topic at most.
const MAX_PARTITIONS: i32 = 1024;

/// What is stored of a topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TopicRecord {
    id: u32,
    partitions: u32,
    retention_ms: Option<u64>,
    append_time: bool,
    /// Absent in logs of before there were such topics.
    #[serde(default)]
    compacted: bool,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) low: i64,
    pub(super) high: i64,
    /// Bytes of all records before `low`, and before `high`.
    pub(super) bytes_before_low: u64,
    pub(super) bytes_before_high: u64,
    /// Time of the last record ever written.
    pub(super) timestamp: Millis,
}

impl Extent {
    pub(super) fn watermarks(self) -> Watermarks {
        Watermarks {
            low: self.low,
            high: self.high,
        }
    }

    /// Bytes kept.
    pub(super) fn bytes(self) -> u64 {
        self.bytes_before_high.saturating_sub(self.bytes_before_low)
    }
}

/// A partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: PartitionId,
    extent: Mutex<Extent>,
}

impl Partition {
    pub(super) fn extent(&self) -> Extent {
        *lock(&self.extent)
    }

    /// Records up to `high` are durable and may be read.
    pub(super) fn grown(&self, high: i64, bytes_before_high: u64, timestamp: Millis) {
        let mut extent = lock(&self.extent);
        extent.high = high;
        extent.bytes_before_high = bytes_before_high;
        extent.timestamp = timestamp;
    }

    /// Records before the mark are gone.
    pub(super) fn trimmed(&self, mark: Mark) {
        let mut extent = lock(&self.extent);
        extent.low = mark.low;
        extent.bytes_before_low = mark.bytes_before;
    }
}

/// A topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) retention: Option<Duration>,
    /// The ledger's kind: trimmed by age alone, never by size, since its fold needs all of its window.
    pub(super) append_time: bool,
    /// What is there by key: nothing of it is removed, by age or by size, since its readers need all of it.
    pub(super) compacted: bool,
    pub(super) partitions: Vec<Partition>,
}

/// All topics.
#[derive(Default)]
pub(super) struct Topics {
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// Creation is rare and goes one by one.
    creating: Mutex<()>,
}

impl Topics {
    pub(super) fn load(store: &Store) -> Result<Self, LogError> {
        let topics = Self::default();
        topics.reload(store)?;
        Ok(topics)
    }

    /// Reads everything from the store again. Partitions known already keep their identity, since readers hold them.
    pub(super) fn reload(&self, store: &Store) -> Result<(), LogError> {
        let known = read_lock(&self.by_name).clone();
        let loaded = store.read(|opened| {
            let mut loaded = BTreeMap::new();
            for guard in opened.topics.iter() {
                let (name, record) = guard.into_inner()?;
                let Ok(record) = serde_json::from_slice::<TopicRecord>(&record) else {
                    continue;
                };
                let name = String::from_utf8_lossy(&name).into_owned();
                let topic = known.get(&name).cloned();
                let topic = topic.unwrap_or_else(|| Arc::new(record.topic(&name)));
                for partition in &topic.partitions {
                    *lock(&partition.extent) = read_extent(opened, partition.id)?;
                }
                loaded.insert(name, topic);
            }
            Ok(loaded)
        })?;
        *write_lock(&self.by_name) = loaded;
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        read_lock(&self.by_name).get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        read_lock(&self.by_name).values().cloned().collect()
    }

    /// Creates the topics that are missing; returns whether there were any.
    pub(super) fn ensure(
        &self,
        store: &Store,
        wanted: Vec<TopicSettings>,
    ) -> Result<bool, LogError> {
        let _one_by_one = lock(&self.creating);
        let mut missing = Vec::new();
        let mut next_id = u32::try_from(read_lock(&self.by_name).len()).unwrap_or(u32::MAX);
        for settings in wanted {
            if self.get(&settings.name).is_some() {
                continue;
            }
            missing.push((settings.name.clone(), TopicRecord::new(&settings, next_id)?));
            next_id = next_id.saturating_add(1);
        }
        if missing.is_empty() {
            return Ok(false);
        }
        store.commit(Durability::Disk, |opened, batch| {
            for (name, record) in &missing {
                // Numbers and booleans always serialize.
                let bytes = serde_json::to_vec(record).unwrap_or_default();
                batch.insert(&opened.topics, name.as_bytes(), bytes);
            }
        })?;
        let mut by_name = write_lock(&self.by_name);
        for (name, record) in missing {
            let topic = Arc::new(record.topic(&name));
            by_name.insert(name, topic);
        }
        Ok(true)
    }
}

impl TopicRecord {
    fn new(settings: &TopicSettings, id: u32) -> Result<Self, LogError> {
        let name = &settings.name;
        let legal =
            |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        if name.is_empty() || name.len() > 249 || !name.chars().all(legal) {
            return Err(LogError::Refused(format!(
                "topic name {name:?} is not 1 to 249 letters, digits, dots, underscores or hyphens"
            )));
        }
        let partitions = settings.partitions;
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(LogError::Refused(format!(
                "topic {name} cannot have {partitions} partitions; choose 1 to {MAX_PARTITIONS}"
            )));
        }
        Ok(Self {
            id,
            partitions: partitions.cast_unsigned(),
            retention_ms: settings
                .retention
                .map(|retention| u64::try_from(retention.as_millis()).unwrap_or(u64::MAX)),
            append_time: settings.append_time,
            compacted: settings.compacted,
        })
    }

    fn topic(&self, name: &str) -> Topic {
        let partition = |partition| Partition {
            id: PartitionId {
                topic: self.id,
                partition,
            },
            extent: Mutex::default(),
        };
        Topic {
            name: name.to_owned(),
            retention: self.retention_ms.map(Duration::from_millis),
            append_time: self.append_time,
            compacted: self.compacted,
            partitions: (0..self.partitions).map(partition).collect(),
        }
    }
}

fn read_extent(opened: &Opened, id: PartitionId) -> fjall::Result<Extent> {
    let mark = opened.marks.get(id.mark_key())?;
    let mark = mark
        .and_then(|bytes| Mark::decode(&bytes))
        .unwrap_or_default();
    let mut extent = Extent {
        low: mark.low,
        high: mark.low,
        bytes_before_low: mark.bytes_before,
        bytes_before_high: mark.bytes_before,
        timestamp: mark.timestamp,
    };
    let range = id.record_key(mark.low)..=id.record_key(i64::MAX);
    if let Some(guard) = opened.records.range(range).next_back() {
        let (key, value) = guard.into_inner()?;
        if let (Some(offset), Some(last)) =
            (offset_of(&key), decode_record(&value, &mut Vec::new()))
        {
            extent.high = offset.saturating_add(1);
            extent.bytes_before_high = last.bytes_through;
            extent.timestamp = extent.timestamp.max(last.timestamp);
        }
    }
    Ok(extent)
}
