//! Faults of processes: killed, stopped, told to end, and clocks that jump.

use std::time::{Duration, Instant};

use homeostat_actors::fail_point::Point;
use homeostat_logic::ledger::record::Millis;

use crate::load::now;
use crate::report::Row;
use crate::support::wait_until;
use crate::world::{SESSION, World};

/// Instances with an armed place at the same time.
pub(crate) const ARMED: usize = 2;
/// Longest wait until an armed place is reached.
const REACHED: Duration = Duration::from_secs(45);
/// Of a hundred records no events, so that there are dead letters.
const POISON: usize = 10;
/// Longest end after SIGTERM.
const END_MAX: Duration = Duration::from_secs(10);
/// How far clocks jump, in milliseconds, and for how long.
const JUMP: i64 = 3_600_000;
const JUMPED: Duration = Duration::from_secs(5);

/// `kill -9` of one instance, in one strike of four of all; others start at once.
pub(super) fn kill(world: &mut World<'_>) -> Vec<Millis> {
    let all = world.chance.usize(..4) == 0;
    let victims = if all { world.instances.len() } else { 1 };
    for _ in 0..victims {
        let index = world.any();
        world.instances.swap_remove(index).service.kill();
    }
    let since = now();
    world.heal();
    vec![since]
}

/// Instances that end at a named place beside one that does not.
pub(super) fn fail_points(world: &mut World<'_>, number: usize, row: &mut Row) -> Vec<Millis> {
    world.load.poison(POISON);
    while world.instances.len() > 1 {
        world.instances.pop().unwrap().service.stop();
    }
    let all = points();
    let first = number * ARMED % all.len();
    let points = all.into_iter().skip(first).take(ARMED);
    let armed: Vec<_> = points
        .map(|point| {
            let passes = world.chance.usize(..passes_max(point));
            let armed = format!("{}={passes}*off->return", point.name());
            let launch = world.launch().environment("FAILPOINTS", &armed);
            (point, world.spawn(launch))
        })
        .collect();
    let mut deaths = Vec::new();
    let until = Instant::now() + REACHED;
    let mut left = armed;
    while !left.is_empty() && Instant::now() < until {
        left.retain_mut(|(point, instance)| {
            let ready = || {
                instance
                    .service
                    .try_get("/readyz")
                    .is_some_and(|it| it.status == 200)
            };
            if is_of_revocation(*point) && ready() {
                instance.service.signal("TERM");
            }
            let ended = instance.service.has_ended();
            if let Some(status) = ended {
                use std::os::unix::process::ExitStatusExt as _;
                deaths.push(now());
                if status.signal() != Some(6) {
                    let said = instance.service.said();
                    row.breaches
                        .push(format!("{} ended {status}: {said}", point.name()));
                }
            }
            ended.is_none()
        });
        std::thread::sleep(Duration::from_millis(20));
    }
    for (point, _) in &left {
        row.breaches.push(format!(
            "{} was not reached within {REACHED:?}",
            point.name()
        ));
    }
    drop(left);
    world.load.poison(0);
    world.heal();
    deaths
}

/// Places that this load reaches. It has no events about users, whose places `end_to_end/users.rs` tries.
pub(super) fn points() -> Vec<Point> {
    let all = Point::ALL.into_iter();
    all.filter(|point| !point.name().starts_with("activity::"))
        .collect()
}

/// So many passes at most before a place ends the process.
const fn passes_max(point: Point) -> usize {
    match point {
        Point::Revoking | Point::BeforeRevokedCommit => 1,
        Point::BeforeDeadLetter | Point::AfterDeadLetter => 3,
        _ => 10,
    }
}

const fn is_of_revocation(point: Point) -> bool {
    matches!(point, Point::Revoking | Point::BeforeRevokedCommit)
}

/// An owner that stands still until others own what it had, and goes on as if it still did.
pub(super) fn stop_owner(world: &mut World<'_>) -> Vec<Millis> {
    let index = world.any();
    let owner = &world.instances[index].service;
    owner.signal("STOP");
    let since = now();
    std::thread::sleep(2 * SESSION);
    owner.signal("CONT");
    owner.ready();
    vec![since]
}

/// SIGTERM: a clean end in time.
pub(super) fn terminate(world: &mut World<'_>, row: &mut Row) -> Vec<Millis> {
    let index = world.any();
    let mut service = world.instances.swap_remove(index).service;
    let since = now();
    let begun = Instant::now();
    service.signal("TERM");
    let (status, said) = service.ended();
    if status.code() != Some(0) || begun.elapsed() > END_MAX {
        let took = begun.elapsed();
        row.breaches
            .push(format!("ended {status} after {took:?}: {said}"));
    }
    world.heal();
    vec![since]
}

/// The wall clock of one instance is an hour ahead, or behind, and then right again.
pub(super) fn jump_clock(world: &mut World<'_>) -> Vec<Millis> {
    let by = if world.chance.bool() { JUMP } else { -JUMP };
    let index = world.any();
    let instance = &world.instances[index];
    instance.move_clock(by);
    let since = now();
    std::thread::sleep(JUMPED);
    instance.move_clock(0);
    wait_until("the instance is ready with its clock right", || {
        let answer = instance.service.try_get("/readyz");
        answer.is_some_and(|answer| answer.status == 200)
    });
    vec![since]
}
