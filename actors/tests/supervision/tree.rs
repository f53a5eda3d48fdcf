//! Policies, backoff, strategies and escalation, on running actors.

use std::time::Duration;

use crate::support::{
    FAST, Note, Puppet, act, boom, delays, events_until, journal, lines, of, puppet, tree, until,
};
use actix_rt::Arbiter;
use homeostat_actors::supervision::{
    ActorState, Backoff, CallError, Failure, GroupSpec, Intensity, RestartPolicy, Scope, SendError,
    StartError, Strategy, Supervisor,
};

/// State names of `root/child` after it stopped by itself and after it failed: `gone` = no longer in the tree.
async fn ends(policy: RestartPolicy) -> [&'static str; 2] {
    let mut states = [""; 2];
    for (state, failing) in states.iter_mut().zip([false, true]) {
        let (tree, journal) = (tree(), journal());
        let mut events = tree.subscribe();
        let child = tree
            .start(puppet("child", &journal).restart(policy))
            .unwrap();
        let ending = act(move |_, scope| {
            assert!(!failing, "boom");
            scope.stop();
            Ok(())
        });
        assert_eq!(child.call(ending).await.is_err(), failing);
        events_until(&mut events, "started").await;
        let back = child.call(Note(1)).await;
        let actors = tree.snapshot();
        *state = actors.first().map_or("gone", |actor| actor.state.name());
        let expected = if *state == "gone" {
            Err(CallError::Lost)
        } else {
            Ok(1)
        };
        // Sent before or after the end was noticed.
        assert!(back == expected || *state == "gone" && back == Err(CallError::Closed));
    }
    states
}

#[actix::test]
async fn the_policy_decides_who_comes_back() {
    tokio::time::pause();
    assert_eq!(ends(RestartPolicy::Permanent).await, ["running", "running"]);
    assert_eq!(ends(RestartPolicy::Transient).await, ["gone", "running"]);
    assert_eq!(ends(RestartPolicy::Temporary).await, ["gone", "gone"]);
}

#[actix::test]
async fn backoff_grows_to_its_maximum_holds_the_mailbox_and_starts_over_after_a_quiet_period() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let mut events = tree.subscribe();
    let spec = puppet("child", &journal).intensity(Intensity::new(9, Duration::from_secs(1)));
    let child = tree.start(spec).unwrap();
    for number in 0..4 {
        assert!(child.try_send(boom()).is_ok());
        assert!(child.try_send(Note(number)).is_ok());
    }
    assert_eq!(delays(&mut events, 4).await, [20, 40, 60, 60]);
    tokio::time::sleep(FAST.quiet).await;
    let before = tokio::time::Instant::now();
    assert!(child.try_send(boom()).is_ok());
    assert_eq!(child.call(Note(9)).await, Ok(1));
    assert!(
        before.elapsed() >= FAST.first,
        "the message waited for the restart"
    );
    assert_eq!(delays(&mut events, 1).await, [20]);
    let handled: Vec<_> = lines(&journal)
        .into_iter()
        .filter(|line| line != "started")
        .collect();
    assert_eq!(
        handled,
        ["0", "1", "2", "3", "9"],
        "all were kept, in order"
    );
}

/// Three flooded siblings, each on a thread of its own; the second fails. Restarts of each afterwards.
async fn restarts_under_flood(strategy: Strategy) -> [u64; 3] {
    let supervisor = Supervisor::new(GroupSpec::new("root").strategy(strategy));
    let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
    let journal = journal();
    let children: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip(&arbiters)
        .map(|(name, arbiter)| {
            let spec = puppet(name, &journal)
                .capacity(100_000)
                .on(&arbiter.handle());
            supervisor.start(spec).unwrap()
        })
        .collect();
    // Each message sends itself again: the mailboxes never empty.
    for child in &children {
        for _ in 0..8 {
            assert!(child.try_send(act(again)).is_ok());
        }
    }
    assert_eq!(children[1].call(boom()).await, Err(CallError::Failed));
    let expected = match strategy {
        Strategy::OneForOne => [0, 1, 0],
        Strategy::RestForOne => [0, 1, 1],
        Strategy::OneForAll => [1, 1, 1],
    };
    let restarts = || ["a", "b", "c"].map(|name| of(&supervisor, &format!("root/{name}")).restarts);
    until("restarted", || restarts() == expected).await;
    for child in &children {
        let handled = child.mailbox().handled;
        until("the flood goes on", || {
            child.mailbox().handled > handled + 100
        })
        .await;
        assert_eq!(child.mailbox().lost, 0);
    }
    let restarts = restarts();
    let outcome = supervisor.shutdown(Duration::ZERO).await;
    assert!(outcome.stuck.is_empty(), "{outcome:?}");
    for arbiter in arbiters {
        arbiter.stop();
        arbiter.join().unwrap();
    }
    restarts
}

fn again(puppet: &mut Puppet, scope: &mut Scope<'_, Puppet>) -> Result<(), Failure> {
    puppet.count += 1;
    match scope.address().try_send(act(again)) {
        Ok(()) | Err(SendError::Closed(_)) => Ok(()),
        Err(SendError::Full(_)) => Err(Failure::new("the flood drowned itself")),
    }
}

#[actix::test]
async fn each_strategy_reaches_flooded_siblings_ahead_of_their_backlog() {
    assert_eq!(restarts_under_flood(Strategy::OneForOne).await, [0, 1, 0]);
    assert_eq!(restarts_under_flood(Strategy::RestForOne).await, [0, 1, 1]);
    assert_eq!(restarts_under_flood(Strategy::OneForAll).await, [1, 1, 1]);
}

#[actix::test]
async fn an_ordered_restart_ends_in_order_and_starts_fresh() {
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    assert_eq!(child.call(Note(1)).await, Ok(1));
    tree.restart("root/child").unwrap();
    until("restarted", || of(&tree, "root/child").restarts == 1).await;
    assert_eq!(child.call(Note(2)).await, Ok(1));
    assert_eq!(
        lines(&journal),
        ["started", "1", "stopping", "started", "2"]
    );
    assert_eq!(of(&tree, "root/child").last_failure, None);
}

#[actix::test]
async fn a_cascade_beyond_the_intensity_climbs_to_the_root_which_gives_up() {
    tokio::time::pause();
    let tree = tree();
    let once = Intensity::new(1, Duration::from_mins(1));
    let inner = tree
        .group(GroupSpec::new("inner").intensity(once).backoff(FAST))
        .unwrap();
    let (bad, good, outside) = (journal(), journal(), journal());
    let child = inner.start(puppet("bad", &bad).intensity(once)).unwrap();
    let sibling = inner.start(puppet("good", &good)).unwrap();
    let stranger = tree.start(puppet("outside", &outside)).unwrap();
    let mut watch = tree.gave_up();
    let mut events = tree.subscribe();
    assert_eq!(sibling.call(Note(0)).await, Ok(1));
    assert_eq!(stranger.call(Note(0)).await, Ok(1));

    // 1: own restart. 2: the inner group's. 3: own again. 4: the inner group is beyond, the root restarts all.
    for (failures, good_restarts, outside_restarts) in [(1, 0, 0), (2, 1, 0), (3, 1, 0), (4, 2, 1)]
    {
        assert_eq!(child.call(boom()).await, Err(CallError::Failed));
        assert_eq!(
            child.call(Note(failures)).await,
            Ok(1),
            "failure {failures}"
        );
        until("siblings follow", || {
            of(&tree, "root/inner/good").restarts == good_restarts
                && of(&tree, "root/outside").restarts == outside_restarts
        })
        .await;
        assert!(watch.borrow().is_none());
    }
    // 5: own. 6: inner group. 7: own. 8: nobody is left to help.
    for _ in 5..8 {
        assert_eq!(child.call(boom()).await, Err(CallError::Failed));
    }
    let (culprit, behind) = (child.call(boom()), child.call(Note(9)));
    assert_eq!(culprit.await, Err(CallError::Failed));
    assert_eq!(behind.await, Err(CallError::Lost));
    let gave_up = watch
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    assert_eq!(
        (&*gave_up.path, gave_up.failure.text()),
        ("root/inner/bad", "boom")
    );

    let told = events_until(&mut events, "gave_up").await;
    let end: Vec<_> = told
        .iter()
        .rev()
        .take(4)
        .rev()
        .map(String::as_str)
        .collect();
    assert_eq!(
        end,
        [
            "root/inner/bad failed",
            "root/inner failed",
            "root failed",
            "root gave_up"
        ]
    );
    let actor = of(&tree, "root/inner/bad");
    assert_eq!(
        (actor.state, actor.mailbox.lost, actor.mailbox.depth),
        (ActorState::GaveUp, 1, 0)
    );
    assert!(matches!(
        child.try_send(Note(10)),
        Err(SendError::Closed(Note(10)))
    ));
    assert!(
        stranger.call(Note(1)).await.is_ok(),
        "the others go on, so that the process can drain"
    );
}

#[actix::test]
async fn a_stop_ends_a_child_that_backs_off() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let long = Backoff {
        first: Duration::from_hours(1),
        max: Duration::from_hours(1),
        ..FAST
    };
    let child = tree.start(puppet("child", &journal).backoff(long)).unwrap();
    assert_eq!(child.call(boom()).await, Err(CallError::Failed));
    let behind = child.call(Note(1));
    assert_eq!(tree.stop("root/child", Duration::from_secs(1)).await, Ok(1));
    assert_eq!(behind.await, Err(CallError::Lost));
}

#[actix::test]
async fn paths_are_unique_until_their_child_is_gone() {
    let (tree, journal) = (tree(), journal());
    tree.start(puppet("child", &journal)).unwrap();
    let taken = StartError::Duplicate("root/child".to_owned());
    assert_eq!(tree.start(puppet("child", &journal)).unwrap_err(), taken);
    assert_eq!(tree.group(GroupSpec::new("child")).unwrap_err(), taken);
    assert_eq!(tree.stop("root/child", Duration::from_secs(1)).await, Ok(0));
    assert!(tree.start(puppet("child", &journal)).is_ok());
}

#[test]
fn a_child_needs_an_arbiter() {
    let started = tree().start(puppet("child", &journal()));
    assert_eq!(
        started.unwrap_err(),
        StartError::NoArbiter("root/child".to_owned())
    );
}

#[actix::test]
async fn a_child_whose_thread_ends_is_told_as_stopped() {
    let (tree, journal) = (tree(), journal());
    let arbiter = Arbiter::new();
    let mut events = tree.subscribe();
    let child = tree
        .start(puppet("child", &journal).on(&arbiter.handle()))
        .unwrap();
    assert_eq!(child.call(Note(1)).await, Ok(1));
    arbiter.stop();
    arbiter.join().unwrap();
    events_until(&mut events, "stopped").await;
    assert!(matches!(child.try_send(Note(2)), Err(SendError::Closed(_))));
    assert!(tree.snapshot().is_empty());
}

#[actix::test]
async fn a_child_on_a_thread_that_never_came_to_it_is_told_as_stopped() {
    let (tree, journal) = (tree(), journal());
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    // The thread ends while the start is still queued behind a blocking job.
    let (go, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let (enter, entered) = std::sync::mpsc::sync_channel::<()>(1);
    arbiter.spawn_fn(move || {
        enter.send(()).unwrap();
        wait.recv().unwrap_or(());
    });
    entered.recv().unwrap();
    arbiter.stop();
    let child = tree.start(puppet("child", &journal).on(&handle)).unwrap();
    assert!(child.try_send(Note(1)).is_ok());
    go.send(()).unwrap();
    arbiter.join().unwrap();
    until("told", || tree.snapshot().is_empty()).await;
    assert_eq!(child.mailbox().lost, 1);
    assert!(matches!(
        child.try_send(Note(2)),
        Err(SendError::Closed(Note(2)))
    ));
}
