//! What the executor asks its connectors besides sending: whether an attempt in doubt had its effect, and what a
//! relative order means.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use homeostat_actors::ports::connector::{Answer, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::{Finish, FinishOutcome, Id, OverrideOrder, Record, Via};
use serde_json::json;
use tokio::sync::watch;

use crate::bench::{Bench, Plan, drift, ledger, until};
use crate::doubles::{Probing, done};
use crate::memory_log::place;

const DRIFT: &str = "data.drift.detected";

fn finishes(bench: &Bench) -> Vec<Finish> {
    let records = ledger(&bench.log).into_iter();
    let finishes = records.filter_map(|record| match record {
        Record::Finish(finish) => Some(finish),
        _ => None,
    });
    finishes.collect()
}

fn unknown() -> Answer {
    Answer {
        outcome: FinishOutcome::Unknown,
        detail: "no answer".to_owned(),
        ..done()
    }
}

/// A first attempt without an answer, under `verify`; the lease passes by both clocks.
async fn in_doubt(probe: Probing) -> Bench {
    let partition = place(DRIFT, 0);
    let plan = Plan {
        send: Box::new(|order| {
            let answer = if order.attempt == 1 {
                unknown()
            } else {
                done()
            };
            async { answer }.boxed()
        }),
        probe,
        policy: "verify",
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    until("its outcome is unknown", || finishes(&bench).len() == 1).await;
    bench.clock.advance(Duration::from_secs(62));
    bench.clock.advance_boot(Duration::from_secs(62));
    bench
}

#[actix::test]
async fn g3_an_attempt_in_doubt_is_done_when_its_target_says_so_and_never_sent_again() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let bench = in_doubt(Box::new(move |order| {
        assert_eq!(order.attempt, 1);
        match count.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("a connector that fails is asked again"),
            1 => Some(Probe::NoAnswer("503".to_owned())),
            _ => Some(Probe::Found("run 7".to_owned())),
        }
    }))
    .await;
    for again in 1..3 {
        until("it was asked", || asked.load(Ordering::SeqCst) == again).await;
        bench.clock.advance_boot(Duration::from_mins(6));
    }
    until("the target's word is in the ledger", || {
        finishes(&bench).len() == 2
    })
    .await;
    let finish = finishes(&bench).remove(1);
    assert_eq!(
        (finish.outcome, finish.via, finish.detail.as_str()),
        (FinishOutcome::Done, Via::Probe, "run 7")
    );
    assert_eq!(bench.orders().len(), 1);
    bench.end().await;
}

#[actix::test]
async fn g3_an_attempt_in_doubt_is_sent_again_only_with_the_word_that_it_had_no_effect() {
    let bench = in_doubt(Box::new(|_| Some(Probe::Absent("404".to_owned())))).await;
    until("the second attempt is done", || finishes(&bench).len() == 2).await;
    assert_eq!(finishes(&bench)[1].outcome, FinishOutcome::Done);
    let starts = ledger(&bench.log)
        .into_iter()
        .filter_map(|record| match record {
            Record::Start(start) => Some((start.attempt, start.probe.map(|probe| probe.evidence))),
            _ => None,
        });
    let starts: Vec<_> = starts.collect();
    assert_eq!(starts, [(1, None), (2, Some("404".to_owned()))]);
    bench.end().await;
}

#[actix::test]
async fn g4_a_relative_order_is_made_absolute_once_and_every_attempt_carries_the_same() {
    let (asked, partition) = (Arc::new(AtomicU32::new(0)), place(DRIFT, 0));
    let count = Arc::clone(&asked);
    let (sent, received) = std::sync::mpsc::sync_channel(16);
    let plan = Plan {
        send: Box::new(move |order| {
            sent.send(order.params).unwrap();
            let answer = if order.attempt == 1 {
                unknown()
            } else {
                done()
            };
            async { answer }.boxed()
        }),
        // It fails twice, in both ways; then it answers, each time something else.
        resolve: Box::new(move |_| {
            let resolved = match count.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("the connector trips"),
                1 => Err(unknown()),
                replicas => Ok(Some(json!({ "replicas": replicas }))),
            };
            async { resolved }.boxed()
        }),
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    for again in 1..3 {
        until("it was asked", || asked.load(Ordering::SeqCst) == again).await;
        bench.clock.advance_boot(Duration::from_secs(2));
    }
    until("the first attempt has ended", || {
        finishes(&bench).len() == 1
    })
    .await;
    bench.clock.advance(Duration::from_secs(62));
    bench.clock.advance_boot(Duration::from_secs(62));
    until("the second attempt has ended", || {
        finishes(&bench).len() == 2
    })
    .await;
    let params: Vec<_> = received.try_iter().collect();
    assert_eq!(params, [json!({"replicas": 2}), json!({"replicas": 2})]);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    bench.end().await;
}

#[actix::test]
async fn an_order_may_take_as_long_as_a_request_to_be_made_absolute_and_its_bid_has_its_whole_time_after_that()
 {
    let (open, partition) = (watch::Sender::new(false), place(DRIFT, 0));
    let (asked, switch) = (Arc::new(AtomicU32::new(0)), open.subscribe());
    let count = Arc::clone(&asked);
    let plan = Plan {
        resolve: Box::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            let mut switch = switch.clone();
            async move {
                switch.wait_for(|open| *open).await.unwrap();
                Ok(Some(json!({ "replicas": 5 })))
            }
            .boxed()
        }),
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    until("it is asked", || asked.load(Ordering::SeqCst) == 1).await;
    // Longer than a bid may take from its append to its request.
    bench.clock.advance_boot(Duration::from_secs(11));
    tokio::time::sleep(Duration::from_millis(150)).await;
    open.send_replace(true);
    until("its outcome is there", || !finishes(&bench).is_empty()).await;
    assert_eq!(finishes(&bench)[0].outcome, FinishOutcome::Done);
    assert_eq!(
        (bench.orders().len(), asked.load(Ordering::SeqCst)),
        (1, 1),
        "no attempt was spent on waiting"
    );
    bench.end().await;
}

/// The parts of an answer that decide what a refused or unanswered question means.
fn said(outcome: FinishOutcome, permanent: bool, trouble: bool) -> Answer {
    Answer {
        outcome,
        detail: "401 Unauthorized".to_owned(),
        retry_after_ms: None,
        permanent,
        trouble,
    }
}

#[actix::test]
async fn a_question_that_is_refused_fails_the_attempt_with_that_reason_and_people_are_alerted() {
    use FinishOutcome::{Failed, NotSent};
    // Refused for good, and refused for now: the second spends its attempts.
    for (answer, attempts) in [
        (said(Failed, true, false), 1),
        (said(NotSent, false, false), 3),
    ] {
        let (partition, outcome) = (place(DRIFT, 0), answer.outcome);
        let plan = Plan {
            resolve: Box::new(move |order| {
                let is_retraining = order.action == Action::Retrain;
                let said = if is_retraining {
                    Err(answer.clone())
                } else {
                    Ok(None)
                };
                async { said }.boxed()
            }),
            ..Plan::default()
        };
        let bench = Bench::start(plan, &[&partition]).await;
        bench.log.produce(&partition, drift("m"));
        let ended = || {
            let all = finishes(&bench).into_iter();
            all.filter(|one| one.outcome == outcome).collect::<Vec<_>>()
        };
        for attempt in 1..=attempts {
            until("an attempt ended", || ended().len() == attempt).await;
            bench.clock.advance(Duration::from_mins(6));
            bench.clock.advance_boot(Duration::from_mins(6));
        }
        if attempts == 1 {
            until("people are alerted", || {
                bench
                    .orders()
                    .iter()
                    .any(|(_, _, action)| *action == Action::Alert)
            })
            .await;
        }
        for finish in ended() {
            assert_eq!(finish.detail, "401 Unauthorized");
        }
        assert!(
            bench
                .orders()
                .iter()
                .all(|(_, _, action)| *action == Action::Alert),
            "nothing else was sent: {:?}",
            bench.orders()
        );
        bench.end().await;
    }
}

#[actix::test]
async fn a_question_that_finds_no_service_waits_and_its_text_is_kept_for_people() {
    let (asked, partition) = (Arc::new(AtomicU32::new(0)), place(DRIFT, 0));
    let count = Arc::clone(&asked);
    let plan = Plan {
        resolve: Box::new(move |_| {
            let asked = count.fetch_add(1, Ordering::SeqCst);
            let said = if asked < 2 {
                let mut answer = said(FinishOutcome::NotSent, false, true);
                answer.detail = format!("no connection {asked}");
                Err(answer)
            } else {
                Ok(Some(json!({ "replicas": 5 })))
            };
            async { said }.boxed()
        }),
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    let failure = || {
        bench
            .connection("log")
            .failure
            .map(|failure| failure.detail)
    };
    for again in 0..2 {
        let expected = format!("no connection {again}");
        until("its text is kept", || failure().as_ref() == Some(&expected)).await;
        bench.clock.advance_boot(Duration::from_secs(2));
    }
    until("it is done", || finishes(&bench).len() == 1).await;
    assert_eq!(finishes(&bench)[0].attempt, 1, "no attempt was spent");
    bench.end().await;
}

/// A person approves whatever waits.
async fn approve_all(bench: &Bench) {
    for view in bench.roster.views() {
        let waiting: Vec<(Id, i64)> = {
            let state = view.read();
            let actions = state.fold.state().actions.iter();
            actions.map(|(id, action)| (*id, action.changed)).collect()
        };
        for (action_id, expect) in waiting {
            let id = Id::hash(&[b"approve", &action_id.0]);
            let order = OverrideOrder::Approve { action_id, expect };
            bench.ordered(view.partition, id, order).await;
        }
    }
}

#[actix::test]
async fn a_rollback_that_waits_is_made_absolute_when_it_is_accepted_and_not_when_it_begins() {
    let (asked, partition) = (
        Arc::new(AtomicU32::new(0)),
        place("model.performance.degraded", 0),
    );
    let count = Arc::clone(&asked);
    let (sent, received) = std::sync::mpsc::sync_channel(16);
    let plan = Plan {
        send: Box::new(move |order| {
            sent.send((order.action, order.params)).unwrap();
            async { done() }.boxed()
        }),
        // The version in use: people change it meanwhile.
        resolve: Box::new(move |_| {
            let resolved = match count.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(Some(json!({ "from": "4" }))),
                _ => Ok(Some(json!({ "from": "2" }))),
            };
            async { resolved }.boxed()
        }),
        ..Plan::default()
    };
    let bench = Bench::start(plan, &[&partition]).await;
    let event = r#"{"severity":"HIGH","model_version":"careful@4","performance_drop":0.2,"action_required":"ROLLBACK"}"#;
    bench.log.produce(&partition, event);
    until("it is asked", || asked.load(Ordering::SeqCst) == 1).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(finishes(&bench).is_empty(), "it waits for a person");
    approve_all(&bench).await;
    until("it is done", || finishes(&bench).len() == 1).await;
    let orders: Vec<_> = received.try_iter().collect();
    assert_eq!(orders, [(Action::Rollback, json!({ "from": "4" }).into())]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    bench.end().await;
}
