//! Shared by the supervision tests: a worker that does as told, and waiting on conditions.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeostat_actors::supervision::{
    ActorSnapshot, Backoff, Change, ChildSpec, Events, Failure, GroupSpec, Handle, Intensity,
    Scope, Supervisor, Worker,
};

/// What workers did, over all incarnations.
pub(crate) type Journal = Arc<Mutex<Vec<String>>>;

pub(crate) fn journal() -> Journal {
    Journal::default()
}

pub(crate) fn lines(journal: &Journal) -> Vec<String> {
    journal.lock().unwrap().clone()
}

/// Counts the messages of its incarnation and does what it is told.
pub(crate) struct Puppet {
    pub(crate) journal: Journal,
    pub(crate) count: u32,
    pub(crate) busy: bool,
}

impl Puppet {
    pub(crate) fn new(journal: &Journal) -> Self {
        Self {
            journal: Arc::clone(journal),
            count: 0,
            busy: false,
        }
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        self.journal.lock().unwrap().push(line.into());
    }
}

impl Worker for Puppet {
    fn started(&mut self, _: &mut Scope<'_, Self>) -> Result<(), Failure> {
        self.note("started");
        Ok(())
    }

    fn drained(&self) -> bool {
        !self.busy
    }

    fn stopping(&mut self, _: &mut Scope<'_, Self>) {
        self.note("stopping");
    }
}

/// Notes the number and answers with the count of this incarnation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) u32);

impl Handle<Note> for Puppet {
    type Reply = u32;

    fn handle(&mut self, message: Note, _: &mut Scope<'_, Self>) -> Result<u32, Failure> {
        self.count += 1;
        self.note(message.0.to_string());
        Ok(self.count)
    }
}

/// What a puppet can be told to do.
type Code = dyn FnOnce(&mut Puppet, &mut Scope<'_, Puppet>) -> Result<(), Failure> + Send;

/// Any code, as a message.
pub(crate) struct Do(Box<Code>);

impl Handle<Do> for Puppet {
    type Reply = ();

    fn handle(&mut self, message: Do, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        (message.0)(self, scope)
    }
}

pub(crate) fn act(
    code: impl FnOnce(&mut Puppet, &mut Scope<'_, Puppet>) -> Result<(), Failure> + Send + 'static,
) -> Do {
    Do(Box::new(code))
}

/// A message that panics.
pub(crate) fn boom() -> Do {
    act(|_, _| panic!("boom"))
}

pub(crate) const FAST: Backoff = Backoff {
    first: Duration::from_millis(20),
    max: Duration::from_millis(60),
    jitter: 0.0,
    quiet: Duration::from_secs(10),
};

/// A tree whose root stands one escalation.
pub(crate) fn tree() -> Supervisor {
    Supervisor::new(
        GroupSpec::new("root")
            .intensity(Intensity::new(1, Duration::from_mins(1)))
            .backoff(FAST),
    )
}

pub(crate) fn puppet(name: &str, journal: &Journal) -> ChildSpec<Puppet> {
    let journal = Arc::clone(journal);
    ChildSpec::new(name, "puppet", move || Puppet::new(&journal))
        .backoff(FAST)
        .intensity(Intensity::new(4, Duration::from_secs(5)))
}

pub(crate) fn of(supervisor: &Supervisor, path: &str) -> ActorSnapshot {
    supervisor
        .snapshot()
        .into_iter()
        .find(|actor| actor.path == path)
        .expect(path)
}

/// Waits for a condition. The limit is only there to make a hang a failure.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// Events up to and including the first of this name, as `path name`.
pub(crate) async fn events_until(events: &mut Events, name: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next())
            .await
            .unwrap_or_else(|_| panic!("no {name} after {seen:?}"))
            .expect("the tree lives");
        seen.push(format!("{} {}", event.path, event.change.name()));
        if event.change.name() == name {
            return seen;
        }
    }
}

/// The delays of the next restarts.
pub(crate) async fn delays(events: &mut Events, count: usize) -> Vec<u128> {
    let mut delays = Vec::new();
    while delays.len() < count {
        if let Change::Restarted { delay, .. } = events.next().await.unwrap().change {
            delays.push(delay.as_millis());
        }
    }
    delays
}
