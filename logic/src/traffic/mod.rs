//! The traffic of one connection: how many requests at the same time, how many per minute, and whether its service works. A gate
//! per connection keeps a service that hangs from delaying the actions of others.
//!
//! An action that is refused waits: no attempt is spent. Order among those that wait for one connection is by the time since which they
//! are due, also over the partitions of the ledger, each of which has an executor of its own.

mod breaker;
mod limits;
mod rate;

use std::collections::BTreeMap;
use std::time::Duration;

use self::breaker::Breaker;
pub use self::breaker::BreakerState;
pub use self::limits::{BreakerLimits, Limits};
use self::rate::Rate;
use crate::ledger::record::{FinishOutcome, Millis};

/// How long a partition's word that its actions wait keeps younger ones of other partitions back. Executors look several times a
/// second; one that does not look any more delays the others once, for so long.
const CLAIM_LASTS: Duration = Duration::from_millis(500);

/// Why an action waits for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// As many requests as it takes are under way, or others have waited longer.
    Concurrency,
    /// As many requests as it takes per minute have left.
    Rate,
    /// Its service asked for a pause.
    Pause,
    /// It failed too often in a row, or one request is trying whether it works again.
    Breaker,
}

impl Wait {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Concurrency, Self::Rate, Self::Pause, Self::Breaker];

    /// The name in the API and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
            Self::Pause => "pause",
            Self::Breaker => "breaker",
        }
    }
}

/// What the end of a request says of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It answered; a refusal is an answer.
    Answered,
    /// It was not reached, did not answer in time, or failed itself.
    Failed,
    /// It asked for a pause.
    Pause(Duration),
    /// Nothing: no request left, or what came back says nothing about the service.
    Nothing,
}

impl Signal {
    /// What the end of an attempt says. `trouble`: the service was not reached, did not answer or failed itself. One that asks for
    /// a pause lives, so that is no failure.
    pub fn of(outcome: FinishOutcome, trouble: bool, retry_after_ms: Option<Millis>) -> Self {
        let wish = retry_after_ms.filter(|wish| *wish > 0);
        match (outcome, wish) {
            (FinishOutcome::Done, _) => Self::Answered,
            (_, Some(wish)) => Self::Pause(Duration::from_millis(wish.unsigned_abs())),
            _ if trouble => Self::Failed,
            (FinishOutcome::NotSent, None) => Self::Nothing,
            _ => Self::Answered,
        }
    }
}

/// The place of one request, from its admission until it is given back to [`Gate::leave`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place that is not given back is lost"]
pub struct Pass {
    /// It tries whether the service works again, and nothing was heard yet.
    trial: bool,
}

/// Actions of one ledger partition that wait for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How many.
    pub count: usize,
    /// Since when the first of them is due, log time.
    pub due: Millis,
    /// What it waits for.
    pub wait: Wait,
}

/// What a gate shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether requests go through.
    pub state: BreakerState,
    /// Since when, on the gate's clock.
    pub since: Duration,
    /// When the next request is tried, while nothing goes through.
    pub next_try: Option<Duration>,
    /// It was opened by failures, and nothing was answered since.
    pub tripped: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Times that it opened.
    pub opened: u64,
    /// Times that its service asked for a pause while it was closed.
    pub paused: u64,
    /// Requests under way, and actions that are bid for.
    pub in_flight: usize,
    /// Actions that wait.
    pub waiting: usize,
    /// What they wait for.
    pub wait: Option<Wait>,
}

/// The gate of one connection. All times are of one monotonous clock of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    in_flight: usize,
    rate: Rate,
    breaker: Breaker,
    /// By ledger partition, and when it was said.
    claims: BTreeMap<i32, (Claim, Duration)>,
}

impl Gate {
    /// A closed one, that is: open to traffic.
    pub const fn new(now: Duration) -> Self {
        Self {
            in_flight: 0,
            rate: Rate {
                next: Duration::ZERO,
            },
            breaker: Breaker::new(now),
            claims: BTreeMap::new(),
        }
    }

    /// Takes a place for an action of `partition` that is due since `due`.
    ///
    /// # Errors
    /// What it waits for; ask again.
    pub fn enter(
        &mut self,
        limits: &Limits,
        partition: i32,
        due: Millis,
        now: Duration,
    ) -> Result<Pass, Wait> {
        self.breaker.follow(limits, now);
        if !self.breaker.admits(now) {
            let paused = self.breaker.state(now) == BreakerState::Paused;
            return Err(if paused { Wait::Pause } else { Wait::Breaker });
        }
        if self.in_flight >= limits.concurrency_max.max(1) {
            return Err(Wait::Concurrency);
        }
        let per_minute = limits.rate_per_minute;
        if per_minute.is_some_and(|rate| self.rate.free_at(rate) > now) {
            return Err(Wait::Rate);
        }
        let before = |(of, (claim, at)): (&i32, &(Claim, Duration))| {
            let valid = now.saturating_sub(*at) < CLAIM_LASTS;
            (*of != partition && valid && claim.due < due).then_some(claim.wait)
        };
        if let Some(wait) = self.claims.iter().find_map(before) {
            return Err(wait);
        }
        self.in_flight += 1;
        self.charge(limits, now);
        let trial = self.breaker.leaves(now);
        Ok(Pass { trial })
    }

    /// Counts one more request of an action that has its place already: it does not wait, those behind it do.
    pub fn charge(&mut self, limits: &Limits, now: Duration) {
        if let Some(rate) = limits.rate_per_minute {
            self.rate.charge(rate, now);
        }
    }

    /// A request that has this place said something of its service. The first word ends a trial; nothing is no word.
    pub fn hear(&mut self, pass: &mut Pass, signal: Signal, limits: &Limits, now: Duration) {
        if signal == Signal::Nothing {
            return;
        }
        let trial = std::mem::take(&mut pass.trial);
        match signal {
            Signal::Answered => self.breaker.answered(trial, now),
            Signal::Failed => self.breaker.failed(trial, limits.breaker, now),
            Signal::Pause(wish) => match wish.min(limits.pause_max) {
                Duration::ZERO => self.breaker.answered(trial, now),
                pause => self.breaker.pause(pause, now),
            },
            Signal::Nothing => {}
        }
        self.breaker.ended(trial);
    }

    /// Gives a place back.
    #[allow(clippy::needless_pass_by_value, reason = "a place is given back once")]
    pub fn leave(&mut self, pass: Pass) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.breaker.ended(pass.trial);
    }

    /// What of a partition waits now; `None`: nothing.
    pub fn claim(&mut self, partition: i32, claim: Option<Claim>, now: Duration) {
        match claim {
            Some(claim) => {
                self.claims.insert(partition, (claim, now));
            }
            None => {
                self.claims.remove(&partition);
            }
        }
    }

    /// Whether nothing is under way or waits.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.claims.is_empty()
    }

    /// What it shows at a time.
    pub fn health(&self, now: Duration) -> Health {
        let claims = || self.claims.values().map(|(claim, _)| claim);
        Health {
            state: self.breaker.state(now),
            since: self.breaker.since(now),
            next_try: self.breaker.next_try(now),
            tripped: self.breaker.tripped(),
            failures: self.breaker.failures,
            opened: self.breaker.opened,
            paused: self.breaker.paused,
            in_flight: self.in_flight,
            waiting: claims().map(|claim| claim.count).sum(),
            wait: claims().map(|claim| claim.wait).max(),
        }
    }
}

#[cfg(test)]
mod tests;
