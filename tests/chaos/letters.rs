//! The dead letters as the harness reads them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use homeostat_actors::ports::log::{EventLog, StoredRecord, TopicPartition};
use homeostat_logic::topic::DEAD_LETTERS;

use crate::ledger::Position;
use crate::load::Value;
use crate::support::client::run;

/// Records read at once.
const READ_MAX: usize = 1_000;

/// The next offset, and the values of the letters so far.
type Read = (i64, BTreeMap<Position, Vec<Value>>);

/// The values of all letters, by position of what they were.
pub(crate) struct Letters {
    log: Arc<dyn EventLog>,
    read: Mutex<Read>,
}

impl Letters {
    pub(crate) fn of(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            read: Mutex::default(),
        }
    }

    /// Reads what came since the last time. The topic has one partition.
    pub(crate) fn catch_up(&self) {
        let mut read = self.read.lock().unwrap();
        let place = TopicPartition {
            topic: DEAD_LETTERS.to_owned(),
            partition: 0,
        };
        while let Ok(records) = run(self.log.read(place.clone(), read.0, READ_MAX)) {
            let Some(last) = records.last() else { break };
            read.0 = last.offset + 1;
            for record in records {
                read.1
                    .entry(position(&record))
                    .or_default()
                    .push(record.value);
            }
        }
    }

    /// The values of the letters about one record.
    pub(crate) fn about(&self, position: &Position) -> Vec<Value> {
        let read = self.read.lock().unwrap();
        read.1.get(position).cloned().unwrap_or_default()
    }
}

fn position(letter: &StoredRecord) -> Position {
    let header = |name: &str| {
        let found = letter
            .headers
            .iter()
            .find(|header| header.name == name.as_bytes());
        String::from_utf8(found.unwrap().bytes().to_vec()).unwrap()
    };
    (
        header("topic"),
        header("partition").parse().unwrap(),
        header("offset").parse().unwrap(),
    )
}
