//! Two events and two instances with configurations of their own, which both consume both events (ledger-protocol §11
//! "Proposals"): redelivery, crashes, appends that land late, twice or never. The executor is one step per record.

mod searches;

use std::collections::BTreeMap;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{
    Finish, FinishOutcome, Gate, Id, Override, OverrideOrder, Policy, Propose, Record, Start,
    Step as LedgerStep, Via,
};
use homeostat_logic::ledger::state::FoldState;

use crate::canon::start_id;
use crate::ledger::{Ledger, Letter, Position, untampered};
use crate::records::{self, UNIT, log_time};
use crate::search::Model;

const EVENTS: usize = 2;

/// What is searched.
#[derive(Clone, Copy)]
struct Setup {
    plan: &'static [i64],
    crashes: u8,
    /// Appends reported failed, which may land all the same.
    failures: u8,
    /// Outcomes that are told again as done when the action is closed.
    corrections: u8,
    /// Cooldowns that a person clears, as seen some time before the order lands.
    clears: u8,
    /// The configurations differ in action and key.
    rules_differ: bool,
    budgets: bool,
    /// The first event is answered within a window, the second at once.
    scheduled: bool,
    /// Nothing is proposed that the own view calls closed.
    skips: bool,
    /// The configuration is part of the event's identity.
    keyed_by_rule: bool,
    tamper: fn(&mut FoldState) -> bool,
}

const CALM: Setup = Setup {
    plan: &[1, 1],
    crashes: 0,
    failures: 0,
    corrections: 0,
    clears: 0,
    rules_differ: false,
    budgets: false,
    scheduled: false,
    skips: false,
    keyed_by_rule: false,
    tamper: untampered,
};

#[derive(Clone, Default, Hash)]
struct Proposer {
    /// Events under way.
    flying: [bool; EVENTS],
    /// Events settled by this incarnation.
    settled: [bool; EVENTS],
    /// What it has read, if it looks.
    at: Position,
}

#[derive(Clone)]
struct State {
    now: i64,
    passed: usize,
    log: Position,
    proposers: [Proposer; 2],
    orphans: Vec<(usize, usize)>,
    crashes: u8,
    failures: u8,
    corrections: u8,
    clears: u8,
    /// Orders under way: number, action, state of it that was seen.
    orders: Vec<(u8, Id, i64)>,
    broken: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass,
    Propose(usize, usize),
    Land(usize, usize),
    ReportFailed(usize, usize),
    LandOrphan(usize),
    Crash(usize),
    Read(usize),
    Tick,
    Start(usize),
    Finish(usize, FinishOutcome),
    Correct(usize),
    Clear(usize),
    LandOrder(usize),
}

struct Proposals {
    setup: Setup,
    ledger: Ledger,
    letters: BTreeMap<(usize, usize), Letter>,
    /// The actions that there can be.
    actions: Vec<Id>,
}

fn proposal(setup: &Setup, configuration: usize, event: usize) -> Propose {
    let differs = setup.rules_differ && configuration == 1;
    let action = if differs {
        Action::Rollback
    } else {
        Action::Retrain
    };
    let mut step = LedgerStep {
        cooldown_ms: [2, 4][configuration] * UNIT,
        max_attempts: 1,
        ..records::step(action, Policy::AtMostOnce)
    };
    if setup.scheduled && event == 0 {
        step.start = records::within(vec![records::window(1, 2)]);
    }
    if setup.budgets {
        step.gates = vec![Gate {
            scope: "scope".to_owned(),
            window_ms: 4 * UNIT,
            cap: [1, 2][configuration],
        }];
        step.charges = vec!["scope".to_owned()];
        // Only the budget is to hold it back.
        step.cooldown_key = format!("key-{event}");
    }
    let alert = records::step(Action::Ignore, Policy::Idempotent);
    let number = i32::try_from(event).unwrap();
    let mut propose = records::propose(number, vec![step], alert);
    propose.rule_rev = configuration.to_string();
    if setup.keyed_by_rule {
        propose.event_key = Id::hash(&[&propose.event_key.0, &[u8::from(configuration == 1)]]);
    }
    propose
}

impl Proposals {
    fn new(setup: Setup) -> Self {
        let mut letters = BTreeMap::new();
        let mut actions = Vec::new();
        for configuration in 0..2 {
            for event in 0..EVENTS {
                let propose = proposal(&setup, configuration, event);
                actions.push(records::action_of(&propose));
                let record = Record::Propose(Box::new(propose));
                letters.insert((configuration, event), Letter::new(record));
            }
        }
        actions.sort_unstable();
        actions.dedup();
        Self {
            setup,
            ledger: Ledger::new(setup.tamper, None),
            letters,
            actions,
        }
    }

    fn append(&self, state: &mut State, letter: &Letter) {
        let time = log_time(state.now, &letter.record);
        state.log = self.ledger.append(state.log, letter, time);
    }

    fn propose(&self, state: &State, number: usize, event: usize) -> Option<State> {
        let proposer = &state.proposers[number];
        if proposer.flying[event] || proposer.settled[event] {
            return None;
        }
        let mut next = state.clone();
        let letter = &self.letters[&(number, event)];
        if self.setup.skips && !self.accepts(state, proposer.at, letter) {
            next.proposers[number].settled[event] = true;
            let lost = self.accepts(state, state.log, letter);
            next.broken = lost.then(|| "G5: event lost".to_owned());
            return Some(next);
        }
        next.proposers[number].flying[event] = true;
        Some(next)
    }

    /// Whether the proposal would lead to an action there and now.
    fn accepts(&self, state: &State, at: Position, letter: &Letter) -> bool {
        let after = self
            .ledger
            .append(at, letter, log_time(state.now, &letter.record));
        let prefix = self.ledger.at(after);
        let Record::Propose(propose) = &*letter.record else {
            return false;
        };
        prefix.fold.action(records::action_of(propose)).is_some()
    }

    /// The acknowledgement settles the event.
    fn land(&self, state: &State, number: usize, event: usize) -> Option<State> {
        let mut next = state.clone();
        let proposer = &mut next.proposers[number];
        if !std::mem::take(&mut proposer.flying[event]) {
            return None;
        }
        proposer.settled[event] = true;
        self.append(&mut next, &self.letters[&(number, event)]);
        let decided = &self.ledger.at(next.log).facts.decided;
        let known = decided.contains_key(&(i32::try_from(event).unwrap(), 0));
        next.broken = (!known).then(|| "G5: settled without a proposal".to_owned());
        Some(next)
    }

    fn start_bid(&self, state: &State, number: usize) -> Option<State> {
        let prefix = self.ledger.at(state.log);
        let action_id = *self.actions.get(number)?;
        let Phase::Ready { attempt, from, .. } = prefix.fold.phase(action_id)? else {
            return None;
        };
        let record = Record::Start(Start {
            action_id,
            attempt,
            start_id: bid_of(number),
            owner: String::new(),
            resolved_params: None,
            probe: None,
        });
        if log_time(state.now, &record) < from {
            return None;
        }
        let mut next = state.clone();
        self.append(&mut next, &Letter::new(record));
        Some(next)
    }

    fn finish(&self, state: &State, number: usize, outcome: FinishOutcome) -> State {
        let mut next = state.clone();
        let record = Record::Finish(Finish {
            action_id: self.actions[number],
            attempt: 1,
            start_id: bid_of(number),
            outcome,
            via: Via::Response,
            detail: String::new(),
            retry_after_ms: None,
            permanent: false,
        });
        self.append(&mut next, &Letter::new(record));
        next
    }

    /// A person orders what fits the action as it is now.
    fn clear(&self, state: &State, number: usize) -> Option<State> {
        let prefix = self.ledger.at(state.log);
        let action_id = *self.actions.get(number)?;
        let seen = prefix.fold.action(action_id)?.changed;
        let mut next = state.clone();
        next.clears = next.clears.checked_sub(1)?;
        next.orders.push((state.clears, action_id, seen));
        Some(next)
    }

    fn land_order(&self, state: &State, number: usize) -> State {
        let mut next = state.clone();
        let (order, action_id, expect) = next.orders.remove(number);
        let record = Record::Override(Box::new(Override {
            override_id: Id::hash(&[b"order", &[order]]),
            order: OverrideOrder::ClearCooldown { action_id, expect },
            who: "person".to_owned(),
            reason: String::new(),
        }));
        self.append(&mut next, &Letter::new(record));
        next
    }

    fn tick(&self, state: &State) -> Option<State> {
        let timer = self.ledger.at(state.log).fold.next_timer()?;
        let mut next = state.clone();
        self.append(&mut next, &Letter::new(Record::Tick));
        (timer < log_time(state.now, &Record::Tick)).then_some(next)
    }

    fn fault(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        match step {
            Step::ReportFailed(number, event) => {
                // The same bytes are appended again: it stays under way.
                next.failures = next.failures.checked_sub(1)?;
                next.orphans.push((number, event));
                state.proposers[number].flying[event].then_some(next)
            }
            Step::LandOrphan(number) => {
                let (configuration, event) = next.orphans.remove(number);
                self.append(&mut next, &self.letters[&(configuration, event)]);
                Some(next)
            }
            Step::Crash(number) => {
                next.crashes = next.crashes.checked_sub(1)?;
                let proposer = std::mem::take(&mut next.proposers[number]);
                let flying = (0..EVENTS).filter(|event| proposer.flying[*event]);
                next.orphans.extend(flying.map(|event| (number, event)));
                next.proposers[number].at = state.log;
                Some(next)
            }
            Step::Read(number) => {
                let at = state.proposers[number].at;
                next.proposers[number].at = self.ledger.next(at, state.log)?;
                self.setup.skips.then_some(next)
            }
            _ => None,
        }
    }
}

/// Each action is bid for once.
fn bid_of(number: usize) -> Id {
    start_id(u32::try_from(number).unwrap())
}

impl Model for Proposals {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        State {
            now: 0,
            passed: 0,
            log: Ledger::EMPTY,
            proposers: Default::default(),
            orphans: Vec::new(),
            crashes: self.setup.crashes,
            failures: self.setup.failures,
            corrections: self.setup.corrections,
            clears: self.setup.clears,
            orders: Vec::new(),
            broken: None,
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = vec![Step::Pass, Step::Tick];
        for number in 0..2 {
            steps.extend([Step::Crash(number), Step::Read(number)]);
            for event in 0..EVENTS {
                steps.extend([
                    Step::Propose(number, event),
                    Step::Land(number, event),
                    Step::ReportFailed(number, event),
                ]);
            }
        }
        steps.extend((0..state.orphans.len()).map(Step::LandOrphan));
        steps.extend((0..state.orders.len()).map(Step::LandOrder));
        for number in 0..self.actions.len() {
            steps.extend([
                Step::Start(number),
                Step::Correct(number),
                Step::Clear(number),
            ]);
            let outcomes = [
                FinishOutcome::Done,
                FinishOutcome::Failed,
                FinishOutcome::Unknown,
            ];
            steps.extend(outcomes.map(|outcome| Step::Finish(number, outcome)));
        }
        steps
    }

    fn apply(&self, state: &State, step: Step) -> Option<State> {
        let phase = |number: usize| self.ledger.at(state.log).fold.phase(self.actions[number]);
        match step {
            Step::Pass => {
                let mut next = state.clone();
                next.now += self.setup.plan.get(state.passed)?;
                next.passed += 1;
                Some(next)
            }
            Step::Propose(number, event) => self.propose(state, number, event),
            Step::Land(number, event) => self.land(state, number, event),
            Step::Tick => self.tick(state),
            Step::Start(number) => self.start_bid(state, number),
            Step::Finish(number, outcome) => {
                let started = matches!(phase(number)?, Phase::Started { .. });
                started.then(|| self.finish(state, number, outcome))
            }
            Step::Correct(number) => {
                let wrong = matches!(phase(number)?, Phase::Failed | Phase::Unknown { .. });
                let corrections = state.corrections.checked_sub(1).filter(|_| wrong)?;
                let mut next = self.finish(state, number, FinishOutcome::Done);
                next.corrections = corrections;
                Some(next)
            }
            Step::Clear(number) => self.clear(state, number),
            Step::LandOrder(number) => Some(self.land_order(state, number)),
            fault => self.fault(state, fault),
        }
    }

    fn fingerprint(&self, state: &State) -> u64 {
        let prefix = self.ledger.at(state.log);
        let mut canon = prefix.canon.clone();
        canon.add((state.now, state.crashes, state.failures, state.corrections));
        canon.add(&prefix.facts.decided);
        for proposer in &state.proposers {
            canon.add((proposer.flying, proposer.settled));
            if self.setup.skips {
                canon.add(proposer.at);
            }
        }
        canon.add((state.clears, &state.orders));
        canon.add((&state.orphans, &state.broken));
        std::hash::Hasher::finish(&canon)
    }

    fn broken(&self, state: &State) -> Option<String> {
        let told = self.ledger.at(state.log).facts.broken.clone();
        state.broken.clone().or(told)
    }
}
