//! The faults, by name. Each strikes while events flow, and says from when on the service has to recover.

mod connections;
pub(crate) mod disk;
mod members;
mod pressure;
mod processes;

use homeostat_logic::ledger::record::Millis;

use crate::report::Row;
use crate::world::World;

/// What is done to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: what memory is compared with.
    None,
    /// `kill -9` of one instance, or of all.
    Kill,
    /// The end of an instance at each named place of the program.
    FailPoints,
    /// SIGSTOP for two session timeouts, then SIGCONT.
    StopOwner,
    /// Instances that come and go every two seconds.
    RebalanceStorm,
    /// From one instance to three.
    AddInstances,
    /// SIGTERM, under load.
    Sigterm,
    /// A target that answers 503 or 429, hangs, or closes.
    Connector,
    /// One record of ten is no event.
    Poison,
    /// Ten times as many events.
    Burst,
    /// The broker ends, cleanly or by `kill -9`, and comes back.
    BrokerRestart,
    /// One instance is cut off from the broker, loudly or silently.
    NetworkCut,
    /// One instance's way to the broker is slow.
    NetworkDelay,
    /// The wall clock of one instance jumps by an hour.
    ClockJump,
    /// The embedded log may not write.
    DiskFull,
    /// Mailboxes of one message, and a flood.
    FullMailboxes,
}

impl Fault {
    /// Every fault.
    pub(crate) const ALL: [Self; 16] = [
        Self::None,
        Self::Kill,
        Self::FailPoints,
        Self::StopOwner,
        Self::RebalanceStorm,
        Self::AddInstances,
        Self::Sigterm,
        Self::Connector,
        Self::Poison,
        Self::Burst,
        Self::BrokerRestart,
        Self::NetworkCut,
        Self::NetworkDelay,
        Self::ClockJump,
        Self::DiskFull,
        Self::FullMailboxes,
    ];

    /// Those that CI has time for, and that no test of `end_to_end` causes; the ones that leave leases behind first, so that these
    /// run out meanwhile.
    pub(crate) const SHORT: [Self; 7] = [
        Self::None,
        Self::Kill,
        Self::FailPoints,
        Self::StopOwner,
        Self::RebalanceStorm,
        Self::NetworkCut,
        Self::DiskFull,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::FailPoints => "fail-points",
            Self::StopOwner => "stop-owner",
            Self::RebalanceStorm => "rebalance-storm",
            Self::AddInstances => "add-instances",
            Self::Sigterm => "sigterm",
            Self::Connector => "connector",
            Self::Poison => "poison",
            Self::Burst => "burst",
            Self::BrokerRestart => "broker-restart",
            Self::NetworkCut => "network-cut",
            Self::NetworkDelay => "network-delay",
            Self::ClockJump => "clock-jump",
            Self::DiskFull => "disk-full",
            Self::FullMailboxes => "full-mailboxes",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == name);
        found
            .unwrap_or_else(|| panic!("no fault {name}; there are {:?}", Self::ALL.map(Self::name)))
    }

    /// The fault under which an event was published.
    pub(crate) fn of_event(id: &str) -> Option<Self> {
        let label = id.split('.').next()?;
        Self::ALL.into_iter().find(|fault| fault.name() == label)
    }

    /// How often it strikes in a round.
    pub(crate) fn strikes(self) -> usize {
        match self {
            Self::FailPoints => processes::points().len().div_ceil(processes::ARMED),
            _ => 1,
        }
    }

    /// Before the first strike.
    pub(crate) fn prepare(self, world: &mut World<'_>) {
        match self {
            Self::NetworkCut | Self::NetworkDelay => connections::put_behind_proxy(world),
            Self::FullMailboxes => pressure::shrink_mailboxes(world),
            _ => {}
        }
    }

    /// The `number`-th strike. Answers the moments from which recovery counts: the fault, or its end if nothing can go on
    /// before.
    pub(crate) fn strike(self, world: &mut World<'_>, number: usize, row: &mut Row) -> Vec<Millis> {
        match self {
            Self::None => pressure::calm(world),
            Self::Kill => processes::kill(world),
            Self::FailPoints => processes::fail_points(world, number, row),
            Self::StopOwner => processes::stop_owner(world),
            Self::Sigterm => processes::terminate(world, row),
            Self::ClockJump => processes::jump_clock(world),
            Self::RebalanceStorm => members::storm(world, row),
            Self::AddInstances => members::add(world, row),
            Self::Connector => pressure::bad_target(world),
            Self::Poison => pressure::poison(world),
            Self::Burst => pressure::burst(world),
            Self::FullMailboxes => pressure::flood(world, row),
            Self::BrokerRestart => connections::restart_broker(world),
            Self::NetworkCut => connections::cut(world),
            Self::NetworkDelay => connections::delay(world),
            Self::DiskFull => unreachable!("it has a world of its own"),
        }
    }

    /// After the last strike.
    pub(crate) fn restore(self, world: &mut World<'_>) {
        if matches!(
            self,
            Self::NetworkCut | Self::NetworkDelay | Self::FullMailboxes
        ) {
            for instance in world.instances.drain(..) {
                instance.service.stop();
            }
        }
    }
}
