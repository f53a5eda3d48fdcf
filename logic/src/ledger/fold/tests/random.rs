//! Random histories: records in an order that mostly makes sense, with repeats, losers and clocks that step back.

use proptest::prelude::*;

use crate::actions::Action::{Alert, Ignore, Monitor, Retrain};
use crate::ledger::change::ChangeKind;
use crate::ledger::fold::Fold;
use crate::ledger::fold::samples::*;
use crate::ledger::identity;
use crate::ledger::phase::Phase;
use crate::ledger::record::FinishOutcome::{Done, Failed, NotSent, Unknown};
use crate::ledger::record::{
    AbsentProbe, Finish, Id, Millis, Observe, Override, OverrideOrder, Policy, Propose, Record,
    Resolution, Start, Step, Verify,
};
use crate::ledger::times::{HORIZON_MS, RESTORE_MARGIN_MS};
use crate::target::Target;

/// One random move: how log time goes on, what is done, and two choices within it.
pub(super) type Move = (Millis, u8, u8, u8);

pub(super) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let gap = prop_oneof![
        6 => 0..MINUTE,
        3 => MINUTE..40 * MINUTE,
        1 => -60 * MINUTE..0,
        1 => Just(4 * 24 * 60 * MINUTE),
    ];
    prop::collection::vec((gap, 0..14_u8, any::<u8>(), any::<u8>()), 1..80)
}

/// Moves of which many force an action under one key, with days between them.
pub(super) fn forcing() -> impl Strategy<Value = Vec<Move>> {
    let gap = prop_oneof![
        6 => 0..MINUTE,
        2 => MINUTE..40 * MINUTE,
        2 => Just(HORIZON_MS / 2 + MINUTE),
    ];
    let forced = (0..23_u8).prop_map(|salt| (9, 0, 11 * salt + 10));
    let any = (3..12_u8, any::<u8>(), any::<u8>());
    let step = prop_oneof![1 => forced, 3 => any];
    let step = (gap, step).prop_map(|(gap, (kind, a, b))| (gap, kind, a, b));
    prop::collection::vec(step, 1..80)
}

/// A log: each record with its log time.
pub(super) type Log = Vec<(Millis, Record)>;

/// Turns moves into records that mostly make sense at the point where they stand.
pub(super) fn log_of(moves: &[Move]) -> Log {
    let mut fold = Fold::new();
    let mut log = vec![(T0, genesis(INSTALLATION))];
    fold.apply(0, T0, Ok(genesis(INSTALLATION)));
    let (mut time, mut latest) = (T0, T0);
    let mut wins: Vec<(Id, u32, Id)> = Vec::new();
    for (number, &(gap, kind, a, b)) in moves.iter().enumerate() {
        // Several steps back together stay within what a restore allows for.
        time = (time + gap).max(latest - RESTORE_MARGIN_MS);
        latest = latest.max(time);
        let number = i64::try_from(number).unwrap();
        let record = match kind {
            0..=2 => Record::Propose(Box::new(random_proposal(number, time, a, b))),
            3..=5 => random_start(&fold, number, a, b).unwrap_or(Record::Tick),
            6..=8 => random_finish(&wins, a, b).unwrap_or(Record::Tick),
            9..=11 => random_order(&fold, number, a, b).unwrap_or(Record::Tick),
            12 if a.is_multiple_of(16) => genesis(id(u32::from(b))),
            12 => random_signal(&fold, a, b).unwrap_or(Record::Tick),
            _ => Record::Tick,
        };
        for change in fold.apply(number + 1, time, Ok(record.clone())) {
            if let ChangeKind::BidWon {
                action,
                attempt,
                start_id,
                ..
            } = change.kind
            {
                wins.push((action, attempt, start_id));
            }
        }
        log.push((time, record));
    }
    log
}

fn random_proposal(number: i64, time: Millis, a: u8, b: u8) -> Propose {
    // One in eight repeats a position, with whatever other contents this move has.
    let offset = if a.is_multiple_of(8) {
        number / 2
    } else {
        number
    };
    let keyed = |step: Step, salt: u8| Step {
        cooldown_key: format!("key-{}", (a ^ salt) % 3),
        cooldown_ms: i64::from(b % 4) * 10 * MINUTE,
        policy: [Policy::Idempotent, Policy::Verify, Policy::AtMostOnce][usize::from(b % 3)],
        ..step
    };
    let day = 24 * 60 * MINUTE;
    let first = budgeted(Retrain, u32::from(b % 3) + 1);
    let mut first = keyed(and_budget("day", day, u32::from(a % 4) + 1, first), 0);
    if a.is_multiple_of(5) {
        let from = time - T0 + i64::from(b) * MINUTE;
        first.start = within(&[
            window(from, from + 20 * MINUTE),
            window(from + 60 * MINUTE, from + 70 * MINUTE),
        ]);
    }
    first.approval = a.is_multiple_of(7);
    if b.is_multiple_of(5) {
        let next = (b.is_multiple_of(2)).then(|| step(Monitor));
        let verify = Verify {
            signal: "s".to_owned(),
            within_ms: 5 * MINUTE,
            next,
        };
        first.verify = Some(Box::new(verify));
    }
    let alert = and_budget("alerts", 2 * 60 * MINUTE, 2, budgeted(Alert, 3));
    let mut ladder = vec![first, keyed(alert, 1)];
    match b % 7 {
        0 => ladder.push(step(Ignore)),
        1 | 2 => ladder.push(keyed(and_budget("day", day, 5, step(Monitor)), 2)),
        _ => {}
    }
    Propose {
        not_after: time + 3 * 60 * MINUTE,
        event_identity: (b.is_multiple_of(4)).then(|| id(u32::from(a % 4))),
        ..propose(offset, ladder)
    }
}

fn random_start(fold: &Fold, number: i64, a: u8, b: u8) -> Option<Record> {
    let open: Vec<_> = fold.open_actions().collect();
    let (action_id, state) = open.get(usize::from(a) % open.len().max(1))?;
    let attempt = match state.phase {
        Phase::Ready { attempt, .. } => attempt,
        Phase::Doubt { attempt, .. } => attempt + 1,
        _ => u32::from(b % 4),
    };
    Some(Record::Start(Start {
        action_id: *action_id,
        attempt,
        start_id: Id::hash(&[&number.to_be_bytes()]),
        owner: "owner".to_owned(),
        resolved_params: (b.is_multiple_of(2)).then(|| serde_json::json!({"version": b})),
        probe: (!b.is_multiple_of(3)).then(|| AbsentProbe {
            evidence: "absent".to_owned(),
        }),
    }))
}

/// Mostly what a person could order in good faith.
fn random_order(fold: &Fold, number: i64, a: u8, b: u8) -> Option<Record> {
    let actions: Vec<_> = fold.state().actions.iter().collect();
    let one = |wanted: fn(Phase) -> bool| {
        let fitting: Vec<_> = actions
            .iter()
            .filter(|(_, one)| wanted(one.phase))
            .collect();
        let (action_id, state) = *fitting.get(usize::from(a) % fitting.len().max(1))?;
        let expect = state.changed - i64::from(b.is_multiple_of(16));
        Some((**action_id, expect))
    };
    // One key is used more than once, also again after the memory.
    let override_id = match a % 16 {
        0 => id(0),
        _ => Id::hash(&[b"order", &number.to_be_bytes()]),
    };
    let order = match b % 11 {
        0 => {
            let (action_id, expect) = one(Phase::is_open)?;
            OverrideOrder::Cancel { action_id, expect }
        }
        1 | 2 => {
            let again = |phase| matches!(phase, Phase::Unknown { .. } | Phase::Failed);
            let (action_id, expect) = one(again)?;
            OverrideOrder::Refire { action_id, expect }
        }
        3 => {
            let doubtful = |phase| matches!(phase, Phase::Unknown { .. } | Phase::Doubt { .. });
            let (action_id, expect) = one(doubtful)?;
            let outcome = [Resolution::Done, Resolution::Failed][usize::from(a % 2)];
            OverrideOrder::Resolve {
                action_id,
                expect,
                outcome,
            }
        }
        4 => {
            let (action_id, expect) = one(|phase| !phase.is_open())?;
            OverrideOrder::ClearCooldown { action_id, expect }
        }
        5 | 6 => {
            let (action_id, expect) = one(|phase| phase == Phase::Approval)?;
            OverrideOrder::Approve { action_id, expect }
        }
        7 => OverrideOrder::Silence {
            until: fold.now() + i64::from(a) * MINUTE - 10 * MINUTE,
            target: a.is_multiple_of(2).then(|| Target::model("m")),
        },
        8 if a.is_multiple_of(2) => OverrideOrder::Pause,
        8 => OverrideOrder::Resume,
        9 => {
            let (action_id, expect) = one(ended_badly)?;
            OverrideOrder::Acknowledge { action_id, expect }
        }
        _ => {
            let mut forced = random_proposal(number, fold.now(), a | 1, b);
            forced.event_key = identity::forced_key(override_id);
            forced.event_identity = None;
            for step in &mut forced.decisions[0].ladder {
                step.start = When::Now;
                step.approval = false;
            }
            OverrideOrder::Force(Box::new(forced))
        }
    };
    Some(Record::Override(Box::new(Override {
        override_id,
        order,
        who: "anna".to_owned(),
        reason: "because".to_owned(),
    })))
}

/// What people may acknowledge.
pub(super) const fn ended_badly(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Failed | Phase::Expired | Phase::Unknown { .. }
    )
}

fn random_signal(fold: &Fold, a: u8, b: u8) -> Option<Record> {
    let actions = fold.state().actions.iter();
    let done: Vec<_> = actions.filter(|(_, one)| one.verify_by.is_some()).collect();
    let (action_id, _) = done.get(usize::from(a) % done.len().max(1))?;
    Some(Record::Observe(Observe {
        action_id: **action_id,
        recovered: b.is_multiple_of(2),
        evidence: "drift 0.1".to_owned(),
    }))
}

fn random_finish(wins: &[(Id, u32, Id)], a: u8, b: u8) -> Option<Record> {
    // Mostly the newest ones.
    let back = usize::from(a % 8).min(wins.len().checked_sub(1)?);
    let &(action_id, attempt, start_id) = wins.get(wins.len() - 1 - back)?;
    let outcome = [Done, Failed, NotSent, Unknown, Done][usize::from(b % 5)];
    let start_id = if b.is_multiple_of(11) {
        id(0)
    } else {
        start_id
    };
    Some(Record::Finish(Finish {
        action_id,
        attempt,
        start_id,
        permanent: b.is_multiple_of(13),
        retry_after_ms: (b.is_multiple_of(3)).then_some(i64::from(b) * SECOND),
        ..finish(action_id, attempt, 0, outcome)
    }))
}
