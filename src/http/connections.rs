//! Bounds on connections and requests, kept so that probes are answered whatever other clients do (issue 13, row 17).
//!
//! - With more than [`CONNECTIONS_MAX`] connections the one that has waited longest for its next request is closed, so a new
//!   one is always let in.
//! - At most half as many requests run at once; further ones are answered 503. Probes and metrics are exempt, so there is
//!   always a connection that may be closed.
//! - A connection over which a user is pushed updates leaves the table: the hub bounds those ([`crate::push`]).
//! - A connection on which no request begins for [`IDLE_LIMIT`] is closed, also when its client sends a byte now and then:
//!   actix itself limits the time of the first head only.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 512;
/// A connection may wait this long for its next request; scrapers come every 15 s or so.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// Never fewer connections than this, however few files the process may open.
const CONNECTIONS_MIN: usize = 16;
/// Files that a connection takes: its socket, and a second handle to close it by.
const FILES_EACH: u64 = 2;
/// Files left to the event log and to everything else.
const FILES_RESERVED: u64 = 256;
/// More are of no use.
const FILES_MAX: u64 = 65_536;
/// The limit is logged this often at most.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// The connections of a server.
pub(super) struct Connections {
    limit: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    opened: u64,
    open: BTreeMap<u64, Open>,
    /// Requests under way, without those that are exempt.
    requests: usize,
    logged: Option<Instant>,
}

struct Open {
    socket: TcpStream,
    /// Since when it waits for a request; `None` while one is under way.
    idle: Option<Instant>,
}

/// One connection; it leaves the table when this is dropped.
pub(super) struct Connection {
    all: Arc<Connections>,
    id: u64,
}

/// A request under way; dropped when it was answered.
pub(super) struct Underway {
    all: Arc<Connections>,
    id: u64,
    is_counted: bool,
}

impl Connections {
    /// As many as the process may open files for, at most [`CONNECTIONS_MAX`]; and how many connections of users there are
    /// files for beside them.
    pub(super) fn within_file_limit() -> (Arc<Self>, usize) {
        let files = raise_file_limit();
        let limit = connections_for(files);
        if limit < CONNECTIONS_MAX {
            let needed = CONNECTIONS_MAX as u64 * FILES_EACH + FILES_RESERVED;
            tracing::warn!(
                files,
                "the process may open few files, so the API takes {limit} connections at once instead of {CONNECTIONS_MAX}; allow it {needed} files (`ulimit -n {needed}`, or LimitNOFILE={needed} in a systemd unit)"
            );
        }
        (Self::new(limit), beside(files, limit))
    }

    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            table: Mutex::default(),
        })
    }

    /// The limit.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a new connection in, and closes the one that is idle for longest if there are too many.
    pub(super) fn admit(self: &Arc<Self>, socket: impl AsFd, now: Instant) -> Option<Connection> {
        let socket: TcpStream = socket.as_fd().try_clone_to_owned().ok()?.into();
        let mut table = self.table();
        table.opened += 1;
        let id = table.opened;
        let idle = Some(now);
        table.open.insert(id, Open { socket, idle });
        while table.open.len() > self.limit {
            if !table.close_longest_idle() {
                break;
            }
            table.tell_full(self.limit, now);
        }
        drop(table);
        let all = Arc::clone(self);
        Some(Connection { all, id })
    }

    /// Closes every connection that has waited for a request for longer than `limit`.
    pub(super) fn close_idle(&self, now: Instant, limit: Duration) {
        let waits = |open: &Open| {
            open.idle
                .is_some_and(|since| now.saturating_duration_since(since) > limit)
        };
        self.table().open.retain(|_, open| {
            if waits(open) {
                open.close();
            }
            !waits(open)
        });
    }

    /// A panic while it was held leaves a whole table: every change is one step.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn close_longest_idle(&mut self) -> bool {
        let idle = self
            .open
            .iter()
            .filter_map(|(id, open)| Some((open.idle?, *id)));
        let Some((_, id)) = idle.min() else {
            return false;
        };
        if let Some(open) = self.open.remove(&id) {
            open.close();
        }
        true
    }

    fn tell_full(&mut self, limit: usize, now: Instant) {
        let is_due = |logged: Instant| now.saturating_duration_since(logged) >= LOG_EVERY;
        if self.logged.is_none_or(is_due) {
            self.logged = Some(now);
            tracing::warn!(
                "more than {limit} connections to the API; the longest idle ones are closed"
            );
        }
    }
}

impl Open {
    /// Its task sees the end of the stream and ends. Fails only where the client has closed it already.
    fn close(&self) {
        self.socket.shutdown(Shutdown::Both).unwrap_or_default();
    }
}

impl Connection {
    /// A request begins; nothing if there are too many. Those that are exempt are never too many.
    pub(super) fn begin(&self, is_exempt: bool) -> Option<Underway> {
        let mut table = self.all.table();
        if !is_exempt {
            if table.requests >= self.all.limit / 2 {
                return None;
            }
            table.requests += 1;
        }
        if let Some(open) = table.open.get_mut(&self.id) {
            open.idle = None;
        }
        drop(table);
        Some(Underway {
            all: Arc::clone(&self.all),
            id: self.id,
            is_counted: !is_exempt,
        })
    }

    /// Leaves the table: from now on it is bounded elsewhere. Its socket, unless it gave way already.
    pub(super) fn leave(&self) -> Option<TcpStream> {
        let left = self.all.table().open.remove(&self.id);
        left.map(|open| open.socket)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.table().open.remove(&self.id);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut table = self.all.table();
        if self.is_counted {
            table.requests = table.requests.saturating_sub(1);
        }
        if let Some(open) = table.open.get_mut(&self.id) {
            open.idle = Some(Instant::now());
        }
    }
}

/// Lets the process open as many files as it may, and says how many. Shells and systemd give 1,024 by default,
/// which is meant for programs that use select(2).
fn raise_file_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let (current, most) = (
        limit.current.unwrap_or(FILES_MAX),
        limit.maximum.unwrap_or(FILES_MAX),
    );
    let wanted = most.min(FILES_MAX);
    if current >= wanted {
        return current;
    }
    limit.current = Some(wanted);
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}

/// Connections of users beside so many others.
fn beside(files: u64, limit: usize) -> usize {
    let room = files.saturating_sub(FILES_RESERVED) / FILES_EACH;
    usize::try_from(room)
        .unwrap_or(usize::MAX)
        .saturating_sub(limit)
}

fn connections_for(files: u64) -> usize {
    let room = files.saturating_sub(FILES_RESERVED) / FILES_EACH;
    usize::try_from(room)
        .unwrap_or(CONNECTIONS_MAX)
        .clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    /// Clients, and their connections as the server holds them.
    struct House {
        all: Arc<Connections>,
        listener: TcpListener,
        now: Instant,
        clients: Vec<TcpStream>,
        sockets: Vec<TcpStream>,
        connections: Vec<Connection>,
    }

    impl House {
        fn new(limit: usize) -> Self {
            Self {
                all: Connections::new(limit),
                listener: TcpListener::bind("127.0.0.1:0").unwrap(),
                now: Instant::now(),
                clients: Vec::new(),
                sockets: Vec::new(),
                connections: Vec::new(),
            }
        }

        fn connect(&mut self) {
            let address = self.listener.local_addr().unwrap();
            self.clients.push(TcpStream::connect(address).unwrap());
            let (socket, _) = self.listener.accept().unwrap();
            self.now += Duration::from_secs(1);
            self.connections
                .push(self.all.admit(&socket, self.now).unwrap());
            self.sockets.push(socket);
        }

        /// Places of the clients whose connection was closed.
        fn closed(&self) -> Vec<usize> {
            let is_closed = |mut client: &TcpStream| {
                client.set_nonblocking(true).unwrap();
                matches!(client.read(&mut [0]), Ok(0))
            };
            let clients = self.clients.iter().enumerate();
            let closed = clients.filter(|(_, client)| is_closed(client));
            closed.map(|(place, _)| place).collect()
        }
    }

    #[test]
    fn the_connection_that_waited_longest_gives_way_to_a_new_one() {
        let mut house = House::new(3);
        for _ in 0..3 {
            house.connect();
        }
        assert!(house.closed().is_empty());
        // The first one is at work, so the second one goes, then the third.
        let underway = house.connections[0].begin(true);
        house.connect();
        assert_eq!(house.closed(), [1]);
        house.connect();
        assert_eq!(house.closed(), [1, 2]);
        // What was answered last has waited shortest, by the clock of the process.
        drop(underway);
        house.connect();
        assert_eq!(house.closed(), [0, 1, 2]);
    }

    #[test]
    fn half_as_many_requests_as_connections_run_at_once_and_exempt_ones_always() {
        let mut house = House::new(4);
        for _ in 0..4 {
            house.connect();
        }
        let first = house.connections[0].begin(false);
        let second = house.connections[1].begin(false);
        assert!(first.is_some() && second.is_some());
        assert!(house.connections[2].begin(false).is_none());
        assert!(house.connections[2].begin(true).is_some());
        drop(first);
        assert!(house.connections[2].begin(false).is_some());
    }

    #[test]
    fn a_connection_without_requests_is_closed_after_its_time_and_one_at_work_never() {
        let mut house = House::new(4);
        house.connect();
        house.connect();
        let _underway = house.connections[1].begin(false);
        let limit = Duration::from_secs(10);
        house.all.close_idle(house.now + limit, limit);
        assert_eq!(house.closed(), [0]);
        house.all.close_idle(house.now + limit * 10, limit);
        assert_eq!(house.closed(), [0]);
    }

    #[test]
    fn a_connection_that_ended_leaves_its_place() {
        let mut house = House::new(2);
        for _ in 0..5 {
            house.connect();
            house.connections.clear();
        }
        assert!(house.closed().is_empty());
        assert!(house.all.table().open.is_empty());
    }

    #[test]
    fn a_connection_that_leaves_is_neither_counted_nor_closed_any_more() {
        let mut house = House::new(2);
        house.connect();
        let underway = house.connections[0].begin(true);
        let socket = house.connections[0].leave();
        drop(underway);
        house.connect();
        house.connect();
        house.all.close_idle(house.now, Duration::ZERO);
        assert!(socket.is_some() && house.connections[0].leave().is_none());
        assert_eq!(house.closed(), [1]);
    }

    #[test]
    fn connections_fit_into_the_files_that_the_process_may_open() {
        for (files, connections) in [
            (0, 16),
            (256, 16),
            (300, 22),
            (1_024, 384),
            (1_280, 512),
            (u64::MAX, 512),
        ] {
            assert_eq!(connections_for(files), connections, "{files}");
        }
        for (files, users) in [(0, 0), (1_280, 0), (1_282, 1), (65_536, 32_128)] {
            assert_eq!(beside(files, connections_for(files)), users, "{files}");
        }
    }
}
