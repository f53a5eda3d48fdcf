//! Mailboxes: exactly bounded, fair to neighbours, drained on request, and every message accounted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{Note, act, boom, journal, lines, of, puppet, tree, until};
use actix_rt::Arbiter;
use homeostat_actors::supervision::{CallError, Failure, Recipient, SendError, StopError};

#[actix::test]
async fn the_bound_is_exact_over_clones_and_recipients_and_refusals_are_counted() {
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal).capacity(16)).unwrap();
    // Nothing runs on this thread until the first await, so nothing is handled meanwhile.
    let mut taken = 0;
    for number in 0..1_000 {
        let recipient: Recipient<Note> = child.clone().recipient();
        match recipient.clone().try_send(Note(number)) {
            Ok(()) => taken += 1,
            Err(error) => {
                assert!(error.is_full());
                assert_eq!(error.into_message(), Note(number));
            }
        }
    }
    assert_eq!((taken, child.room()), (16, 0));
    assert_eq!(child.call(Note(0)).await, Err(CallError::Full));
    until("handled", || child.mailbox().depth == 0).await;
    let mailbox = child.mailbox();
    assert_eq!(
        (mailbox.enqueued, mailbox.handled, mailbox.rejected),
        (16, 16, 985)
    );
    assert_eq!(
        (mailbox.high_water, mailbox.capacity, child.room()),
        (16, 16, 16)
    );
    assert!(
        mailbox.wait_p50_us > 0 && mailbox.handling_p99_us > 0,
        "few messages are all timed"
    );
}

#[actix::test]
async fn a_flooded_actor_lets_its_neighbour_and_its_own_timers_tick() {
    let arbiter = Arbiter::new();
    let (tree, noise, ticks) = (tree(), journal(), Arc::new(AtomicU32::new(0)));
    let flooded = tree
        .start(puppet("flooded", &noise).on(&arbiter.handle()))
        .unwrap();
    let neighbour = tree
        .start(puppet("neighbour", &noise).on(&arbiter.handle()))
        .unwrap();
    let tick = |ticks: &Arc<AtomicU32>| {
        let ticks = Arc::clone(ticks);
        act(move |_, scope| {
            scope.run_interval(Duration::from_millis(1), move |_, _| {
                ticks.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            Ok(())
        })
    };
    // Several timers each: actix alone would leave some of them unpolled.
    let own: Vec<_> = (0..3).map(|_| Arc::new(AtomicU32::new(0))).collect();
    for timer in &own {
        flooded.call(tick(timer)).await.unwrap();
    }
    neighbour.call(tick(&ticks)).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..8 {
        assert!(flooded.try_send(forever(Arc::clone(&over))).is_ok());
    }
    until("the neighbour ticks", || ticks.load(Ordering::Relaxed) > 20).await;
    for timer in &own {
        until("own timers tick", || timer.load(Ordering::Relaxed) > 20).await;
    }
    assert!(flooded.mailbox().depth > 0, "it was flooded all the time");
    over.store(true, Ordering::Relaxed);
    tree.shutdown(Duration::from_secs(10)).await;
    arbiter.stop();
    arbiter.join().unwrap();
}

/// A message that sends itself again until it is over.
fn forever(over: Arc<AtomicBool>) -> crate::support::Do {
    act(move |_, scope| {
        if !over.load(Ordering::Relaxed) {
            scope
                .address()
                .try_send(forever(over))
                .map_err(|error| Failure::new(error.to_string()))?;
        }
        Ok(())
    })
}

#[actix::test]
async fn a_stop_drains_the_mailbox_and_admits_no_more() {
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    for number in 0..200 {
        assert!(child.try_send(Note(number)).is_ok());
    }
    let stop = tree.stop("root/child", Duration::from_mins(1));
    let late = async {
        tokio::task::yield_now().await;
        child.try_send(Note(999))
    };
    let (stopped, late) = futures_util::join!(stop, late);
    assert_eq!(stopped, Ok(0));
    assert!(matches!(late, Err(SendError::Closed(Note(999)))));
    let expected: Vec<_> = std::iter::once("started".to_owned())
        .chain((0..200).map(|number: u32| number.to_string()))
        .chain(std::iter::once("stopping".to_owned()))
        .collect();
    assert_eq!(lines(&journal), expected);
    assert!(tree.snapshot().is_empty(), "it left the tree");
    let unknown = StopError::Unknown("root/child".to_owned());
    assert_eq!(tree.stop("root/child", Duration::ZERO).await, Err(unknown));
    assert_eq!(child.call(Note(1)).await, Err(CallError::Closed));
}

#[actix::test]
async fn a_drain_waits_for_work_in_flight() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    let work = act(|puppet, scope| {
        puppet.busy = true;
        scope.run_later(Duration::from_secs(3), |puppet, _| {
            puppet.busy = false;
            puppet.note("back");
            Ok(())
        });
        Ok(())
    });
    child.call(work).await.unwrap();
    assert_eq!(tree.stop("root/child", Duration::from_secs(5)).await, Ok(0));
    assert_eq!(lines(&journal), ["started", "back", "stopping"]);
}

#[actix::test]
async fn the_deadline_of_a_drain_holds_and_what_is_left_is_counted() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    let hold = act(|_, scope| {
        scope.hold(std::future::pending::<()>(), |_, (), _| Ok(()));
        Ok(())
    });
    child.call(hold).await.unwrap();
    let waiting = [child.call(Note(1)), child.call(Note(2))];
    assert_eq!(tree.stop("root/child", Duration::from_secs(5)).await, Ok(2));
    for call in waiting {
        assert_eq!(call.await, Err(CallError::Lost));
    }
    let mailbox = child.mailbox();
    assert_eq!(
        (
            mailbox.enqueued,
            mailbox.handled,
            mailbox.lost,
            mailbox.depth
        ),
        (3, 1, 2, 0)
    );
}

#[actix::test]
async fn a_worker_that_fails_while_draining_is_restarted_and_drains_on() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    assert!(child.try_send(boom()).is_ok());
    assert!(child.try_send(Note(1)).is_ok());
    assert_eq!(tree.stop("root/child", Duration::from_mins(1)).await, Ok(0));
    assert_eq!(lines(&journal), ["started", "started", "1", "stopping"]);
}

#[actix::test]
async fn a_shutdown_stops_all_the_last_started_first() {
    let (tree, journal) = (tree(), journal());
    for name in ["sink", "middle", "source"] {
        let child = tree.start(puppet(name, &journal)).unwrap();
        assert!(child.try_send(Note(1)).is_ok());
    }
    let mut events = tree.subscribe();
    let outcome = tree.shutdown(Duration::from_secs(10)).await;
    assert_eq!((outcome.lost, outcome.stuck.len()), (0, 0));
    let mut stopped = Vec::new();
    while stopped.len() < 3 {
        let event = events.next().await.unwrap();
        if event.change.name() == "stopped" {
            stopped.push(event.path.to_string());
        }
    }
    assert_eq!(stopped, ["root/source", "root/middle", "root/sink"]);
}

#[actix::test]
async fn a_hold_keeps_messages_and_tasks_back_until_it_is_done() {
    tokio::time::pause();
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    let hold = act(|_, scope| {
        scope.spawn(async {}, |puppet, (), _| {
            puppet.note("task");
            Ok(())
        });
        for (seconds, name) in [(2, "outer"), (1, "inner")] {
            scope.hold(
                tokio::time::sleep(Duration::from_secs(seconds)),
                move |puppet, (), _| {
                    puppet.note(name);
                    Ok(())
                },
            );
        }
        Ok(())
    });
    assert!(child.try_send(hold).is_ok());
    assert_eq!(child.call(Note(1)).await, Ok(1));
    let mut seen = lines(&journal);
    assert_eq!(
        seen.drain(..3).collect::<Vec<_>>(),
        ["started", "inner", "outer"]
    );
    seen.retain(|line| line != "task");
    assert_eq!(seen, ["1"]);
    until("the task too", || {
        lines(&journal).contains(&"task".to_owned())
    })
    .await;
}

#[actix::test]
async fn every_message_is_accounted_for_from_many_threads_through_many_failures() {
    let arbiter = Arbiter::new();
    let (tree, journal) = (tree(), journal());
    let spec = puppet("child", &journal).capacity(64).on(&arbiter.handle());
    let endless = homeostat_actors::supervision::Intensity::new(10_000, Duration::from_secs(1));
    let quick = homeostat_actors::supervision::Backoff {
        max: Duration::from_millis(1),
        ..crate::support::FAST
    };
    let child = tree.start(spec.intensity(endless).backoff(quick)).unwrap();
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let child = child.clone();
            std::thread::spawn(move || {
                let mut sent = [0_u64; 2];
                for number in 0..5_000 {
                    let message = if number % 500 == 7 {
                        boom_quietly()
                    } else {
                        act(|_, _| Ok(()))
                    };
                    sent[usize::from(child.try_send(message).is_err())] += 1;
                }
                sent
            })
        })
        .collect();
    let sent: Vec<_> = senders
        .into_iter()
        .map(|sender| sender.join().unwrap())
        .collect();
    until("handled", || child.mailbox().depth == 0).await;
    let mailbox = child.mailbox();
    assert_eq!(
        mailbox.enqueued,
        sent.iter().map(|[taken, _]| taken).sum::<u64>()
    );
    assert_eq!(
        mailbox.rejected,
        sent.iter().map(|[_, refused]| refused).sum::<u64>()
    );
    assert_eq!((mailbox.handled, mailbox.lost), (mailbox.enqueued, 0));
    assert!(mailbox.high_water <= 64);
    tree.shutdown(Duration::from_secs(5)).await;
    arbiter.stop();
    arbiter.join().unwrap();
}

fn boom_quietly() -> crate::support::Do {
    act(|_, _| Err(Failure::new("quiet boom")))
}

#[actix::test]
async fn a_snapshot_has_the_shape_of_the_api() {
    let (tree, journal) = (tree(), journal());
    let child = tree.start(puppet("child", &journal)).unwrap();
    assert_eq!(child.call(boom()).await, Err(CallError::Failed));
    until("restarted", || of(&tree, "root/child").restarts == 1).await;
    let mut value = serde_json::to_value(tree.snapshot()).unwrap();
    let mailbox = value[0]["mailbox"].as_object_mut().unwrap();
    for timing in [
        "wait_p50_us",
        "wait_p99_us",
        "handling_p50_us",
        "handling_p99_us",
    ] {
        assert!(mailbox.remove(timing).unwrap().is_u64());
    }
    let expected = serde_json::json!([{
        "path": "root/child", "kind": "puppet", "state": "running", "restarts": 1,
        "last_failure": "panicked: boom",
        "mailbox": { "depth": 0, "high_water": 1, "capacity": 1024, "enqueued": 1, "handled": 1,
            "rejected": 0, "lost": 0 },
    }]);
    assert_eq!(value, expected);
}
