//! What worker code may do beside changing its own state: spawn, wait, stop, know its address.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, LocalBoxStream, SelectAll, StreamExt};

use super::address::Address;
use super::cell::Cell;
use super::failure::Failure;
use super::guard::{Guard, Hold};
use super::worker::Worker;

/// A piece of worker code that a future or timer asks for.
pub(super) type Step<W> = Box<dyn FnOnce(&mut W, &mut Scope<'_, W>) -> Result<(), Failure>>;

/// Everything an incarnation has under way; dropped with it.
pub(super) struct Tasks<W: Worker> {
    pub(super) steps: SelectAll<LocalBoxStream<'static, Step<W>>>,
    /// The worker asked to stop.
    pub(super) stop: bool,
    /// Futures that hold the mailbox, the last one first; actix only has a [`Hold`] for each.
    pub(super) holds: Vec<LocalBoxFuture<'static, Step<W>>>,
}

impl<W: Worker> Default for Tasks<W> {
    fn default() -> Self {
        Self {
            steps: SelectAll::new(),
            stop: false,
            holds: Vec::new(),
        }
    }
}

/// The surroundings of a worker while its code runs. All that is armed here ends with the incarnation.
pub struct Scope<'a, W: Worker> {
    pub(super) context: &'a mut Context<Guard<W>>,
    pub(super) tasks: &'a mut Tasks<W>,
    pub(super) cell: &'a Arc<Cell>,
}

impl<W: Worker> std::fmt::Debug for Scope<'_, W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Scope")
            .field(&self.cell.path)
            .finish()
    }
}

impl<W: Worker> Scope<'_, W> {
    /// Runs a future beside the messages, then `then` with its output between two messages. Both are guarded: a panic
    /// or a returned failure ends this incarnation as one in a handler does. The caller bounds how many it has.
    pub fn spawn<F: Future + 'static>(
        &mut self,
        future: F,
        then: impl FnOnce(&mut W, F::Output, &mut Scope<'_, W>) -> Result<(), Failure> + 'static,
    ) {
        let once = stream::once(step(future, then));
        self.tasks.steps.push(once.boxed_local());
    }

    /// Runs `then` once, after `delay`.
    pub fn run_later(
        &mut self,
        delay: Duration,
        then: impl FnOnce(&mut W, &mut Scope<'_, W>) -> Result<(), Failure> + 'static,
    ) {
        self.spawn(tokio::time::sleep(delay), |worker, (), scope| {
            then(worker, scope)
        });
    }

    /// Runs `tick` every `period` (at least a millisecond), first after one period. A late tick moves the following
    /// ones: they never come in a burst.
    pub fn run_interval(
        &mut self,
        period: Duration,
        tick: impl FnMut(&mut W, &mut Scope<'_, W>) -> Result<(), Failure> + 'static,
    ) {
        let tick = Rc::new(RefCell::new(tick));
        let period = period.max(Duration::from_millis(1));
        let steps = stream::unfold((), move |()| {
            let tick = Rc::clone(&tick);
            async move {
                tokio::time::sleep(period).await;
                let step: Step<W> = Box::new(move |worker, scope| {
                    let mut tick = tick.borrow_mut();
                    (*tick)(worker, scope)
                });
                Some((step, ()))
            }
        });
        self.tasks.steps.push(steps.boxed_local());
    }

    /// As [`Self::spawn`], but no message and no other task of this worker runs until the future is done: for
    /// rehydration before the first message. The mailbox fills meanwhile; the future needs its own time limit.
    pub fn hold<F: Future + 'static>(
        &mut self,
        future: F,
        then: impl FnOnce(&mut W, F::Output, &mut Scope<'_, W>) -> Result<(), Failure> + 'static,
    ) {
        self.tasks.holds.push(Box::pin(step(future, then)));
        self.context.wait(Hold);
    }

    /// The worker's own address.
    pub fn address(&self) -> Address<W> {
        Address::new(self.context.address(), Arc::clone(self.cell))
    }

    /// Path of the actor.
    pub fn path(&self) -> &str {
        &self.cell.path
    }

    /// Ends this incarnation after the present message, without failure. Whether another follows is for the restart
    /// policy to say; if none does, what is in the mailbox is lost.
    pub const fn stop(&mut self) {
        self.tasks.stop = true;
    }
}

async fn step<W: Worker, F: Future>(
    future: F,
    then: impl FnOnce(&mut W, F::Output, &mut Scope<'_, W>) -> Result<(), Failure> + 'static,
) -> Step<W>
where
    F::Output: 'static,
{
    let output = future.await;
    Box::new(move |worker, scope| then(worker, output, scope))
}
