//! How a ledger partition gets its installation (ledger-protocol §13.2): two instances start together on an empty ledger, each
//! appends a Genesis that lands now, late, twice or never, crashes and starts again, and proposes the same event once it
//! has read a Genesis. The fold is the product's.

use std::hash::Hasher as _;

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::fold::{Fold, Memory};
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::record::{Genesis, Id, Policy, Propose, Record};

use crate::canon::Canon;
use crate::records::{self, T0};
use crate::search::{Limits, Model, search};

const INSTANCES: usize = 2;

/// A fault built in, which the search has to find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Nothing,
    /// An instance proposes without waiting for a Genesis.
    ProposesEarly,
    /// An instance proposes as soon as its own Genesis is acknowledged, and takes it for the partition's.
    TrustsItsOwn,
    /// The last Genesis counts.
    LastCounts,
}

struct Founding {
    mutation: Mutation,
    crashes: u8,
    failures: u8,
}

/// A record by what it is.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Letter {
    Genesis(usize),
    Propose,
}

/// What an instance waits for.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
enum Append {
    #[default]
    Idle,
    Flying,
    Acknowledged,
}

#[derive(Clone, Default, Hash)]
struct Instance {
    read: usize,
    /// The end of the log when it started.
    start: usize,
    genesis: Append,
    proposal: Append,
}

#[derive(Clone)]
struct State {
    log: Vec<Letter>,
    instances: [Instance; INSTANCES],
    orphans: Vec<Letter>,
    crashes: u8,
    failures: u8,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Read(usize),
    Found(usize),
    Propose(usize),
    LandGenesis(usize),
    LandProposal(usize),
    /// An append is reported failed and may land all the same; the same bytes are appended again.
    ReportFailed(usize),
    LandOrphan(usize),
    Crash(usize),
}

fn installation(instance: usize) -> Id {
    Id::hash(&[b"installation", &instance.to_be_bytes()])
}

fn event() -> Propose {
    let step = |action| records::step(action, Policy::Idempotent);
    records::propose(0, vec![step(Action::Retrain)], step(Action::Alert))
}

impl Founding {
    fn record(letter: Letter) -> Record {
        match letter {
            Letter::Genesis(instance) => Record::Genesis(Genesis::new(installation(instance))),
            Letter::Propose => Record::Propose(Box::new(event())),
        }
    }

    /// The fold of a prefix, and the actions that were decided on the way.
    fn fold(&self, log: &[Letter]) -> (Fold, Vec<Id>) {
        let (mut fold, mut actions) = (Fold::new(), Vec::new());
        for letter in log {
            let changes = fold.apply(fold.offset() + 1, T0, Ok(Self::record(*letter)));
            actions.extend(changes.iter().filter_map(|change| match &change.kind {
                ChangeKind::Entered(entered) => Some(entered.action),
                _ => None,
            }));
            if let (Mutation::LastCounts, Letter::Genesis(instance)) = (self.mutation, letter) {
                let mut state = fold.state().clone();
                state.installation = Some(installation(*instance));
                fold = Fold::resume(state, Memory::default());
            }
        }
        (fold, actions)
    }

    /// The installation as an instance knows it.
    fn known(&self, state: &State, number: usize) -> Option<Id> {
        let one = &state.instances[number];
        if self.mutation == Mutation::TrustsItsOwn && one.genesis == Append::Acknowledged {
            return Some(installation(number));
        }
        self.fold(&state.log[..one.read]).0.installation()
    }

    fn fault(state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        match step {
            Step::ReportFailed(number) => {
                next.failures = next.failures.checked_sub(1)?;
                let one = &state.instances[number];
                let flying = match (one.genesis, one.proposal) {
                    (Append::Flying, _) => Letter::Genesis(number),
                    (_, Append::Flying) => Letter::Propose,
                    _ => return None,
                };
                next.orphans.push(flying);
            }
            Step::LandOrphan(number) => {
                let letter = next.orphans.remove(number);
                next.log.push(letter);
            }
            Step::Crash(number) => {
                next.crashes = next.crashes.checked_sub(1)?;
                let one = std::mem::take(&mut next.instances[number]);
                next.instances[number].start = next.log.len();
                if one.genesis == Append::Flying {
                    next.orphans.push(Letter::Genesis(number));
                }
                if one.proposal == Append::Flying {
                    next.orphans.push(Letter::Propose);
                }
            }
            _ => return None,
        }
        Some(next)
    }
}

impl Model for Founding {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        State {
            log: Vec::new(),
            instances: Default::default(),
            orphans: Vec::new(),
            crashes: self.crashes,
            failures: self.failures,
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let each = (0..INSTANCES).flat_map(|number| {
            [
                Step::Read(number),
                Step::Found(number),
                Step::Propose(number),
                Step::LandGenesis(number),
                Step::LandProposal(number),
                Step::ReportFailed(number),
                Step::Crash(number),
            ]
        });
        each.chain((0..state.orphans.len()).map(Step::LandOrphan))
            .collect()
    }

    fn apply(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        match step {
            Step::Read(number) => {
                let one = &mut next.instances[number];
                one.read += 1;
                (one.read <= state.log.len()).then_some(next)
            }
            Step::Found(number) => {
                let one = &mut next.instances[number];
                let due = one.read >= one.start && one.genesis == Append::Idle;
                one.genesis = Append::Flying;
                (due && self.known(state, number).is_none()).then_some(next)
            }
            Step::Propose(number) => {
                let one = &mut next.instances[number];
                let early = self.mutation == Mutation::ProposesEarly;
                let due = one.proposal == Append::Idle && one.read >= one.start;
                one.proposal = Append::Flying;
                (due && (early || self.known(state, number).is_some())).then_some(next)
            }
            Step::LandGenesis(number) => {
                let one = &mut next.instances[number];
                let flying = one.genesis == Append::Flying;
                one.genesis = Append::Acknowledged;
                next.log.push(Letter::Genesis(number));
                flying.then_some(next)
            }
            Step::LandProposal(number) => {
                let one = &mut next.instances[number];
                let flying = one.proposal == Append::Flying;
                one.proposal = Append::Acknowledged;
                next.log.push(Letter::Propose);
                flying.then_some(next)
            }
            fault => Self::fault(state, fault),
        }
    }

    fn fingerprint(&self, state: &State) -> u64 {
        let mut canon = Canon::default();
        canon.add((&state.log, &state.instances, &state.orphans));
        canon.add((state.crashes, state.failures));
        canon.finish()
    }

    fn broken(&self, state: &State) -> Option<String> {
        let (fold, actions) = self.fold(&state.log);
        if let Some(why) = fold.halted() {
            return Some(format!("G5: {why}"));
        }
        let first = state.log.iter().find_map(|letter| match letter {
            Letter::Genesis(instance) => Some(installation(*instance)),
            Letter::Propose => None,
        });
        if fold.installation() != first {
            return Some("X1: the first Genesis does not count".to_owned());
        }
        let propose = event();
        let id = |one| identity::action_id(one, propose.event_key, &propose.target, 0);
        if actions.iter().any(|action| first.map(id) != Some(*action)) || actions.len() > 1 {
            return Some("X1: an action under another identity".to_owned());
        }
        // Whoever knows an installation knows the same one.
        let known = (0..INSTANCES).filter_map(|number| self.known(state, number));
        let differs = known.into_iter().any(|known| Some(known) != first);
        differs.then(|| "X1: an instance takes another installation for the partition's".to_owned())
    }
}

const fn founding(mutation: Mutation) -> Founding {
    Founding {
        mutation,
        crashes: 1,
        failures: 1,
    }
}

#[test]
fn x1_one_genesis_counts_and_nothing_is_proposed_before_it() {
    let model = founding(Mutation::Nothing);
    search(&model, Limits::of_size()).must_hold("founding, crash, append repeated", "G5 X1");
}

#[test]
fn a_proposal_before_the_genesis_and_another_genesis_that_counts_are_seen() {
    for (name, mutation, promise) in [
        ("founding, proposes early", Mutation::ProposesEarly, "G5"),
        ("founding, trusts its own", Mutation::TrustsItsOwn, "X1"),
        ("founding, last counts", Mutation::LastCounts, "X1"),
    ] {
        search(&founding(mutation), Limits::of_size()).must_break(name, promise);
    }
}
