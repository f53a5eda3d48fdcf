//! The clocks of the machine behind the clock port: the only place that reads them for decisions and deadlines.

use std::time::Duration;

use homeostat_actors::ports::clock::Clock;
use homeostat_logic::ledger::record::Millis;

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        chrono::Utc::now()
            .timestamp_millis()
            .saturating_add(moved::by())
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

/// How far tests have moved the wall clock: milliseconds in the file that `HOMEOSTAT_CLOCK_OFFSET` names, read each time, so
/// that the clock jumps while the service runs.
#[cfg(feature = "failpoints")]
mod moved {
    use std::path::PathBuf;
    use std::sync::LazyLock;

    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("HOMEOSTAT_CLOCK_OFFSET").map(PathBuf::from));

    pub(super) fn by() -> i64 {
        let written = FILE
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        // Absent, or caught in the middle of being written: not moved.
        written
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }
}

#[cfg(not(feature = "failpoints"))]
mod moved {
    pub(super) const fn by() -> i64 {
        0
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
