//! The executor of one ledger partition: bids for due actions, sends those whose bid won, and writes down what came of
//! them (ledger-protocol §6). The rules are `homeostat_logic::ledger::execution`; this actor moves their effects.
//!
//! It acts while the partition belongs to this instance, in one incarnation per assignment, each of which begins when
//! the fold has come to the end that the ledger had then (§8). Requests under way and the records about them
//! belong to no incarnation: they go on when this actor fails or the partition goes to another instance.

mod bids;
mod foresight;
mod tenure;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::execution::{Answer, Dispatch, Effect, Execution, Probed};
use homeostat_logic::ledger::record::{Finish, Id, Record};
use homeostat_logic::topic::LEDGER;

use self::foresight::Foresight;
use self::tenure::Tenure;
use crate::append::{Patience, append_until_durable};
use crate::changes::{News, Reader};
pub use crate::executor_context::ExecutorContext;
use crate::fail_point::{self, Point};
use crate::inquiry;
use crate::ledger_record::ledger_record;
use crate::ledger_view::FoldProgress;
use crate::ports::connector;
use crate::ports::log::{Epoch, NewRecord};
use crate::request::{Requested, refused, request};
use crate::supervision::{Address, Failure, Handle, Scope, Worker};
use crate::throttle::Throttle;
use crate::traffic::Places;
use crate::under_way::UnderWay;

/// How often due actions and overdue bids are looked for.
const TICK: Duration = Duration::from_millis(50);
/// Pause before a full executor is notified of an answer again.
const FULL_PAUSE: Duration = Duration::from_millis(50);
/// Pause before the log is asked again how far the ledger goes.
const ASK_AGAIN: Duration = Duration::from_millis(250);

static NOT_APPENDED: Throttle = Throttle::new();

/// The fold's feed of changes has something new. Loses nothing when it is not delivered: the next tick reads the feed too.
#[derive(Clone, Copy, Debug)]
pub struct Folded;

/// A request ended.
#[derive(Debug)]
struct Answered {
    order: Arc<Dispatch>,
    answer: Answer,
    under_way: UnderWay,
}

/// Stop bidding: the service is about to end, or the partition belongs to another instance. Answers how many requests are
/// under way; ask again until there is none.
#[derive(Clone, Copy, Debug)]
pub struct Retire;

/// The actor.
pub struct Executor {
    context: ExecutorContext,
    tenure: Tenure,
    /// Of the present tenure, or of the one before until all it began has ended.
    execution: Option<Execution>,
    /// What its bids and questions hold at the gates of their connections.
    places: Places,
    /// Start ids of bids whose service refused the question before, by action; the answer is what comes of the attempt. Bound: the
    /// bids.
    refused: BTreeMap<Id, (Id, connector::Answer)>,
    /// What rollbacks that wait are to do.
    foresight: Foresight,
    /// How far the fold's changes were taken in.
    changes: Reader,
    retired: bool,
}

impl Executor {
    /// An actor that recognises no earlier bid (V1).
    pub fn new(context: ExecutorContext) -> Self {
        Self {
            changes: context.view.changes().reader(),
            places: Places::new(Arc::clone(&context.traffic), context.view.partition),
            context,
            tenure: Tenure::None,
            execution: None,
            refused: BTreeMap::new(),
            foresight: Foresight::default(),
            retired: false,
        }
    }

    /// `folded`: records were folded, whether they changed anything or not.
    fn tick(&mut self, folded: bool, scope: &mut Scope<'_, Self>) {
        self.follow_owner(scope);
        let view = Arc::clone(&self.context.view);
        // While it is read, the fold does not move: the changes end where the state is.
        let state = view.read();
        let news = self.changes.read(view.changes());
        if state.progress != FoldProgress::Live {
            self.execution = None;
            self.places.clear();
            if let Tenure::Acting(epoch) = self.tenure {
                // It starts over when the fold has caught up; what this instance had folded before is behind that.
                self.tenure = Tenure::CatchingUp(epoch, 0);
            }
            return;
        }
        let restarts = match &news {
            News::Missed => true,
            News::Changes(changes) => changes
                .iter()
                .any(|published| matches!(published.change.kind, ChangeKind::Emptied { .. })),
        };
        if restarts && let Tenure::Acting(epoch) = self.tenure {
            // Nothing of before is left to act on, or it is not known what is.
            self.tenure = Tenure::CatchingUp(epoch, 0);
        }
        let moment = state.moment(&*self.context.clock);
        let (mut effects, mut waiting) = (Vec::new(), Vec::new());
        if let Tenure::CatchingUp(epoch, from) = self.tenure
            && state.position() >= from
            && !self.retired
        {
            let owner = &*self.context.owner;
            self.places.clear();
            self.execution = Some(Execution::new(owner, &state.fold, moment.boot));
            self.tenure = Tenure::Acting(epoch);
            waiting = self.foresight.begin(&state.fold, moment.log);
        } else if let (Some(execution), News::Changes(changes)) = (&mut self.execution, &news)
            && (folded || !changes.is_empty())
        {
            let changes = changes.iter().map(|published| &published.change);
            waiting = self
                .foresight
                .follow(&state.fold, changes.clone(), moment.log);
            effects = execution.folded(&state.fold, changes, moment.boot);
        }
        let Some(execution) = self.execution.as_mut() else {
            return;
        };
        let in_force = self.context.live.load();
        let mut admitting = self.places.admitting(&in_force.connections);
        let fresh = &mut |action| self.context.start_id(&state.fold, action);
        effects.extend(execution.tick(&state.fold, moment, fresh, &mut admitting));
        drop(admitting);
        drop(state);
        self.perform(effects, scope);
        self.foresee(waiting, scope);
    }

    /// Takes the partition over when it was assigned, and lets go when it was taken away.
    fn follow_owner(&mut self, scope: &mut Scope<'_, Self>) {
        let owner = self.context.view.owner();
        if owner == self.tenure.epoch() {
            return;
        }
        if matches!(self.tenure, Tenure::Acting(_)) {
            self.give_up(scope);
        }
        self.tenure = owner.map_or(Tenure::None, Tenure::Asking);
        if let Some(epoch) = owner {
            self.ask_for_end(epoch, scope);
        }
    }

    /// Asks how far the ledger goes now that the partition is assigned; until it is known nothing is begun.
    fn ask_for_end(&self, epoch: Epoch, scope: &mut Scope<'_, Self>) {
        let asked = self.context.log.describe_topics(vec![LEDGER.to_owned()]);
        scope.spawn(asked, move |worker, answer, scope| {
            if worker.tenure != Tenure::Asking(epoch) {
                return Ok(());
            }
            let index = usize::try_from(worker.context.view.partition).unwrap_or(usize::MAX);
            let topics = answer.unwrap_or_default();
            let extent = topics.first().and_then(|topic| topic.partitions.get(index));
            match extent {
                Some(extent) => worker.tenure = Tenure::CatchingUp(epoch, extent.high),
                None => {
                    scope.run_later(ASK_AGAIN, move |worker, scope| {
                        if worker.tenure == Tenure::Asking(epoch) {
                            worker.ask_for_end(epoch, scope);
                        }
                        Ok(())
                    });
                }
            }
            Ok(())
        });
    }

    /// Gives bids up; requests under way go on to their outcome.
    fn give_up(&mut self, scope: &mut Scope<'_, Self>) {
        if let Some(execution) = self.execution.as_mut() {
            let effects = execution.revoked(&self.context.view.read().fold);
            self.perform(effects, scope);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>, scope: &mut Scope<'_, Self>) {
        for effect in effects {
            match effect {
                Effect::AppendStart(start) => self.bid(start, scope),
                Effect::Send(order) => self.send(Arc::new(*order), scope),
                Effect::AppendFinish(finish) => self.write(finish),
                Effect::Probe(order) => self.probe(*order, scope),
                Effect::AppendTick => self.tick_log(scope),
            }
        }
        let execution = self.execution.as_ref();
        let used = |action| execution.is_some_and(|execution| execution.holds(action));
        self.places.keep(used);
        self.refused.retain(|action, _| used(*action));
    }

    /// Asks the target about an attempt; nothing changes there. An answer that comes after this incarnation is not
    /// missed: the next one asks for itself.
    fn probe(&self, order: Dispatch, scope: &mut Scope<'_, Self>) {
        let (action, attempt) = (order.action, order.attempt);
        let context = self.context.clone();
        let asked = async move { inquiry::probe(&context, &order).await };
        scope.spawn(asked, move |worker, (said, heard), scope| {
            tracing::info!(action_id = %action, attempt, ?said, "asked the target about an attempt");
            worker.places.hear(action, &heard);
            worker.probed(action, attempt, said, scope);
            Ok(())
        });
    }

    fn probed(&mut self, action: Id, attempt: u32, said: Probed, scope: &mut Scope<'_, Self>) {
        let view = Arc::clone(&self.context.view);
        let state = view.read();
        let now = state.moment(&*self.context.clock);
        let fresh = &mut |action| self.context.start_id(&state.fold, action);
        let effect = self
            .execution
            .as_mut()
            .and_then(|execution| execution.probed(&state.fold, action, attempt, said, now, fresh));
        drop(state);
        if matches!(effect, Some(Effect::AppendStart(_))) {
            // The bid has the place of the question, and its request is another one.
            self.places.charge(action);
        }
        self.perform(effect.into_iter().collect(), scope);
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
    fn record(&self, action: Id, record: &Record) -> Option<NewRecord> {
        let state = self.context.view.read();
        let target = state
            .fold
            .action(action)
            .map(|action| action.subject.target.to_string());
        drop(state);
        let target = target.unwrap_or_default();
        match ledger_record(self.context.view.partition, target, record) {
            Ok(record) => Some(record),
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

    /// Sends one request, once. It goes on whatever happens to this actor, with its place at the gate of its connection.
    fn send(&mut self, order: Arc<Dispatch>, scope: &Scope<'_, Self>) {
        let permit = self.places.take(order.action);
        let refusal = self.refused.remove(&order.action);
        let refusal = refusal.filter(|(start_id, _)| *start_id == order.start_id);
        let (context, address) = (self.context.clone(), scope.address());
        let under_way = UnderWay::begin(&context.under_way);
        tokio::spawn(async move {
            fail_point::pass(Point::BeforeSend);
            let begun = context.clock.boot();
            let Requested {
                kind,
                answer,
                heard,
            } = match refusal {
                Some((_, answer)) => refused(&context, &order, answer),
                None => request(&context, &order).await,
            };
            fail_point::pass(Point::AfterSend);
            let took = context.clock.boot().saturating_sub(begun);
            if let Some(permit) = permit {
                permit.answered(&answer, &heard);
            }
            let observer = &context.observer;
            observer.answered(order.step.action, kind, answer.outcome, took);
            tracing::info!(
                action_id = %order.action, action = %order.step.action, attempt = order.attempt,
                connection = order.step.connector, outcome = ?answer.outcome, "action answered"
            );
            let answered = Answered {
                order,
                answer,
                under_way,
            };
            notify(address, answered).await;
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
            let refused = append_until_durable(&*context.log, vec![((), record)], &Outcome).await;
            match refused.first() {
                None => fail_point::pass(Point::AfterFinish),
                Some(((), error)) => {
                    tracing::error!(%error, "an outcome cannot be written; the attempt's lease decides");
                }
            }
            drop(under_way);
        });
    }
}

/// An outcome is tried for as long as the process runs.
struct Outcome;

impl Patience for Outcome {
    fn waits(&self, reason: String, _: usize) {
        if let Some(more) = NOT_APPENDED.pass() {
            tracing::warn!(
                reason,
                more,
                "an outcome is not in the ledger yet; appending again"
            );
        }
    }
}

/// Notifies the executor, also when its mailbox is full for a while.
async fn notify(address: Address<Executor>, mut message: Answered) {
    while let Err(error) = address.try_send(message) {
        if !error.is_full() {
            return;
        }
        message = error.into_message();
        tokio::time::sleep(FULL_PAUSE).await;
    }
}

impl Worker for Executor {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.run_interval(TICK, |worker, scope| {
            worker.tick(false, scope);
            Ok(())
        });
        Ok(())
    }
}

impl Handle<Folded> for Executor {
    type Reply = ();

    fn handle(&mut self, _: Folded, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        // A decision just folded is bid for now, not at the next tick.
        self.tick(true, scope);
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
        self.give_up(scope);
        Ok(self.context.under_way.load(Ordering::Acquire))
    }
}
