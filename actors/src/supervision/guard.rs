//! The actix actor around a worker: catches what fails, rebuilds it, obeys orders.
//!
//! actix's `Supervisor` keeps this actor, its mailbox and its addresses alive over `Context::stop`, but not over a
//! panic. So no worker code runs outside [`guarded`], and every end of an incarnation is a `stop`, after which
//! `restarting` asks the supervision tree what follows. The single way out of actix's `Supervisor` while addresses
//! exist is to unwind from `restarting`; tokio ends the task there, and the panic hook is not run.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Running, Supervised};
use futures_util::Stream;
use tokio::time::Sleep;

use super::address::Envelope;
use super::cell::{Cell, Order};
use super::event::Change;
use super::failure::Failure;
use super::scope::{Scope, Step, Tasks};
use super::snapshot::ActorState;
use super::supervisor::Shared;
use super::worker::{Handle, Worker};

/// After this many messages or steps the actor lets others on its thread run. actix would drain a mailbox that never
/// empties for ever; 64 and 1,024 measured the same throughput, and 64 keeps neighbours' pauses short.
const TURNS_BEFORE_YIELD: u32 = 64;

/// How an incarnation ended.
#[derive(Debug)]
pub(super) enum Ending {
    Failed(Failure),
    /// The worker stopped by itself.
    Finished,
    Ordered(Order),
}

/// A worker under guard.
pub(super) struct Guard<W: Worker> {
    factory: Box<dyn Fn() -> W + Send>,
    cell: Arc<Cell>,
    shared: Arc<Shared>,
    worker: Option<W>,
    tasks: Tasks<W>,
    ending: Option<Ending>,
    /// Delay of the restart under way; `None` in the first incarnation.
    restart: Option<Duration>,
    turns: u32,
    /// Ended for good; actix polls the context once more while it is dropped.
    gone: bool,
    /// actix's `Supervisor` ends silently when no address is left.
    _own: Addr<Self>,
}

/// A worker is never pinned through its guard.
impl<W: Worker> Unpin for Guard<W> {}

impl<W: Worker> Guard<W> {
    pub(super) fn new(
        factory: Box<dyn Fn() -> W + Send>,
        cell: Arc<Cell>,
        shared: Arc<Shared>,
        own: Addr<Self>,
    ) -> Self {
        Self {
            factory,
            cell,
            shared,
            worker: None,
            tasks: Tasks::default(),
            ending: None,
            restart: None,
            turns: 0,
            gone: false,
            _own: own,
        }
    }

    /// Runs worker code; a failure ends the incarnation.
    fn turn<T>(
        &mut self,
        context: &mut Context<Self>,
        code: impl FnOnce(&mut W, &mut Scope<'_, W>) -> Result<T, Failure>,
    ) -> Option<T> {
        let worker = self.worker.as_mut()?;
        let mut scope = Scope {
            context,
            tasks: &mut self.tasks,
            cell: &self.cell,
        };
        self.cell.turn();
        let result = guarded(|| code(worker, &mut scope));
        self.cell.turn();
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                self.fail(failure, context);
                None
            }
        }
    }

    fn fail(&mut self, failure: Failure, context: &mut Context<Self>) {
        self.discard();
        self.end(Ending::Failed(failure), context);
    }

    fn end(&mut self, ending: Ending, context: &mut Context<Self>) {
        self.ending.get_or_insert(ending);
        context.stop();
    }

    /// Drops the incarnation. Its destructors are worker code too.
    fn discard(&mut self) {
        let (worker, tasks) = (self.worker.take(), std::mem::take(&mut self.tasks));
        for failure in [guarded(|| Ok(drop(tasks))), guarded(|| Ok(drop(worker)))]
            .into_iter()
            .filter_map(Result::err)
        {
            tracing::warn!(path = &*self.cell.path, reason = %failure, "a destructor panicked");
        }
    }

    /// Builds an incarnation.
    fn revive(&mut self, context: &mut Context<Self>) {
        self.cell.turn();
        let built = guarded(|| Ok((self.factory)()));
        self.cell.turn();
        match built {
            Ok(worker) => self.worker = Some(worker),
            Err(failure) => return self.fail(failure, context),
        }
        if self.turn(context, W::started).is_some() {
            self.cell.set_state(ActorState::Running);
            let change = match self.restart.take() {
                None => Change::Started,
                Some(delay) => Change::Restarted {
                    restarts: self.cell.restarted(),
                    delay,
                },
            };
            self.shared.emit(&self.cell, change);
            self.look_up(context);
        }
    }

    /// After a piece of worker code: orders and the end of a drain first, then the neighbours' turn.
    fn look_up(&mut self, context: &mut Context<Self>) {
        self.obey(context);
        self.turns += 1;
        if self.turns >= TURNS_BEFORE_YIELD && self.ending.is_none() {
            self.turns = 0;
            context.wait(Breather(Box::pin(tokio::task::yield_now())));
        }
    }

    /// Ends the incarnation if the worker, an order or the end of a drain wants it.
    fn obey(&mut self, context: &mut Context<Self>) {
        if self.ending.is_some() {
            return;
        }
        if self.tasks.stop {
            return self.end(Ending::Finished, context);
        }
        if self.cell.control.raised()
            && let Some(order) = self.cell.control.take()
        {
            return self.end(Ending::Ordered(order), context);
        }
        if self.cell.meter.is_drained() && self.worker.as_ref().is_some_and(W::drained) {
            self.end(Ending::Ordered(Order::Stop), context);
        }
    }

    /// What a future that holds the mailbox does about orders: `true` = it need not go on.
    fn interrupted(
        &mut self,
        context: &mut Context<Self>,
        task: &task::Context<'_>,
        with_worker: bool,
    ) -> bool {
        self.cell.control.register(task.waker());
        if self.cell.control.raised()
            && let Some(order) = self.cell.control.take()
            && (with_worker || order == Order::Stop)
        {
            self.end(Ending::Ordered(order), context);
        }
        self.ending.is_some()
    }
}

/// Runs worker code so that a panic is a failure like any other.
fn guarded<T>(code: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Whatever was half changed belongs to the incarnation, which is dropped.
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|payload| Err(Failure::panicked(payload.as_ref())))
}

impl<W: Worker> Actor for Guard<W> {
    type Context = Context<Self>;

    /// Called for the first incarnation and, after `restarting`, for each further one.
    fn started(&mut self, context: &mut Context<Self>) {
        if self.gone {
            return;
        }
        context.spawn(Pump);
        match self.restart {
            None => self.revive(context),
            Some(delay) => context.wait(Pause(Box::pin(tokio::time::sleep(delay)))),
        }
    }

    fn stopping(&mut self, context: &mut Context<Self>) -> Running {
        let ending = self.ending.take();
        self.turn(context, |worker, scope| {
            worker.stopping(scope);
            Ok(())
        });
        // A failure while stopping in an orderly way changes nothing about the way.
        if let (Some(_), Some(Ending::Failed(failure))) = (&ending, &self.ending) {
            self.cell.note(failure);
            tracing::warn!(path = &*self.cell.path, reason = %failure, "a worker failed while stopping");
        }
        self.ending = ending.or_else(|| self.ending.take());
        Running::Stop
    }
}

impl<W: Worker> Supervised for Guard<W> {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.discard();
        self.turns = 0;
        let mut ending = self.ending.take().unwrap_or(Ending::Finished);
        // An order that came too late for the incarnation: only a stop is still of interest.
        if self.cell.control.take() == Some(Order::Stop) {
            ending = Ending::Ordered(Order::Stop);
        }
        if let Some(delay) = self.shared.ended(&self.cell, &ending) {
            self.restart = Some(delay);
        } else {
            self.gone = true;
            resume_unwind(Box::new("this supervised actor has ended for good"));
        }
    }
}

impl<W: Worker> Drop for Guard<W> {
    /// The arbiter ended, or the actor did.
    fn drop(&mut self) {
        self.discard();
        if !self.gone {
            self.shared.vanished(&self.cell);
        }
    }
}

impl<W: Handle<M>, M: Send + 'static> actix::Handler<Envelope<M, W::Reply>> for Guard<W> {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M, W::Reply>, context: &mut Context<Self>) {
        let Envelope {
            message,
            reply,
            mut place,
        } = envelope;
        place.begin();
        let answer = self.turn(context, |worker, scope| worker.handle(message, scope));
        if let Some(reply) = reply {
            // The caller may have gone away.
            reply
                .send(answer.ok_or(super::address::CallError::Failed))
                .ok();
        }
        drop(place);
        self.look_up(context);
    }
}

/// Runs the tasks of the incarnation. It is actix's only task of this actor: with several, actix leaves some unpolled
/// while a mailbox is flooded. A pending breather does not keep it from working, or it never would under a flood.
struct Pump;

impl<W: Worker> ActorFuture<Guard<W>> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        guard: &mut Guard<W>,
        context: &mut Context<Guard<W>>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        guard.cell.control.register(task.waker());
        guard.obey(context);
        for _ in 0..TURNS_BEFORE_YIELD {
            if guard.ending.is_some() || guard.tasks.holds > 0 {
                return Poll::Pending;
            }
            let steps = Pin::new(&mut guard.tasks.steps);
            guard.cell.turn();
            let polled = guarded(|| Ok(steps.poll_next(task)));
            guard.cell.turn();
            match polled {
                Ok(Poll::Ready(Some(step))) => {
                    guard.turn(context, step);
                    guard.look_up(context);
                }
                Ok(Poll::Ready(None) | Poll::Pending) => return Poll::Pending,
                Err(failure) => guard.fail(failure, context),
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Holds the mailbox until a future is done; see [`Scope::hold`].
pub(super) struct Hold<W: Worker>(pub(super) Pin<Box<dyn Future<Output = Step<W>>>>);

impl<W: Worker> ActorFuture<Guard<W>> for Hold<W> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        guard: &mut Guard<W>,
        context: &mut Context<Guard<W>>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if guard.interrupted(context, task, true) {
            return Poll::Ready(());
        }
        guard.cell.turn();
        let polled = guarded(|| Ok(self.0.as_mut().poll(task)));
        guard.cell.turn();
        if !matches!(polled, Ok(Poll::Pending)) {
            guard.tasks.holds = guard.tasks.holds.saturating_sub(1);
        }
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(step)) => {
                guard.turn(context, step);
                guard.look_up(context);
            }
            Err(failure) => guard.fail(failure, context),
        }
        Poll::Ready(())
    }
}

/// Holds the mailbox until the restart is due.
struct Pause(Pin<Box<Sleep>>);

impl<W: Worker> ActorFuture<Guard<W>> for Pause {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        guard: &mut Guard<W>,
        context: &mut Context<Guard<W>>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if guard.interrupted(context, task, false) {
            return Poll::Ready(());
        }
        task::ready!(self.0.as_mut().poll(task));
        guard.revive(context);
        Poll::Ready(())
    }
}

/// Lets the other tasks of the thread, its timers and its IO run once.
struct Breather(Pin<Box<dyn Future<Output = ()>>>);

impl<W: Worker> ActorFuture<Guard<W>> for Breather {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        _: &mut Guard<W>,
        _: &mut Context<Guard<W>>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        self.0.as_mut().poll(task)
    }
}
