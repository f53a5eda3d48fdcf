//! The fold and the executor fail, and so do connectors: every decision is carried out, no attempt is sent twice, and
//! whatever was sent is written down.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_actors::ports::connector::Order;
use homeostat_actors::ports::log::Epoch;
use homeostat_logic::ledger::change::{ChangeKind, CheckpointVerdict};
use homeostat_logic::ledger::record::{FinishOutcome, Id, Record};
use homeostat_logic::topic::LEDGER;
use tokio::sync::watch;

use crate::bench::{Bench, Plan, drift, fresh_id, ledger, until};
use crate::doubles::done;
use crate::memory_log::place;

const DRIFT: &str = "data.drift.detected";
const PERFORMANCE: &str = "model.performance.degraded";

/// Waits until no action is open. An attempt whose bid was lost with its executor waits for its lease, so log time is
/// helped along.
async fn until_all_closed(bench: &Bench) {
    let open = || {
        let folds = bench.fold().into_iter();
        folds
            .map(|(fold, _)| fold.open_actions().count())
            .sum::<usize>()
    };
    for _ in 0..60 {
        for _ in 0..20 {
            if open() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bench.clock.advance(Duration::from_secs(61));
    }
    panic!("{} actions stay open", open());
}

fn assert_no_attempt_was_sent_twice(bench: &Bench) {
    let orders = bench.orders();
    let distinct: BTreeSet<_> = orders
        .iter()
        .map(|(id, attempt, _)| (id, attempt))
        .collect();
    assert_eq!(distinct.len(), orders.len(), "{orders:?}");
}

/// The live views are folds of the whole ledger and nothing else.
async fn until_views_equal_a_fresh_fold(bench: &Bench) {
    until("the views have come as far as the ledger", || {
        let fresh = bench.fold().into_iter().map(|(fold, _)| fold.hash());
        let views = bench.roster.views().iter();
        let live = views.map(|view| view.read().fold.hash());
        fresh.eq(live) && bench.roster.views().iter().all(|view| view.is_live())
    })
    .await;
}

fn finishes(bench: &Bench) -> Vec<(u32, FinishOutcome)> {
    let records = ledger(&bench.log).into_iter();
    let finishes = records.filter_map(|record| match record {
        Record::Finish(finish) => Some((finish.attempt, finish.outcome)),
        _ => None,
    });
    finishes.collect()
}

#[actix::test]
async fn a_fold_that_fails_starts_over_with_its_executor_and_nothing_is_sent_twice() {
    let panicked = Arc::new(AtomicBool::new(false));
    let partition = place(DRIFT, 0);
    let hook = Arc::clone(&panicked);
    let plan = Plan {
        changed: Box::new(move |change| {
            let ChangeKind::Entered(entered) = &change.kind else {
                return;
            };
            let trips = entered.propose.target.name == "boom" && !hook.swap(true, Ordering::SeqCst);
            assert!(!trips, "the fold trips");
        }),
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    for number in 0..30 {
        let model = match number {
            15 => "boom".to_owned(),
            _ => format!("m{number}"),
        };
        bench.log.produce(&partition, drift(model));
    }
    bench.until_settled(&partition).await;
    until("the fold failed", || panicked.load(Ordering::SeqCst)).await;
    until_all_closed(&bench).await;
    until_views_equal_a_fresh_fold(&bench).await;
    assert_no_attempt_was_sent_twice(&bench);
    let acted: BTreeSet<_> = bench.orders().iter().map(|(id, ..)| *id).collect();
    assert_eq!(acted.len(), 30);
    let restarts = |name: &str| {
        let groups = ["homeostat/ledger-0", "homeostat/ledger-1"];
        let restarts = groups.map(|group| bench.actor(&format!("{group}/{name}")).restarts);
        restarts.iter().sum::<u64>()
    };
    assert_eq!((restarts("cooldown"), restarts("executor")), (1, 1));
    // Told once, although half of it was read twice.
    assert_eq!(bench.history.read().unwrap().len(), 30);
    bench.end().await;
}

/// A connector that answers when the test says so.
fn gate() -> (watch::Sender<bool>, crate::doubles::Sending) {
    let (open, wait) = watch::channel(false);
    let send = Box::new(move |_: Order| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|open| *open).await.unwrap();
            done()
        }
        .boxed()
    });
    (open, send)
}

static BIDS: AtomicU32 = AtomicU32::new(0);

fn second_bid_fails() -> Id {
    assert_ne!(BIDS.fetch_add(1, Ordering::SeqCst), 1, "no second bid");
    fresh_id()
}

#[actix::test]
async fn what_an_executor_sent_before_it_failed_is_written_down_and_not_sent_again() {
    let (drifting, degraded) = (place(DRIFT, 0), place(PERFORMANCE, 0));
    let (open, send) = gate();
    let plan = Plan {
        send,
        fresh_id: second_bid_fails,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&drifting, &degraded]).await;
    bench.log.produce(&drifting, drift("m"));
    until("the request is under way", || bench.orders().len() == 1).await;
    // The same target, so the same executor.
    let degradation = r#"{"model_name":"m","severity":"HIGH"}"#;
    bench.log.produce(&degraded, degradation);
    until("the next one is under way", || bench.orders().len() == 2).await;
    assert!(BIDS.load(Ordering::SeqCst) >= 3);
    assert!(finishes(&bench).is_empty());
    open.send(true).unwrap();
    until("both outcomes are in the ledger", || {
        finishes(&bench) == [(1, FinishOutcome::Done); 2]
    })
    .await;
    until_all_closed(&bench).await;
    assert_eq!(bench.orders().len(), 2);
    bench.end().await;
}

#[actix::test]
async fn a_connector_that_panics_leaves_an_unknown_outcome_and_the_policy_decides() {
    let partition = place(DRIFT, 0);
    let plan = Plan {
        send: Box::new(|order| {
            if order.attempt > 1 {
                return async { done() }.boxed();
            }
            assert_ne!(order.target.name, "at-once", "before the future");
            async { panic!("in the future") }.boxed()
        }),
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("at-once"));
    bench.log.produce(&partition, drift("later"));
    until("both outcomes are unknown", || {
        finishes(&bench) == [(1, FinishOutcome::Unknown); 2]
    })
    .await;
    until_all_closed(&bench).await;
    // Shipped retraining is idempotent: sent again with the same key.
    let mut orders = bench.orders();
    orders.sort();
    let attempts: Vec<_> = orders.iter().map(|(_, attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 1, 2]);
    assert_no_attempt_was_sent_twice(&bench);
    bench.end().await;
}

#[actix::test]
async fn an_end_waits_for_requests_under_way_also_for_those_of_an_earlier_incarnation() {
    let partition = place(DRIFT, 0);
    let (open, send) = gate();
    let plan = Plan {
        send,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("a"));
    until("the request is under way", || bench.orders().len() == 1).await;
    for partition in 0..2 {
        let path = format!("homeostat/ledger-{partition}/executor");
        bench.roster.supervisor().restart(&path).unwrap();
        until("it is a new executor", || bench.actor(&path).restarts == 1).await;
    }
    let short = Duration::from_millis(100);
    assert!(!bench.roster.retire_executors(short).await);
    // Nothing new is begun.
    bench.log.produce(&partition, drift("b"));
    bench.until_settled(&partition).await;
    open.send(true).unwrap();
    assert!(bench.roster.retire_executors(Duration::from_secs(10)).await);
    assert_eq!(finishes(&bench), [(1, FinishOutcome::Done)]);
    assert_eq!(bench.orders().len(), 1);
    bench.end().await;
}

#[actix::test]
async fn only_the_owner_of_a_ledger_partition_executes_and_its_successor_takes_over() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    for view in bench.roster.views() {
        view.released(Epoch(1));
    }
    for number in 0..5 {
        bench.log.produce(&partition, drift(format!("m{number}")));
    }
    bench.until_settled(&partition).await;
    until("the decisions are folded", || {
        bench.history.read().unwrap().len() == 5
    })
    .await;
    // Many looks of the executors later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.orders(), []);
    for view in bench.roster.views() {
        view.assigned(Epoch(2));
    }
    until_all_closed(&bench).await;
    assert_eq!(bench.orders().len(), 5);
    assert_no_attempt_was_sent_twice(&bench);
    bench.end().await;
}

#[actix::test]
async fn what_is_being_sent_when_the_partition_goes_is_written_down_and_bid_for_by_nobody() {
    let (open, send) = gate();
    let partition = place(DRIFT, 0);
    let plan = Plan {
        send,
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    until("it is being sent", || bench.orders().len() == 1).await;
    for view in bench.roster.views() {
        view.released(Epoch(1));
    }
    bench.log.produce(&partition, drift("later"));
    bench.until_settled(&partition).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    open.send_replace(true);
    until("its outcome is in the ledger", || {
        finishes(&bench) == [(1, FinishOutcome::Done)]
    })
    .await;
    assert_eq!(bench.orders().len(), 1, "somebody else sends the later one");
    bench.end().await;
}

#[actix::test]
async fn g6_the_owner_writes_checkpoints_that_agree_with_the_fold() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    for number in 0..4 {
        bench.log.produce(&partition, drift(format!("m{number}")));
        bench.until_settled(&partition).await;
        bench.clock.advance(Duration::from_mins(11));
    }
    let checkpoints = || {
        let records = ledger(&bench.log).into_iter();
        records
            .filter(|record| matches!(record, Record::Checkpoint(_)))
            .count()
    };
    until("checkpoints are written", || checkpoints() > 0).await;
    until_views_equal_a_fresh_fold(&bench).await;
    let verdicts: Vec<_> = bench
        .fold()
        .into_iter()
        .flat_map(|(_, changes)| changes)
        .filter_map(|change| match change.kind {
            ChangeKind::CheckpointRead { verdict, .. } => Some(verdict),
            _ => None,
        })
        .collect();
    assert!(!verdicts.is_empty());
    assert!(
        verdicts
            .iter()
            .all(|verdict| *verdict == CheckpointVerdict::Agrees)
    );
    bench.end().await;
}

#[actix::test]
async fn g6_what_was_removed_behind_a_checkpoint_is_not_missed_by_a_restart() {
    let partition = place(DRIFT, 0);
    let bench = Bench::start(Plan::default(), &[&partition]).await;
    // Eleven days: what is kept at least, and more.
    for number in 0..22 {
        bench.log.produce(&partition, drift(format!("m{number}")));
        bench.until_settled(&partition).await;
        until_all_closed(&bench).await;
        bench.clock.advance(Duration::from_hours(12));
    }
    let first_left = || (0..2).map(|index| bench.log.low(LEDGER, index)).max();
    until("old records were removed", || first_left() > Some(0)).await;
    until_views_equal_a_fresh_fold(&bench).await;
    let sent = bench.orders().len();
    for number in 0..2 {
        let group = format!("homeostat/ledger-{number}");
        let path = format!("{group}/cooldown");
        bench.roster.supervisor().restart(&path).unwrap();
        until("it folds anew", || bench.actor(&path).restarts == 1).await;
    }
    until_views_equal_a_fresh_fold(&bench).await;
    // A target that the removed records knew, and one that the kept ones know.
    bench.log.produce(&partition, drift("m0"));
    bench.log.produce(&partition, drift("m21"));
    bench.until_settled(&partition).await;
    until_all_closed(&bench).await;
    until_views_equal_a_fresh_fold(&bench).await;
    assert_no_attempt_was_sent_twice(&bench);
    assert!(bench.orders().len() > sent);
    bench.end().await;
}
