//! The clocks of the machine behind the clock port: the only place that reads them for decisions and deadlines.

use std::time::Duration;

use homeostat_actors::ports::clock::Clock;
use homeostat_logic::ledger::record::Millis;

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        chrono::Utc::now().timestamp_millis()
    }

    /// `CLOCK_BOOTTIME` where there is one: unlike `Instant`, it runs while the host is suspended.
    fn boot(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let clock = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(clock);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_does_not_step_back() {
        let first = SystemClock.boot();
        assert!(SystemClock.boot() >= first && first > Duration::ZERO);
    }
}
