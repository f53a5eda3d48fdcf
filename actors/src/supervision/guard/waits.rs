//! The futures a guard gives to actix: tasks, holds, the pause before a restart, and the breather.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use actix::Context;
use actix::fut::ActorFuture;
use futures_util::Stream;
use tokio::time::Sleep;

use super::super::worker::Worker;
use super::{Guard, TURNS_BEFORE_YIELD, guarded};

/// Runs the tasks of the incarnation. It is actix's only task of this actor: with several, actix leaves some unpolled
/// while a mailbox is flooded. A pending breather does not keep it from working, or it never would under a flood.
pub(super) struct Pump;

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
            if guard.ending.is_some() || !guard.tasks.holds.is_empty() {
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

/// Holds the mailbox until a future is done; see [`Scope::hold`](super::super::Scope::hold). The future itself belongs
/// to the incarnation, which drops it under guard.
pub(in super::super) struct Hold;

impl<W: Worker> ActorFuture<Guard<W>> for Hold {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        guard: &mut Guard<W>,
        context: &mut Context<Guard<W>>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if guard.interrupted(context, task, true) {
            return Poll::Ready(());
        }
        let Some(future) = guard.tasks.holds.last_mut() else {
            return Poll::Ready(());
        };
        guard.cell.turn();
        let polled = guarded(|| Ok(future.as_mut().poll(task)));
        guard.cell.turn();
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(step)) => {
                guard.tasks.holds.pop();
                guard.turn(context, step);
                guard.look_up(context);
            }
            Err(failure) => guard.fail(failure, context),
        }
        Poll::Ready(())
    }
}

/// Holds the mailbox until the restart is due.
pub(super) struct Pause(pub(super) Pin<Box<Sleep>>);

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
pub(super) struct Breather(pub(super) Pin<Box<dyn Future<Output = ()>>>);

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
