//! A histogram of durations in power-of-two buckets: lock-free, fixed size, good enough for p50 and p99.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bucket `n` counts durations below 2^n nanoseconds; the last one (about 9 minutes) everything above.
const BUCKETS: usize = 40;

/// Counts of durations by power of two of nanoseconds.
#[derive(Debug)]
pub(super) struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    pub(super) fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = usize::try_from(u64::BITS - nanos.leading_zeros()).unwrap_or(BUCKETS);
        if let Some(count) = self.0.get(bucket.min(BUCKETS - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The duration that `percent` of the samples do not exceed, as its bucket's upper end in microseconds (rounded
    /// up, so at most twice the true value plus one); 0 without samples.
    pub(super) fn quantile_us(&self, percent: u64) -> u64 {
        let counts = self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        let total: u64 = counts.iter().sum();
        let rank = (total * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= rank {
                return (1_u64 << bucket).div_ceil(1_000);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_name_the_upper_end_of_their_bucket() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(50), 0);
        for _ in 0..98 {
            histogram.record(Duration::from_nanos(700));
        }
        histogram.record(Duration::from_millis(3));
        histogram.record(Duration::from_millis(3));
        assert_eq!(histogram.quantile_us(50), 2);
        assert_eq!(histogram.quantile_us(98), 2);
        assert_eq!(histogram.quantile_us(99), 4_195);
    }

    #[test]
    fn extremes_stay_within_the_buckets() {
        let histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.quantile_us(50), 549_755_814);
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        assert_eq!(histogram.quantile_us(99), 1);
    }
}
