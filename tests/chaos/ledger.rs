//! The ledger as the harness itself reads it: the only witness of what was decided, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use homeostat_actors::ports::log::{EventLog, StoredRecord, TopicPartition};
use homeostat_logic::ledger::change::ChangeKind;
use homeostat_logic::ledger::codec::{Undecodable, decode};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{Id, Millis, Policy};
use homeostat_logic::topic::LEDGER;

use crate::support::client::run;

/// Records read at once.
const READ_MAX: usize = 2_000;

/// Where an event stands: topic, partition, offset.
pub(crate) type Position = (String, i32, i64);

/// A decision that entered the ledger.
pub(crate) struct Decided {
    pub(crate) event_id: String,
    pub(crate) target: String,
    /// Log time.
    pub(crate) at: Millis,
}

/// What became of an action that is carried out by the target.
#[derive(Clone)]
pub(crate) struct Act {
    pub(crate) id: Id,
    pub(crate) event_id: String,
    pub(crate) policy: Policy,
    pub(crate) phase: Phase,
}

/// Folds of all partitions, and the decisions by position of their event.
pub(crate) struct Ledger {
    log: Arc<dyn EventLog>,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    folds: BTreeMap<i32, Fold>,
    next: BTreeMap<i32, i64>,
    decided: BTreeMap<Position, Vec<Decided>>,
}

impl Ledger {
    pub(crate) fn of(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            read: Mutex::default(),
        }
    }

    /// Reads what came since the last time; whether all of it could be read (a broker may be away).
    pub(crate) fn catch_up(&self) -> bool {
        let mut read = self.read.lock().unwrap();
        let described = run(self.log.describe_topics(vec![LEDGER.to_owned()]));
        let Some(topic) = described.ok().and_then(|mut topics| topics.pop()) else {
            return false;
        };
        for (partition, marks) in (0..).zip(&topic.partitions) {
            let mut next = read.next.get(&partition).copied().unwrap_or(0);
            while next < marks.high {
                let place = TopicPartition {
                    topic: LEDGER.to_owned(),
                    partition,
                };
                let Ok(records) = run(self.log.read(place, next, READ_MAX)) else {
                    return false;
                };
                let Some(last) = records.last() else { break };
                next = last.offset + 1;
                read.next.insert(partition, next);
                for record in &records {
                    read.fold(partition, record);
                }
            }
        }
        true
    }

    /// Whether an event at this position was decided.
    pub(crate) fn has_decided(&self, position: &Position) -> bool {
        self.read.lock().unwrap().decided.contains_key(position)
    }

    /// Where the event of this id stands that was decided.
    pub(crate) fn position_of(&self, event_id: &str) -> Option<Position> {
        self.with_decided(|decided| {
            let mut all = decided.iter();
            let found = all.find(|(_, of)| of.iter().any(|one| one.event_id == event_id));
            found.map(|(position, _)| position.clone())
        })
    }

    pub(crate) fn decisions(&self) -> usize {
        self.read.lock().unwrap().decided.len()
    }

    /// Looks at every decision.
    pub(crate) fn with_decided<T>(
        &self,
        look: impl FnOnce(&BTreeMap<Position, Vec<Decided>>) -> T,
    ) -> T {
        look(&self.read.lock().unwrap().decided)
    }

    /// Actions that may still lead to a request.
    pub(crate) fn open_actions(&self) -> usize {
        let read = self.read.lock().unwrap();
        read.folds
            .values()
            .map(|fold| fold.open_actions().count())
            .sum()
    }

    /// Every accepted action that the target carries out.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let read = self.read.lock().unwrap();
        let actions = read.folds.values().flat_map(|fold| &fold.state().actions);
        actions
            .filter(|(_, action)| {
                action.step.connector == "target" && action.phase != Phase::Suppressed
            })
            .map(|(id, action)| Act {
                id: *id,
                event_id: action.subject.event_id.clone(),
                policy: action.step.policy,
                phase: action.phase,
            })
            .collect()
    }

    /// Per partition, the offset and the hash of the state there.
    pub(crate) fn hashes(&self) -> BTreeMap<i32, (i64, String)> {
        let read = self.read.lock().unwrap();
        let hashes = read.folds.iter();
        hashes
            .map(|(partition, fold)| (*partition, (fold.offset(), fold.hash())))
            .collect()
    }
}

impl Read {
    fn fold(&mut self, partition: i32, record: &StoredRecord) {
        let fold = self.folds.entry(partition).or_default();
        let value = record.value.as_deref().unwrap_or_default();
        let decoded = decode(value).map_err(|error| Undecodable(error.to_string()));
        for change in fold.apply(record.offset, record.timestamp, decoded) {
            if let ChangeKind::Entered(entered) = change.kind {
                let src = &entered.propose.src;
                let position = (src.topic.clone(), src.partition, src.offset);
                self.decided.entry(position).or_default().push(Decided {
                    event_id: entered.propose.event_id.clone(),
                    target: format!("{} #{}", entered.propose.target, entered.decision),
                    at: change.time,
                });
            }
        }
    }
}
