//! The gates of a process' connections, as the product has them: bids and questions wait while one has no room, and every place
//! comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use homeostat_logic::ledger::execution::{Admission, Answer, Execution};
use homeostat_logic::ledger::record::{FinishOutcome, Id, Millis};
use homeostat_logic::traffic::{BreakerLimits, Claim, Gate, Limits, Pass, Signal, Wait};

/// Tight, so that everything waits now and then.
pub(crate) const LIMITS: Limits = Limits {
    concurrency_max: 4,
    rate_per_minute: Some(240),
    pause_max: Duration::from_secs(30),
    breaker: Some(BreakerLimits {
        failures: 3,
        open: Duration::from_secs(5),
        open_max: Duration::from_secs(30),
    }),
};

/// A place and whose it is.
type Place = (String, Pass);

/// Of one incarnation of a process: a crash forgets it.
#[derive(Default)]
pub(crate) struct Traffic {
    gates: BTreeMap<String, Gate>,
    /// Of bids and questions, by ledger partition and action.
    held: BTreeMap<(usize, Id), Place>,
    /// Of requests, by start id.
    sent: BTreeMap<Id, Place>,
}

impl Traffic {
    pub(crate) fn admitting(&mut self, ledger: usize, boot: Duration) -> Admitting<'_> {
        for gate in self.gates.values_mut() {
            gate.claim(partition(ledger), None, boot);
        }
        Admitting {
            traffic: self,
            ledger,
            boot,
            wait: Wait::Concurrency,
        }
    }

    /// A request leaves: it takes the place of its bid with it.
    pub(crate) fn sends(&mut self, ledger: usize, action: Id, start_id: Id) {
        if let Some(place) = self.held.remove(&(ledger, action)) {
            self.sent.insert(start_id, place);
        }
    }

    /// It ended.
    pub(crate) fn answered(&mut self, start_id: Id, answer: &Answer, boot: Duration) {
        if let Some(place) = self.sent.remove(&start_id) {
            let unclear = matches!(
                answer.outcome,
                FinishOutcome::Unknown | FinishOutcome::NotSent
            );
            let signal = Signal::of(answer.outcome, unclear, answer.retry_after_ms);
            self.give_back(place, signal, boot);
        }
    }

    /// Gives back what an executor, or the one before it, does not use any more.
    pub(crate) fn keep(&mut self, ledger: usize, execution: Option<&Execution>, boot: Duration) {
        let used = |action: Id| execution.is_some_and(|execution| execution.holds(action));
        let given = self
            .held
            .extract_if(.., |(of, action), _| *of == ledger && !used(*action));
        let given: Vec<Place> = given.map(|(_, place)| place).collect();
        for place in given {
            self.give_back(place, Signal::Nothing, boot);
        }
    }

    fn give_back(&mut self, (connection, mut pass): Place, signal: Signal, boot: Duration) {
        let gate = self.gates.get_mut(&connection).unwrap();
        gate.hear(&mut pass, signal, &LIMITS, boot);
        gate.leave(pass);
    }

    /// Places that are taken.
    pub(crate) fn in_flight(&self, boot: Duration) -> usize {
        let gates = self.gates.values();
        gates.map(|gate| gate.health(boot).in_flight).sum()
    }
}

fn partition(ledger: usize) -> i32 {
    i32::try_from(ledger).unwrap()
}

pub(crate) struct Admitting<'a> {
    traffic: &'a mut Traffic,
    ledger: usize,
    boot: Duration,
    wait: Wait,
}

impl Admission for Admitting<'_> {
    fn admit(&mut self, connection: &str, action: Id, due: Millis) -> bool {
        let gates = &mut self.traffic.gates;
        let gate = gates.entry(connection.to_owned());
        let gate = gate.or_insert_with(|| Gate::new(self.boot));
        match gate.enter(&LIMITS, partition(self.ledger), due, self.boot) {
            Ok(pass) => {
                let place = (connection.to_owned(), pass);
                // A bid that is given up at the look at which its action is bid for again.
                if let Some(before) = self.traffic.held.insert((self.ledger, action), place) {
                    self.traffic.give_back(before, Signal::Nothing, self.boot);
                }
                true
            }
            Err(wait) => {
                self.wait = wait;
                false
            }
        }
    }

    fn waits(&mut self, connection: &str, count: usize, due: Millis) {
        let wait = self.wait;
        let claim = Some(Claim { count, due, wait });
        let gate = self.traffic.gates.get_mut(connection).unwrap();
        gate.claim(partition(self.ledger), claim, self.boot);
    }
}
