//! The one thread of the log in memory: it delivers, assigns and revokes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use homeostat_actors::ports::log::{Assignment, Epoch, GroupHandler, RecordView, TopicPartition};

use super::{Command, Cursor, Inner, ROUND, ROUND_RECORDS};

/// The log's thread.
pub(super) fn deliver(inner: &Arc<Inner>) {
    let mut handler: Option<Box<dyn GroupHandler>> = None;
    let mut cursors: Vec<Cursor> = Vec::new();
    loop {
        let mut state = inner.lock();
        if state.closed {
            return;
        }
        if state.commands.is_empty() {
            state = inner.changed.wait_timeout(state, ROUND).unwrap().0;
        }
        let commands = std::mem::take(&mut state.commands);
        cursors.append(&mut state.tails);
        drop(state);
        for command in commands {
            obey(inner, command, &mut handler, &mut cursors);
        }
        let open = |cursor: &Cursor| {
            let dropped = cursor.dropped.as_ref();
            !dropped.is_some_and(|dropped| dropped.load(Ordering::Acquire))
        };
        cursors.retain(open);
        for cursor in &mut cursors {
            round(inner, cursor);
        }
    }
}

fn obey(
    inner: &Arc<Inner>,
    command: Command,
    handler: &mut Option<Box<dyn GroupHandler>>,
    cursors: &mut Vec<Cursor>,
) {
    match command {
        Command::Join(joined) => *handler = Some(joined),
        Command::Assign(partition) => {
            let mut state = inner.lock();
            state.epochs += 1;
            let epoch = Epoch(state.epochs);
            state.owned.insert(partition.clone(), epoch);
            let settled = state.settled.get(&partition).copied().unwrap_or(0);
            let position = settled.max(state.low(&partition));
            drop(state);
            let assignment = Assignment {
                partition: partition.clone(),
                epoch,
                position,
                created_again: false,
            };
            let sink = handler.as_mut().unwrap().assigned(assignment);
            cursors.push(Cursor {
                partition,
                next: position,
                sink,
                epoch: Some(epoch),
                dropped: None,
            });
        }
        Command::Revoke(partition, deadline) => {
            if let Some(epoch) = take(cursors, &partition) {
                let gone = [(partition.clone(), epoch)];
                handler.as_mut().unwrap().revoked(&gone, deadline);
                inner.lock().owned.remove(&partition);
            }
        }
        Command::Lose(partition) => {
            if let Some(epoch) = take(cursors, &partition) {
                inner.lock().owned.remove(&partition);
                handler.as_mut().unwrap().lost(&[(partition, epoch)]);
            }
        }
    }
}

fn take(cursors: &mut Vec<Cursor>, partition: &TopicPartition) -> Option<Epoch> {
    let own = |cursor: &Cursor| cursor.epoch.is_some() && cursor.partition == *partition;
    let index = cursors.iter().position(own)?;
    cursors.remove(index).epoch
}

fn round(inner: &Inner, cursor: &mut Cursor) {
    let credit = cursor.sink.credit().min(ROUND_RECORDS);
    let mut state = inner.lock();
    if cursor.epoch.is_none() && state.tails_stopped {
        return;
    }
    cursor.next = cursor.next.max(state.low(&cursor.partition));
    let left = state.partition(&cursor.partition);
    let from = usize::try_from(cursor.next).unwrap();
    let records: Vec<_> = left.iter().skip(from).take(credit).cloned().collect();
    if credit == 0 && left.len() > from {
        *state.blocked.entry(cursor.partition.clone()).or_default() += 1;
    }
    if cursor.epoch.is_some() {
        let settled = state.settled.get(&cursor.partition).copied().unwrap_or(0);
        let in_flight = cursor.next + i64::try_from(records.len()).unwrap() - settled;
        let high = state
            .in_flight_high
            .entry(cursor.partition.clone())
            .or_default();
        *high = in_flight.max(*high);
    }
    let markers = state.markers.clone();
    drop(state);
    let mut passes = false;
    for record in records {
        cursor.next = record.offset + 1;
        passes = markers.contains(&(cursor.partition.clone(), record.offset));
        if passes {
            continue;
        }
        cursor.sink.push(RecordView {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        });
    }
    cursor.sink.flush();
    if passes {
        cursor.sink.passed(cursor.next);
        cursor.sink.flush();
    }
}
