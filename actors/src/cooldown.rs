//! Cooldown bookkeeping: one actor per ledger partition, which folds the ledger. Cooldowns, budgets, open actions and
//! schedules are states of that fold, so they are the same on every instance and after every restart.
//!
//! Input: the records of its ledger partition, from the first one on. Output: changes, to the executor and into the
//! decision history. A restart folds from the beginning again.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use homeostat_logic::history::History;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::codec::{DecodeError, decode};
use homeostat_logic::topic::LEDGER;

use crate::batch::Batch;
use crate::executor::Folded;
use crate::ledger_view::{LedgerView, Progress};
use crate::ports::clock::Clock;
use crate::ports::log::{EventLog, Tail, TopicPartition, Watermarks};
use crate::ports::observer::Observer;
use crate::sink::{BatchSink, Gauge, Outlet};
use crate::supervision::{Failure, Handle, Recipient, Scope, SendError, Worker};
use crate::throttle::Throttle;

/// Pause before the log is asked again for the extent of the ledger, or a full executor for room.
const RETRY: Duration = Duration::from_millis(500);
/// Pause before a full executor is asked again.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// Records folded per message.
const RECORDS_MAX: usize = 256;

static UNREADABLE: Throttle = Throttle::new();

/// The decision history, written by the cooldown actors and read by the API.
pub type SharedHistory = Arc<RwLock<History>>;

/// Records of the ledger, for the incarnation that asked for them.
#[derive(Clone, Debug)]
pub struct LedgerBatch {
    incarnation: u64,
    batch: Arc<Batch>,
}

/// What every cooldown actor needs.
#[derive(Clone)]
pub struct CooldownContext {
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
    /// Who sends; empty until it was started.
    pub executor: Arc<OnceLock<Recipient<Folded>>>,
}

/// The actor.
pub struct Cooldown {
    context: CooldownContext,
    incarnation: u64,
    /// Offset at which the fold has caught up with what was there at the start.
    live_from: i64,
    tail: Option<Box<dyn Tail>>,
    outbox: VecDeque<Folded>,
}

/// The mailbox is the only bound: what is not folded stays in the log.
struct Unlimited;

impl Gauge for Unlimited {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn departing(&self, _: &Arc<Batch>) {}
}

impl Cooldown {
    /// An actor that has folded nothing yet; `incarnation` differs for each one of a partition.
    pub const fn new(context: CooldownContext, incarnation: u64) -> Self {
        Self {
            context,
            incarnation,
            live_from: 0,
            tail: None,
            outbox: VecDeque::new(),
        }
    }

    /// Asks for the extent of the ledger, then follows it from its first record. The log may be away: it is asked until
    /// it answers.
    fn open(&mut self, scope: &mut Scope<'_, Self>) {
        let names = vec![LEDGER.to_owned()];
        let describe = self.context.log.describe_topics(names);
        scope.spawn(describe, |worker, answer, scope| {
            let index = usize::try_from(worker.context.view.partition).unwrap_or(usize::MAX);
            let extent = answer.map(|topics| {
                topics
                    .first()
                    .and_then(|topic| topic.partitions.get(index).copied())
            });
            match extent {
                Ok(Some(extent)) => worker.follow(extent, scope),
                Ok(None) => worker.reopen("the ledger has no such partition yet", scope),
                Err(error) => worker.reopen(&error.to_string(), scope),
            }
            Ok(())
        });
    }

    fn reopen(&mut self, reason: &str, scope: &mut Scope<'_, Self>) {
        if let Some(more) = UNREADABLE.pass() {
            let partition = self.context.view.partition;
            tracing::warn!(partition, reason, more, "the ledger cannot be read yet");
        }
        scope.run_later(RETRY, |worker, scope| {
            worker.open(scope);
            Ok(())
        });
    }

    fn follow(&mut self, extent: Watermarks, scope: &mut Scope<'_, Self>) {
        if extent.low > 0 {
            // V8: a fold over a truncated log is another fold.
            let reason = format!(
                "the ledger is truncated: its first record is at offset {}",
                extent.low
            );
            tracing::error!(
                partition = self.context.view.partition,
                reason,
                "nothing of this partition is executed"
            );
            self.context.view.write().progress = Progress::Refused(reason);
            return;
        }
        self.live_from = extent.high;
        self.catch_up(-1);
        let outlet: Outlet<LedgerBatch> = Arc::new(OnceLock::from(scope.address().recipient()));
        let incarnation = self.incarnation;
        let wrap = move |batch| LedgerBatch { incarnation, batch };
        let sink = BatchSink::new(outlet, wrap, Unlimited, RECORDS_MAX);
        let partition = TopicPartition {
            topic: LEDGER.to_owned(),
            partition: self.context.view.partition,
        };
        match self.context.log.tail(partition, 0, Box::new(sink)) {
            Ok(tail) => self.tail = Some(tail),
            Err(error) => self.reopen(&error.to_string(), scope),
        }
    }

    /// Notices when everything that was there at the start has been folded.
    fn catch_up(&self, folded: i64) {
        let mut state = self.context.view.write();
        if state.progress == Progress::Restoring && folded + 1 >= self.live_from {
            state.progress = Progress::Live;
            drop(state);
            tracing::info!(
                partition = self.context.view.partition,
                records = self.live_from,
                "ledger folded"
            );
        }
    }

    fn fold(&self, batch: &Batch) -> Vec<Change> {
        let mut changes = Vec::new();
        for record in batch.iter() {
            let decoded = match decode(record.value.unwrap_or_default()) {
                Ok(record) => Ok(record),
                Err(DecodeError::Undecodable(reason)) => Err(reason),
                Err(error @ DecodeError::NewerVersion { .. }) => {
                    tracing::error!(partition = self.context.view.partition, offset = record.offset, %error, "nothing more of this partition is executed");
                    self.context.view.write().progress = Progress::Refused(error.to_string());
                    break;
                }
            };
            let mut state = self.context.view.write();
            state.read_at = self.context.clock.boot();
            let new = state.fold.apply(record.offset, record.timestamp, decoded);
            if record.offset >= self.live_from {
                let now = self.context.clock.now();
                for change in &new {
                    self.context.observer.changed(change, &state.fold, now);
                }
            }
            drop(state);
            changes.extend(new);
            self.catch_up(record.offset);
        }
        changes
    }

    fn remember(&self, changes: &[Change]) {
        let mut history = self
            .context
            .history
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            history.apply(change);
        }
        drop(history);
        // The order is in the fold by now: whoever gave it finds what became of it.
        let orders = |change: &Change| matches!(change.kind, ChangeKind::Overridden { .. });
        if changes.iter().any(orders) {
            self.context.view.overridden().notify_waiters();
        }
    }

    /// Tells the executor; when it is full, holds the mailbox until it has room.
    fn send(&mut self, scope: &mut Scope<'_, Self>) {
        let Some(executor) = self.context.executor.get() else {
            return;
        };
        while let Some(folded) = self.outbox.pop_front() {
            match executor.try_send(folded) {
                Ok(()) => {}
                Err(SendError::Full(folded)) => {
                    self.outbox.push_front(folded);
                    scope.hold(tokio::time::sleep(FULL_PAUSE), |worker, (), scope| {
                        worker.send(scope);
                        Ok(())
                    });
                    return;
                }
                // The executor is gone for good; the next one reads the fold.
                Err(SendError::Closed(_)) => return,
            }
        }
    }
}

/// A fold that a failure left half changed, or that nobody continues, is not to be acted on: the executor waits for the
/// next incarnation to catch up.
impl Drop for Cooldown {
    fn drop(&mut self) {
        self.context.view.restart();
    }
}

impl Worker for Cooldown {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        self.context.view.restart();
        self.open(scope);
        Ok(())
    }
}

impl Handle<LedgerBatch> for Cooldown {
    type Reply = ();

    fn handle(&mut self, message: LedgerBatch, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let refused = matches!(self.context.view.read().progress, Progress::Refused(_));
        // A batch for an earlier incarnation would leave a gap in this one's fold.
        if refused || message.incarnation != self.incarnation {
            return Ok(());
        }
        let changes = self.fold(&message.batch);
        self.remember(&changes);
        if self.context.view.is_live() {
            self.outbox.push_back(Folded(changes));
            self.send(scope);
        }
        Ok(())
    }
}
