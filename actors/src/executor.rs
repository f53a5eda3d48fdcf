//! The executor of one ledger partition: bids for due actions, sends those whose bid won, and writes down what came of
//! them (ledger-protocol §6). The rules are `homeostat_logic::ledger::execution`; this actor moves their effects.
//!
//! Requests under way and the records that tell of them belong to no incarnation: they go on when this actor fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use homeostat_logic::ledger::change::Change;
use homeostat_logic::ledger::execution::{Answer, Effect, Execution, Order};
use homeostat_logic::ledger::record::{Finish, Id, Record, Start};

use crate::fail_point::{self, Point};
use crate::ledger_view::LedgerView;
use crate::ports::clock::Clock;
use crate::ports::connector::Connector;
use crate::ports::log::{ErrorClass, EventLog};
use crate::ports::observer::Observer;
use crate::request::request;
use crate::responder::ledger_record;
use crate::supervision::{Address, Failure, Handle, Scope, Worker};
use crate::throttle::Throttle;

/// How often due actions and overdue bids are looked for.
const TICK: Duration = Duration::from_millis(50);
/// Pause between two tries to append an outcome; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(2);

static NOT_APPENDED: Throttle = Throttle::new();

/// What the fold changed.
#[derive(Clone, Debug)]
pub struct Folded(pub Vec<Change>);

/// A request ended.
#[derive(Debug)]
struct Answered {
    order: Arc<Order>,
    answer: Answer,
    under_way: UnderWay,
}

/// Counts one request or outcome as long as it lives.
#[derive(Debug)]
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Stop bidding: the service is about to end, or the partition belongs to somebody else. Answers how many requests are
/// under way; ask again until there is none.
#[derive(Clone, Copy, Debug)]
pub struct Retire;

/// What every executor needs.
#[derive(Clone)]
pub struct ExecutorContext {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub observer: Arc<dyn Observer>,
    /// The partition as this instance sees it.
    pub view: Arc<LedgerView>,
    /// How actions reach their services, by name.
    pub connectors: Arc<BTreeMap<String, Arc<dyn Connector>>>,
    /// Fresh random identities (ledger-protocol §3).
    pub fresh_id: fn() -> Id,
    /// Name of this instance; informs people only.
    pub owner: Arc<str>,
    /// Actions bid for or sent at the same time.
    pub concurrent_actions_max: usize,
    /// Requests under way and outcomes on their way into the ledger, counted over all incarnations.
    pub under_way: Arc<AtomicUsize>,
}

/// The actor.
pub struct Executor {
    context: ExecutorContext,
    /// Empty until the fold has caught up: an executor acts only on a complete view.
    execution: Option<Execution>,
    retired: bool,
}

impl Executor {
    /// An actor that recognises no earlier bid (V1).
    pub const fn new(context: ExecutorContext) -> Self {
        Self {
            context,
            execution: None,
            retired: false,
        }
    }

    fn tick(&mut self, scope: &mut Scope<'_, Self>) {
        let state = self.context.view.read();
        if state.progress != crate::ledger_view::Progress::Live {
            self.execution = None;
            return;
        }
        if self.retired && self.execution.is_none() {
            return;
        }
        let moment = state.moment(&*self.context.clock);
        let execution = self.execution.get_or_insert_with(|| {
            let limit = self.context.concurrent_actions_max;
            Execution::new(&*self.context.owner, limit, &state.fold, moment.boot)
        });
        let effects = execution.tick(&state.fold, moment, &mut || (self.context.fresh_id)());
        drop(state);
        self.perform(effects, scope);
    }

    fn perform(&self, effects: Vec<Effect>, scope: &mut Scope<'_, Self>) {
        for effect in effects {
            match effect {
                Effect::AppendStart(start) => self.bid(start, scope),
                Effect::Send(order) => self.send(Arc::new(*order), scope),
                Effect::AppendFinish(finish) => self.write(finish),
                Effect::AppendTick => self.tick_log(scope),
            }
        }
    }

    fn bid(&self, start: Start, scope: &mut Scope<'_, Self>) {
        let (action, start_id) = (start.action_id, start.start_id);
        fail_point::pass(Point::BeforeStart);
        let appended = self.append(action, &Record::Start(start));
        scope.spawn(appended, move |worker, appended, scope| {
            fail_point::pass(Point::AfterStart);
            let state = worker.context.view.read();
            let boot = worker.context.clock.boot();
            let effects = worker
                .execution
                .as_mut()
                .map_or_else(Vec::new, |execution| {
                    execution.reported(&state.fold, action, start_id, appended, boot)
                });
            drop(state);
            worker.perform(effects, scope);
            Ok(())
        });
    }

    /// One append, once; says whether it was acknowledged.
    fn append(&self, action: Id, record: &Record) -> impl Future<Output = bool> + use<> {
        let record = self.record(action, record);
        let log = Arc::clone(&self.context.log);
        async move {
            let Some(record) = record else { return false };
            match log.append(vec![record]).await.pop() {
                Some(Ok(_)) => true,
                Some(Err(error)) => {
                    if let Some(more) = NOT_APPENDED.pass() {
                        tracing::warn!(%action, %error, more, "a ledger record was not appended");
                    }
                    false
                }
                None => false,
            }
        }
    }

    /// A record for this very ledger partition.
    fn record(&self, action: Id, record: &Record) -> Option<crate::ports::log::NewRecord> {
        let state = self.context.view.read();
        let target = state
            .fold
            .action(action)
            .map(|action| action.subject.target.to_string());
        drop(state);
        let target = target.unwrap_or_default();
        match ledger_record(target, record) {
            Ok(record) => Some(crate::ports::log::NewRecord {
                partition: Some(self.context.view.partition),
                ..record
            }),
            Err(error) => {
                tracing::error!(%action, %error, "a ledger record cannot be written");
                None
            }
        }
    }

    fn tick_log(&self, scope: &mut Scope<'_, Self>) {
        // A Tick that is lost is followed by another a second later.
        scope.spawn(self.append(Id([0; 16]), &Record::Tick), |_, _, _| Ok(()));
    }

    /// Sends one request, once. It goes on whatever happens to this actor.
    fn send(&self, order: Arc<Order>, scope: &Scope<'_, Self>) {
        let (context, address) = (self.context.clone(), scope.address());
        let under_way = UnderWay::begin(&context.under_way);
        tokio::spawn(async move {
            fail_point::pass(Point::BeforeSend);
            let begun = context.clock.boot();
            let answer = request(&context, &order).await;
            fail_point::pass(Point::AfterSend);
            let took = context.clock.boot().saturating_sub(begun);
            context.observer.answered(
                order.step.action,
                &order.step.connector,
                answer.outcome,
                took,
            );
            tracing::info!(
                action_id = %order.action, action = %order.step.action, attempt = order.attempt,
                connector = order.step.connector, outcome = ?answer.outcome, "action answered"
            );
            let answered = Answered {
                order,
                answer,
                under_way,
            };
            tell(address, answered).await;
        });
    }

    /// Writes down what came of a request, as long as that takes. One that the log refuses is left to the lease.
    fn write(&self, finish: Finish) {
        let context = self.context.clone();
        let Some(record) = self.record(finish.action_id, &Record::Finish(finish)) else {
            return;
        };
        let under_way = UnderWay::begin(&context.under_way);
        tokio::spawn(async move {
            let mut pause = RETRY_FIRST;
            loop {
                let reason = match context.log.append(vec![record.clone()]).await.pop() {
                    Some(Ok(_)) => {
                        fail_point::pass(Point::AfterFinish);
                        break;
                    }
                    Some(Err(error)) if error.class() == ErrorClass::Reject => {
                        tracing::error!(%error, "an outcome cannot be written; the attempt's lease decides");
                        break;
                    }
                    Some(Err(error)) => error.to_string(),
                    None => "the event log gave no answer".to_owned(),
                };
                if let Some(more) = NOT_APPENDED.pass() {
                    tracing::warn!(
                        reason,
                        more,
                        "an outcome is not in the ledger yet; appending again"
                    );
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            drop(under_way);
        });
    }
}

/// Tells the executor, also when its mailbox is full for a while.
async fn tell(address: Address<Executor>, mut message: Answered) {
    while let Err(error) = address.try_send(message) {
        if !error.is_full() {
            return;
        }
        message = error.into_message();
        tokio::time::sleep(RETRY_FIRST).await;
    }
}

impl Worker for Executor {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(TICK, |worker, scope| {
            worker.tick(scope);
            Ok(())
        });
        Ok(())
    }
}

impl Handle<Folded> for Executor {
    type Reply = ();

    fn handle(
        &mut self,
        Folded(changes): Folded,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        let boot = self.context.clock.boot();
        let state = self.context.view.read();
        let effects = self.execution.as_mut().map_or_else(Vec::new, |execution| {
            execution.folded(&state.fold, &changes, boot)
        });
        drop(state);
        self.perform(effects, scope);
        // A decision just folded is bid for now, not at the next tick.
        self.tick(scope);
        Ok(())
    }
}

impl Handle<Answered> for Executor {
    type Reply = ();

    fn handle(&mut self, message: Answered, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        let Answered {
            order,
            answer,
            under_way,
        } = message;
        let known = self
            .execution
            .as_mut()
            .and_then(|execution| execution.answered(order.start_id, answer.clone()));
        // An earlier incarnation sent it: what came of it is a fact all the same (ledger-protocol §2).
        let effect = known.unwrap_or_else(|| {
            Effect::AppendFinish(answer.finish(order.action, order.attempt, order.start_id))
        });
        self.perform(vec![effect], scope);
        // Only now: the outcome that is being written counts in its place.
        drop(under_way);
        Ok(())
    }
}

impl Handle<Retire> for Executor {
    type Reply = usize;

    fn handle(&mut self, _: Retire, scope: &mut Scope<'_, Self>) -> Result<usize, Failure> {
        self.retired = true;
        if let Some(execution) = self.execution.as_mut() {
            let effects = execution.revoked(&self.context.view.read().fold);
            self.perform(effects, scope);
        }
        Ok(self.context.under_way.load(Ordering::Acquire))
    }
}
