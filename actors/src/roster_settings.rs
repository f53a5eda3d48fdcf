//! How actors are supervised and bounded, and the specifications of children that follow from it.

use std::time::Duration;

use actix_rt::ArbiterHandle;

use crate::flight::FlightLimits;
use crate::supervision::{Backoff, ChildSpec, GroupSpec, Intensity, Worker};

/// How failing events are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Tries before an event is dead.
    pub attempts_max: u32,
    /// Pause before the second try; it doubles.
    pub first: Duration,
    /// Longest pause.
    pub max: Duration,
}

/// How actors are supervised and bounded.
#[derive(Clone, Copy, Debug)]
pub struct RosterSettings {
    /// Restarts of one actor, and in which time.
    pub intensity: Intensity,
    /// Pauses before restarts.
    pub backoff: Backoff,
    /// Restarts of a whole group because one below it exceeded its own, and in which time.
    pub group_intensity: Intensity,
    /// Pauses before those.
    pub group_backoff: Backoff,
    /// Messages per mailbox.
    pub mailbox_messages_max: u64,
    /// Longest handling of one message.
    pub handling_max: Duration,
    /// Events per batch.
    pub batch_events_max: usize,
    /// Limits per partition.
    pub flight: FlightLimits,
    /// Retries of failing events.
    pub retry: RetrySettings,
}

/// A group of children.
pub(crate) fn group(name: impl Into<String>, settings: &RosterSettings) -> GroupSpec {
    GroupSpec::new(name)
        .intensity(settings.group_intensity)
        .backoff(settings.group_backoff)
}

/// One actor.
pub(crate) fn child<W: Worker>(
    name: impl Into<String>,
    kind: &'static str,
    settings: &RosterSettings,
    arbiter: &ArbiterHandle,
    factory: impl Fn() -> W + Send + 'static,
) -> ChildSpec<W> {
    ChildSpec::new(name, kind, factory)
        .intensity(settings.intensity)
        .backoff(settings.backoff)
        .capacity(settings.mailbox_messages_max)
        .stuck_after(settings.handling_max)
        .on(arbiter)
}
