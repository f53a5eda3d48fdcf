//! Two events and two instances with configurations of their own, which both consume both events (ledger-protocol §11
//! "Proposals"): redelivery, crashes, appends that land late, twice or never. The executor is one step per record.

use std::collections::BTreeMap;

use homeostat_logic::action::Action;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{
    Finish, FinishOutcome, Gate, Id, Override, OverrideOrder, Policy, Propose, Record, Start,
    Step as LedgerStep, Via,
};
use homeostat_logic::ledger::state::FoldState;

use crate::canon::start_id;
use crate::ledger::{Ledger, Letter, Position, untampered};
use crate::records::{self, T0, UNIT, log_time};
use crate::search::{Limits, Model, search};
use crate::size::Size;

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

const LIMITS: Limits = Limits::of_size();

#[test]
fn events_are_decided_once_and_never_lost_by_two_configurations() {
    let crash = Setup { crashes: 1, ..CALM };
    let failure = Setup {
        failures: 1,
        ..CALM
    };
    let budgets = Setup {
        budgets: true,
        ..CALM
    };
    let scheduled = Setup {
        scheduled: true,
        ..CALM
    };
    let cleared = Setup { clears: 1, ..CALM };
    let rows = [
        (
            "proposals",
            Setup {
                plan: &[1, 2],
                ..CALM
            },
            Size::Always,
        ),
        (
            "proposals, crash",
            Setup {
                plan: &[3],
                ..crash
            },
            Size::Always,
        ),
        (
            "proposals, append repeated",
            Setup {
                plan: &[3],
                ..failure
            },
            Size::Always,
        ),
        (
            "proposals, budgets",
            Setup {
                plan: &[1, 3],
                ..budgets
            },
            Size::Always,
        ),
        (
            "proposals, rules differ, crash",
            Setup {
                rules_differ: true,
                plan: &[3],
                ..crash
            },
            Size::Always,
        ),
        ("proposals, scheduled", scheduled, Size::Always),
        ("proposals, a cooldown cleared", cleared, Size::Always),
        (
            "proposals, long",
            Setup {
                plan: &[1, 1, 1, 1, 1],
                ..CALM
            },
            Size::Large,
        ),
        (
            "proposals, crash, long",
            Setup {
                plan: &[1, 1, 2],
                crashes: 2,
                ..crash
            },
            Size::Large,
        ),
        (
            "proposals, two cooldowns cleared, an outcome told again, crash",
            Setup {
                plan: &[1, 1],
                clears: 2,
                corrections: 1,
                ..crash
            },
            Size::Large,
        ),
        (
            "proposals, budgets, crash",
            Setup {
                plan: &[1, 1, 3],
                crashes: 1,
                ..budgets
            },
            Size::Large,
        ),
        (
            "proposals, scheduled, crash",
            Setup {
                plan: &[1, 1, 1, 1],
                crashes: 1,
                ..scheduled
            },
            Size::Large,
        ),
    ];
    for (name, setup, size) in rows {
        if size.is_wanted() {
            search(&Proposals::new(setup), LIMITS).must_hold(name, "G5 G7 G8 G9 G11");
        }
    }
}

#[test]
fn v5_an_identity_with_the_rule_in_it_decides_an_event_twice() {
    let setup = Setup {
        keyed_by_rule: true,
        rules_differ: true,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V5 rule in the identity", "G11");
}

#[test]
fn v6_a_proposal_skipped_by_the_own_view_loses_its_event() {
    let setup = Setup {
        skips: true,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V6 free skip", "G5");
}

#[test]
fn v10_clearing_the_cooldown_of_an_open_action_opens_its_key() {
    fn opened(state: &mut FoldState) -> bool {
        let cleared = !state.overrides.is_empty();
        let targets = state.targets.values_mut();
        let mut keys = targets.flat_map(|target| target.keys.values_mut());
        cleared && keys.any(|key| key.open.take().is_some())
    }
    let setup = Setup {
        tamper: opened,
        clears: 1,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V10 open action cleared", "G7");
}

#[test]
fn v12_a_cooldown_from_acceptance_is_too_short() {
    fn from_acceptance(state: &mut FoldState) -> bool {
        let (actions, targets) = (&state.actions, &mut state.targets);
        let mut keys = targets
            .values_mut()
            .flat_map(|target| target.keys.values_mut());
        let Some(last) = keys.find_map(|key| key.last.as_mut()) else {
            return false;
        };
        let accepted = actions
            .get(&last.action)
            .map_or(last.end, |action| action.accepted_at);
        std::mem::replace(&mut last.end, accepted) != accepted
    }
    let setup = Setup {
        tamper: from_acceptance,
        plan: &[1, 1, 1, 1],
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V12 cooldown from acceptance", "G7");
}

#[test]
fn v14_slots_that_are_given_back_exceed_a_budget() {
    fn given_back(state: &mut FoldState) -> bool {
        let targets = state.targets.values_mut();
        let mut scopes = targets.flat_map(|target| target.scopes.values_mut());
        scopes.any(|scope| scope.slots.pop_front().is_some())
    }
    let setup = Setup {
        tamper: given_back,
        budgets: true,
        ..CALM
    };
    search(&Proposals::new(setup), LIMITS).must_break("V14 slots given back", "G8");
}

#[test]
fn nothing_begins_before_its_time() {
    // The clock of the model and of its records is the same.
    assert_eq!(log_time(3, &Record::Tick), T0 + 3 * UNIT + 1);
}
