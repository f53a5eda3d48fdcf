//! The watchdog: what hangs is noticed, told, and healed in steps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::support::{Note, act, journal, lines, of, puppet, tree, until};
use actix_rt::Arbiter;
use homeostat_actors::supervision::{
    ActorState, CallError, ChildSpec, Failure, Handle, Pulse, Scope, Step, StopError, Watchdog,
    Worker,
};

const fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Steps that only note their names.
fn steps(names: &[&'static str]) -> (Arc<Mutex<Vec<String>>>, Vec<Step>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let steps = names
        .iter()
        .map(|&name| {
            let taken = Arc::clone(&taken);
            Step::new(name, move |what| {
                taken.lock().unwrap().push(format!("{name} {what}"));
            })
        })
        .collect();
    (taken, steps)
}

#[actix::test]
async fn a_handler_that_blocks_its_thread_is_told_and_leads_to_the_process_step() {
    let arbiter = Arbiter::new();
    let (tree, journal) = (tree(), journal());
    let spec = puppet("child", &journal)
        .stuck_after(second(3))
        .on(&arbiter.handle());
    let child = tree.start(spec).unwrap();
    let (taken, steps) = steps(&["exit_process"]);
    let watchdog = Watchdog::new(&tree, steps);
    let mut events = tree.subscribe();
    watchdog.look(second(0));
    let (release, blocked) = mpsc::sync_channel::<()>(0);
    let hang = child.call(act(move |puppet, _| {
        puppet.note("in the message");
        blocked.recv().unwrap_or(());
        Ok(())
    }));
    let behind = child.call(Note(1));
    until("in the message", || lines(&journal).len() == 2).await;

    watchdog.look(second(1));
    watchdog.look(second(3));
    assert_eq!(of(&tree, "root/child").state, ActorState::Running);
    watchdog.look(second(4));
    assert_eq!(of(&tree, "root/child").state, ActorState::Stuck);
    crate::support::events_until(&mut events, "stuck").await;
    assert_eq!(
        crate::support::events_until(&mut events, "healing").await,
        ["root/child healing"]
    );
    watchdog.look(second(7));
    watchdog.look(second(8));
    watchdog.look(second(10));
    assert_eq!(
        *taken.lock().unwrap(),
        ["exit_process root/child", "exit_process root/child"]
    );
    let counted: Vec<_> = watchdog.steps_taken().into_iter().collect();
    assert_eq!(counted, [("exit_process", 2), ("restart_actor", 1)]);
    let stuck = StopError::Stuck("root/child".to_owned());
    assert_eq!(tree.stop("root/child", Duration::ZERO).await, Err(stuck));

    release.send(()).unwrap();
    assert_eq!(hang.await, Ok(()), "what finishes after all is answered");
    // The stop was ordered meanwhile and goes before the backlog.
    assert_eq!(behind.await, Err(CallError::Lost));
    until("ended", || tree.snapshot().is_empty()).await;
    arbiter.stop();
    arbiter.join().unwrap();
}

#[actix::test]
async fn a_hold_that_never_ends_is_healed_by_a_restart() {
    let (tree, journal) = (tree(), journal());
    let child = tree
        .start(puppet("child", &journal).stuck_after(second(3)))
        .unwrap();
    let (taken, steps) = steps(&["exit_process"]);
    let watchdog = Watchdog::new(&tree, steps);
    let hold = act(|_, scope| {
        scope.hold(std::future::pending::<()>(), |_, (), _| Ok(()));
        Ok(())
    });
    child.call(hold).await.unwrap();
    let behind = child.call(Note(1));
    for now in 0..4 {
        watchdog.look(second(now));
    }
    assert_eq!(behind.await, Ok(1));
    until("restarted", || of(&tree, "root/child").restarts == 1).await;
    for now in 4..20 {
        watchdog.look(second(now));
    }
    assert_eq!(of(&tree, "root/child").state, ActorState::Running);
    assert!(taken.lock().unwrap().is_empty());
}

/// Waits for ever before its first message, in every incarnation.
struct Waiting;

impl Worker for Waiting {
    fn started(&mut self, scope: &mut Scope<'_, Self>) -> Result<(), Failure> {
        scope.hold(std::future::pending::<()>(), |_, (), _| Ok(()));
        Ok(())
    }
}

impl Handle<Note> for Waiting {
    type Reply = u32;

    fn handle(&mut self, message: Note, _: &mut Scope<'_, Self>) -> Result<u32, Failure> {
        Ok(message.0)
    }
}

#[actix::test]
async fn an_actor_that_a_restart_does_not_help_leads_to_the_next_step() {
    let tree = tree();
    let spec = ChildSpec::new("child", "waiting", || Waiting).stuck_after(second(3));
    let child = tree.start(spec).unwrap();
    let (taken, steps) = steps(&["exit_process"]);
    let watchdog = Watchdog::new(&tree, steps);
    assert!(child.try_send(Note(1)).is_ok());
    for now in 0..4 {
        watchdog.look(second(now));
    }
    until("restarted", || of(&tree, "root/child").restarts == 1).await;
    for now in 4..7 {
        watchdog.look(second(now));
    }
    assert_eq!(*taken.lock().unwrap(), ["exit_process root/child"]);
}

#[actix::test]
async fn an_idle_actor_is_never_stuck() {
    let (tree, journal) = (tree(), journal());
    let child = tree
        .start(puppet("child", &journal).stuck_after(second(1)))
        .unwrap();
    assert_eq!(child.call(Note(1)).await, Ok(1));
    let watchdog = Watchdog::new(&tree, Vec::new());
    for now in 0..100 {
        watchdog.look(second(now));
    }
    assert_eq!(
        watchdog.steps_taken().into_iter().collect::<Vec<_>>(),
        [("restart_actor", 0)]
    );
}

#[actix::test]
async fn a_step_is_counted_from_0_as_soon_as_it_may_be_taken() {
    let step = |name| Step::new(name, |_| {});
    let watchdog = Watchdog::new(&tree(), vec![step("end_process")]);
    let _watch = watchdog.watch("orders/3", second(1), || None, vec![step("rejoin_group")]);
    let counted: Vec<_> = watchdog.steps_taken().into_iter().collect();
    assert_eq!(
        counted,
        [
            ("end_process", 0),
            ("rejoin_group", 0),
            ("restart_actor", 0)
        ]
    );
}

#[actix::test]
async fn a_probe_without_progress_takes_its_steps_until_it_advances_or_is_dropped() {
    let tree = tree();
    let watchdog = Watchdog::new(&tree, Vec::new());
    let (taken, mut steps) = steps(&["restart_consumer", "rebuild_client"]);
    steps.push(Step::new("panics", |_| panic!("a step that panics")));
    let position = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&position);
    let probe = move || {
        Some(Pulse {
            lag: 9,
            position: seen.load(Ordering::Relaxed),
        })
    };
    let watch = watchdog.watch("orders/3", second(2), probe, steps);
    for now in 0..6 {
        watchdog.look(second(now));
    }
    assert_eq!(
        *taken.lock().unwrap(),
        ["restart_consumer orders/3", "rebuild_client orders/3"]
    );
    watchdog.look(second(6));
    assert_eq!(watchdog.steps_taken().get("panics"), Some(&1));
    position.store(1, Ordering::Relaxed);
    for now in 7..10 {
        watchdog.look(second(now));
    }
    assert_eq!(
        taken.lock().unwrap().len(),
        3,
        "progress starts over with the first step"
    );
    drop(watch);
    for now in 10..30 {
        watchdog.look(second(now));
    }
    assert_eq!(taken.lock().unwrap().len(), 3);
}

#[actix::test]
async fn the_thread_of_the_watchdog_looks_by_itself_and_ends_when_dropped() {
    let tree = tree();
    let watchdog = Watchdog::new(&tree, Vec::new());
    let (tell, told) = mpsc::sync_channel(1);
    let step = Step::new("tell", move |_| tell.try_send(()).unwrap_or_default());
    let probe = || {
        Some(Pulse {
            lag: 1,
            position: 0,
        })
    };
    let _watch = watchdog.watch("stalled", Duration::from_millis(2), probe, vec![step]);
    let running = watchdog.run(Duration::from_millis(1)).unwrap();
    told.recv_timeout(second(20)).unwrap();
    drop(running);
    let taken = watchdog.steps_taken();
    std::thread::yield_now();
    assert_eq!(watchdog.steps_taken(), taken);
}
