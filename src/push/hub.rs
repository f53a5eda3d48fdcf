//! The registry of connected users, and the latest update of those who were pushed one lately.
//!
//! Bounds: connections of a user (one more closes his oldest), connections of all (one more is refused), and one update per
//! connection that was not read yet (a newer one takes its place). A client that does not read is dropped after a while.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use homeostat_actors::ports::clock::Clock;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::push::ending::{Channel, End};
use homeostat_logic::push::latest::{Keep, Latest};
use homeostat_logic::push::places::{Admission, Limits, REFUSED};
use homeostat_logic::push::update::Update;
use parking_lot::Mutex;

use super::link::Link;
use super::socket::Socket;
use crate::metrics::Metrics;

/// How connections are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// How many.
    pub limits: Limits,
    /// Silence after which a sign of life is sent.
    pub heartbeat: Duration,
    /// A client that does not read for so long is dropped.
    pub patience: Duration,
    /// What is kept for clients that come back.
    pub keep: Keep,
}

impl Default for HubSettings {
    /// As `config/default.toml`.
    fn default() -> Self {
        Self {
            limits: Limits {
                per_user: 5,
                total: 20_000,
            },
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            keep: Keep::DEFAULT,
        }
    }
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All places are taken, of which there are so many.
    Total(usize),
    /// The service ends.
    Ending,
}

/// The registry.
pub struct Hub {
    settings: HubSettings,
    users: DashMap<Box<str>, Vec<Arc<Link>>>,
    open: AtomicUsize,
    open_max: AtomicUsize,
    next: AtomicU64,
    latest: Mutex<Latest>,
    ending: AtomicBool,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    shown: OnceLock<Arc<dyn Shown>>,
}

/// Who counts what users are shown.
pub trait Shown: Send + Sync + 'static {
    /// An update was handed to a client of the user. Answers at once.
    fn shown(&self, user: &str, update: &Update);
}

impl Hub {
    /// A registry without users.
    pub fn new(settings: HubSettings, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            users: DashMap::new(),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(settings.limits.total),
            next: AtomicU64::new(0),
            latest: Mutex::new(Latest::new(settings.keep)),
            ending: AtomicBool::new(false),
            clock,
            metrics,
            shown: OnceLock::new(),
        })
    }

    /// From now on, this one hears of what clients are handed. The first one that was named stays.
    pub fn counted_by(&self, shown: Arc<dyn Shown>) {
        self.shown.get_or_init(|| shown);
    }

    /// How connections are held.
    pub const fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// Connections that are held at most.
    pub fn places(&self) -> usize {
        self.open_max.load(Ordering::Relaxed)
    }

    /// The process has room for so many connections only.
    pub fn has_room_for(&self, places: usize) {
        self.open_max.fetch_min(places, Ordering::Relaxed);
    }

    /// Connections now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The user's newest recommendations, from now on those that clients get.
    pub fn deliver(&self, user: &str, update: &Update) {
        self.deliver_of(user, update, self.clock.now());
    }

    /// The same, of an update that was written at this time.
    pub(super) fn deliver_of(&self, user: &str, update: &Update, at: Millis) {
        // Before the connections: one that is opened meanwhile finds it in one place or in the other.
        self.latest.lock().put(user, at, update.clone());
        if let Some(links) = self.users.get(user) {
            links.iter().for_each(|link| link.push(update));
        }
    }

    /// The user was erased: nothing is kept of him, and his connections end.
    pub fn forget(&self, user: &str) {
        self.latest.lock().forget(user);
        if let Some(links) = self.users.get(user) {
            links.iter().for_each(|link| link.end(End::Erased));
        }
    }

    /// Opens a connection with the user's latest update, if there is one.
    pub(super) fn enter(
        &self,
        user: &str,
        channel: Channel,
        socket: Option<Socket>,
    ) -> Result<Arc<Link>, Full> {
        if self.ending.load(Ordering::SeqCst) {
            return Err(self.refused(Full::Ending));
        }
        let limits = Limits {
            total: self.places(),
            ..self.settings.limits
        };
        let mut links = self.users.entry(user.into()).or_default();
        let taken = self.open.fetch_add(1, Ordering::Relaxed);
        let own = links.iter().filter(|link| !link.is_ended()).count();
        let Admission::Open { closes } = limits.admit(own, taken) else {
            self.open.fetch_sub(1, Ordering::Relaxed);
            let is_empty = links.is_empty();
            drop(links);
            if is_empty {
                self.users.remove_if(user, |_, links| links.is_empty());
            }
            return Err(self.refused(Full::Total(limits.total)));
        };
        // They stay in the list until they are gone, so that they are looked at.
        let oldest = links.iter().filter(|link| !link.is_ended()).take(closes);
        oldest.for_each(|link| link.end(End::Replaced));
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let first = self.latest.lock().get(user, self.clock.now()).cloned();
        let link = Arc::new(Link::new(id, channel, user, socket, first));
        links.push(Arc::clone(&link));
        drop(links);
        self.metrics.push_connections.add([channel.name()], 1);
        // A connection that came while the service began to end must not be left behind.
        if self.ending.load(Ordering::SeqCst) {
            link.end(End::Stopped);
        }
        Ok(link)
    }

    /// A connection is over.
    pub(super) fn leave(&self, link: &Link, why: End) {
        if let Some(mut links) = self.users.get_mut(&link.user) {
            links.retain(|one| one.id != link.id);
        }
        self.users
            .remove_if(&link.user, |_, links| links.is_empty());
        self.open.fetch_sub(1, Ordering::Relaxed);
        let channel = link.channel.name();
        self.metrics.push_connections.add([channel], -1);
        self.metrics.push_closed.add([channel, why.name()], 1);
    }

    /// An update was handed to a connection.
    pub(super) fn sent(&self, link: &Link, update: &Update, is_preview: bool) {
        self.metrics.push_updates.add([link.channel.name()], 1);
        if let Some(shown) = self.shown.get().filter(|_| !is_preview) {
            shown.shown(&link.user, update);
        }
    }

    /// Drops clients that do not read, and those that were ended and are still there. Called about every second.
    pub fn look(&self) {
        for links in &self.users {
            for link in links.value() {
                link.look(self.settings.patience);
            }
        }
    }

    /// Ends every connection, and refuses new ones.
    pub fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        for links in &self.users {
            links.iter().for_each(|link| link.end(End::Stopped));
        }
    }

    /// Brings the gauge of users up to date.
    pub fn show(&self) {
        self.metrics.push_users.set([], self.users.len());
    }

    fn refused(&self, why: Full) -> Full {
        let [full, ending] = REFUSED;
        let label = match why {
            Full::Total(_) => full,
            Full::Ending => ending,
        };
        self.metrics.push_refused.add([label], 1);
        why
    }
}
