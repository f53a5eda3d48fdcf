//! A disk that takes no more, under the embedded log: a limit on the size of files, which the service cannot tell from a full
//! disk and which needs neither privileges nor a file system of its own.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use homeostat::log::embedded::{EmbeddedLog, EmbeddedSettings};
use serde_json::json;

use crate::action_target::ActionTarget;
use crate::ledger::Ledger;
use crate::letters::Letters;
use crate::load::{Event, now};
use crate::memory::Memory;
use crate::oracle;
use crate::report::Row;
use crate::support::load::Load;
use crate::support::service::{Launch, Service};
use crate::support::wait_until;

/// Acknowledged events before the disk is full, and after it has room again.
const EVENTS: usize = 60;
/// How long it is full.
const FULL: Duration = Duration::from_secs(3);
/// Longest wait for the end of all actions.
const REST: Duration = Duration::from_secs(90);

/// A whole world without Kafka: the service, its folder, its target.
pub(crate) fn run(rounds: usize, seed: u64) -> Row {
    let mut row = Row::new(super::Fault::DiskFull.name());
    for round in 0..rounds {
        strike(&mut row, seed.wrapping_add(round as u64));
        row.rounds += 1;
    }
    row
}

fn strike(row: &mut Row, seed: u64) {
    let (target, memory) = (ActionTarget::start(seed), Memory::watch());
    // A process that does not ignore the signal would be ended by it; a full disk ends nobody.
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let launch = Launch::new().overlay(&target.overlay()).within(&ignoring);
    let mut service = launch.start();
    memory.add(service.pid());
    let load = Load::start("disk-full", &[&service]);
    load.more(EVENTS);

    limit_files(&service, "1");
    wait_until("the full disk is noticed", || !takes_events(&service));
    std::thread::sleep(FULL);
    if service.get("/livez").status != 200 {
        row.breaches
            .push("the service is not alive on a full disk".to_owned());
    }
    limit_files(&service, "unlimited");
    let since = Instant::now();
    wait_until("events are taken again", || takes_events(&service));
    row.recoveries.push(since.elapsed());
    load.more(EVENTS);
    let acknowledged = load.end();
    row.events += acknowledged.len();

    let until = Instant::now() + REST;
    while Instant::now() < until && !at_rest(&service, &acknowledged) {
        std::thread::sleep(Duration::from_millis(200));
    }
    row.peak = row.peak.max(memory.take_peak());
    service.signal("TERM");
    let (status, said) = service.ended();
    if status.code() != Some(0) {
        row.breaches.push(format!("ended {status}: {said}"));
    }
    judge(row, &launch, &target, acknowledged);
}

/// What the files say, once the service is gone.
fn judge(row: &mut Row, launch: &Launch, target: &ActionTarget, acknowledged: Vec<String>) {
    let data = launch.folder().join("data").join("log");
    let log = Arc::new(EmbeddedLog::open(EmbeddedSettings::new(data)).unwrap());
    let ledger = Ledger::of(log.clone());
    assert!(ledger.catch_up(), "the embedded log can be read");
    let events: Vec<Event> = acknowledged
        .into_iter()
        .map(|id| Event {
            position: ledger.position_of(&id).unwrap_or_default(),
            id,
            at: now(),
            poison: None,
        })
        .collect();
    let verdict = oracle::judge(&events, &ledger, &Letters::of(log), &target.requests());
    verdict.into_rows(std::slice::from_mut(row));
}

/// Whether all of these are decided and nothing is under way.
fn at_rest(service: &Service, acknowledged: &[String]) -> bool {
    let decisions = service.decisions();
    let open = decisions.iter().any(|one| one["outcome"] == "pending");
    let decided = |id: &String| decisions.iter().any(|one| one["event_id"] == id.as_str());
    !open && acknowledged.iter().all(decided)
}

/// Whether an event that asks for nothing is taken.
fn takes_events(service: &Service) -> bool {
    let answer = service.try_post("/api/v1/events/data.ingested", json!({}).to_string());
    answer.is_some_and(|answer| answer.status == 202)
}

fn limit_files(service: &Service, bytes: &str) {
    let limited = Command::new("prlimit")
        .args(["--pid", &service.pid().to_string()])
        .arg(format!("--fsize={bytes}:"))
        .status();
    assert!(
        limited
            .expect("prlimit (util-linux) is installed")
            .success(),
        "prlimit could not limit the size of files"
    );
}
