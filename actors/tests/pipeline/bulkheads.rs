//! What a connection that hangs, fails or asks for a pause does to the actions over it, and that it does nothing to others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_actors::ports::connector::{Answer, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{FinishOutcome, Id, Record};
use homeostat_logic::traffic::{BreakerLimits, BreakerState, Limits, Wait};
use tokio::sync::watch;

use crate::bench::{Bench, Plan, drift, fresh_id, ledger, until};
use crate::doubles::{Sending, done};
use crate::memory_log::place;

const DRIFT: &str = "data.drift.detected";
const HEALTH: &str = "system.health";

/// Retraining over a connection of its own; everything else over `log`.
const JOBS: &[(&str, &str)] = &[("retrain", "jobs")];

const LIMITS: Limits = Limits {
    concurrency_max: 4,
    rate_per_minute: None,
    pause_max: Duration::from_mins(1),
    breaker: Some(BreakerLimits {
        failures: 3,
        open: Duration::from_secs(5),
        open_max: Duration::from_mins(1),
    }),
};

fn retrainings(bench: &Bench) -> usize {
    let orders = bench.orders().into_iter();
    orders
        .filter(|(.., action)| *action == Action::Retrain)
        .count()
}

/// Actions whose attempts were bid for.
fn bid_for(bench: &Bench) -> BTreeSet<Id> {
    let records = ledger(&bench.log).into_iter();
    let starts = records.filter_map(|record| match record {
        Record::Start(start) => Some(start.action_id),
        _ => None,
    });
    starts.collect()
}

fn open(bench: &Bench) -> usize {
    let folds = bench.fold().into_iter();
    folds.map(|(fold, _)| fold.open_actions().count()).sum()
}

/// Drifts of so many models, each of which is retrained.
async fn drifts(bench: &Bench, count: usize) {
    let partition = place(DRIFT, 0);
    for number in 0..count {
        bench.log.produce(&partition, drift(format!("m{number}")));
    }
    bench.until_settled(&partition).await;
    until("they are folded", || {
        let views = bench.roster.views().iter();
        let known = views.map(|view| view.read().fold.open_actions().count());
        known.sum::<usize>() >= count
    })
    .await;
}

/// Lets both clocks go on, in steps, until this holds.
async fn later(bench: &Bench, what: &str, condition: impl Fn() -> bool) {
    for _ in 0..200 {
        for _ in 0..20 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bench.clock.advance(Duration::from_secs(5));
        bench.clock.advance_boot(Duration::from_secs(5));
    }
    panic!("never happened: {what}");
}

#[actix::test]
async fn an_alert_leaves_at_once_while_four_hundred_retrainings_hang_at_another_connection() {
    let (drifting, failing) = (place(DRIFT, 0), place(HEALTH, 0));
    let plan = Plan {
        send: Box::new(|order| match order.action {
            Action::Retrain => std::future::pending().boxed(),
            _ => async { done() }.boxed(),
        }),
        over: JOBS,
        limits: LIMITS,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&drifting, &failing]).await;
    drifts(&bench, 400).await;
    until("as many hang as may", || retrainings(&bench) >= 4).await;
    let failure =
        r#"{"event_type":"service_health_check_failed","service_name":"s","severity":"LOW"}"#;
    bench.log.produce(&failing, failure);
    let alerted = || {
        bench
            .orders()
            .iter()
            .any(|(.., action)| *action == Action::Alert)
    };
    until("the alert is sent", alerted).await;
    // Not one after the first to be given up: the alert waited for none of them.
    assert_eq!(retrainings(&bench), 4);
    assert_eq!(bid_for(&bench).len(), 5, "waiting spends no attempt");
    let jobs = bench.connection("jobs");
    assert_eq!((jobs.health.in_flight, jobs.health.waiting), (4, 396));
    assert_eq!(jobs.health.wait, Some(Wait::Concurrency));
    assert_eq!(bench.connection("log").health.waiting, 0);
    bench.end().await;
}

/// Answers like this until the switch is on; then everything is done.
fn answers(like: Answer, switch: &Arc<AtomicBool>) -> Sending {
    let switch = Arc::clone(switch);
    Box::new(move |_| {
        let answer = if switch.load(Ordering::SeqCst) {
            done()
        } else {
            like.clone()
        };
        async { answer }.boxed()
    })
}

#[actix::test]
async fn a_storm_of_429_pauses_the_connection_and_costs_one_attempt_a_pause() {
    let calm = Arc::new(AtomicBool::new(false));
    let busy = Answer {
        outcome: FinishOutcome::Failed,
        detail: "429".to_owned(),
        retry_after_ms: Some(30_000),
        permanent: false,
        trouble: false,
    };
    let plan = Plan {
        send: answers(busy, &calm),
        over: JOBS,
        limits: LIMITS,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&place(DRIFT, 0)]).await;
    drifts(&bench, 100).await;
    let paused = || bench.connection("jobs").health;
    until("it is paused", || paused().state == BreakerState::Paused).await;
    until("what was under way has ended", || paused().in_flight == 0).await;
    let first = retrainings(&bench);
    assert!(first <= LIMITS.concurrency_max, "{first}");
    for pause in 1..=3 {
        until("they wait", || paused().wait == Some(Wait::Pause)).await;
        // Many looks of the executors later.
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(retrainings(&bench), first + pause - 1);
        bench.clock.advance(Duration::from_secs(31));
        bench.clock.advance_boot(Duration::from_secs(31));
        until("one tries", || retrainings(&bench) == first + pause).await;
        until("it is paused again", || {
            paused().state == BreakerState::Paused
        })
        .await;
    }
    assert_eq!((paused().opened, paused().failures), (0, 0), "no failure");
    calm.store(true, Ordering::SeqCst);
    later(&bench, "all are done", || open(&bench) == 0).await;
    let attempts = bench.orders();
    assert!(attempts.len() <= 100 + first + 3, "{}", attempts.len());
    assert_eq!(paused().in_flight, 0);
    bench.end().await;
}

#[actix::test]
async fn an_open_connection_spends_no_attempts_and_closes_after_one_answer() {
    let repaired = Arc::new(AtomicBool::new(false));
    let unreachable = Answer {
        outcome: FinishOutcome::NotSent,
        detail: "no connection".to_owned(),
        retry_after_ms: None,
        permanent: false,
        trouble: true,
    };
    let plan = Plan {
        send: answers(unreachable, &repaired),
        over: JOBS,
        limits: LIMITS,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&place(DRIFT, 0)]).await;
    drifts(&bench, 50).await;
    let health = || bench.connection("jobs").health;
    until("it is open", || health().state == BreakerState::Open).await;
    until("what was under way has ended", || health().in_flight == 0).await;
    let failed = retrainings(&bench);
    assert!(
        (3..3 + LIMITS.concurrency_max).contains(&failed),
        "{failed}"
    );
    until("they wait", || health().wait == Some(Wait::Breaker)).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(bid_for(&bench).len(), failed);
    // Half-open: one tries and fails, and it is open for twice as long.
    bench.clock.advance_boot(Duration::from_secs(5));
    until("it is open again", || health().opened == 2).await;
    assert_eq!(retrainings(&bench), failed + 1);
    bench.clock.advance_boot(Duration::from_secs(6));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(retrainings(&bench), failed + 1);
    repaired.store(true, Ordering::SeqCst);
    bench.clock.advance_boot(Duration::from_secs(4));
    until("it is closed", || health().state == BreakerState::Closed).await;
    later(&bench, "all are done", || open(&bench) == 0).await;
    assert_eq!(
        bench.orders().len(),
        50 + failed + 1,
        "each failure cost one attempt"
    );
    let shown = bench.connection("jobs");
    assert_eq!((shown.outcomes["done"], shown.health.in_flight), (50, 0));
    bench.end().await;
}

static BIDS: AtomicUsize = AtomicUsize::new(0);

/// Some bids fail with their executor.
fn some_bids_fail() -> Id {
    assert_ne!(BIDS.fetch_add(1, Ordering::SeqCst) % 7, 5, "no such bid");
    fresh_id()
}

#[actix::test]
async fn executors_that_fail_and_restart_leave_no_place_behind() {
    let (release, wait) = watch::channel(false);
    let send = Box::new(move |order: Order| {
        let mut wait = wait.clone();
        async move {
            assert_ne!(order.target.name, "m3", "the connector fails");
            wait.wait_for(|open| *open).await.unwrap();
            done()
        }
        .boxed()
    });
    let plan = Plan {
        send,
        fresh_id: some_bids_fail,
        over: JOBS,
        limits: Limits {
            breaker: None,
            ..LIMITS
        },
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&place(DRIFT, 0)]).await;
    drifts(&bench, 30).await;
    for round in 1..=3 {
        for partition in 0..2 {
            let path = format!("homeostat/ledger-{partition}/executor");
            bench.roster.supervisor().restart(&path).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
        let taken = bench.connection("jobs").health.in_flight;
        assert!(taken <= LIMITS.concurrency_max, "round {round}: {taken}");
    }
    release.send_replace(true);
    later(&bench, "all are closed", || open(&bench) == 0).await;
    until("every place came back", || {
        bench.connection("jobs").health.in_flight == 0
    })
    .await;
    assert_eq!(bench.connection("jobs").health.waiting, 0);
    bench.end().await;
}
