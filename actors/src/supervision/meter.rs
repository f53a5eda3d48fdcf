//! The gate and the counters of one mailbox: bounded depth over all clones of an address, and what became of messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::histogram::Histogram;
use super::snapshot::MailboxSnapshot;

/// Set in the gate when no more messages are admitted.
const CLOSED: u64 = 1 << 63;

/// Every message is timed up to this one, later ones one in as many: a clock read costs more than all counters.
const SAMPLE: u64 = 64;

/// A counter on its own cache line: senders and the worker write different ones all the time.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Padded(AtomicU64);

impl Padded {
    fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why the gate did not admit a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    Full,
    Closed,
}

/// Counters of one mailbox. At rest, `enqueued = handled + lost + depth`.
#[derive(Debug)]
pub(super) struct Meter {
    capacity: u64,
    /// Depth, and the closed bit: one word, so that closing and admitting cannot miss each other.
    gate: Padded,
    enqueued: Padded,
    handled: Padded,
    high_water: Padded,
    rejected: Padded,
    lost: Padded,
    wait: Histogram,
    handling: Histogram,
}

impl Meter {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            gate: Padded::default(),
            enqueued: Padded::default(),
            handled: Padded::default(),
            high_water: Padded::default(),
            rejected: Padded::default(),
            lost: Padded::default(),
            wait: Histogram::default(),
            handling: Histogram::default(),
        }
    }

    /// Takes a place in the mailbox, exactly bounded; says when the message is one to be timed.
    pub(super) fn admit(&self) -> Result<Option<Instant>, NotAdmitted> {
        let admitted = self
            .gate
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |gate| {
                (gate < self.capacity).then_some(gate + 1)
            });
        match admitted {
            Ok(before) => {
                if before >= self.high_water.get() {
                    self.high_water.0.fetch_max(before + 1, Ordering::Relaxed);
                }
                let number = self.enqueued.add();
                let sampled = number < SAMPLE || number.is_multiple_of(SAMPLE);
                Ok(sampled.then(Instant::now))
            }
            Err(gate) if gate & CLOSED != 0 => Err(NotAdmitted::Closed),
            Err(_) => {
                self.rejected.add();
                Err(NotAdmitted::Full)
            }
        }
    }

    /// A message left, handled (successfully or not) or lost.
    pub(super) fn leave(&self, handled: bool) {
        if handled {
            self.handled.add();
        } else {
            self.lost.add();
        }
        self.gate.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// Admits no more messages.
    pub(super) fn close(&self) {
        self.gate.0.fetch_or(CLOSED, Ordering::SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.gate.0.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Closed, and nothing is left.
    pub(super) fn is_drained(&self) -> bool {
        self.gate.0.load(Ordering::SeqCst) == CLOSED
    }

    /// Messages waiting or being handled.
    pub(super) fn depth(&self) -> u64 {
        self.gate.get() & !CLOSED
    }

    /// Messages given to the worker so far.
    pub(super) fn handled(&self) -> u64 {
        self.handled.get()
    }

    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Records a timed message: when it was enqueued, and when its handling began and ended.
    pub(super) fn timed(&self, enqueued: Instant, began: Instant, ended: Instant) {
        self.wait.record(began.saturating_duration_since(enqueued));
        self.handling.record(ended.saturating_duration_since(began));
    }

    pub(super) fn snapshot(&self) -> MailboxSnapshot {
        MailboxSnapshot {
            depth: self.depth(),
            high_water: self.high_water.get(),
            capacity: self.capacity,
            enqueued: self.enqueued.get(),
            handled: self.handled.get(),
            rejected: self.rejected.get(),
            lost: self.lost.get(),
            wait_p50_us: self.wait.quantile_us(50),
            wait_p99_us: self.wait.quantile_us(99),
            handling_p50_us: self.handling.quantile_us(50),
            handling_p99_us: self.handling.quantile_us(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_exact_and_what_leaves_makes_room() {
        let meter = Meter::new(2);
        assert!(meter.admit().is_ok());
        assert!(meter.admit().is_ok());
        assert_eq!(meter.admit(), Err(NotAdmitted::Full));
        meter.leave(true);
        assert!(meter.admit().is_ok());
        let snapshot = meter.snapshot();
        assert_eq!(
            (snapshot.enqueued, snapshot.handled, snapshot.depth),
            (3, 1, 2)
        );
        assert_eq!((snapshot.rejected, snapshot.high_water), (1, 2));
    }

    #[test]
    fn a_closed_gate_refuses_and_counts_down() {
        let meter = Meter::new(2);
        assert!(meter.admit().is_ok());
        meter.close();
        assert_eq!(meter.admit(), Err(NotAdmitted::Closed));
        assert_eq!((meter.depth(), meter.is_drained()), (1, false));
        meter.leave(false);
        assert_eq!((meter.depth(), meter.is_drained()), (0, true));
    }

    #[test]
    fn the_bound_holds_under_contention() {
        let meter = Meter::new(100);
        let admitted: usize = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter(|_| meter.admit().is_ok()).count()))
                .collect();
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap())
                .sum()
        });
        assert_eq!((admitted, meter.depth()), (100, 100));
        assert_eq!(meter.snapshot().rejected, 3_900);
    }

    #[test]
    fn the_first_messages_and_one_in_sixty_four_are_timed() {
        let meter = Meter::new(u64::MAX / 2);
        let timed = (0..640)
            .filter(|_| meter.admit().is_ok_and(|at| at.is_some()))
            .count();
        assert_eq!(timed, 64 + 9);
    }
}
