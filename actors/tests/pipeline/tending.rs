//! What remains of done actions: connectors are called again until nothing is left, and at once when a person acknowledges.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_actors::ports::connector::{Order, Tended, Tending};
use homeostat_actors::ports::log::Epoch;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Id, OverrideOrder};
use homeostat_logic::traffic::{BreakerLimits, BreakerState, Limits, Signal};
use tokio::sync::watch;

use crate::bench::{Bench, Plan, until};
use crate::doubles::done;
use crate::memory_log::place;

const ALERTS: &str = "system.alerts";
const HOUR: Duration = Duration::from_hours(1);
/// Alerts over a connection of their own.
const PEOPLE: &[(&str, &str)] = &[("alert", "people")];
const COUNT: usize = 20;
const LIMITS: Limits = Limits {
    concurrency_max: 4,
    rate_per_minute: None,
    pause_max: Duration::from_mins(1),
    breaker: Some(BreakerLimits {
        failures: 3,
        open: Duration::from_secs(5),
        open_max: Duration::from_secs(5),
    }),
};

type Calls = Arc<Mutex<Vec<(Id, bool)>>>;

/// Notes each call and wants the next one an hour later; a person's word ends it.
fn hourly() -> (Calls, Plan) {
    let calls = Calls::default();
    let noted = Arc::clone(&calls);
    let tend = move |action: Id, state: Tending| {
        noted.lock().unwrap().push((action, state.acknowledged));
        let tended = if state.acknowledged {
            Tended::Over
        } else {
            Tended::Again(HOUR)
        };
        async move { (tended, Signal::Answered) }.boxed()
    };
    let plan = Plan {
        tend: Some(Box::new(tend)),
        ..Plan::default()
    };
    (calls, plan)
}

/// A person acknowledges a delivered alert.
async fn acknowledge(bench: &Bench, action_id: Id) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    for view in bench.roster.views() {
        let Some(expect) = view
            .read()
            .fold
            .action(action_id)
            .map(|state| state.changed)
        else {
            continue;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let id = Id::hash(&[b"acknowledge", &number]);
        let order = OverrideOrder::Acknowledge { action_id, expect };
        bench.ordered(view.partition, id, order).await;
    }
}

#[actix::test]
async fn a_done_action_is_tended_until_a_person_acknowledges_it_and_never_before_it_is_due() {
    let (calls, plan) = hourly();
    let partition = place(ALERTS, 0);
    let bench = Bench::start(plan, &[&partition]).await;
    let event = r#"{"event_type":"disk_full","service":"s","severity":"high"}"#;
    bench.log.produce(&partition, event);
    until("it is tended", || calls.lock().unwrap().len() == 1).await;
    let (action, acknowledged) = calls.lock().unwrap()[0];
    assert!(!acknowledged);
    bench.clock.advance_boot(HOUR);
    until("it is tended again", || calls.lock().unwrap().len() == 2).await;
    acknowledge(&bench, action).await;
    until("the word arrives", || calls.lock().unwrap().len() == 3).await;
    bench.clock.advance_boot(2 * HOUR);
    bench.until_settled(&partition).await;
    assert_eq!(
        *calls.lock().unwrap(),
        [(action, false), (action, false), (action, true)],
        "one that is not due is not called, and neither is one that is over"
    );
    assert_eq!(bench.orders().len(), 1, "it was sent once");
    bench.end().await;
}

#[actix::test]
async fn what_a_dry_run_showed_is_never_tended_whatever_the_connection_does_later() {
    let (calls, plan) = hourly();
    let (shown, partition) = (Arc::new(Mutex::new(Vec::new())), place(ALERTS, 0));
    let noted = Arc::clone(&shown);
    let send = move |order: Order| {
        noted
            .lock()
            .unwrap()
            .push((order.target.name, order.dry_run));
        async { done() }.boxed()
    };
    let plan = Plan {
        send: Box::new(send),
        dry_run: true,
        ..plan
    };
    let bench = Bench::start(plan, &[&partition]).await;
    let event = |name: &str| {
        format!("{{\"event_type\":\"disk_full\",\"service\":\"{name}\",\"severity\":\"high\"}}")
    };
    bench.log.produce(&partition, event("shown"));
    let done_of = || {
        let folds = bench.fold().into_iter();
        let actions = folds.flat_map(|(fold, _)| fold.state().actions.clone().into_values());
        actions.filter(|action| action.phase == Phase::Done).count()
    };
    until("it is done", || done_of() == 1).await;
    bench.reload(false);
    // As an instance that takes over, or starts again: it begins with all done actions.
    for view in bench.roster.views() {
        view.assigned(Epoch(2));
    }
    bench.log.produce(&partition, event("sent"));
    until("the other one is tended", || {
        !calls.lock().unwrap().is_empty()
    })
    .await;
    bench.clock.advance_boot(HOUR);
    until("and again", || calls.lock().unwrap().len() == 2).await;
    let tended: BTreeSet<Id> = calls.lock().unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(tended.len(), 1, "the one that was only shown is not tended");
    assert_eq!(
        *shown.lock().unwrap(),
        [("shown".to_owned(), true), ("sent".to_owned(), false)]
    );
    bench.end().await;
}

/// What the service does with what is tended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Hangs,
    Fails,
}

/// So many done alerts, each tended every minute in the mood of the time; which were called, in order.
async fn lasting(mood: &watch::Sender<Mood>) -> (Bench, Arc<Mutex<Vec<Id>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (noted, moods) = (Arc::clone(&calls), mood.subscribe());
    let tend = move |action: Id, _: Tending| {
        noted.lock().unwrap().push(action);
        let now = *moods.borrow();
        let mut moods = moods.clone();
        async move {
            let signal = match now {
                Mood::Well => Signal::Answered,
                Mood::Fails => Signal::Failed,
                Mood::Hangs => {
                    moods.wait_for(|mood| *mood == Mood::Well).await.unwrap();
                    Signal::Answered
                }
            };
            (Tended::Again(Duration::from_mins(1)), signal)
        }
        .boxed()
    };
    let plan = Plan {
        tend: Some(Box::new(tend)),
        over: PEOPLE,
        limits: LIMITS,
        ..Plan::default()
    };
    let partition = place(ALERTS, 0);
    let bench = Bench::start(plan, &[&partition]).await;
    for number in 0..COUNT {
        let event = format!(
            "{{\"event_type\":\"disk_full\",\"service\":\"s{number}\",\"severity\":\"high\"}}"
        );
        bench.log.produce(&partition, event);
    }
    until("all are tended", || calls.lock().unwrap().len() == COUNT).await;
    (bench, calls)
}

#[actix::test]
async fn a_service_that_hangs_collects_no_more_calls_than_its_connection_takes() {
    let mood = watch::Sender::new(Mood::Well);
    let (bench, calls) = lasting(&mood).await;
    mood.send_replace(Mood::Hangs);
    bench.clock.advance_boot(Duration::from_mins(1));
    let health = || bench.connection("people").health;
    until("as many hang as may", || health().in_flight == 4).await;
    until("the others wait", || health().waiting == COUNT - 4).await;
    // Many looks of the keepers later.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(calls.lock().unwrap().len(), COUNT + 4);
    mood.send_replace(Mood::Well);
    until("all were called", || {
        calls.lock().unwrap().len() == 2 * COUNT
    })
    .await;
    until("nothing waits", || {
        health().waiting + health().in_flight == 0
    })
    .await;
    bench.end().await;
}

#[actix::test]
async fn an_open_connection_holds_calls_back_and_drops_none() {
    let mood = watch::Sender::new(Mood::Well);
    let (bench, calls) = lasting(&mood).await;
    mood.send_replace(Mood::Fails);
    bench.clock.advance_boot(Duration::from_mins(1));
    let health = || bench.connection("people").health;
    until("it is open", || health().state == BreakerState::Open).await;
    until("what was under way has ended", || health().in_flight == 0).await;
    let failed = calls.lock().unwrap().len() - COUNT;
    assert!(
        (3..3 + LIMITS.concurrency_max).contains(&failed),
        "{failed}"
    );
    until("the others wait", || health().waiting == COUNT - failed).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(calls.lock().unwrap().len(), COUNT + failed);
    mood.send_replace(Mood::Well);
    bench.clock.advance_boot(Duration::from_secs(5));
    until("all others were called", || {
        calls.lock().unwrap().len() == 2 * COUNT
    })
    .await;
    let called: BTreeSet<Id> = calls.lock().unwrap().split_off(COUNT).into_iter().collect();
    assert_eq!(called.len(), COUNT, "each once");
    assert_eq!(health().state, BreakerState::Closed);
    bench.end().await;
}
