//! The world: one queue of what happens when, in virtual time, on one thread. Equal seeds give equal worlds.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Id, Millis, Record};
use homeostat_logic::ledger::times::CLOCK_STEP_MS;
use homeostat_logic::rules::Rules;

use crate::dice::Dice;
use crate::happening::{Event, Message, short};
use crate::log::{Entry, Log};
use crate::process::{Payload, Pending, Process, Purpose};
use crate::profile::{DAY, HOUR, Profile, SECOND, Sabotage};
use crate::promises::{Promises, Violation};
use crate::target::Targets;

/// A Monday; each world begins at some hour of it.
const BEGIN: Millis = 1_772_409_600_000;
/// A world in which more happens than this never comes to rest.
const STEPS_MAX: u64 = 400_000;
/// `delivery.timeout.ms` of the ledger's producer (ledger-protocol §7).
const DELIVERY_TIMEOUT: Millis = 30 * SECOND;

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) profile: Profile,
    pub(crate) sabotage: Sabotage,
    pub(crate) rules: &'static [Rules],
    pub(crate) now: Millis,
    pub(crate) calm_at: Millis,
    pub(crate) faults: bool,
    pub(crate) log: Log,
    pub(crate) referee: Vec<Fold>,
    pub(crate) processes: Vec<Process>,
    pub(crate) targets: Targets,
    pub(crate) promises: Promises,
    /// The referee's hash at some offsets.
    pub(crate) hashes: BTreeMap<(usize, i64), String>,
    pub(crate) trace: Option<Vec<String>>,
    /// Keys under which another installation had effects at the same receivers.
    foreign: BTreeSet<Id>,
    /// Tells this installation's random bits from another's of the same seed.
    salt: u8,
    queue: BTreeMap<(Millis, u64), Event>,
    ids: u64,
}

/// How a world ended.
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) records: usize,
    pub(crate) actions: usize,
    pub(crate) sends: usize,
    /// Decisions that a used-up budget brought to a milder step.
    pub(crate) milder: usize,
    /// Approvals that people gave.
    pub(crate) approvals: usize,
    /// Ledger partitions of which the beginning is gone.
    pub(crate) truncated: usize,
    /// Differs between worlds that differ.
    pub(crate) fingerprint: String,
    /// Keys under which something took effect.
    pub(crate) keys: BTreeSet<Id>,
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Sabotage, rules: &'static [Rules], trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let profile = Profile::draw(&mut dice);
        let now = BEGIN + dice.roll(24) * HOUR;
        let log = Log::new(profile.ledger_partitions);
        let mut world = Self {
            calm_at: now + profile.until,
            dice,
            sabotage,
            rules,
            now,
            faults: true,
            referee: log.ledger.iter().map(|_| Fold::new()).collect(),
            log,
            processes: Vec::new(),
            targets: Targets::default(),
            promises: Promises::default(),
            hashes: BTreeMap::new(),
            trace: trace.then(Vec::new),
            queue: BTreeMap::new(),
            ids: 0,
            foreign: BTreeSet::new(),
            salt: 0,
            profile,
        };
        world.begin();
        world
    }

    /// The same world as another installation, whose receivers know these keys already.
    pub(crate) fn beside(self, salt: u8, foreign: BTreeSet<Id>) -> Self {
        Self {
            foreign,
            salt,
            ..self
        }
    }

    /// The random bits of a Genesis.
    pub(crate) fn installation(&mut self) -> Id {
        match self.sabotage {
            Sabotage::OneInstallationForAll => Id([0; 16]),
            _ => Id::hash(&[&self.dice.id().0, &[self.salt]]),
        }
    }

    /// Whether the receiver takes a key for another installation's.
    pub(crate) fn is_foreign(&self, key: Id) -> bool {
        self.foreign.contains(&key)
    }

    fn begin(&mut self) {
        let (events, faults, orders) = (
            self.profile.events,
            self.profile.fault_count,
            self.profile.orders,
        );
        let base = self.dice.index(self.rules.len());
        for process in 0..self.profile.processes {
            let extents = vec![(0, 0); self.log.ledger.len()];
            self.processes.push(Process::new(0, base, 0, &extents));
            self.processes[process].alive = false;
            self.at(self.now, Event::Wake(process));
        }
        let begin = self.now;
        for _ in 0..events {
            // Events come in bursts, also in worlds that last for days.
            let burst = self.dice.roll(6) * self.profile.until / 6;
            let within = self.dice.roll((self.profile.until / 6).min(HOUR / 4));
            self.at(begin + burst + within, Event::Publish);
        }
        for (count, event) in [(faults, 0), (orders, 1)] {
            for _ in 0..count {
                let burst = self.dice.roll(6) * self.profile.until / 6;
                let within = self.dice.roll((self.profile.until / 6).min(HOUR / 4));
                let event = if event == 0 {
                    Event::Fault
                } else {
                    Event::Dispatch
                };
                self.at(begin + burst + within, event);
            }
        }
        self.at(self.calm_at, Event::Calm);
    }

    pub(crate) fn run(mut self) -> Outcome {
        let mut steps = 0;
        while self.promises.violation.is_none() {
            let Some(((at, _), event)) = self.queue.pop_first() else {
                break;
            };
            self.now = self.now.max(at);
            self.handle(event);
            steps += 1;
            if steps > STEPS_MAX || self.now > self.calm_at + 60 * DAY {
                self.promises
                    .broken("liveness", format!("not at rest after {steps} steps"));
            }
        }
        if self.promises.violation.is_none() {
            self.at_the_end();
        }
        let (actions, sends, _) = self.promises.counts();
        let (milder, approvals) = (self.promises.milder, self.promises.approvals);
        let hashes: Vec<String> = self.referee.iter().map(Fold::hash).collect();
        Outcome {
            violation: self.promises.violation,
            trace: self.trace.unwrap_or_default(),
            steps,
            records: self.log.ledger.iter().map(|one| one.entries.len()).sum(),
            actions,
            sends,
            milder,
            approvals,
            truncated: self.log.ledger.iter().filter(|one| one.low > 0).count(),
            keys: self.promises.effects.into_keys().collect(),
            fingerprint: format!("{steps} {sends} {hashes:?}"),
        }
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            let (day, time) = ((now - BEGIN) / DAY, (now - BEGIN) % DAY);
            trace.push(format!(
                "day {day} {:>9.3} s  {}",
                time as f64 / 1000.0,
                what()
            ));
        }
    }

    pub(crate) fn fresh(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn at(&mut self, at: Millis, event: Event) {
        let id = self.fresh();
        self.queue.insert((at, id), event);
    }

    /// To a process as it is now: another incarnation does not get it.
    pub(crate) fn tell(&mut self, after: Millis, process: usize, message: Message) {
        let incarnation = self.processes[process].incarnation;
        self.at(
            self.now + after,
            Event::To {
                process,
                incarnation,
                message,
            },
        );
    }

    /// Small delays while there are faults, smaller ones when there are none.
    pub(crate) fn delay(&mut self) -> Millis {
        match (self.faults, self.dice.roll(16)) {
            (true, 0) => self.dice.between(1, 5_000),
            _ => self.dice.between(1, 100),
        }
    }

    /// A clock that runs on while a process stands still (`CLOCK_BOOTTIME`).
    pub(crate) fn boot(&self) -> Duration {
        Duration::from_millis((self.now - BEGIN).unsigned_abs())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Publish => self.publish(),
            Event::Fault => self.something_breaks(),
            Event::Dispatch => self.people_order(),
            Event::Calm => self.calm_down(),
            Event::Land(payload) => self.land(payload),
            Event::Effect(action, attempt, policy) => {
                self.note(|| format!("target: effect of {action}"));
                self.take_effect(action, attempt, policy);
            }
            Event::Wake(process) => self.wake(process),
            Event::Expire(group, member) => self.expire(group, member),
            Event::Release(group, partition, epoch) => self.force_release(group, partition, epoch),
            Event::To {
                process,
                incarnation,
                message,
            } => self.deliver(process, incarnation, message),
        }
    }

    fn deliver(&mut self, process: usize, incarnation: u32, message: Message) {
        let one = &self.processes[process];
        if !one.alive || one.incarnation != incarnation {
            return;
        }
        let cut = if message.needs_log() {
            one.cut_until
        } else {
            0
        };
        let until = one.paused_until.max(cut);
        if until > self.now {
            return self.at(
                until,
                Event::To {
                    process,
                    incarnation,
                    message,
                },
            );
        }
        match message {
            Message::Assigned(group, partition, epoch) => {
                self.assigned(process, group, partition, epoch);
            }
            Message::Revoked(group, partition, epoch) => {
                self.revoked(process, group, partition, epoch);
            }
            Message::Expelled => self.expelled(process),
            Message::Fetch(partition, epoch) => self.fetch(process, partition, epoch),
            Message::Commit(partition, epoch) => self.commit(process, partition, epoch),
            Message::Drained(partition, epoch) => self.release_source(process, partition, epoch),
            Message::Report(token, delivered) => self.report(process, token, delivered),
            Message::Again(pending) => self.append_again(process, pending),
            Message::Poll(ledger) => self.poll(process, ledger),
            Message::Tick(ledger) => self.tick(process, ledger),
            Message::FirstByte(ledger, order) => self.first_byte(process, ledger, order),
            Message::Answer(ledger, order, answer) => {
                self.answered(process, ledger, &order, answer);
            }
            Message::Asked(ledger, executor, order) => self.asked(process, ledger, executor, order),
            Message::Said(ledger, executor, order, said) => {
                self.said(process, ledger, executor, &order, said);
            }
        }
    }

    /// An append of a process: it lands now, later, after its writer's death, twice, or never, and its report may lie only
    /// in one direction: what is reported delivered has landed (A1).
    pub(crate) fn append(&mut self, process: usize, pending: Pending) {
        let token = self.fresh();
        let payload = pending.payload.clone();
        let one = &mut self.processes[process];
        let cut = one.cut_until.max(self.now);
        one.pending.insert(token, pending);
        if cut - self.now > DELIVERY_TIMEOUT {
            return self.tell(DELIVERY_TIMEOUT, process, Message::Report(token, false));
        }
        let trouble = self.faults && self.dice.per_mille(self.profile.append_trouble);
        let kind = if trouble { self.dice.roll(4) } else { 4 };
        let takes = if trouble {
            self.dice.between(1, 25_000)
        } else {
            self.delay()
        };
        // A producer's session keeps its order.
        let lands = self.processes[process].session.max(cut + takes);
        self.processes[process].session = lands;
        let (landings, delivered) = match kind {
            0 => (vec![], false),
            1 => (vec![lands], false),
            2 => (vec![lands, lands + self.dice.roll(5_000)], true),
            _ => (vec![lands], true),
        };
        for at in landings {
            self.at(at, Event::Land(payload.clone()));
        }
        let reported = if delivered {
            lands
        } else {
            self.now + self.dice.roll(DELIVERY_TIMEOUT)
        };
        let after = reported - self.now + self.dice.between(1, 50);
        self.tell(after, process, Message::Report(token, delivered));
    }

    fn land(&mut self, payload: Payload) {
        let (ledger, record) = match payload {
            Payload::Letter(partition, offset) => {
                self.log.sources[partition].buried.insert(offset);
                return;
            }
            Payload::Ledger(ledger, record) => (ledger, record),
        };
        if self.faults && self.dice.one_in(20) {
            self.log.ledger[ledger].ahead = self.dice.roll(CLOCK_STEP_MS / 4);
        }
        let partition = &mut self.log.ledger[ledger];
        let time = self.now + partition.ahead;
        let record = Rc::new(Ok((*record).clone()));
        partition.entries.push(Entry {
            time,
            record: Rc::clone(&record),
        });
        let offset = self.log.high(ledger) - 1;
        let installation = self.referee[ledger].installation();
        self.note(|| {
            let told = short(&record, installation);
            format!("ledger {ledger}/{offset} at {time}: {told}")
        });
        if let Ok(Record::Propose(propose)) = &*record
            && !self.promises.forced.contains(&propose.event_key)
        {
            let source = self
                .log
                .source_of(&propose.src.topic, propose.src.partition);
            self.log.sources[source].proposed.insert(propose.src.offset);
        }
        let changes = self.referee[ledger].apply(offset, time, (*record).clone());
        let log_time = self.referee[ledger].now();
        self.promises.landed(&changes, log_time);
        self.keep(ledger, offset, &changes);
        if offset % 64 == 40 {
            self.hashes
                .insert((ledger, offset), self.referee[ledger].hash());
        }
        for process in 0..self.processes.len() {
            self.poll_soon(process, ledger);
        }
    }

    pub(crate) fn report(&mut self, process: usize, token: u64, delivered: bool) {
        let Some(pending) = self.processes[process].pending.remove(&token) else {
            return;
        };
        match pending.purpose {
            Purpose::Source {
                partition,
                epoch,
                offset,
            } => {
                let forget = self.sabotage == Sabotage::FailedAppendForgotten;
                if delivered || forget {
                    self.acknowledged(process, partition, epoch, offset);
                } else {
                    let pause = self.dice.between(50, 2_000);
                    self.tell(pause, process, Message::Again(pending));
                }
            }
            Purpose::Start {
                executor,
                action,
                start_id,
            } => {
                if let Payload::Ledger(ledger, _) = pending.payload {
                    self.bid_reported(process, ledger, executor, action, start_id, delivered);
                }
            }
            Purpose::Fact if !delivered => {
                let pause = self.dice.between(50, 2_000);
                self.tell(pause, process, Message::Again(pending));
            }
            Purpose::Fact | Purpose::Tick => {}
        }
    }

    /// The same bytes again, unless the epoch they were for is over.
    fn append_again(&mut self, process: usize, pending: Pending) {
        if let Purpose::Source {
            partition, epoch, ..
        } = pending.purpose
        {
            let consumer = self.processes[process].consumers.get(&partition);
            if consumer.is_none_or(|consumer| consumer.epoch != epoch) {
                return;
            }
        }
        self.append(process, pending);
    }

    fn at_the_end(&mut self) {
        self.promises.at_the_end();
        for source in 0..self.log.sources.len() {
            let (committed, high) = (
                self.log.groups[0].committed[source],
                self.log.sources[source].records.len(),
            );
            if committed != i64::try_from(high).unwrap() {
                let what = format!("source {source} is settled up to {committed} of {high}");
                self.promises.broken("G5", what);
            }
        }
        let boot = self.boot();
        for (number, process) in self.processes.iter().enumerate() {
            let places = process.traffic.in_flight(boot);
            if places > 0 {
                let what = format!("process {number} has {places} places for nothing");
                self.promises.broken("traffic", what);
            }
        }
        for (ledger, referee) in self.referee.iter().enumerate() {
            let mut entries = self.log.ledger[ledger].entries.iter();
            let first = entries.find_map(|entry| match &*entry.record {
                Ok(Record::Genesis(genesis)) => Some(genesis.installation),
                _ => None,
            });
            if referee.installation() != first || first.is_none() {
                let what = format!("ledger {ledger} does not belong to its first Genesis");
                self.promises.broken("G6", what);
            }
            let hash = referee.hash();
            let restarted = crate::retention::restart(&self.log.ledger[ledger], self.sabotage);
            if restarted.is_none_or(|fold| fold.hash() != hash) {
                let what = format!("a restart over ledger {ledger} and its full fold differ");
                self.promises.broken("G6", what);
            }
            for (number, process) in self.processes.iter().enumerate() {
                if process.views[ledger].fold.hash() != hash {
                    let what =
                        format!("process {number} and the full fold of ledger {ledger} differ");
                    self.promises.broken("G6", what);
                }
            }
        }
    }
}
