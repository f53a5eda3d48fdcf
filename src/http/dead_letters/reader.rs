//! Reads the dead-letter topic backwards, in pieces, whatever its size: at most [`READ_RECORDS`] records or [`READ_TIME`] a
//! request, [`CHUNK`] records in memory at once (69 MiB if every one is of the largest size), one request at a time. What a
//! request did not come to is behind its cursor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::{EventLog, LogError, StoredRecord, TopicPartition, Watermarks};
use homeostat_logic::dead_letters::LetterId;
use homeostat_logic::topic::DEAD_LETTERS;
use tokio::time::Instant;

use super::letter::{Letter, Replay, marker};

/// Records read into memory at once.
const CHUNK: i64 = 64;
/// Records that one request reads at most, and again as many for markers.
const READ_RECORDS: i64 = 10_000;
/// Time that one request reads at most, and again as long for markers.
const READ_TIME: Duration = Duration::from_secs(5);
/// Replays remembered in memory; beyond, the oldest letters count as not yet known.
const MARKERS_MAX: usize = 100_000;

/// How far clocks may differ: a chunk older than that before what is asked for has nothing of it before it.
const CLOCKS_MS: i64 = 24 * 60 * 60 * 1_000;

/// Which letters are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) topic: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
}

impl Filter {
    fn takes(&self, letter: &Letter) -> bool {
        let (topic, reason) = (self.topic.as_deref(), self.reason.as_deref());
        topic.is_none_or(|topic| letter.topic() == topic)
            && reason.is_none_or(|reason| letter.reason() == reason)
            && self.since.is_none_or(|since| letter.time() >= since)
            && self.until.is_none_or(|until| letter.time() < until)
    }
}

/// Letters found, and where to go on: everything before this position.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<LetterId>,
}

/// The part of one partition whose markers are known: all records of `from..to`.
#[derive(Default)]
struct Seen {
    from: i64,
    to: i64,
    replayed: BTreeMap<i64, String>,
}

/// Reads letters, and remembers which were replayed as far as it has seen. A marker follows its letter, so a letter
/// is known to have none only when everything behind it was seen.
pub(super) struct Reader {
    log: Arc<dyn EventLog>,
    seen: BTreeMap<i32, Seen>,
}

/// How much a request may still read.
struct Allowance {
    records: i64,
    end: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self {
            records: READ_RECORDS,
            end: Instant::now() + READ_TIME,
        }
    }

    fn is_used_up(&self) -> bool {
        self.records <= 0 || Instant::now() >= self.end
    }
}

impl Reader {
    pub(super) fn new(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            seen: BTreeMap::new(),
        }
    }

    async fn marks(&self) -> Result<Vec<Watermarks>, LogError> {
        let described = self.log.describe_topics(vec![DEAD_LETTERS.to_owned()]);
        let described = described.await?.into_iter().next();
        let missing = || LogError::Denied(format!("there is no topic {DEAD_LETTERS}"));
        Ok(described.ok_or_else(missing)?.partitions)
    }

    /// Records of `from..to`, at most [`CHUNK`].
    async fn read(
        &self,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<StoredRecord>, LogError> {
        let count = usize::try_from((to - from).clamp(0, CHUNK)).unwrap_or_default();
        if count == 0 {
            return Ok(Vec::new());
        }
        let place = TopicPartition {
            topic: DEAD_LETTERS.to_owned(),
            partition,
        };
        let mut records = self.log.read(place, from, count).await?;
        records.retain(|record| (from..to).contains(&record.offset));
        Ok(records)
    }

    /// One letter.
    pub(super) async fn letter(&self, id: LetterId) -> Result<Option<Letter>, LogError> {
        let marks = self.marks().await?;
        let index = usize::try_from(id.partition).ok();
        let kept = index.and_then(|index| marks.get(index));
        if !kept.is_some_and(|kept| (kept.low..kept.high).contains(&id.offset)) {
            return Ok(None);
        }
        let records = self.read(id.partition, id.offset, id.offset + 1).await?;
        let record = records.into_iter().next();
        Ok(record.and_then(|record| Letter::read(id.partition, record)))
    }

    /// The newest letters before `before`, made into something small at once, until `limit` were kept or the allowance is
    /// used up. Of several partitions the last is read first.
    pub(super) async fn newest<T>(
        &self,
        filter: &Filter,
        before: Option<LetterId>,
        limit: usize,
        mut keep: impl FnMut(Letter) -> T,
    ) -> Result<Page<T>, LogError> {
        let mut allowance = Allowance::new();
        let mut items = Vec::new();
        let partitions = (0..).zip(self.marks().await?).collect::<Vec<(i32, _)>>();
        for (partition, marks) in partitions.into_iter().rev() {
            let mut end = match before {
                Some(before) if partition > before.partition => continue,
                Some(before) if partition == before.partition => before.offset.min(marks.high),
                _ => marks.high,
            };
            while end > marks.low {
                if items.len() >= limit || allowance.is_used_up() {
                    let next = LetterId {
                        partition,
                        offset: end,
                    };
                    return Ok(Page {
                        items,
                        next: Some(next),
                    });
                }
                let start = marks.low.max(end - CHUNK);
                let mut records = self.read(partition, start, end).await?;
                allowance.records -= end - start;
                // The times come from the clocks of the instances that wrote the letters.
                let newest = records.iter().map(|record| record.timestamp).max();
                let too_old = filter
                    .since
                    .zip(newest)
                    .is_some_and(|(since, time)| time < since.saturating_sub(CLOCKS_MS));
                if too_old {
                    break;
                }
                end = start;
                while let Some(record) = records.pop() {
                    let offset = record.offset;
                    let letter = Letter::read(partition, record);
                    if let Some(letter) = letter.filter(|letter| filter.takes(letter)) {
                        items.push(keep(letter));
                        if items.len() >= limit {
                            end = offset;
                            break;
                        }
                    }
                }
            }
        }
        Ok(Page { items, next: None })
    }

    /// Reads on until everything from `from` to the end of the partition was seen, or the allowance is used up.
    pub(super) async fn see(&mut self, from: LetterId) -> Result<(), LogError> {
        let marks = self.marks().await?;
        let index = usize::try_from(from.partition).unwrap_or(usize::MAX);
        let Some(marks) = marks.get(index).copied() else {
            return Ok(());
        };
        let mut seen = self.seen.remove(&from.partition).unwrap_or_default();
        // At first, and when the topic was created again.
        if seen.to == 0 || seen.to > marks.high {
            seen = Seen {
                from: marks.high,
                to: marks.high,
                replayed: BTreeMap::new(),
            };
        }
        let done = self.read_on(&mut seen, from, marks).await;
        self.seen.insert(from.partition, seen);
        done
    }

    async fn read_on(
        &self,
        seen: &mut Seen,
        from: LetterId,
        marks: Watermarks,
    ) -> Result<(), LogError> {
        let mut allowance = Allowance::new();
        while seen.to < marks.high && !allowance.is_used_up() {
            let end = marks.high.min(seen.to + CHUNK);
            let records = self.read(from.partition, seen.to, end).await?;
            seen.note(from.partition, &records);
            allowance.records -= end - seen.to;
            seen.to = end;
        }
        let first = from.offset.max(marks.low);
        while seen.to >= marks.high && seen.from > first && !allowance.is_used_up() {
            let start = first.max(seen.from - CHUNK);
            let records = self.read(from.partition, start, seen.from).await?;
            seen.note(from.partition, &records);
            allowance.records -= seen.from - start;
            seen.from = start;
        }
        Ok(())
    }

    /// What the markers seen say of a letter. Call [`Self::see`] first.
    pub(super) fn replay(&self, id: LetterId) -> Replay {
        let Some(seen) = self.seen.get(&id.partition) else {
            return Replay::NotYetKnown;
        };
        match seen.replayed.get(&id.offset) {
            Some(to) => Replay::Yes(to.clone()),
            None if id.offset >= seen.from => Replay::No,
            None => Replay::NotYetKnown,
        }
    }

    /// A marker that is about to be written, or was not: this process knows either way.
    pub(super) fn replayed(&mut self, id: LetterId, to: &str) {
        if let Some(seen) = self.seen.get_mut(&id.partition) {
            seen.insert(id.offset, to.to_owned());
        }
    }
}

impl Seen {
    /// A marker is in the partition of its letter.
    fn note(&mut self, partition: i32, records: &[StoredRecord]) {
        let markers = records.iter().filter_map(marker);
        for (id, to) in markers.filter(|(id, _)| id.partition == partition) {
            self.insert(id.offset, to);
        }
    }

    fn insert(&mut self, offset: i64, to: String) {
        self.replayed.insert(offset, to);
        while self.replayed.len() > MARKERS_MAX {
            if let Some((oldest, _)) = self.replayed.pop_first() {
                self.from = self.from.max(oldest + 1);
            }
        }
    }
}
