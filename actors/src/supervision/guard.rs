//! The actix actor around a worker: catches what fails, rebuilds it, obeys orders.
//!
//! actix's `Supervisor` keeps this actor, its mailbox and its addresses alive over `Context::stop`, but not over a
//! panic. So no worker code runs outside [`guarded`], and every end of an incarnation is a `stop`, after which
//! `restarting` asks the supervision tree what follows. The single way out of actix's `Supervisor` while addresses
//! exist is to unwind from `restarting`; tokio ends the task there, and the panic hook is not run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Running, Supervised};

use super::address::Envelope;
use super::cell::{Cell, Intervention};
use super::event::Change;
use super::failure::Failure;
use super::scope::{Scope, Tasks};
use super::shared::Shared;
use super::snapshot::ActorState;
use super::worker::{Handle, Worker};

mod waits;

pub(super) use waits::Hold;
use waits::{Breather, Pause, Pump};

/// After this many messages or steps the actor lets others on its thread run. actix would drain a mailbox that never
/// empties for ever; 64 and 1,024 measured the same throughput, and 64 keeps neighbours' pauses short.
const TURNS_BEFORE_YIELD: u32 = 64;

/// How an incarnation ended.
#[derive(Debug)]
pub(super) enum Ending {
    Failed(Failure),
    /// The worker stopped by itself.
    Finished,
    Ordered(Intervention),
}

/// The life of an actor from `start` on: dropping it early (an arbiter that ended) is reported.
pub(super) struct Life {
    cell: Arc<Cell>,
    shared: Arc<Shared>,
    /// Ended for good, by ruling; actix polls the context once more while it is dropped.
    over: bool,
}

impl Life {
    pub(super) const fn new(cell: Arc<Cell>, shared: Arc<Shared>) -> Self {
        Self {
            cell,
            shared,
            over: false,
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.over {
            self.shared.vanished(&self.cell);
        }
    }
}

/// A worker under guard.
pub(super) struct Guard<W: Worker> {
    factory: Box<dyn Fn() -> W + Send>,
    cell: Arc<Cell>,
    worker: Option<W>,
    tasks: Tasks<W>,
    ending: Option<Ending>,
    /// Delay of the restart under way; `None` in the first incarnation.
    restart: Option<Duration>,
    turns: u32,
    life: Life,
    /// actix's `Supervisor` ends silently when no address is left.
    _own: Addr<Self>,
}

/// A worker is never pinned through its guard.
impl<W: Worker> Unpin for Guard<W> {}

impl<W: Worker> Guard<W> {
    pub(super) fn new(factory: Box<dyn Fn() -> W + Send>, life: Life, own: Addr<Self>) -> Self {
        Self {
            factory,
            cell: Arc::clone(&life.cell),
            worker: None,
            tasks: Tasks::default(),
            ending: None,
            restart: None,
            turns: 0,
            life,
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
        self.dispose(tasks);
        self.dispose(worker);
    }

    fn dispose<T>(&self, part: T) {
        let dropped = guarded(|| {
            drop(part);
            Ok(())
        });
        if let Err(failure) = dropped {
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
            self.life.shared.emit(&self.cell, change);
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
        if self.cell.meter.is_drained()
            && self.turn(context, |worker, _| Ok(worker.drained())) == Some(true)
        {
            self.end(Ending::Ordered(Intervention::Stop), context);
        }
    }

    /// What a future that holds the mailbox does about orders: `true` = it need not go on. Without a worker, an order
    /// to restart is fulfilled already.
    fn interrupted(
        &mut self,
        context: &mut Context<Self>,
        task: &task::Context<'_>,
        with_worker: bool,
    ) -> bool {
        self.cell.control.register(task.waker());
        if self.cell.control.raised()
            && let Some(order) = self.cell.control.take()
            && (with_worker || order == Intervention::Stop)
        {
            self.end(Ending::Ordered(order), context);
        }
        self.ending.is_some()
    }
}

/// Runs worker code so that a panic is a failure like any other.
pub(super) fn guarded<T>(code: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Whatever was half changed belongs to the incarnation, which is dropped.
    catch_unwind(AssertUnwindSafe(code))
        .unwrap_or_else(|payload| Err(Failure::panicked(payload.as_ref())))
}

impl<W: Worker> Actor for Guard<W> {
    type Context = Context<Self>;

    /// Called for the first incarnation and, after `restarting`, for each further one.
    fn started(&mut self, context: &mut Context<Self>) {
        if self.life.over {
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
        let ending = self.ending.take().unwrap_or(Ending::Finished);
        if let Some(delay) = self.life.shared.ended(&self.cell, &ending) {
            self.restart = Some(delay);
        } else {
            self.life.over = true;
            resume_unwind(Box::new("this supervised actor has ended for good"));
        }
    }
}

impl<W: Worker> Drop for Guard<W> {
    fn drop(&mut self) {
        self.discard();
    }
}

impl<W: Handle<M>, M: Send + 'static> actix::Handler<Envelope<M, W::Reply>> for Guard<W> {
    type Result = ();

    fn handle(&mut self, mut envelope: Envelope<M, W::Reply>, context: &mut Context<Self>) {
        let Some(message) = envelope.message.take() else {
            return;
        };
        envelope.place.begin();
        let answer = self.turn(context, |worker, scope| worker.handle(message, scope));
        if let Some(reply) = envelope.reply.take() {
            // The caller may have gone away.
            reply
                .send(answer.ok_or(super::address::CallError::Failed))
                .ok();
        }
        drop(envelope);
        self.look_up(context);
    }
}
