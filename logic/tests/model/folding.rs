//! The fold alone (ledger-protocol §11 "Fold alone"): every sequence up to a length, folded from the beginning, from every
//! cut with the state that was written there, and from every cut without a state, which must not do (V8). Also people's
//! orders whose keys outlive the memory, and what they acknowledge.

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::identity;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{
    Finish, FinishOutcome, Gate, Id, Millis, Override, OverrideOrder, Policy, Propose, Record,
    Start, Step, Via, Window,
};
use homeostat_logic::ledger::state::ActionState;
use homeostat_logic::ledger::times::HORIZON_MS;

use crate::canon::start_id;
use crate::prints::override_id;
use crate::promises::Facts;
use crate::records::{self, T0, UNIT};
use crate::size::is_large;

/// Gaps of log time: none, within a cooldown, behind it, backwards, and beyond all memory.
const GAPS: &[Millis] = &[0, UNIT, 5 * UNIT, -2 * UNIT, HORIZON_MS + UNIT];

/// Gaps between orders: none, two that make more than the memory, and beyond it.
const LONG_GAPS: &[Millis] = &[0, HORIZON_MS / 2 + UNIT, HORIZON_MS + UNIT];

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// A new event, with a key, by a configuration.
    Propose { key: u8, configuration: usize },
    /// A new event that is answered within a window.
    Schedule { key: u8 },
    /// The first event again, by the other configuration.
    Again,
    /// The action that was accepted first and is open is sent, with this outcome.
    Send(FinishOutcome),
    /// All that is to be sent fails, one after the other, alerts too.
    Lose,
    /// A person forces an action, always under the same idempotency key.
    Force,
    /// A person fires the first action that ended badly again, and all that is to be sent fails.
    RefireAndLose,
    /// A person acknowledges it.
    Acknowledge,
}

/// The kinds of moves that are put in every order.
struct Moves {
    name: &'static str,
    gaps: &'static [Millis],
    length: i32,
    steps: &'static [Move],
}

const SENT: Moves = Moves {
    name: "sent",
    gaps: GAPS,
    length: 3,
    steps: &[
        propose(0, 0),
        propose(0, 1),
        propose(1, 0),
        propose(1, 1),
        Move::Again,
        Move::Send(FinishOutcome::Done),
        Move::Send(FinishOutcome::Failed),
    ],
};

const SCHEDULED: Moves = Moves {
    name: "scheduled",
    gaps: GAPS,
    length: 3,
    steps: &[
        propose(0, 0),
        propose(1, 0),
        propose(2, 0),
        Move::Schedule { key: 0 },
        Move::Schedule { key: 1 },
        Move::Schedule { key: 2 },
        Move::Send(FinishOutcome::Done),
    ],
};

const ORDERED: Moves = Moves {
    name: "ordered",
    gaps: LONG_GAPS,
    length: 4,
    steps: &[
        Move::Force,
        Move::Send(FinishOutcome::Done),
        Move::Lose,
        Move::RefireAndLose,
        Move::Acknowledge,
    ],
};

const fn propose(key: u8, configuration: usize) -> Move {
    Move::Propose { key, configuration }
}

/// Two configurations: cooldowns of 2 and 4 units, budgets of 1 and 2.
fn proposal(event: i32, key: u8, configuration: usize, now: Millis) -> Propose {
    let units = [2, 4][configuration];
    let step = Step {
        cooldown_key: format!("key-{key}"),
        cooldown_ms: units * UNIT,
        max_attempts: 1,
        gates: vec![Gate {
            scope: "scope".to_owned(),
            window_ms: 4 * UNIT,
            cap: [1, 2][configuration],
        }],
        charges: vec!["scope".to_owned()],
        ..records::step(Action::Retrain, Policy::AtMostOnce)
    };
    let alert = records::step(Action::Ignore, Policy::Idempotent);
    let mut propose = records::propose(event, vec![step], alert);
    propose.not_after = now + 6 * UNIT;
    propose.rule_rev = configuration.to_string();
    propose
}

/// The records of a move that do not depend on what others of it do; none if it is not possible.
fn records_of(step: Move, depth: i32, fold: &Fold, now: Millis) -> Vec<Record> {
    match step {
        Move::Propose { key, configuration } => {
            vec![Record::Propose(Box::new(proposal(
                depth,
                key,
                configuration,
                now,
            )))]
        }
        Move::Schedule { key } => {
            let mut propose = proposal(depth, key, 0, now);
            let window = Window {
                from: now + UNIT,
                to: now + 3 * UNIT,
            };
            propose.decisions[0].ladder[0].start = records::within(vec![window]);
            vec![Record::Propose(Box::new(propose))]
        }
        Move::Again => vec![Record::Propose(Box::new(proposal(0, 1, 1, now)))],
        Move::Send(outcome) => send(fold, outcome),
        Move::Lose => send(fold, FinishOutcome::Failed),
        Move::Force => {
            let mut propose = proposal(depth, 0, 0, now);
            propose.event_key = identity::forced_key(override_id(0));
            propose.decisions[0].escalation = Step {
                max_attempts: 1,
                ..records::step(Action::Alert, Policy::Idempotent)
            };
            vec![order(0, OverrideOrder::Force(Box::new(propose)))]
        }
        Move::RefireAndLose | Move::Acknowledge => {
            let mut actions = fold.state().actions.iter();
            let bad = |phase| {
                matches!(
                    phase,
                    Phase::Failed | Phase::Expired | Phase::Unknown { .. }
                )
            };
            let ended_badly = |(_, action): &(&Id, &ActionState)| {
                action.derived_from.is_none() && bad(action.phase)
            };
            let Some((&action_id, action)) = actions.find(ended_badly) else {
                return Vec::new();
            };
            let expect = action.changed;
            let wish = match step {
                Move::Acknowledge => OverrideOrder::Acknowledge { action_id, expect },
                _ => OverrideOrder::Refire { action_id, expect },
            };
            vec![order(depth + 1, wish)]
        }
    }
}

fn order(key: i32, order: OverrideOrder) -> Record {
    Record::Override(Box::new(Override {
        override_id: override_id(u8::try_from(key).unwrap()),
        order,
        who: String::new(),
        reason: String::new(),
    }))
}

/// The first action that is to be sent is, with this outcome.
fn send(fold: &Fold, outcome: FinishOutcome) -> Vec<Record> {
    let ready = fold
        .open_actions()
        .find_map(|(id, action)| match action.phase {
            Phase::Ready { attempt, .. } => Some((id, attempt)),
            _ => None,
        });
    let Some((action_id, attempt)) = ready else {
        return Vec::new();
    };
    let start_id = start_id(u32::try_from(fold.offset() + 1).unwrap());
    let start = Start {
        action_id,
        attempt,
        start_id,
        owner: String::new(),
        resolved_params: None,
        probe: None,
    };
    let finish = Finish {
        action_id,
        attempt,
        start_id,
        outcome,
        via: Via::Response,
        detail: String::new(),
        retry_after_ms: None,
        permanent: false,
    };
    vec![Record::Start(start), Record::Finish(finish)]
}

/// One sequence, by all folds that are compared.
#[derive(Clone)]
struct Sequence {
    full: Fold,
    facts: Facts,
    /// Went on from the written state at each cut.
    resumed: Vec<Fold>,
    /// Began at each cut with nothing.
    blind: Vec<Fold>,
    now: Millis,
    depth: i32,
}

/// What was counted.
#[derive(Default)]
struct Count {
    sequences: usize,
    /// In which a fold without a state went another way.
    blind_differs: usize,
}

/// As it comes out of a checkpoint.
fn written(fold: &Fold) -> Fold {
    let state = serde_json::to_vec(fold.state()).unwrap();
    let memory = serde_json::to_vec(fold.memory()).unwrap();
    Fold::resume(
        serde_json::from_slice(&state).unwrap(),
        serde_json::from_slice(&memory).unwrap(),
    )
}

impl Sequence {
    fn begin() -> Self {
        Self {
            full: records::founded(),
            facts: Facts::default(),
            resumed: Vec::new(),
            blind: Vec::new(),
            now: T0,
            depth: 0,
        }
    }

    fn record(&mut self, record: &Record) {
        let record = codec::decode(&codec::encode(record).unwrap()).unwrap();
        let offset = self.full.offset() + 1;
        let changes = self.full.apply(offset, self.now, Ok(record.clone()));
        self.facts = self.facts.follow(&self.full, &changes, None);
        assert_eq!(self.facts.broken, None);
        self.acknowledged(&record);
        for fold in &mut self.resumed {
            let same = fold.apply(offset, self.now, Ok(record.clone()));
            assert_eq!(same, changes, "G6: a resumed fold goes another way");
        }
        for fold in &mut self.blind {
            fold.apply(offset, self.now, Ok(record.clone()));
        }
    }

    /// Who acknowledges an action knows of all that became of it so far: no alert about it is a warning.
    fn acknowledged(&self, record: &Record) {
        let Record::Override(order) = record else {
            return;
        };
        if let OverrideOrder::Acknowledge { action_id, .. } = order.order {
            let mut lost = self.full.undelivered();
            let about =
                lost.find(|(_, alert)| alert.derived_from.is_some_and(|(of, _)| of == action_id));
            assert!(
                about.is_none(),
                "{action_id} was acknowledged, an alert about it is still a warning"
            );
        }
    }

    /// Whether the move was possible.
    fn act(&mut self, step: Move) -> bool {
        let records = records_of(step, self.depth, &self.full, self.now);
        for record in &records {
            self.record(record);
        }
        if matches!(step, Move::Lose | Move::RefireAndLose) && !records.is_empty() {
            // As often as something is left, and that is not for ever: no attempt has a second one.
            while self.act(Move::Send(FinishOutcome::Failed)) {}
        }
        !records.is_empty()
    }

    /// What acts: the open actions and their phases.
    fn acts(fold: &Fold) -> Vec<(String, &'static str)> {
        let open = fold.open_actions();
        open.map(|(id, action)| (id.to_string(), action.phase.name()))
            .collect()
    }

    fn go_on(&self, moves: &Moves, length: i32, count: &mut Count) {
        if self.depth == length {
            count.sequences += 1;
            let mut blind = self.blind.iter();
            let differs = blind.any(|blind| Self::acts(blind) != Self::acts(&self.full));
            count.blind_differs += usize::from(differs);
            return;
        }
        for &gap in moves.gaps {
            for &step in moves.steps {
                let mut next = self.clone();
                next.now += gap;
                if !next.act(step) {
                    continue;
                }
                for fold in &next.resumed {
                    assert_eq!(fold.state(), next.full.state());
                    assert_eq!(fold.memory(), next.full.memory());
                }
                next.depth += 1;
                if next.depth < length {
                    next.resumed.push(written(&next.full));
                    next.blind.push(records::founded());
                }
                next.go_on(moves, length, count);
            }
        }
    }
}

#[test]
fn g6_every_sequence_folds_the_same_from_every_cut_and_not_without_a_state() {
    for moves in [SENT, SCHEDULED, ORDERED] {
        let (name, length) = (moves.name, moves.length + i32::from(is_large()));
        let mut count = Count::default();
        Sequence::begin().go_on(&moves, length, &mut count);
        let (sequences, differ) = (count.sequences, count.blind_differs);
        println!(
            "| fold alone, {name}: {sequences} sequences | | {length} | | G1 G6 G7 G8 G9 G10 G11 | hold; {differ} differ without a state (V8) |"
        );
        assert!(differ > 0, "the comparison cannot see V8");
    }
}
