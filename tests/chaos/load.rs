//! Events with a key and a sequence, straight into the source topics at a set rate; what was acknowledged is remembered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::{EventLog, NewRecord};
use homeostat_logic::ledger::record::Millis;
use serde_json::json;

use crate::ledger::{Ledger, Position};
use crate::support::client::run;

/// Events a second, unless a fault wants more.
pub(crate) const RATE: usize = 60;
/// Keys; each has a sequence of its own.
const KEYS: usize = 16;
/// Pause between two appends.
const TICK: Duration = Duration::from_millis(25);
/// Events at once when as many are sent as are decided.
const BATCH: usize = 64;

/// The value of a record; a tombstone has none.
pub(crate) type Value = Option<Vec<u8>>;

/// An event that the log acknowledged.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) position: Position,
    pub(crate) at: Millis,
    /// The value of what is no event.
    pub(crate) poison: Option<Value>,
}

/// What the load does now.
#[derive(Default)]
struct Orders {
    /// Events a second.
    rate: AtomicUsize,
    /// Instead of a rate: as many as keep this number undecided.
    undecided: AtomicUsize,
    /// Of a hundred records, so many are no events.
    poison: AtomicUsize,
    over: AtomicBool,
    label: Mutex<&'static str>,
}

/// The publisher.
pub(crate) struct Load {
    orders: Arc<Orders>,
    events: Arc<Mutex<Vec<Event>>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Silent until it is told a rate.
    pub(crate) fn start(log: Arc<dyn EventLog>, ledger: Arc<Ledger>, seed: u64) -> Self {
        let (orders, events) = (
            Arc::<Orders>::default(),
            Arc::<Mutex<Vec<Event>>>::default(),
        );
        let publisher = Publisher {
            log,
            ledger,
            orders: Arc::clone(&orders),
            events: Arc::clone(&events),
            chance: fastrand::Rng::with_seed(seed),
            sequences: [0; KEYS],
        };
        let thread = std::thread::spawn(move || publisher.run());
        Self {
            orders,
            events,
            thread: Some(thread),
        }
    }

    /// Every later event carries this name.
    pub(crate) fn label(&self, label: &'static str) {
        *self.orders.label.lock().unwrap() = label;
    }

    /// So many events a second; none at 0.
    pub(crate) fn rate(&self, rate: usize) {
        self.orders.rate.store(rate, Ordering::SeqCst);
    }

    /// As many as keep this number undecided; 0 ends that.
    pub(crate) fn keep_undecided(&self, events: usize) {
        self.orders.undecided.store(events, Ordering::SeqCst);
    }

    /// So many of a hundred records are no events.
    pub(crate) fn poison(&self, percent: usize) {
        self.orders.poison.store(percent, Ordering::SeqCst);
    }

    /// What was acknowledged from the `from`-th on.
    pub(crate) fn events(&self, from: usize) -> Vec<Event> {
        self.events.lock().unwrap()[from..].to_vec()
    }

    pub(crate) fn count(&self) -> usize {
        self.events.lock().unwrap().len()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.orders.over.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

struct Publisher {
    log: Arc<dyn EventLog>,
    ledger: Arc<Ledger>,
    orders: Arc<Orders>,
    events: Arc<Mutex<Vec<Event>>>,
    chance: fastrand::Rng,
    sequences: [usize; KEYS],
}

impl Publisher {
    fn run(mut self) {
        // In thousandths of an event.
        let (mut last, mut due) = (Instant::now(), 0);
        while !self.orders.over.load(Ordering::SeqCst) {
            let undecided = self.orders.undecided.load(Ordering::SeqCst);
            if undecided > 0 {
                self.ledger.catch_up();
                let published = self.events.lock().unwrap().len();
                if published < self.ledger.decisions() + undecided {
                    self.publish(BATCH);
                }
                last = Instant::now();
                continue;
            }
            std::thread::sleep(TICK);
            let rate = self.orders.rate.load(Ordering::SeqCst);
            // What could not be sent while the log was away is not made up for.
            let passed = last.elapsed().min(Duration::from_secs(1)).as_millis();
            due += rate * usize::try_from(passed).unwrap();
            last = Instant::now();
            if due >= 1_000 {
                self.publish(due / 1_000);
                due %= 1_000;
            }
        }
    }

    fn publish(&mut self, count: usize) {
        let batch: Vec<(String, NewRecord, bool)> = (0..count).map(|_| self.next()).collect();
        let records = batch.iter().map(|(_, record, _)| record.clone()).collect();
        let answers = run(self.log.append(records));
        let at = now();
        let acknowledged = batch.into_iter().zip(answers);
        let acknowledged = acknowledged.filter_map(|((id, record, poison), answer)| {
            let placed = answer.ok()?;
            Some(Event {
                id,
                position: (record.topic, placed.partition, placed.offset),
                at,
                poison: poison.then_some(record.value),
            })
        });
        self.events.lock().unwrap().extend(acknowledged);
    }

    /// The next record, and whether it is no event.
    fn next(&mut self) -> (String, NewRecord, bool) {
        let label = *self.orders.label.lock().unwrap();
        let key = self.chance.usize(..KEYS);
        self.sequences[key] += 1;
        let sequence = self.sequences[key];
        let id = format!("{label}.{key}.{sequence}");
        let poison = self.chance.usize(..100) < self.orders.poison.load(Ordering::SeqCst);
        let (topic, event) = event(&id, sequence + key);
        let value = if poison {
            self.no_event()
        } else {
            Some(event.to_string().into_bytes())
        };
        let record = NewRecord {
            topic: topic.to_owned(),
            key: Some(format!("key-{key}").into_bytes()),
            value,
            ..NewRecord::default()
        };
        (id, record, poison)
    }

    fn no_event(&mut self) -> Value {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(100), "]".repeat(100));
        match self.chance.usize(..5) {
            0 => None,
            1 => Some(b"{\"severity\": \"\xc3\x28\"}".to_vec()),
            2 => Some(b"{\"severity\": \"HIGH\"".to_vec()),
            3 => Some(deep.into_bytes()),
            _ => Some(format!("\"{}\"", "x".repeat(100_000)).into_bytes()),
        }
    }
}

/// An event about a target of its own: three kinds that are acted on, and one that is only recorded.
fn event(id: &str, number: usize) -> (&'static str, serde_json::Value) {
    match number % 4 {
        0 => (
            "data.drift.detected",
            json!({"event_id": id, "model_version": format!("{id}@1"), "severity": "HIGH"}),
        ),
        1 => (
            "model.performance.degraded",
            json!({"event_id": id, "model_name": id, "performance_drop": 0.12}),
        ),
        2 => (
            "system.alerts",
            json!({"event_id": id, "event_type": "system_overload", "service": id, "severity": "HIGH"}),
        ),
        _ => ("data.ingested", json!({"event_id": id})),
    }
}

/// The wall clock, which the broker of the same machine stamps records by.
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Millis::try_from(since.unwrap().as_millis()).unwrap()
}
