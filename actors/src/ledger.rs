//! The ledger: one actor per ledger partition, which folds it. Cooldowns, budgets, open actions and schedules are states of
//! that fold, equal on every instance and after every restart. In tree and metrics the actor is of the kind `cooldown`.
//!
//! Input: the records of its ledger partition, from the first one on; where older ones are gone, from a checkpoint on
//! (ledger-protocol §8). Output: its feed of changes, which history, metrics and the executor read, and while this instance owns the
//! partition checkpoints, behind which old records are removed. A restart, or a removal that overtakes it, folds from the first record left.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use homeostat_logic::event::Reject;
use homeostat_logic::history::History;
use homeostat_logic::ledger::change::{ChangeKind, CheckpointVerdict};
use homeostat_logic::ledger::codec::{DecodeError, Undecodable, decode};
use homeostat_logic::ledger::fold::restore::Restore;
use homeostat_logic::ledger::fold::{FOLD_VERSION, Fold};
use homeostat_logic::ledger::placement::partition_of_target;
use homeostat_logic::ledger::record::{Millis, Record};
use homeostat_logic::topic::LEDGER;

use crate::batch::Batch;
use crate::changes::{News, Published, Reader};
use crate::checkpoints::Checkpoints;
use crate::continuity::{Break, Remedy, first_break};
use crate::executor::Folded;
use crate::fail_point::{self, Point};
use crate::ledger_view::{FoldProgress, LedgerView};
use crate::ports::clock::Clock;
use crate::ports::log::{EventLog, RecordView, Tail, TopicPartition, Watermarks};
use crate::ports::observer::Observer;
use crate::sink::{BatchSink, Gauge, Outlet};
use crate::supervision::{Failure, Handle, Recipient, Scope, Worker};
use crate::throttle::Throttle;

/// Pause before the log is asked again for the extent of the ledger.
const RETRY: Duration = Duration::from_millis(500);
/// Records folded per message.
const RECORDS_MAX: usize = 256;

static UNREADABLE: Throttle = Throttle::new();

/// The decision history, written by the ledger actors and read by the API.
pub type SharedHistory = Arc<RwLock<History>>;

/// Records of the ledger, for the reading that asked for them.
#[derive(Clone, Debug)]
pub struct LedgerBatch {
    reading: Reading,
    batch: Arc<Batch>,
}

/// Which actor reads, and how often it has begun to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    incarnation: u64,
    number: u64,
}

/// What every ledger actor needs.
#[derive(Clone)]
pub struct LedgerContext {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
    /// Decisions for the API.
    pub history: SharedHistory,
    /// The partition as this instance sees it.
    pub view: Arc<LedgerView>,
    /// Least age of a ledger record that may be removed behind a checkpoint, in ms.
    pub keep_ms: Millis,
    /// Partitions of the ledger, fixed for its life.
    pub partitions: usize,
    /// Who sends; empty until it was started.
    pub executor: Arc<OnceLock<Recipient<Folded>>>,
}

/// The actor.
pub struct Ledger {
    context: LedgerContext,
    reading: Reading,
    /// Offset of the record to come.
    next: i64,
    /// Offset of the first record left, as reported when the reading began.
    low: i64,
    /// Offset at which the fold has caught up with what was there at the start.
    live_from: i64,
    /// Looks for a state to start from, while records are gone and none was found yet.
    restore: Option<Restore>,
    checkpoints: Checkpoints,
    tail: Option<Box<dyn Tail>>,
    /// How far the history follows the fold's changes.
    shown: Reader,
    /// How far metrics do.
    counted: Reader,
}

/// The mailbox is the only bound: what is not folded stays in the log.
struct Unlimited(Arc<LedgerView>);

impl Gauge for Unlimited {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn departing(&self, _: &Arc<Batch>) {}

    /// A ledger may end in markers of a transaction: the fold has caught up all the same.
    fn hears_of_ends(&self) -> bool {
        true
    }

    fn obstructed(&self, reason: Option<&str>) {
        self.0.obstructed(reason);
    }
}

impl LedgerContext {
    /// A record's contents, undecodable ones included; or why nothing more may be folded.
    fn readable(
        &self,
        record: RecordView<'_>,
    ) -> Result<Result<Record, Undecodable>, FoldProgress> {
        let offset = record.offset;
        // The protocol has no headers: one that no client reads alike makes the record void, as undecodable bytes do.
        if let Some(header) = record.unreadable_header() {
            let reason = Reject::header_name(&header.name).to_string();
            return Ok(Err(Undecodable(reason)));
        }
        match decode(record.value.unwrap_or_default()) {
            Ok(Record::Propose(propose)) => {
                let home = partition_of_target(&propose.target, self.partitions);
                if home != self.view.partition {
                    let target = propose.target.to_string();
                    return Err(FoldProgress::Misplaced { offset, target });
                }
                Ok(Ok(Record::Propose(propose)))
            }
            Ok(record) => Ok(Ok(record)),
            Err(DecodeError::Undecodable(reason)) => Ok(Err(reason)),
            Err(error @ DecodeError::NewerVersion { .. }) => {
                Err(FoldProgress::Refused(format!("offset {offset}: {error}")))
            }
            Err(error @ DecodeError::OlderVersion { .. }) => Err(FoldProgress::Outdated {
                offset,
                why: error.to_string(),
            }),
        }
    }
}

impl Ledger {
    /// An actor that has folded nothing yet; `incarnation` differs for each one of a partition.
    pub fn new(context: LedgerContext, incarnation: u64) -> Self {
        Self {
            checkpoints: Checkpoints::new(
                Arc::clone(&context.log),
                Arc::clone(&context.view),
                context.keep_ms,
            ),
            shown: context.view.changes().reader(),
            counted: context.view.changes().reader(),
            context,
            reading: Reading {
                incarnation,
                number: 0,
            },
            next: 0,
            low: 0,
            live_from: 0,
            restore: None,
            tail: None,
        }
    }

    /// Asks for the extent of the ledger, then follows it from its first record. The log may be away: it is asked until
    /// it answers.
    fn open(&mut self, scope: &mut Scope<'_, Self>) {
        scope.spawn(self.extent(), |worker, extent, scope| {
            match extent {
                Ok(extent) => worker.follow(extent, scope),
                Err(reason) => worker.reopen(&reason, scope),
            }
            Ok(())
        });
    }

    /// What the log has of the partition now, or why that is not known.
    fn extent(&self) -> impl Future<Output = Result<Watermarks, String>> + use<> {
        let describe = self.context.log.describe_topics(vec![LEDGER.to_owned()]);
        let index = usize::try_from(self.context.view.partition).unwrap_or(usize::MAX);
        async move {
            let topics = describe.await.map_err(|error| error.to_string())?;
            let partitions = topics.first().map(|topic| &topic.partitions);
            let extent = partitions.and_then(|partitions| partitions.get(index));
            extent
                .copied()
                .ok_or_else(|| "the ledger has no such partition yet".to_owned())
        }
    }

    fn reopen(&self, reason: &str, scope: &mut Scope<'_, Self>) {
        self.unreadable(reason);
        scope.run_later(RETRY, |worker, scope| {
            worker.open(scope);
            Ok(())
        });
    }

    fn unreadable(&self, reason: &str) {
        if let Some(more) = UNREADABLE.pass() {
            let partition = self.context.view.partition;
            tracing::warn!(partition, reason, more, "the ledger cannot be read yet");
        }
    }

    fn follow(&mut self, extent: Watermarks, scope: &mut Scope<'_, Self>) {
        (self.low, self.live_from) = (extent.low, extent.high);
        self.restore = (extent.low > 0).then(|| Restore::new(FOLD_VERSION));
        if self.restore.is_some() && extent.low >= extent.high {
            return self.truncated(extent.low);
        }
        if self.restore.is_none() {
            self.catch_up(-1);
        }
        self.read_from(extent.low, scope);
    }

    fn read_from(&mut self, offset: i64, scope: &mut Scope<'_, Self>) {
        let outlet: Outlet<LedgerBatch> = Arc::new(OnceLock::from(scope.address().recipient()));
        self.reading.number += 1;
        self.next = offset;
        let reading = self.reading;
        let wrap = move |batch| LedgerBatch { reading, batch };
        let view = Arc::clone(&self.context.view);
        view.obstructed(None);
        let sink = BatchSink::new(outlet, wrap, Unlimited(view), RECORDS_MAX);
        let partition = TopicPartition {
            topic: LEDGER.to_owned(),
            partition: self.context.view.partition,
        };
        match self.context.log.tail(partition, offset, Box::new(sink)) {
            Ok(tail) => self.tail = Some(tail),
            Err(error) => self.reopen(&error.to_string(), scope),
        }
    }

    /// V8: a fold from the first record left would be another fold.
    fn truncated(&self, low: i64) {
        self.stop(FoldProgress::Truncated { low });
    }

    /// Nothing more of the partition is folded or executed.
    fn stop(&self, why: FoldProgress) {
        let partition = self.context.view.partition;
        tracing::error!(partition, reason = %why, "nothing of this ledger partition is executed any more");
        self.context.view.write().progress = why;
    }

    /// Reads on until there is a state to start from, then folds from there.
    fn look_for_state(&mut self, batch: &Batch, scope: &mut Scope<'_, Self>) {
        let Some(restore) = self.restore.as_mut() else {
            return;
        };
        for record in batch.iter() {
            let found = match self.context.readable(record) {
                Ok(decoded) => restore.read(record.offset, record.timestamp, decoded),
                Err(why) => return self.stop(why),
            };
            match found {
                Ok(None) => {}
                Ok(Some(fold)) => {
                    let next = fold.offset() + 1;
                    let partition = self.context.view.partition;
                    tracing::info!(partition, next, "the fold continues from a checkpoint");
                    let mut state = self.context.view.write();
                    (state.fold, state.read_to) = (fold, next);
                    drop(state);
                    self.restore_history();
                    self.restore = None;
                    self.tail = None;
                    self.catch_up(next - 1);
                    return self.read_from(next, scope);
                }
                Err(error) => return self.stop(FoldProgress::Refused(error.to_string())),
            }
        }
        if self.next >= self.live_from {
            self.truncated(self.low);
        }
    }

    /// Notices when everything that was there at the start has been folded.
    fn catch_up(&self, folded: i64) {
        let mut state = self.context.view.write();
        if state.progress == FoldProgress::Restoring && folded + 1 >= self.live_from {
            state.progress = FoldProgress::Live;
            drop(state);
            tracing::info!(
                partition = self.context.view.partition,
                records = self.live_from,
                "ledger folded"
            );
        }
    }

    /// Nothing of the batch is folded before it is certain that nothing was missed. The log may be away: it is asked
    /// until it answers.
    fn ask_about(&mut self, found: Break, batch: Arc<Batch>, scope: &mut Scope<'_, Self>) {
        scope.hold(self.extent(), move |worker, extent, scope| {
            let remedy = match extent {
                Ok(extent) => found.remedy(worker.next, extent),
                Err(reason) => {
                    worker.unreadable(&reason);
                    scope.hold(tokio::time::sleep(RETRY), move |worker, (), scope| {
                        worker.ask_about(found, batch, scope);
                        Ok(())
                    });
                    return Ok(());
                }
            };
            match remedy {
                Remedy::GoOn => worker.take(&batch, scope),
                Remedy::StartOver(reason) => return Err(Failure::new(reason)),
                Remedy::Refuse(reason) => worker.stop(FoldProgress::Refused(reason)),
            }
            Ok(())
        });
    }

    fn take(&mut self, batch: &Batch, scope: &mut Scope<'_, Self>) {
        if let Some(next) = batch.next() {
            self.next = self.next.max(next);
        }
        if self.restore.is_some() {
            self.context.view.write().read_to = self.next;
            return self.look_for_state(batch, scope);
        }
        fail_point::pass(Point::BeforeFold);
        let ordered = self.fold(batch);
        // Not before: who takes the partition over goes by it.
        self.context.view.write().read_to = self.next;
        // Behind the last record there may be offsets that were never one.
        self.catch_up(self.next.saturating_sub(1));
        self.remember();
        if ordered {
            // The order is in the fold by now: its caller finds the result.
            self.context.view.overridden().notify_waiters();
        }
        if self.context.view.is_live() {
            self.wake_executor();
        }
    }

    /// Folds records and publishes what they change; says whether a person's order was among them.
    fn fold(&mut self, batch: &Batch) -> bool {
        let mut ordered = false;
        for record in batch.iter() {
            let decoded = match self.context.readable(record) {
                Ok(decoded) => decoded,
                Err(why) => {
                    self.stop(why);
                    break;
                }
            };
            let mut state = self.context.view.write();
            state.read_at = self.context.clock.boot();
            let new = state.fold.apply(record.offset, record.timestamp, decoded);
            self.checkpoints.folded(&state, &new);
            let stops = new.iter().find_map(|change| stopping(&change.kind));
            ordered |= new
                .iter()
                .any(|change| matches!(change.kind, ChangeKind::Overridden { .. }));
            let changes = self.context.view.changes();
            changes.publish(new, record.offset < self.live_from);
            count(&mut self.counted, &self.context, &state.fold);
            drop(state);
            if let Some(reason) = stops {
                self.stop(FoldProgress::Refused(reason));
                break;
            }
            self.catch_up(record.offset);
        }
        ordered
    }

    /// The history takes in what was published.
    fn remember(&mut self) {
        let state = self.context.view.read();
        let News::Changes(changes) = self.shown.read(self.context.view.changes()) else {
            drop(state);
            return self.restore_history();
        };
        let mut history = self
            .context
            .history
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The fold first, then the history: they are never taken the other way round.
        for published in &changes {
            history.apply(&published.change, &state.fold);
        }
        drop(history);
        drop(state);
        let emptied = |published: &Arc<Published>| {
            matches!(published.change.kind, ChangeKind::Emptied { .. })
        };
        if changes.iter().any(emptied) {
            self.restore_history();
        }
    }

    /// The history shows the whole state of the fold, of which it has not seen the beginning.
    fn restore_history(&self) {
        let LedgerContext {
            view, partitions, ..
        } = &self.context;
        let state = view.read();
        let mut history = self
            .context
            .history
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        history.restore(&state.fold, |target| {
            partition_of_target(target, *partitions) == view.partition
        });
    }

    /// The executor reads the feed now, and not at its next tick. When its mailbox is full or it is gone, its tick or the next
    /// executor reads what there is.
    fn wake_executor(&self) {
        if let Some(executor) = self.context.executor.get()
            && let Err(error) = executor.try_send(Folded)
        {
            tracing::debug!(%error, "the executor reads the changes at its next tick");
        }
    }
}

/// Metrics take in what was published just now, so they miss nothing.
fn count(counted: &mut Reader, context: &LedgerContext, fold: &Fold) {
    if let News::Changes(changes) = counted.read(context.view.changes()) {
        let now = context.clock.now();
        for published in changes.iter().filter(|published| !published.replayed) {
            context.observer.changed(&published.change, fold, now);
        }
    }
}

/// Why nothing more may be folded behind this change.
fn stopping(change: &ChangeKind) -> Option<String> {
    match change {
        ChangeKind::Halted(why) => Some(why.to_string()),
        ChangeKind::CheckpointRead {
            covers,
            verdict: CheckpointVerdict::Differs,
        } => Some(format!(
            "the state folded here up to offset {covers} differs from the checkpoint of it; keep the data, stop this instance and report a bug"
        )),
        _ => None,
    }
}

/// A fold that a failure left half changed, or that is not continued, must not be acted on: the executor waits for the
/// next incarnation to catch up.
impl Drop for Ledger {
    fn drop(&mut self) {
        self.context.view.restart();
    }
}

impl Worker for Ledger {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let view = &self.context.view;
        view.restart();
        (self.shown, self.counted) = (view.changes().reader(), view.changes().reader());
        self.open(scope);
        Ok(())
    }
}

impl Handle<LedgerBatch> for Ledger {
    type Reply = ();

    fn handle(&mut self, message: LedgerBatch, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let goes_on = self.context.view.read().progress.goes_on();
        // A batch for an earlier reading would leave a gap in this one's fold.
        if !goes_on || message.reading != self.reading {
            return Ok(());
        }
        let offsets = message.batch.iter().map(|record| record.offset);
        match first_break(self.next, offsets) {
            None => self.take(&message.batch, scope),
            Some(found) => self.ask_about(found, message.batch, scope),
        }
        Ok(())
    }
}
