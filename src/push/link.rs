//! What the hub and a connection share: the newest update that was not taken yet, why the connection ends, and since when its
//! client has not read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use homeostat_logic::push::ending::{Channel, End};
use homeostat_logic::push::update::Update;
use tokio::sync::watch;
use tokio::time::Instant;

use super::socket::Socket;

/// A connection that was ended has this long to send its last words.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// One connection.
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) channel: Channel,
    pub(super) user: Box<str>,
    slot: watch::Sender<Slot>,
    socket: Option<Socket>,
    began: Instant,
    /// Since when something was handed out and no more was asked for, in ms since `began`, plus 1; 0: it waits for more.
    busy: AtomicU64,
    /// When it was ended, likewise.
    ended: AtomicU64,
}

/// What waits for the connection: one place, which a newer update takes.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) update: Option<Update>,
    pub(super) end: Option<End>,
}

impl Link {
    pub(super) fn new(
        id: u64,
        channel: Channel,
        user: &str,
        socket: Option<Socket>,
        first: Option<Update>,
    ) -> Self {
        let slot = Slot {
            update: first,
            end: None,
        };
        Self {
            id,
            channel,
            user: user.into(),
            slot: watch::Sender::new(slot),
            socket,
            began: Instant::now(),
            busy: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Its side of the connection.
    pub(super) fn receiver(&self) -> watch::Receiver<Slot> {
        let mut receiver = self.slot.subscribe();
        // What is there already counts as new.
        receiver.mark_changed();
        receiver
    }

    /// The socket, if there is one.
    pub(super) const fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// A newer update takes the place of one that was not read.
    pub(super) fn push(&self, update: &Update) {
        self.slot
            .send_modify(|slot| slot.update = Some(update.clone()));
    }

    /// Ends it, for the first reason that there was.
    pub(super) fn end(&self, why: End) {
        self.slot.send_if_modified(|slot| {
            let is_first = slot.end.is_none();
            slot.end.get_or_insert(why);
            is_first
        });
        // Only the first time counts.
        let first = self.now();
        self.ended
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ended| {
                (ended == 0).then_some(first)
            })
            .unwrap_or_default();
    }

    /// Whether it was ended, and is about to go.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) > 0
    }

    /// Why it was ended, if it was.
    pub(super) fn why(&self) -> Option<End> {
        self.slot.borrow().end
    }

    /// It waits for more.
    pub(super) fn asks(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    /// It was handed something to send.
    pub(super) fn sends(&self) {
        self.busy.store(self.now(), Ordering::Relaxed);
    }

    /// Ends it if its client has not read for `patience`, and its socket if last words were not enough.
    pub(super) fn look(&self, patience: Duration) {
        let since = |mark: &AtomicU64| {
            let mark = mark.load(Ordering::Relaxed);
            (mark > 0).then(|| Duration::from_millis(self.now().saturating_sub(mark)))
        };
        if since(&self.busy).is_some_and(|busy| busy > patience) {
            self.end(End::Slow);
            self.close();
        } else if since(&self.ended).is_some_and(|ended| ended > LAST_WORDS) {
            self.close();
        }
    }

    fn close(&self) {
        if let Some(socket) = &self.socket {
            socket.end();
        }
    }

    fn now(&self) -> u64 {
        let since = self.began.elapsed().as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }
}
