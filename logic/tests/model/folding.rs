//! The fold alone (ledger-protocol §11 "Fold alone"): every sequence up to a length, folded from the beginning, from every
//! cut with the state that was written there, and from every cut without a state, which must not do (V8).

use homeostat_logic::action::Action;
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{
    Finish, FinishOutcome, Gate, Millis, Policy, Propose, Record, Start, Step, Via, Window,
};
use homeostat_logic::ledger::times::HORIZON_MS;

use crate::canon::start_id;
use crate::promises::Facts;
use crate::records::{self, T0, UNIT};
use crate::size::is_large;

/// Gaps of log time: none, within a cooldown, behind it, backwards, and beyond all memory.
const GAPS: [Millis; 5] = [0, UNIT, 5 * UNIT, -2 * UNIT, HORIZON_MS + UNIT];

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
}

/// The kinds of moves that are put in every order.
struct Moves(&'static str, &'static [Move]);

const SENT: Moves = Moves(
    "sent",
    &[
        propose(0, 0),
        propose(0, 1),
        propose(1, 0),
        propose(1, 1),
        Move::Again,
        Move::Send(FinishOutcome::Done),
        Move::Send(FinishOutcome::Failed),
    ],
);

const SCHEDULED: Moves = Moves(
    "scheduled",
    &[
        propose(0, 0),
        propose(1, 0),
        propose(2, 0),
        Move::Schedule { key: 0 },
        Move::Schedule { key: 1 },
        Move::Schedule { key: 2 },
        Move::Send(FinishOutcome::Done),
    ],
);

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

/// The records of a move.
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
        Move::Send(outcome) => {
            let ready = fold.open_actions();
            let mut ready = ready.filter(|(_, action)| matches!(action.phase, Phase::Ready { .. }));
            let Some((action_id, _)) = ready.next() else {
                return Vec::new();
            };
            let start_id = start_id(depth.unsigned_abs());
            let start = Start {
                action_id,
                attempt: 1,
                start_id,
                owner: String::new(),
                resolved_params: None,
                probe: None,
            };
            let finish = Finish {
                action_id,
                attempt: 1,
                start_id,
                outcome,
                via: Via::Response,
                detail: String::new(),
                retry_after_ms: None,
                permanent: false,
            };
            vec![Record::Start(start), Record::Finish(finish)]
        }
    }
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
        for fold in &mut self.resumed {
            let same = fold.apply(offset, self.now, Ok(record.clone()));
            assert_eq!(same, changes, "G6: a resumed fold goes another way");
        }
        for fold in &mut self.blind {
            fold.apply(offset, self.now, Ok(record.clone()));
        }
    }

    /// What acts: the open actions and their phases.
    fn acts(fold: &Fold) -> Vec<(String, &'static str)> {
        let open = fold.open_actions();
        open.map(|(id, action)| (id.to_string(), action.phase.name()))
            .collect()
    }

    fn go_on(&self, moves: &[Move], length: i32, count: &mut Count) {
        if self.depth == length {
            count.sequences += 1;
            let mut blind = self.blind.iter();
            let differs = blind.any(|blind| Self::acts(blind) != Self::acts(&self.full));
            count.blind_differs += usize::from(differs);
            return;
        }
        for gap in GAPS {
            for &step in moves {
                let mut next = self.clone();
                next.now += gap;
                let records = records_of(step, self.depth, &self.full, next.now);
                if records.is_empty() {
                    continue;
                }
                for record in &records {
                    next.record(record);
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
    let length = if is_large() { 4 } else { 3 };
    for Moves(name, moves) in [SENT, SCHEDULED] {
        let mut count = Count::default();
        Sequence::begin().go_on(moves, length, &mut count);
        let (sequences, differ) = (count.sequences, count.blind_differs);
        println!(
            "| fold alone, {name}: {sequences} sequences | | {length} | | G6 G7 G8 G9 G11 | hold; {differ} differ without a state (V8) |"
        );
        assert!(differ > 0, "the comparison cannot see V8");
    }
}
