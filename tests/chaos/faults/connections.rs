//! Faults between instances and broker.

use std::time::Duration;

use homeostat_logic::ledger::record::Millis;

use crate::load::{RATE, now};
use crate::proxy::Mode;
use crate::support::wait_until;
use crate::world::{SESSION, World};

/// How long the broker is away.
const AWAY: Duration = Duration::from_secs(3);
/// How late each piece is, and for how long.
const LATE: Duration = Duration::from_millis(200);
const SLOW: Duration = Duration::from_secs(8);

/// It ends as it should or by `kill -9`, and comes back.
pub(super) fn restart_broker(world: &mut World<'_>) -> Vec<Millis> {
    if world.chance.bool() {
        world.site.broker.kill();
    } else {
        world.site.broker.stop();
    }
    std::thread::sleep(AWAY);
    world.site.broker.start();
    let since = now();
    let before = world.load.count();
    // The publisher's client looks for the broker at growing intervals, too.
    wait_until("events are acknowledged again", || {
        world.load.count() > before + RATE
    });
    vec![since]
}

/// The first instance reaches the broker through the proxy only.
pub(super) fn put_behind_proxy(world: &mut World<'_>) {
    world.instances.remove(0).service.stop();
    let instance = world.spawn(world.launch_behind_proxy());
    instance.service.ready();
    world.instances.insert(0, instance);
}

/// Cut off for two session timeouts, so that others own what it had; with or without being told.
pub(super) fn cut(world: &mut World<'_>) -> Vec<Millis> {
    let mode = if world.chance.bool() {
        Mode::Cut
    } else {
        Mode::Silence
    };
    let since = now();
    world.site.proxy.set(mode);
    std::thread::sleep(2 * SESSION);
    world.site.proxy.set(Mode::Pass);
    world.instances[0].service.ready();
    vec![since]
}

pub(super) fn delay(world: &World<'_>) -> Vec<Millis> {
    let since = now();
    world.site.proxy.set(Mode::Delay(LATE));
    std::thread::sleep(SLOW);
    world.site.proxy.set(Mode::Pass);
    vec![since]
}
