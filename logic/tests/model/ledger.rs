//! The log: real records, encoded and decoded, folded by the real fold. Every prefix is folded once and shared by all states
//! that have it, so a position in the log is a number.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use homeostat_logic::ledger::change::Change;
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Millis, Record};
use homeostat_logic::ledger::state::FoldState;

use crate::canon::Canon;
use crate::prints;
use crate::promises::Facts;
use crate::records;

/// A record on its way, as bytes.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) record: Rc<Record>,
    pub(crate) bytes: Rc<[u8]>,
}

impl Letter {
    pub(crate) fn new(record: Record) -> Self {
        let bytes = codec::encode(&record).unwrap();
        Self {
            record: Rc::new(record),
            bytes: bytes.into(),
        }
    }
}

/// A prefix of the log, by number.
pub(crate) type Position = usize;

/// A prefix of the log.
pub(crate) struct Prefix {
    /// The fold of it.
    pub(crate) fold: Fold,
    /// What its last record changed.
    pub(crate) changes: Rc<[Change]>,
    /// Its last record, and the prefix without it.
    pub(crate) last: Option<(Letter, Millis, Position)>,
    /// What the promises say of it.
    pub(crate) facts: Facts,
    /// What tells its fold from others.
    pub(crate) canon: Canon,
}

impl Prefix {
    fn new(
        fold: Fold,
        changes: Vec<Change>,
        last: Option<(Letter, Millis, Position)>,
        facts: Facts,
    ) -> Rc<Self> {
        let mut canon = Canon::default();
        prints::of_fold(&mut canon, &fold);
        Rc::new(Self {
            fold,
            changes: changes.into(),
            last,
            facts,
            canon,
        })
    }
}

/// Which records follow a prefix: position, bytes, log time.
type Follows = HashMap<(Position, Rc<[u8]>, Millis), Position>;

/// Every prefix that came up.
pub(crate) struct Ledger {
    prefixes: RefCell<Vec<Rc<Prefix>>>,
    follows: RefCell<Follows>,
    /// Spoils what the fold made of a record, for models that have to break.
    tamper: fn(&mut FoldState) -> bool,
    /// When the last event's time for starting really ends, whatever its record says.
    not_after: Option<Millis>,
}

impl Ledger {
    pub(crate) const EMPTY: Position = 0;

    pub(crate) fn new(tamper: fn(&mut FoldState) -> bool, not_after: Option<Millis>) -> Self {
        let empty = Prefix::new(records::founded(), Vec::new(), None, Facts::default());
        Self {
            prefixes: RefCell::new(vec![empty]),
            follows: RefCell::default(),
            tamper,
            not_after,
        }
    }

    pub(crate) fn at(&self, position: Position) -> Rc<Prefix> {
        Rc::clone(&self.prefixes.borrow()[position])
    }

    /// The log with one more record.
    pub(crate) fn append(&self, position: Position, letter: &Letter, time: Millis) -> Position {
        let key = (position, Rc::clone(&letter.bytes), time);
        if let Some(known) = self.follows.borrow().get(&key) {
            return *known;
        }
        let before = self.at(position);
        let mut fold = before.fold.clone();
        let record = codec::decode(&letter.bytes).unwrap();
        assert_eq!(record, *letter.record);
        let changes = fold.apply(fold.offset() + 1, time, Ok(record));
        let mut state = fold.state().clone();
        if (self.tamper)(&mut state) {
            fold = Fold::resume(state, fold.memory().clone());
        }
        let facts = before.facts.follow(&fold, &changes, self.not_after);
        let last = Some((letter.clone(), time, position));
        let prefix = Prefix::new(fold, changes, last, facts);
        let mut prefixes = self.prefixes.borrow_mut();
        prefixes.push(prefix);
        self.follows.borrow_mut().insert(key, prefixes.len() - 1);
        prefixes.len() - 1
    }

    /// The prefixes behind `from` up to `to`; none if `to` does not begin with `from`, because records were lost.
    pub(crate) fn between(&self, from: Position, to: Position) -> Vec<Position> {
        let prefixes = self.prefixes.borrow();
        let (mut positions, mut position) = (Vec::new(), to);
        while position != from {
            positions.push(position);
            let Some((_, _, before)) = &prefixes[position].last else {
                return Vec::new();
            };
            position = *before;
        }
        positions.reverse();
        positions
    }

    /// The prefix with one record more on the way to `to`.
    pub(crate) fn next(&self, from: Position, to: Position) -> Option<Position> {
        let prefixes = self.prefixes.borrow();
        let mut position = to;
        while let Some((_, _, before)) = &prefixes[position].last {
            if *before == from {
                return Some(position);
            }
            position = *before;
        }
        None
    }
}

/// Leaves the fold as it is.
pub(crate) fn untampered(_: &mut FoldState) -> bool {
    false
}
