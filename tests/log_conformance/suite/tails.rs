//! Tails: from an offset, then live.

use crate::support::recorder::Recorder;
use crate::support::world::{World, fill, place};

pub(crate) fn a_tail_reads_from_its_offset_and_then_live(world: &World) {
    let (log, name) = world.with_topic(2);
    fill(&log, &name, 0, 0, 10);
    fill(&log, &name, 1, 0, 2);
    let (one, other) = (Recorder::default(), Recorder::default());
    let tail = log
        .tail(place(&name, 0), 7, one.tail_sink(place(&name, 0)))
        .unwrap();
    let _other = log
        .tail(place(&name, 1), 0, other.tail_sink(place(&name, 1)))
        .unwrap();
    one.wait("what is there", |seen| seen.records.len() == 3);
    fill(&log, &name, 0, 10, 5);
    let seen = one.when("what comes", |seen| seen.records.len() == 8);
    assert_eq!(seen.offsets(0), (7..15).collect::<Vec<_>>());
    drop(seen);
    drop(tail);
    fill(&log, &name, 0, 15, 1);
    fill(&log, &name, 1, 2, 1);
    other.wait("the other tail goes on", |seen| seen.records.len() == 3);
}

pub(crate) fn a_tail_from_beyond_the_end_starts_at_the_beginning(world: &World) {
    let (log, name) = world.with_topic(1);
    fill(&log, &name, 0, 0, 3);
    let recorder = Recorder::default();
    let _tail = log
        .tail(place(&name, 0), 1000, recorder.tail_sink(place(&name, 0)))
        .unwrap();
    let seen = recorder.when("all of it", |seen| seen.records.len() >= 3);
    assert_eq!(seen.offsets(0), [0, 1, 2]);
}

pub(crate) fn a_tail_whose_sink_panics_does_not_take_the_others_with_it(world: &World) {
    let (log, name) = world.with_topic(2);
    let (broken, other) = (Recorder::default(), Recorder::default());
    broken.seen().panic = true;
    let _broken = log
        .tail(place(&name, 0), 0, broken.tail_sink(place(&name, 0)))
        .unwrap();
    let _other = log
        .tail(place(&name, 1), 0, other.tail_sink(place(&name, 1)))
        .unwrap();
    fill(&log, &name, 0, 0, 5);
    fill(&log, &name, 1, 0, 5);
    other.wait("its records", |seen| seen.records.len() == 5);
    fill(&log, &name, 1, 5, 5);
    other.wait("its next records", |seen| seen.records.len() == 10);
    assert!(broken.seen().records.is_empty());
}
