//! Addresses: the one way to send to a supervised actor, bounded and metered.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use tokio::sync::oneshot;

use super::cell::Cell;
use super::guard::{Guard, guarded};
use super::meter::NotAdmitted;
use super::snapshot::MailboxSnapshot;
use super::worker::{Handle, Worker};

/// Why a message was not taken; it comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError<M> {
    /// The mailbox is full: keep the message and stop producing until it has room.
    #[error("the mailbox is full; stop producing and send again later")]
    Full(M),
    /// The actor takes no more messages: it is draining, or has ended.
    #[error("the actor takes no more messages; drop the message or route it elsewhere")]
    Closed(M),
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<M> SendError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }

    /// Whether sending again later may work.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The mailbox is full; call again later.
    #[error("the mailbox is full; call again later")]
    Full,
    /// The actor takes no more messages.
    #[error("the actor takes no more messages; it is draining or has ended")]
    Closed,
    /// The actor failed on this very message, and is restarted.
    #[error("the actor failed on this message; a repetition may fail again")]
    Failed,
    /// The actor ended before it came to this message, so it was not handled.
    #[error("the actor ended before it handled the message")]
    Lost,
}

/// The place a message holds in a mailbox; given back when dropped, whatever happens to the message.
pub(super) struct Place {
    cell: Arc<Cell>,
    enqueued: Option<Instant>,
    began: Option<Instant>,
    handled: bool,
}

impl Place {
    fn take(cell: &Arc<Cell>) -> Result<Self, NotAdmitted> {
        let enqueued = cell.meter.admit()?;
        Ok(Self {
            cell: Arc::clone(cell),
            enqueued,
            began: None,
            handled: false,
        })
    }

    /// The worker gets the message now.
    pub(super) fn begin(&mut self) {
        self.handled = true;
        self.began = self.enqueued.is_some().then(Instant::now);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(enqueued), Some(began)) = (self.enqueued, self.began) {
            self.cell.meter.timed(enqueued, began, Instant::now());
        }
        self.cell.meter.leave(self.handled);
    }
}

/// Where the answer to a call goes.
pub(super) type ReplyTo<R> = oneshot::Sender<Result<R, CallError>>;

/// A message on its way. Fields are dropped in this order: the depth goes down last.
///
/// A mailbox that ends drops its messages while the thread unwinds (see [`Guard`]), where a destructor that panics
/// would abort the process; so it is guarded.
pub(super) struct Envelope<M, R> {
    pub(super) message: Option<M>,
    pub(super) reply: Option<ReplyTo<R>>,
    pub(super) place: Place,
}

impl<M, R> Drop for Envelope<M, R> {
    fn drop(&mut self) {
        let message = self.message.take();
        let dropped = guarded(|| {
            drop(message);
            Ok(())
        });
        if let Err(failure) = dropped {
            let path = &*self.place.cell.path;
            tracing::warn!(path, reason = %failure, "the destructor of a message panicked");
        }
    }
}

impl<M: 'static, R: 'static> actix::Message for Envelope<M, R> {
    type Result = ();
}

/// The address of a supervised actor: cheap to clone, valid across its restarts.
pub struct Address<W: Worker> {
    addr: Addr<Guard<W>>,
    cell: Arc<Cell>,
}

impl<W: Worker> Clone for Address<W> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            cell: Arc::clone(&self.cell),
        }
    }
}

impl<W: Worker> fmt::Debug for Address<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Address")
            .field(&self.cell.path)
            .finish()
    }
}

impl<W: Worker> Address<W> {
    pub(super) const fn new(addr: Addr<Guard<W>>, cell: Arc<Cell>) -> Self {
        Self { addr, cell }
    }

    /// Sends without waiting. `Ok` means it is in the mailbox, where only the end of the actor can lose it.
    /// Messages of one sender are handled in order.
    ///
    /// # Errors
    /// Full or closed, with the message.
    pub fn try_send<M: Send + 'static>(&self, message: M) -> Result<(), SendError<M>>
    where
        W: Handle<M>,
    {
        match Place::take(&self.cell) {
            Ok(place) => {
                self.post(Envelope {
                    message: Some(message),
                    reply: None,
                    place,
                });
                Ok(())
            }
            Err(NotAdmitted::Full) => Err(SendError::Full(message)),
            Err(NotAdmitted::Closed) => Err(SendError::Closed(message)),
        }
    }

    /// Sends at once (not when first polled) and resolves with the answer. Dropping the future does not recall the
    /// message.
    pub fn call<M: Send + 'static>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<W::Reply, CallError>> + Send + use<W, M>
    where
        W: Handle<M>,
    {
        let sent = Place::take(&self.cell).map(|place| {
            let (reply, answer) = oneshot::channel();
            self.post(Envelope {
                message: Some(message),
                reply: Some(reply),
                place,
            });
            answer
        });
        async move {
            match sent {
                Ok(answer) => answer.await.unwrap_or(Err(CallError::Lost)),
                Err(NotAdmitted::Full) => Err(CallError::Full),
                Err(NotAdmitted::Closed) => Err(CallError::Closed),
            }
        }
    }

    /// The only place that reaches actix's mailbox.
    #[allow(
        clippy::disallowed_methods,
        reason = "its lack of a bound is why this is right here: the envelope holds a place in the metered mailbox"
    )]
    fn post<M: Send + 'static>(&self, envelope: Envelope<M, W::Reply>)
    where
        W: Handle<M>,
    {
        self.addr.do_send(envelope);
    }

    /// The same address for those who need only know the message type.
    pub fn recipient<M: Send + 'static>(&self) -> Recipient<M>
    where
        W: Handle<M>,
    {
        Recipient(Arc::new(self.clone()))
    }

    /// Path of the actor.
    pub fn path(&self) -> &str {
        &self.cell.path
    }

    /// Free places in the mailbox now; 0 when closed. Others may take them before you do.
    pub fn room(&self) -> u64 {
        room(&self.cell)
    }

    /// Counters of the mailbox.
    pub fn mailbox(&self) -> MailboxSnapshot {
        self.cell.meter.snapshot()
    }
}

fn room(cell: &Cell) -> u64 {
    if cell.meter.is_closed() {
        return 0;
    }
    cell.meter.capacity().saturating_sub(cell.meter.depth())
}

trait Post<M>: Send + Sync {
    fn post(&self, message: M) -> Result<(), SendError<M>>;
    fn cell(&self) -> &Cell;
}

impl<M: Send + 'static, W: Handle<M>> Post<M> for Address<W> {
    fn post(&self, message: M) -> Result<(), SendError<M>> {
        self.try_send(message)
    }

    fn cell(&self) -> &Cell {
        &self.cell
    }
}

/// An address that knows only the message type; bounded and metered as the one it came from.
pub struct Recipient<M>(Arc<dyn Post<M>>);

impl<M> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for Recipient<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Recipient")
            .field(&self.0.cell().path)
            .finish()
    }
}

impl<M> Recipient<M> {
    /// As [`Address::try_send`].
    ///
    /// # Errors
    /// Full or closed, with the message.
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.0.post(message)
    }

    /// Path of the actor.
    pub fn path(&self) -> &str {
        &self.0.cell().path
    }

    /// As [`Address::room`].
    pub fn room(&self) -> u64 {
        room(self.0.cell())
    }
}
