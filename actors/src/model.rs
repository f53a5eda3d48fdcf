//! The model of recommendations as this instance has it, and the actor that follows `homeostat.model`, by which all instances have
//! the same.
//!
//! Items change by the records of that topic alone, in their order; users are put in by the shards of this instance. From time to
//! time the instance that owns the first shard keeps a snapshot in the store, and removes the records before it.

mod now;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use homeostat_logic::experiments::{Degraded, verdict};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::recommend::{ModelRecord, Outcome, RecommendSettings, SharedModel};
use homeostat_logic::topic::MODEL;

pub use self::now::ModelNow;
use crate::batch::Batch;
use crate::ports::clock::Clock;
use crate::ports::log::{EventLog, NewRecord, Tail, TopicPartition, Watermarks};
use crate::ports::user_store::UserStore;
use crate::sink::{BatchSink, Gauge, Outlet};
use crate::statistics::StatisticsRecord;
use crate::supervision::{Failure, Handle, Scope, Worker};
use crate::throttle::Throttle;

/// Names of the snapshots in the store.
const SNAPSHOT: &str = "model";
const STATISTICS: &str = "statistics";
/// Pause before log or store are asked again.
const RETRY: Duration = Duration::from_millis(500);
/// Records applied per message.
const RECORDS_MAX: usize = 64;
/// How often it is considered whether a snapshot is due.
const SNAPSHOT_LOOK: Duration = Duration::from_secs(5);
/// A snapshot is due after this many records, if this much time has passed since the last one.
const SNAPSHOT_RECORDS: i64 = 1_000;
const SNAPSHOT_PAUSE_MS: Millis = 60_000;

static UNREADABLE: Throttle = Throttle::new();
static WAITING: Throttle = Throttle::new();

/// What the actor works with.
#[derive(Clone)]
pub struct ModelContext {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where snapshots are.
    pub store: Arc<dyn UserStore>,
    /// What it keeps up to date.
    pub model: Arc<ModelNow>,
    /// Of the model, for a snapshot that is read.
    pub settings: RecommendSettings,
    /// Protects tables from ids made to collide.
    pub seed: u64,
}

/// The actor.
pub struct Model {
    context: ModelContext,
    tail: Option<Box<dyn Tail>>,
    /// Offset at which everything was read that was there at the start.
    live_from: i64,
    /// Offset of the last snapshot, and when it was kept.
    kept: (i64, Millis),
    keeping: Arc<AtomicBool>,
    /// It is being asked whether the topic was created again.
    looks_back: bool,
}

/// Snapshots as the store has them.
#[derive(Default)]
struct Kept {
    model: Option<Vec<u8>>,
    statistics: Option<Vec<u8>>,
}

/// Records of the topic.
#[derive(Clone, Debug)]
pub struct Learned(Arc<Batch>);

/// The mailbox is the only bound.
struct Unlimited;

impl Gauge for Unlimited {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn departing(&self, _: &Arc<Batch>) {}

    fn hears_of_ends(&self) -> bool {
        true
    }
}

impl Model {
    /// An actor that has read nothing yet.
    pub fn new(context: ModelContext) -> Self {
        let now = context.clock.now();
        Self {
            context,
            tail: None,
            live_from: 0,
            kept: (0, now),
            keeping: Arc::default(),
            looks_back: false,
        }
    }

    /// Reads the snapshot, if nothing was applied yet, and follows the topic from there. Log and store may be away: they are asked
    /// until they answer.
    fn open(scope: &mut Scope<'_, Self>) {
        scope.run_later(Duration::from_millis(1), |worker, scope| {
            let begun = worker.begin();
            scope.spawn(begun, |worker, begun, scope| {
                match begun {
                    Ok((kept, extent)) => worker.follow(kept, extent, scope)?,
                    Err(reason) => {
                        if let Some(more) = WAITING.pass() {
                            tracing::warn!(
                                reason,
                                more,
                                "the model of recommendations cannot be read yet"
                            );
                        }
                        scope.run_later(RETRY, |_, scope| {
                            Self::open(scope);
                            Ok(())
                        });
                    }
                }
                Ok(())
            });
            Ok(())
        });
    }

    fn begin(&self) -> impl Future<Output = Result<(Kept, Watermarks), String>> + use<> {
        let describe = self.context.log.describe_topics(vec![MODEL.to_owned()]);
        let is_new = self.context.model.next() == 0;
        let blob = |name| is_new.then(|| self.context.store.blob(name));
        let (snapshot, statistics) = (blob(SNAPSHOT), blob(STATISTICS));
        async move {
            let mut kept = Kept::default();
            for (blob, into) in [
                (snapshot, &mut kept.model),
                (statistics, &mut kept.statistics),
            ] {
                if let Some(blob) = blob {
                    *into = blob.await.map_err(|error| error.to_string())?;
                }
            }
            let topics = describe.await.map_err(|error| error.to_string())?;
            let partitions = topics.first().map(|topic| &topic.partitions);
            let extent = partitions.and_then(|partitions| partitions.first());
            let extent = extent.ok_or_else(|| format!("{MODEL} is not there yet"))?;
            Ok((kept, *extent))
        }
    }

    fn follow(
        &mut self,
        kept: Kept,
        extent: Watermarks,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        if let Some(bytes) = kept.model {
            let ModelContext { settings, seed, .. } = &self.context;
            let restored = SharedModel::restore(&bytes, settings.clone(), *seed);
            let restored = restored.map_err(|error| {
                Failure::new(format!(
                    "the snapshot of the model in the store cannot be read: {error}"
                ))
            })?;
            let next = restored.offset().map_or(0, |offset| offset + 1);
            // A topic that was created again goes on from nothing.
            if next <= extent.high {
                if let Some(bytes) = &kept.statistics {
                    let restored = self.context.model.statistics.restore(bytes);
                    restored.map_err(|error| {
                        Failure::new(format!(
                            "the snapshot of the statistics in the store cannot be read: {error}"
                        ))
                    })?;
                }
                *self.context.model.write() = restored;
                self.context.model.next.send_replace(next);
                self.kept.0 = next;
            } else {
                tracing::warn!(
                    snapshot = next,
                    end = extent.high,
                    "{MODEL} ends before the snapshot of the model: the topic was created again; the snapshot is not used"
                );
            }
        }
        let from = self.context.model.next().max(extent.low);
        if self.context.model.next() < extent.low {
            tracing::warn!(
                from,
                "records of {MODEL} are gone that no snapshot holds: items are learned again from here on"
            );
        }
        self.tail_from(from, extent, scope)
    }

    /// Reads the topic from this offset on.
    fn tail_from(
        &mut self,
        from: i64,
        extent: Watermarks,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        self.live_from = extent.high;
        self.pass(from);
        let outlet: Outlet<Learned> = Arc::new(OnceLock::from(scope.address().recipient()));
        let sink = BatchSink::new(outlet, Learned, Unlimited, RECORDS_MAX);
        let partition = TopicPartition {
            topic: MODEL.to_owned(),
            partition: 0,
        };
        self.tail = Some(self.context.log.tail(partition, from, Box::new(sink))?);
        Ok(())
    }

    /// Records come that were applied, or the topic was deleted and created again: then it ends before what was applied. All
    /// instances see that, and go on with what they have learned.
    fn look_back(&mut self, scope: &mut Scope<'_, Self>) {
        if std::mem::replace(&mut self.looks_back, true) {
            return;
        }
        let asked = self.context.log.describe_topics(vec![MODEL.to_owned()]);
        scope.hold(asked, |worker, topics, scope| {
            worker.looks_back = false;
            let extent = topics.ok().and_then(|topics| topics.first()?.partitions.first().copied());
            let next = worker.context.model.next();
            let Some(extent) = extent.filter(|extent| extent.high < next) else {
                return Ok(());
            };
            tracing::warn!(
                next,
                end = extent.high,
                "{MODEL} was deleted and created again: what was learned stays, and the topic is read from its beginning"
            );
            worker.tail = None;
            worker.context.model.write().begin_again();
            worker.context.model.next.send_replace(0);
            worker.kept.0 = 0;
            worker.context.model.lost_snapshot();
            worker.tail_from(extent.low, extent, scope)
        });
    }

    /// Everything before `next` was applied.
    fn pass(&self, next: i64) {
        if next >= self.live_from && !self.context.model.is_live() {
            self.context.model.live.store(true, Ordering::Relaxed);
            let size = self.context.model.read().model().size();
            tracing::info!(
                next,
                items = size.items,
                "the model of recommendations is read"
            );
        }
        self.context.model.next.send_replace(next);
    }

    fn apply(&self, batch: &Batch) {
        let mut shared = self.context.model.write();
        for record in batch.iter() {
            let value = record.value.unwrap_or_default();
            if StatisticsRecord::is_one(value) {
                self.count(record.offset, value, &mut shared);
                continue;
            }
            match ModelRecord::from_bytes(value) {
                Ok(learned) => {
                    let outcome = shared.apply(record.offset, &learned);
                    if outcome == Outcome::Fenced {
                        tracing::info!(
                            offset = record.offset,
                            "a delta of an earlier owner does not count"
                        );
                    }
                }
                Err(error) => {
                    shared.pass(record.offset);
                    self.unreadable(record.offset, &error);
                }
            }
        }
    }

    fn count(&self, offset: i64, value: &[u8], shared: &mut SharedModel) {
        let is_new = shared.offset().is_none_or(|applied| applied < offset);
        shared.pass(offset);
        match StatisticsRecord::from_bytes(value) {
            Ok(record) if is_new => {
                self.context.model.statistics.apply(record, shared);
            }
            Ok(_) => {}
            Err(error) => self.unreadable(offset, &error),
        }
    }

    fn unreadable(&self, offset: i64, error: &dyn std::fmt::Display) {
        let unreadable = &self.context.model.unreadable;
        unreadable.fetch_add(1, Ordering::Relaxed);
        if let Some(more) = UNREADABLE.pass() {
            tracing::warn!(offset, %error, more, "a record of {MODEL} cannot be read and is passed over");
        }
    }

    /// Keeps a snapshot, if it is this instance's turn and enough was learned.
    fn keep(&mut self, scope: &mut Scope<'_, Self>) {
        let ModelContext { model, clock, .. } = &self.context;
        let (next, now) = (model.next(), clock.now());
        let is_due = model.snapshot_lost.load(Ordering::Relaxed)
            || next - self.kept.0 >= SNAPSHOT_RECORDS && now - self.kept.1 >= SNAPSHOT_PAUSE_MS;
        let is_begun = is_due && model.is_live() && model.leads();
        if !is_begun || self.keeping.swap(true, Ordering::AcqRel) {
            return;
        }
        model.snapshot_lost.store(false, Ordering::Relaxed);
        let (bytes, statistics, next) = {
            let shared = model.read();
            (
                shared.snapshot(),
                model.statistics.snapshot(),
                shared.offset().map_or(0, |offset| offset + 1),
            )
        };
        self.kept = (next, now);
        let (log, store) = (
            Arc::clone(&self.context.log),
            Arc::clone(&self.context.store),
        );
        let keeping = Arc::clone(&self.keeping);
        let kept = async move {
            // The statistics first: what they have more than the model counts once, what they had less would be lost.
            let mut kept = store.put_blob(STATISTICS, statistics).await;
            if kept.is_ok() {
                kept = store.put_blob(SNAPSHOT, bytes).await;
            }
            let kept = kept.map_err(|error| error.to_string());
            keeping.store(false, Ordering::Release);
            kept?;
            let partition = TopicPartition {
                topic: MODEL.to_owned(),
                partition: 0,
            };
            let removed = log.delete_before(partition, next).await;
            removed.map_err(|error| error.to_string())
        };
        scope.spawn(kept, move |worker, kept: Result<(), String>, _| {
            match kept {
                Ok(()) => worker.context.model.snapshot_at.store(next, Ordering::Relaxed),
                Err(reason) => {
                    tracing::warn!(reason, "no snapshot of the model could be kept, or old records not removed; it is tried again");
                    worker.context.model.lost_snapshot();
                }
            }
            Ok(())
        });
    }
}

impl Model {
    /// Publishes the drops that began, if it is this instance's turn. If that fails they are found again at the next look; an event
    /// that was published already has the same id that day.
    fn look_for_drops(&self, scope: &mut Scope<'_, Self>) {
        let ModelContext {
            model, clock, log, ..
        } = &self.context;
        if !model.is_live() || !model.leads() {
            return;
        }
        let Some((begun, watch)) = model.statistics.look(clock.now()) else {
            return;
        };
        let records: Vec<NewRecord> = begun.iter().map(degraded).collect();
        let log = Arc::clone(log);
        let published = async move {
            for answer in log.append(records).await {
                answer.map_err(|error| error.to_string())?;
            }
            let watch = watch.to_record().map_err(|error| error.to_string())?;
            for answer in log.append(vec![watch]).await {
                answer.map_err(|error| error.to_string())?;
            }
            Ok::<(), String>(())
        };
        scope.spawn(published, |_, published: Result<(), String>, _| {
            if let Err(reason) = published {
                tracing::warn!(
                    reason,
                    "a drop of recommendations could not be published; it is tried again at the next look"
                );
            }
            Ok(())
        });
    }
}

/// The event of a drop. It is not marked as our own, for the service is to act on it.
fn degraded(drop: &Degraded) -> NewRecord {
    tracing::warn!(what = drop.message(), "recommendations became worse");
    NewRecord {
        topic: verdict::TOPIC.to_owned(),
        key: Some(drop.subject.model.clone().into_bytes()),
        value: Some(drop.event().to_string().into_bytes()),
        ..NewRecord::default()
    }
}

impl Worker for Model {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(SNAPSHOT_LOOK, |worker, scope| {
            worker.keep(scope);
            Ok(())
        });
        let look = self.context.model.statistics.settings.look_seconds;
        scope.run_interval(Duration::from_secs(look.into()), |worker, scope| {
            worker.look_for_drops(scope);
            Ok(())
        });
        Self::open(scope);
        Ok(())
    }
}

impl Handle<Learned> for Model {
    type Reply = ();

    fn handle(
        &mut self,
        Learned(batch): Learned,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        let next = self.context.model.next();
        if batch.iter().next().is_some_and(|first| first.offset < next) {
            self.look_back(scope);
        }
        self.apply(&batch);
        if let Some(next) = batch.next() {
            self.pass(next.max(self.context.model.next()));
        }
        Ok(())
    }
}
