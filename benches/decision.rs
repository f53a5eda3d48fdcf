//! What a decision costs, step by step: judging (with the shipped rules, and with an overlay for the target), writing the
//! proposal, encoding it, folding it into a ledger of thousands of actions.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench ends at the first surprise and prints its result"
)]

mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use homeostat_logic::actions::Action;
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, Proposal, propose};
use homeostat_logic::event::{Event, Names, decode};
use homeostat_logic::ledger::codec::{decode as decode_record, encode};
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Genesis, Id, Millis, Record};
use homeostat_logic::rules::Rules;
use homeostat_logic::topic::find;
use homeostat_logic::view::EventView;

use support::events::{drift, rules};
use support::{compare, timed};

const EVENTS: u64 = 512;
/// A Monday at noon, UTC: inside working hours.
const NOON: Millis = 1_772_452_800_000;
/// Proposals folded before measuring starts.
const FOLDED: u64 = 8_192;
/// A model of the sample events answered differently.
const OVERLAY: &str = r#"
[targets.recommender_0]
cooldown.retrain_minutes = 5
[targets.recommender_0.rules.data_drift_detected]
critical = "alert"
high = "alert"
raise.critical.drift_score = 0.95
"#;

fn events() -> Vec<(String, Event)> {
    let (topic, mut names) = (find("data.drift.detected").unwrap(), Names::default());
    let decoded = |text: String| {
        let event = decode(Some(text.as_bytes()), topic, &mut names).unwrap();
        (text, event)
    };
    (0..EVENTS).map(drift).map(decoded).collect()
}

fn proposal(text: &str, event: &Event, rules: &Rules, offset: u64, now: Millis) -> Proposal {
    let view = EventView::new(text);
    let context = Context {
        replay: None,
        event,
        view: &view,
        topic: "data.drift.detected",
        generation: 1,
        partition: 0,
        offset: i64::try_from(offset).unwrap(),
        timestamp: now,
        now,
        rules,
    };
    propose(&context, &judge(event, &view, rules, now))
}

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    let events = events();
    let (shipped, overlaid) = (rules(""), rules(OVERLAY));
    let first = &events[0];
    assert_eq!(
        judge(&first.1, &EventView::new(&first.0), &shipped, NOON).action,
        Action::Retrain
    );
    assert_eq!(
        judge(&first.1, &EventView::new(&first.0), &overlaid, NOON).action,
        Action::Alert
    );
    for (name, rules) in [
        ("judge", &shipped),
        ("judge, with a target's overlay", &overlaid),
    ] {
        // Searched by the first run: what that costs is part of writing the proposal, which searches each view anew.
        let views: Vec<EventView<'_>> = events
            .iter()
            .map(|(text, _)| EventView::new(text))
            .collect();
        let work = || {
            timed(|| {
                for ((_, event), view) in events.iter().zip(&views) {
                    black_box(judge(black_box(event), view, rules, NOON));
                }
            })
        };
        compare(&mut group, name, EVENTS, work, &mut []);
    }
    let work = || {
        timed(|| {
            for (offset, (text, event)) in (0..).zip(&events) {
                black_box(proposal(text, black_box(event), &shipped, offset, NOON));
            }
        })
    };
    compare(
        &mut group,
        "judge and write the proposal",
        EVENTS,
        work,
        &mut [],
    );
    let records: Vec<Record> = (0..)
        .zip(&events)
        .map(|(offset, (text, event))| proposal(text, event, &shipped, offset, NOON))
        .map(|proposal| Record::Propose(Box::new(proposal.propose)))
        .collect();
    let work = || {
        timed(|| {
            for record in &records {
                black_box(encode(black_box(record)).unwrap());
            }
        })
    };
    compare(
        &mut group,
        "encode the ledger record",
        EVENTS,
        work,
        &mut [],
    );
    let bytes: Vec<Vec<u8>> = records
        .iter()
        .map(|record| encode(record).unwrap())
        .collect();
    let work = || {
        timed(|| {
            for bytes in &bytes {
                black_box(decode_record(black_box(bytes)).unwrap());
            }
        })
    };
    compare(
        &mut group,
        "decode the ledger record",
        EVENTS,
        work,
        &mut [],
    );
    group.finish();
}

/// Log time goes a minute ahead with each record, so that the fold forgets what is older than its horizon and stays at
/// about 11,500 proposals however long the bench runs.
fn folding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    let (events, rules) = (events(), rules(""));
    let (mut fold, mut next) = (Fold::new(), 1_u64);
    let installation = Id([1; 16]);
    fold.apply(0, NOON, Ok(Record::Genesis(Genesis::new(installation))));
    let mut apply = |count: u64| {
        let at = |offset: u64| NOON + i64::try_from(offset).unwrap() * 60_000;
        let records: Vec<Record> = (next..next + count)
            .map(|offset| {
                let (text, event) = &events[usize::try_from(offset % EVENTS).unwrap()];
                let mut propose = proposal(text, event, &rules, offset, at(offset)).propose;
                propose.event_identity = None;
                Record::Propose(Box::new(propose))
            })
            .collect();
        let first = next;
        next += count;
        timed(|| {
            for (offset, record) in (first..).zip(records) {
                let changes = fold.apply(i64::try_from(offset).unwrap(), at(offset), Ok(record));
                assert!(!changes.is_empty(), "every proposal is decided");
            }
        })
    };
    apply(FOLDED);
    compare(
        &mut group,
        "fold a proposal",
        EVENTS,
        || apply(EVENTS),
        &mut [],
    );
    group.finish();
}

criterion_group!(benches, judging, folding);
criterion_main!(benches);
