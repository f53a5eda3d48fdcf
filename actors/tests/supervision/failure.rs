//! Whatever fails in a worker, its mailbox survives, a fresh state takes over, and neighbours notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{Do, Note, act, boom, events_until, journal, lines, of, puppet, tree, until};
use homeostat_actors::supervision::{
    ActorState, CallError, Change, ChildSpec, Failure, Handle, RestartPolicy, Scope, Worker,
};

/// Sends one culprit and four messages behind it; they must reach a fresh incarnation in order.
async fn four_survive(culprit: Do, answer: Result<(), CallError>, reason: &str) {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let mut events = tree.subscribe();
    let victim = tree.start(puppet("victim", &journal)).unwrap();
    let neighbour = tree
        .start(puppet("neighbour", &crate::support::journal()))
        .unwrap();
    assert_eq!(victim.call(Note(0)).await, Ok(1));
    assert_eq!(neighbour.call(Note(0)).await, Ok(1));

    let culprit = victim.call(culprit);
    assert_eq!(culprit.await, answer);
    events_until(&mut events, "failed").await;
    assert_eq!(of(&tree, "root/victim").state, ActorState::BackingOff);
    let behind: Vec<_> = (1..=4).map(|number| victim.call(Note(number))).collect();
    for (at, call) in behind.into_iter().enumerate() {
        assert_eq!(
            call.await,
            Ok(u32::try_from(at).unwrap() + 1),
            "a fresh state counts from 1"
        );
    }

    assert_eq!(
        lines(&journal),
        ["started", "0", "started", "1", "2", "3", "4"]
    );
    let snapshot = of(&tree, "root/victim");
    assert_eq!(
        (snapshot.state, snapshot.restarts),
        (ActorState::Running, 1)
    );
    assert_eq!(snapshot.last_failure.as_deref(), Some(reason));
    assert_eq!(snapshot.mailbox.enqueued, snapshot.mailbox.handled);
    assert_eq!(
        neighbour.call(Note(0)).await,
        Ok(2),
        "the neighbour kept its state"
    );
}

#[actix::test]
async fn a_panic_in_a_handler_restarts_the_worker() {
    four_survive(boom(), Err(CallError::Failed), "panicked: boom").await;
}

#[actix::test]
async fn a_returned_failure_restarts_the_worker() {
    let culprit = act(|_, _| Err(Failure::new("no luck")));
    four_survive(culprit, Err(CallError::Failed), "no luck").await;
}

#[actix::test]
async fn an_error_is_returned_by_question_mark() {
    let culprit = act(|_, _| {
        "x".parse::<u8>()?;
        Ok(())
    });
    four_survive(
        culprit,
        Err(CallError::Failed),
        "invalid digit found in string",
    )
    .await;
}

#[actix::test]
async fn a_panic_in_a_spawned_future_restarts_the_worker() {
    let culprit = act(|_, scope| {
        scope.spawn(async { panic!("in the future") }, |_, (), _| Ok(()));
        Ok(())
    });
    four_survive(culprit, Ok(()), "panicked: in the future").await;
}

#[actix::test]
async fn a_panic_in_a_continuation_restarts_the_worker() {
    let culprit = act(|_, scope| {
        scope.spawn(async { 7 }, |_, seven, _| panic!("after {seven}"));
        Ok(())
    });
    four_survive(culprit, Ok(()), "panicked: after 7").await;
}

#[actix::test]
async fn a_failure_returned_by_a_continuation_restarts_the_worker() {
    let culprit = act(|_, scope| {
        scope.run_later(Duration::from_millis(5), |_, _| {
            Err(Failure::new("too late"))
        });
        Ok(())
    });
    four_survive(culprit, Ok(()), "too late").await;
}

#[actix::test]
async fn a_panic_in_an_interval_restarts_the_worker() {
    let culprit = act(|_, scope| {
        scope.run_interval(Duration::from_millis(5), |_, _| panic!("tick"));
        Ok(())
    });
    four_survive(culprit, Ok(()), "panicked: tick").await;
}

#[actix::test]
async fn a_panic_in_a_held_future_restarts_the_worker() {
    let culprit = act(|_, scope| {
        scope.hold(async { panic!("held") }, |_, (), _| Ok(()));
        Ok(())
    });
    four_survive(culprit, Ok(()), "panicked: held").await;
}

#[actix::test]
async fn a_panic_after_a_held_future_restarts_the_worker() {
    let culprit = act(|_, scope| {
        scope.hold(async {}, |_, (), _| panic!("after holding"));
        Ok(())
    });
    four_survive(culprit, Ok(()), "panicked: after holding").await;
}

/// Panics when dropped, after telling.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("pin pulled");
    }
}

/// A future that never comes back and owns a grenade.
async fn armed() {
    let _grenade = Grenade;
    std::future::pending::<()>().await;
}

#[actix::test]
async fn a_panic_in_the_destructor_of_a_task_does_no_more_harm() {
    let culprit = act(|_, scope| {
        scope.run_later(Duration::from_millis(1), |_, _| Err(Failure::new("first")));
        scope.spawn(armed(), |_, (), _| Ok(()));
        Ok(())
    });
    four_survive(culprit, Ok(()), "first").await;
}

#[actix::test]
async fn a_panic_in_the_destructor_of_a_held_future_does_no_more_harm() {
    let (tree, journal) = (tree(), journal());
    let victim = tree.start(puppet("victim", &journal)).unwrap();
    let culprit = act(|_, scope| {
        scope.hold(armed(), |_, (), _| Ok(()));
        Ok(())
    });
    victim.call(culprit).await.unwrap();
    tree.restart("root/victim").unwrap();
    assert_eq!(victim.call(Note(1)).await, Ok(1));
}

#[actix::test]
async fn a_panic_in_the_destructor_of_a_lost_message_does_not_abort() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let spec = puppet("victim", &journal).restart(RestartPolicy::Temporary);
    let victim = tree.start(spec).unwrap();
    assert!(victim.try_send(boom()).is_ok());
    let grenade = Grenade;
    let behind = victim.call(act(move |_, _| {
        drop(grenade);
        Ok(())
    }));
    assert_eq!(behind.await, Err(CallError::Lost));
    until("counted", || victim.mailbox().depth == 0).await;
    assert_eq!(victim.mailbox().lost, 1);
}

#[actix::test]
async fn a_panic_when_asked_whether_it_has_drained_is_a_failure_like_any_other() {
    struct Stubborn;
    impl Worker for Stubborn {
        fn drained(&self) -> bool {
            panic!("ask me later")
        }
    }
    tokio::time::pause();
    let tree = tree();
    let mut events = tree.subscribe();
    tree.start(ChildSpec::new("stubborn", "stubborn", || Stubborn))
        .unwrap();
    assert_eq!(
        tree.stop("root/stubborn", Duration::from_mins(2)).await,
        Ok(0)
    );
    events_until(&mut events, "gave_up").await;
}

/// Fails the first incarnations, in the factory or in `started`.
struct Starter {
    failing: bool,
}

impl Worker for Starter {
    fn started(&mut self, _: &mut Scope<'_, Self>) -> Result<(), Failure> {
        assert!(!self.failing, "not yet");
        Ok(())
    }
}

impl Handle<Note> for Starter {
    type Reply = u32;

    fn handle(&mut self, message: Note, _: &mut Scope<'_, Self>) -> Result<u32, Failure> {
        assert!(message.0 > 0, "zero");
        Ok(message.0)
    }
}

/// Fails in the incarnations named, at start-up.
async fn start_up(failing: [u32; 2], in_factory: bool) {
    tokio::time::pause();
    let tree = tree();
    let mut events = tree.subscribe();
    let incarnation = Arc::new(AtomicU32::new(0));
    let spec = ChildSpec::new("starter", "starter", move || {
        let failing = failing.contains(&incarnation.fetch_add(1, Ordering::Relaxed));
        assert!(!(failing && in_factory), "not yet");
        Starter { failing }
    });
    let address = tree.start(spec.backoff(crate::support::FAST)).unwrap();
    let (first, second) = (address.call(Note(1)), address.call(Note(0)));
    assert_eq!(
        first.await,
        Ok(1),
        "messages wait for the first incarnation that starts"
    );
    assert_eq!(second.await, Err(CallError::Failed));
    assert_eq!(address.call(Note(2)).await, Ok(2));
    let mut failures = Vec::new();
    while failures.len() < 3 {
        if let Change::Failed(failure) = events.next().await.unwrap().change {
            failures.push(failure.text().to_owned());
        }
    }
    failures.sort();
    assert_eq!(failures, ["not yet", "not yet", "zero"]);
    assert_eq!(of(&tree, "root/starter").state, ActorState::Running);
}

#[actix::test]
async fn a_panic_at_start_up_is_tried_again() {
    start_up([0, 1], false).await;
}

#[actix::test]
async fn a_panic_in_the_factory_is_tried_again() {
    start_up([0, 1], true).await;
}

#[actix::test]
async fn a_panic_in_a_restart_is_tried_again() {
    // The second incarnation works and fails on a message; the third one fails to start.
    start_up([0, 2], false).await;
}

#[actix::test]
async fn a_panic_in_the_factory_during_a_restart_is_tried_again() {
    start_up([0, 2], true).await;
}

#[actix::test]
async fn the_culprit_is_dropped_before_the_failure_is_told() {
    struct Parcel(Arc<AtomicU32>);
    impl Drop for Parcel {
        fn drop(&mut self) {
            self.0.store(1, Ordering::SeqCst);
        }
    }
    let (tree, journal) = (tree(), journal());
    let mut events = tree.subscribe();
    let address = tree.start(puppet("victim", &journal)).unwrap();
    let dropped = Arc::new(AtomicU32::new(0));
    let parcel = Parcel(Arc::clone(&dropped));
    // Kept by a task of the worker: dropped with the incarnation, not by unwinding.
    let sent = address.try_send(act(move |_, scope| {
        scope.spawn(std::future::pending::<()>(), move |_, (), _| {
            drop(parcel);
            Ok(())
        });
        Err(Failure::new("kept"))
    }));
    assert!(sent.is_ok());
    events_until(&mut events, "failed").await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn timers_and_futures_of_a_failed_incarnation_are_gone() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let address = tree.start(puppet("victim", &journal)).unwrap();
    let arm = act(|_, scope| {
        scope.run_interval(Duration::from_millis(10), |puppet, _| {
            puppet.note("tick");
            Ok(())
        });
        scope.run_later(Duration::from_millis(25), |puppet, _| {
            puppet.note("late");
            Ok(())
        });
        scope.run_later(Duration::from_millis(22), |_, _| panic!("now"));
        Ok(())
    });
    address.call(arm).await.unwrap();
    until("restarted", || of(&tree, "root/victim").restarts == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lines(&journal), ["started", "tick", "tick", "started"]);
}
