//! The clock port: wall time for rules, a boot clock for deadlines.

use std::time::Duration;

use homeostat_logic::ledger::record::Millis;

/// Time, read in one place so that tests can hold it.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, UTC.
    fn now(&self) -> Millis;

    /// Time since boot on a clock that runs while the host is suspended (`CLOCK_BOOTTIME`): deadlines of sends are
    /// measured on it (ledger-protocol §6).
    fn boot(&self) -> Duration;
}
