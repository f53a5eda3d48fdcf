//! Clients that publish through whatever happens to the service, and remember what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::wait_until;

/// Clients at once.
const CLIENTS: usize = 4;
/// Pause between events.
const PAUSE: Duration = Duration::from_millis(5);
/// So many more than asked for are published: what the test does next happens while events flow. Not for ever, because the
/// service keeps 1,000 decisions in memory and the tests look at all of them.
const SURPLUS: usize = 60;
/// Pause after a request that was not acknowledged.
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(200);

/// Clients that publish until they are told to end.
pub(crate) struct Load {
    services: Arc<Mutex<Vec<Client>>>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    allowed: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Publishes to these services in turn; `name` is part of every target and event id.
    pub(crate) fn start(name: &str, services: &[&Client]) -> Self {
        let mut load = Self {
            services: Arc::new(Mutex::new(
                services.iter().map(|one| (*one).clone()).collect(),
            )),
            acknowledged: Arc::default(),
            allowed: Arc::new(AtomicUsize::new(SURPLUS)),
            over: Arc::default(),
            threads: Vec::new(),
        };
        for client in 0..CLIENTS {
            let name = format!("{name}-{client}");
            let (services, acknowledged) =
                (Arc::clone(&load.services), Arc::clone(&load.acknowledged));
            let (allowed, over) = (Arc::clone(&load.allowed), Arc::clone(&load.over));
            load.threads.push(std::thread::spawn(move || {
                for number in 0_usize.. {
                    while acknowledged.lock().unwrap().len() >= allowed.load(Ordering::SeqCst) {
                        if over.load(Ordering::SeqCst) {
                            return;
                        }
                        std::thread::sleep(PAUSE);
                    }
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let service = {
                        let services = services.lock().unwrap();
                        services[number % services.len()].clone()
                    };
                    let (topic, event) = event(&format!("{name}-{number}"), number);
                    let path = format!("/api/v1/events/{topic}");
                    let answer = service.try_post(&path, event.to_string());
                    let taken = answer.is_some_and(|answer| answer.status == 202);
                    if taken {
                        let id = event["event_id"].as_str().unwrap().to_owned();
                        acknowledged.lock().unwrap().push(id);
                    }
                    std::thread::sleep(if taken { PAUSE } else { PAUSE_AFTER_FAULT });
                }
            }));
        }
        load
    }

    /// From now on the service is there.
    pub(crate) fn moved(&self, service: &Client) {
        *self.services.lock().unwrap() = vec![service.clone()];
    }

    /// Waits until so many more events were acknowledged.
    #[track_caller]
    pub(crate) fn more(&self, count: usize) {
        let wanted = self.acknowledged.lock().unwrap().len() + count;
        self.allowed.store(wanted + SURPLUS, Ordering::SeqCst);
        wait_until("more events are acknowledged", || {
            self.acknowledged.lock().unwrap().len() >= wanted
        });
    }

    /// Ends it; the ids of all events that were acknowledged.
    #[track_caller]
    pub(crate) fn end(self) -> Vec<String> {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// One of three kinds, about a target of its own.
fn event(name: &str, number: usize) -> (&'static str, Value) {
    let id = format!("event-{name}");
    match number % 3 {
        0 => (
            "data.drift.detected",
            json!({"event_id": id, "model_version": format!("{name}@1"), "severity": "HIGH"}),
        ),
        1 => (
            "model.performance.degraded",
            json!({"event_id": id, "model_name": name, "performance_drop": 0.12}),
        ),
        _ => (
            "system.alerts",
            json!({"event_id": id, "event_type": "system_overload", "service": name, "severity": "HIGH"}),
        ),
    }
}
