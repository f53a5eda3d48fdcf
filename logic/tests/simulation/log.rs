//! The log port's twin: topics with partitions, log time that steps, groups with generations, and a fence for commits.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use homeostat_logic::ledger::codec::Undecodable;
use homeostat_logic::ledger::record::{Id, Millis, Record};
use homeostat_logic::ledger::retention::Retention;
use homeostat_logic::topic::Topic;

use crate::events::{Due, Published, sources};

/// A partition of the ledger.
#[derive(Default)]
pub(crate) struct LedgerPartition {
    pub(crate) entries: Vec<Entry>,
    /// First offset kept.
    pub(crate) low: i64,
    pub(crate) retention: Option<Retention>,
    /// Log time at the boundaries passed.
    pub(crate) boundaries: BTreeMap<i64, Millis>,
    /// How far the broker's clock is ahead: 0 to J, it may step at any record (A2).
    pub(crate) ahead: Millis,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) time: Millis,
    pub(crate) record: Rc<Result<Record, Undecodable>>,
}

pub(crate) struct SourcePartition {
    pub(crate) topic: &'static Topic,
    pub(crate) number: i32,
    pub(crate) records: Vec<Published>,
    /// Offsets with a proposal in the ledger, and those with a dead letter.
    pub(crate) proposed: BTreeSet<i64>,
    pub(crate) buried: BTreeSet<i64>,
}

impl SourcePartition {
    /// What a settled record must have.
    pub(crate) fn is_answered(&self, offset: i64) -> bool {
        let published = &self.records[usize::try_from(offset).unwrap()];
        match published.due {
            Due::Proposal => self.proposed.contains(&offset),
            Due::Letter => self.buried.contains(&offset),
            Due::Nothing => true,
        }
    }
}

/// A consumer group: who is in it, and who owns which partition in which epoch.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) members: BTreeMap<u64, usize>,
    pub(crate) owners: BTreeMap<usize, Owner>,
    pub(crate) target: BTreeMap<usize, u64>,
    pub(crate) committed: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) member: u64,
    pub(crate) epoch: u64,
}

/// The two groups of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupName {
    Sources,
    Executors,
}

pub(crate) struct Log {
    pub(crate) sources: Vec<SourcePartition>,
    pub(crate) ledger: Vec<LedgerPartition>,
    pub(crate) groups: [Group; 2],
}

impl Log {
    pub(crate) fn new(ledger_partitions: usize) -> Self {
        let sources: Vec<_> = sources()
            .into_iter()
            .map(|(topic, number)| SourcePartition {
                topic,
                number,
                records: Vec::new(),
                proposed: BTreeSet::new(),
                buried: BTreeSet::new(),
            })
            .collect();
        let group = Group {
            committed: vec![0; sources.len()],
            ..Group::default()
        };
        Self {
            sources,
            ledger: (0..ledger_partitions)
                .map(|_| LedgerPartition::default())
                .collect(),
            groups: [group, Group::default()],
        }
    }

    pub(crate) fn group(&mut self, name: GroupName) -> &mut Group {
        &mut self.groups[name as usize]
    }

    /// Where a target's records go.
    pub(crate) fn ledger_of(&self, target: &str) -> usize {
        let bytes = Id::hash(&[target.as_bytes()]).0;
        usize::from(bytes[0]) % self.ledger.len()
    }

    pub(crate) fn source_of(&self, topic: &str, number: i32) -> usize {
        let here = |one: &SourcePartition| one.topic.name == topic && one.number == number;
        self.sources.iter().position(here).unwrap()
    }

    pub(crate) fn high(&self, ledger: usize) -> i64 {
        i64::try_from(self.ledger[ledger].entries.len()).unwrap()
    }
}
