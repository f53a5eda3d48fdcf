//! One connection's place in the hub: what to send next. The place is free again when this is dropped.

use std::sync::Arc;
use std::time::Duration;

use homeostat_logic::push::ending::{Channel, End};
use homeostat_logic::push::update::Update;
use tokio::sync::watch;
use tokio::time::Instant;

use super::hub::{Full, Hub};
use super::link::{Link, Slot};
use super::socket::Socket;

/// What a client wants.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Whose updates.
    pub user: &'a str,
    /// By which way.
    pub channel: Channel,
    /// The socket of the connection.
    pub socket: Option<Socket>,
    /// Id of the update that the client has already.
    pub last: Option<String>,
    /// A person looks at the updates: what is handed over does not count as shown to the user.
    pub is_preview: bool,
    /// When the client has to show a new token; `None`: never.
    pub lasts: Option<Duration>,
}

/// What to send next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The newest recommendations.
    Update(Update),
    /// A sign of life.
    Heartbeat,
    /// Last words; nothing follows.
    End(End),
}

/// A place.
pub struct Seat {
    hub: Arc<Hub>,
    link: Arc<Link>,
    slot: watch::Receiver<Slot>,
    /// Id of the update that the client has.
    has: Option<String>,
    next_heartbeat: Instant,
    expires: Option<Instant>,
    end: Option<End>,
    is_preview: bool,
}

impl Seat {
    /// Takes a place. A client gets the user's latest update at once unless it has it already.
    ///
    /// # Errors
    /// There is no place.
    pub fn take(hub: &Arc<Hub>, wanted: Wanted<'_>) -> Result<Self, Full> {
        let link = hub.enter(wanted.user, wanted.channel, wanted.socket)?;
        let now = Instant::now();
        Ok(Self {
            hub: Arc::clone(hub),
            slot: link.receiver(),
            link,
            has: wanted.last,
            next_heartbeat: now + hub.settings().heartbeat,
            expires: wanted.lasts.map(|lasts| now + lasts),
            end: None,
            is_preview: wanted.is_preview,
        })
    }

    /// A number of this connection.
    pub fn number(&self) -> u64 {
        self.link.id
    }

    /// Waits for what to send next. To be called again when that was passed on: the time between is the time for which the
    /// client does not read. Safe to be cancelled.
    pub async fn next(&mut self) -> Event {
        self.link.asks();
        let event = self.wait().await;
        self.link.sends();
        match &event {
            Event::Update(update) => {
                self.has = Some(update.id.clone());
                self.hub.sent(&self.link, update, self.is_preview);
            }
            // Whatever else is sent: what it is answered with shows that the client is there.
            Event::Heartbeat => {
                self.next_heartbeat = Instant::now() + self.hub.settings().heartbeat;
            }
            Event::End(end) => self.end = Some(*end),
        }
        event
    }

    /// The connection ends for a reason that only its own side sees.
    pub fn ends(&mut self, why: End) {
        self.link.end(why);
        self.end = Some(why);
    }

    async fn wait(&mut self) -> Event {
        loop {
            if let Some(event) = self.due(Instant::now()) {
                return event;
            }
            let (link, expires) = (&self.link, self.expires);
            let gone = async {
                match (link.channel, link.socket()) {
                    // A WebSocket sees it by its frames.
                    (Channel::Sse, Some(socket)) => socket.closed().await,
                    _ => std::future::pending().await,
                }
            };
            let expired = async {
                match expires {
                    Some(expires) => tokio::time::sleep_until(expires).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Fails only without a sender, which the link holds.
                changed = self.slot.changed() => changed.unwrap_or_default(),
                () = gone => return Event::End(End::Left),
                () = expired => {}
                () = tokio::time::sleep_until(self.next_heartbeat) => {}
            }
        }
    }

    /// What can be sent now. However many updates there are, a token ends and signs of life are sent.
    fn due(&mut self, now: Instant) -> Option<Event> {
        if self.expires.is_some_and(|expires| expires <= now) {
            return Some(Event::End(End::Expired));
        }
        let slot = self.slot.borrow_and_update();
        let new = slot.update.as_ref();
        let new = new.filter(|new| self.has.as_ref() != Some(&new.id));
        match (new, slot.end) {
            (None, Some(end)) => Some(Event::End(end)),
            (_, None) if self.next_heartbeat <= now => Some(Event::Heartbeat),
            (new, _) => new.cloned().map(Event::Update),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let why = self.link.why().or(self.end).unwrap_or(End::Left);
        self.hub.leave(&self.link, why);
    }
}
