//! The state: clocks, log, instances, appends and requests under way.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::execution::{Execution, Moment};
use homeostat_logic::ledger::record::{FinishOutcome, Id, Policy, Record};
use homeostat_logic::ledger::state::FoldState;
use homeostat_logic::ledger::times::{CLOCK_STEP_MS, TARGET_LATENESS_MS};

use crate::canon::Canon;
use crate::ledger::{Ledger, Letter, Position, untampered};
use crate::prints;
use crate::records::{self, T0, UNIT};

/// What may go wrong, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Processes that end and begin anew.
    pub(crate) crashes: u8,
    /// Executors that begin anew in a living process.
    pub(crate) renewals: u8,
    /// Appends that are reported failed and may land all the same, at any time.
    pub(crate) failures: u8,
    /// Steps of the log's clock, ahead or back.
    pub(crate) clock_steps: u8,
    /// Orders of a person.
    pub(crate) orders: u8,
    /// Looks of an executor at a time at which its connections have no room.
    pub(crate) refusals: u8,
    /// Bids that may have been read and are lost before they were reported.
    pub(crate) unreported: u8,
    /// Records of any kind that were read and are lost (A1 does not hold).
    pub(crate) losses: u8,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        crashes: 0,
        renewals: 0,
        failures: 0,
        clock_steps: 0,
        orders: 0,
        refusals: 0,
        unreported: 0,
        losses: 0,
    };
}

/// How the world deviates from what the protocol asks of it: knobs that must break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The same start id for every append of an instance.
    ReusedIds,
    /// What a missing answer is called instead of unknown.
    NoAnswerIs(FinishOutcome),
    /// A bid counts as reported when it lands, durable or not.
    EarlyReport,
    /// The executor is told of wins which the fold denies.
    VoidIsWon,
    /// The first byte may leave long after the check (A4 does not hold).
    LateBytes,
    /// Deadlines are measured by a clock that stands while the host is suspended: requests leave after D.
    StandingClock,
    /// Every bid's parameters are used as they were resolved for that bid.
    OtherParameters,
    /// Nobody appends a Tick.
    NoTicks,
    /// What the record says of its last unit for a start.
    OtherLimit(i64),
    /// One identity for all bids of an executor, which forgets what it gave up.
    ForgetsGivenUp,
    /// A target is asked without waiting for the lease by the own clock.
    NoLocalWait,
    /// The target's memory denies what it did.
    LyingTarget,
}

/// What is searched: the action, how far, with which faults, and how the world deviates from what the protocol assumes.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) policy: Policy,
    pub(crate) instances: usize,
    /// By how many units time goes on, one step after the other.
    pub(crate) plan: &'static [i64],
    pub(crate) faults: Faults,
    /// Windows in units.
    pub(crate) windows: &'static [(i64, i64)],
    /// Last unit for a start; far away if none.
    pub(crate) not_after: Option<i64>,
    /// A report may come later than its record is read.
    pub(crate) reports_apart: bool,
    /// A new process begins to bid before it has read to the end of the log.
    pub(crate) stale_start: bool,
    /// Failures are told to people.
    pub(crate) escalates: bool,
    /// A probe's answer may come later than the target looked.
    pub(crate) looks_apart: bool,
    /// The target can be asked.
    pub(crate) answers_probes: bool,
    /// Parameters are made absolute at the first bid, by each instance in its own way.
    pub(crate) resolves: bool,
    /// E in units.
    pub(crate) lateness: i64,
    /// J in units.
    pub(crate) clock_step: i64,
    pub(crate) mutation: Option<Mutation>,
    /// Spoils what the fold says.
    pub(crate) tamper: fn(&mut FoldState) -> bool,
}

impl Setup {
    pub(crate) const fn new(policy: Policy, plan: &'static [i64], faults: Faults) -> Self {
        Self {
            policy,
            instances: 2,
            plan,
            faults,
            windows: &[],
            not_after: None,
            reports_apart: false,
            stale_start: false,
            escalates: false,
            looks_apart: false,
            answers_probes: true,
            resolves: false,
            lateness: TARGET_LATENESS_MS / UNIT,
            clock_step: CLOCK_STEP_MS / UNIT,
            mutation: None,
            tamper: untampered,
        }
    }

    pub(crate) const fn instances(self, instances: usize) -> Self {
        Self { instances, ..self }
    }

    pub(crate) const fn windows(self, windows: &'static [(i64, i64)]) -> Self {
        Self { windows, ..self }
    }

    pub(crate) const fn until(self, not_after: i64) -> Self {
        Self {
            not_after: Some(not_after),
            ..self
        }
    }

    pub(crate) const fn apart(self) -> Self {
        Self {
            reports_apart: true,
            ..self
        }
    }

    pub(crate) const fn stale(self) -> Self {
        Self {
            stale_start: true,
            ..self
        }
    }

    pub(crate) const fn looks_apart(self) -> Self {
        Self {
            looks_apart: true,
            ..self
        }
    }

    pub(crate) const fn mute(self) -> Self {
        Self {
            answers_probes: false,
            ..self
        }
    }

    pub(crate) const fn resolving(self) -> Self {
        Self {
            resolves: true,
            ..self
        }
    }

    pub(crate) const fn escalating(self) -> Self {
        Self {
            escalates: true,
            ..self
        }
    }

    pub(crate) const fn but(self, mutation: Mutation) -> Self {
        Self {
            mutation: Some(mutation),
            ..self
        }
    }

    pub(crate) fn tampered(self, tamper: fn(&mut FoldState) -> bool) -> Self {
        Self { tamper, ..self }
    }

    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// What a missing answer is called.
    pub(crate) fn no_answer(&self) -> FinishOutcome {
        match self.mutation {
            Some(Mutation::NoAnswerIs(outcome)) => outcome,
            _ => FinishOutcome::Unknown,
        }
    }

    /// The last unit for a start, as the record has it.
    fn written_limit(&self) -> Option<i64> {
        match self.mutation {
            Some(Mutation::OtherLimit(unit)) => Some(unit),
            _ => self.not_after,
        }
    }

    fn proposal(&self) -> Record {
        let escalation = if self.escalates {
            Action::Alert
        } else {
            Action::Ignore
        };
        let windows = self.windows.iter();
        let windows: Vec<_> = windows
            .map(|(from, to)| records::window(*from, *to))
            .collect();
        let mut step = records::step(Action::Retrain, self.policy);
        if !windows.is_empty() {
            step.start = records::within(windows);
        }
        let escalation = records::step(escalation, Policy::Idempotent);
        let mut propose = records::propose(0, vec![step], escalation);
        if let Some(unit) = self.written_limit() {
            propose.not_after = T0 + unit * UNIT;
        }
        Record::Propose(Box::new(propose))
    }
}

/// One process.
#[derive(Clone)]
pub(crate) struct Instance {
    /// What it has read.
    pub(crate) at: Position,
    pub(crate) execution: Execution,
    /// Appends under way, in order.
    pub(crate) queue: VecDeque<Letter>,
    /// Appends that landed and are not reported yet.
    pub(crate) reports: VecDeque<Letter>,
}

/// Whether a request took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arrival {
    /// Checked, and no byte left yet.
    Held,
    Pending,
    Effect,
    Refused,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Who waits for its answer.
    pub(crate) from: Option<usize>,
    pub(crate) action: Id,
    pub(crate) attempt: u32,
    pub(crate) start_id: Id,
    pub(crate) sent_at: i64,
    /// When its client closed it.
    pub(crate) closed_at: Option<i64>,
    pub(crate) arrival: Arrival,
}

/// A probe under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// Who waits for its answer.
    pub(crate) from: usize,
    pub(crate) action: Id,
    pub(crate) attempt: u32,
    /// What the target found when it looked.
    pub(crate) found: Option<bool>,
}

/// A state of the world.
#[derive(Clone)]
pub(crate) struct World {
    /// Units of real time.
    pub(crate) now: i64,
    /// Steps of time that are over.
    pub(crate) passed: usize,
    /// How far the log's clock is ahead.
    pub(crate) ahead: i64,
    pub(crate) log: Position,
    pub(crate) instances: Vec<Instance>,
    /// Appends whose writer does not wait for them any more.
    pub(crate) orphans: Vec<Letter>,
    pub(crate) requests: Vec<Request>,
    pub(crate) probes: Vec<Probe>,
    /// What was sent, with a print of key and parameters.
    pub(crate) sends: BTreeMap<(Id, u32), u64>,
    pub(crate) effects: BTreeMap<Id, u8>,
    pub(crate) left: Faults,
    pub(crate) ids: u32,
    pub(crate) broken: Option<String>,
}

/// The worlds of a setup.
pub(crate) struct Worlds {
    pub(crate) setup: Setup,
    pub(crate) ledger: Ledger,
    /// The log with the proposal.
    pub(crate) begin: Position,
    /// The action that is accepted.
    pub(crate) action: Id,
}

impl Worlds {
    pub(crate) fn new(setup: Setup) -> Self {
        let not_after = setup.not_after.map(|unit| T0 + unit * UNIT);
        let ledger = Ledger::new(setup.tamper, not_after);
        let record = setup.proposal();
        let Record::Propose(propose) = &record else {
            unreachable!("a proposal");
        };
        let action = records::action_of(propose);
        let begin = ledger.append(Ledger::EMPTY, &Letter::new(record), T0);
        Self {
            setup,
            ledger,
            begin,
            action,
        }
    }

    /// Boot time at a unit; it does not begin at zero.
    pub(crate) fn boot(&self, now: i64) -> Duration {
        let stands = self.setup.is(Mutation::StandingClock);
        let now = if stands { 0 } else { now };
        Duration::from_millis((1_000 * UNIT + now * UNIT).unsigned_abs())
    }

    /// Whether an instance has read what the log has lost: it reads no more.
    fn strays(&self, world: &World, number: usize) -> bool {
        let Faults {
            unreported, losses, ..
        } = self.setup.faults;
        let at = world.instances[number].at;
        unreported + losses > 0 && at != world.log && self.ledger.between(at, world.log).is_empty()
    }

    /// An executor of a new incarnation that has read so far.
    pub(crate) fn execution(&self, at: Position, now: i64) -> Execution {
        Execution::new("owner", &self.ledger.at(at).fold, self.boot(now))
    }

    pub(crate) fn begin(&self) -> World {
        let instance = Instance {
            at: self.begin,
            execution: self.execution(self.begin, 0),
            queue: VecDeque::new(),
            reports: VecDeque::new(),
        };
        World {
            now: 0,
            passed: 0,
            ahead: 0,
            log: self.begin,
            instances: vec![instance; self.setup.instances],
            orphans: Vec::new(),
            requests: Vec::new(),
            probes: Vec::new(),
            sends: BTreeMap::new(),
            effects: BTreeMap::new(),
            left: self.setup.faults,
            ids: 0,
            broken: None,
        }
    }

    /// What an instance takes for the present.
    pub(crate) fn moment(&self, world: &World, instance: usize) -> Moment {
        let read = self.ledger.at(world.instances[instance].at).fold.now();
        let clock = T0 + (world.now + world.ahead) * UNIT + 1;
        Moment {
            boot: self.boot(world.now),
            log: clock.max(read),
        }
    }

    /// The same for states that differ in names only: of bids, and of instances in the same condition.
    pub(crate) fn print(&self, world: &World) -> u64 {
        let orders: &[&[usize]] = match world.instances.len() {
            1 => &[&[0]],
            2 => &[&[0, 1], &[1, 0]],
            _ => &[
                &[0, 1, 2],
                &[0, 2, 1],
                &[1, 0, 2],
                &[1, 2, 0],
                &[2, 0, 1],
                &[2, 1, 0],
            ],
        };
        let offset = |at: Position| self.ledger.at(at).fold.offset();
        let read = (0..world.instances.len()).filter(|number| !self.strays(world, *number));
        let read = read.map(|number| world.instances[number].at);
        let base = read.min_by_key(|at| offset(*at)).unwrap_or(world.log);
        let shared = self.shared(world, base);
        let prints = orders
            .iter()
            .map(|order| self.print_in(world, base, shared.clone(), order));
        prints.min().unwrap_or_default()
    }

    fn print_in(&self, world: &World, base: Position, mut canon: Canon, order: &[usize]) -> u64 {
        let offset = |at: Position| self.ledger.at(at).fold.offset();
        let shared = self.ledger.at(base);
        let place = |from: usize| order.iter().position(|at| *at == from);
        for number in order {
            let instance = &world.instances[*number];
            canon.add(offset(instance.at) - offset(base));
            if self.strays(world, *number) {
                canon.add(std::hash::Hasher::finish(
                    &self.ledger.at(instance.at).canon,
                ));
            }
            canon.add(&instance.execution);
            for letters in [&instance.queue, &instance.reports] {
                canon.add(letters.len());
                for letter in letters {
                    prints::of_record(&mut canon, &letter.record, &shared.fold);
                }
            }
        }
        for request in &world.requests {
            let from = request.from.and_then(place);
            canon.add((from, request.action, request.attempt, request.start_id));
            canon.add((request.sent_at, request.closed_at, request.arrival));
        }
        for probe in &world.probes {
            canon.add((place(probe.from), probe.action, probe.attempt, probe.found));
        }
        for letter in &world.orphans {
            prints::of_record(&mut canon, &letter.record, &shared.fold);
        }
        canon.add((&world.sends, &world.effects, &world.broken));
        std::hash::Hasher::finish(&canon)
    }

    /// What all instances have read, and what they have not: the same in whatever order they are named.
    fn shared(&self, world: &World, base: Position) -> Canon {
        let shared = self.ledger.at(base);
        let mut canon = shared.canon.clone();
        canon.add((world.passed, world.ahead, world.left));
        for position in self.ledger.between(base, world.log) {
            let prefix = self.ledger.at(position);
            if let Some((letter, time, _)) = &prefix.last {
                canon.add(time);
                prints::of_record(&mut canon, &letter.record, &shared.fold);
            }
        }
        canon.add(&self.ledger.at(world.log).facts.orders);
        canon
    }
}
