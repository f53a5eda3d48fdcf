//! Sequences of events as SPEC §4 tells them, the whole way of a decision: decoded, judged, written down, encoded, read
//! back and folded in order, with the log's times.

mod budgets;
mod cooldowns;
mod repeats;
mod waiting;

use homeostat_logic::actions::Action;
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, propose};
use homeostat_logic::event::{Names, decode as decode_event};
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::listing::GateVerdict;
use homeostat_logic::ledger::record::{
    Finish, FinishOutcome, Genesis, Id, Millis, Override, OverrideOrder, Record, Start, Via,
};
use homeostat_logic::rules::Rules;
use homeostat_logic::topic;
use homeostat_logic::view::EventView;

use crate::support::rules;

const SECOND: Millis = 1_000;

const MINUTE: Millis = 60 * SECOND;

const HOUR: Millis = 60 * MINUTE;

const DRIFT: &str = "data.drift.detected";

const URGENT: &str = r#"{"severity":"HIGH","model_version":"m@1"}"#;

/// Cooldowns off, so that budgets show.
const NO_COOLDOWN: &str = "[cooldown]\nretrain_minutes = 0\nrollback_minutes = 0\nscale_up_minutes = 0\n\
                           alert_minutes = 0\nmonitor_minutes = 0\n";

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    id: Id,
    action: Action,
    phase: &'static str,
    /// The gate that spoke last, when it did not let it pass.
    held_back_by: Option<&'static str>,
}

/// A ledger under way.
struct Story {
    rules: Rules,
    fold: Fold,
    next_source: i64,
    next_bid: u8,
    /// What the gates said about the newest event.
    gates: Vec<GateVerdict>,
}

impl Story {
    fn new(overlay: &str) -> Self {
        let mut story = Self {
            rules: rules(overlay),
            fold: Fold::new(),
            next_source: 0,
            next_bid: 0,
            gates: Vec::new(),
        };
        let installation = Id([1; 16]);
        story.record(0, &Record::Genesis(Genesis::new(installation)));
        story
    }

    /// Through the bytes, as every instance reads it.
    fn record(&mut self, now: Millis, record: &Record) -> Vec<Change> {
        let bytes = codec::encode(record).unwrap();
        let read = codec::decode(&bytes).unwrap();
        assert_eq!(read, *record);
        let offset = self.fold.offset() + 1;
        self.fold.apply(offset, now, Ok(read))
    }

    /// An event at the next source position, proposed and folded at once.
    fn event(&mut self, now: Millis, topic_name: &str, raw: &str) -> Told {
        let source = self.next_source;
        self.next_source += 1;
        let changes = self.event_from(now, topic_name, source, now, raw);
        for change in &changes {
            if let ChangeKind::Entered(entered) = &change.kind {
                self.gates.clone_from(&entered.gates);
            }
        }
        told(&changes).unwrap_or_else(|| panic!("not decided: {changes:?}"))
    }

    fn event_from(
        &mut self,
        now: Millis,
        topic_name: &str,
        offset: i64,
        timestamp: Millis,
        raw: &str,
    ) -> Vec<Change> {
        let topic = topic::find(topic_name).unwrap();
        let event = decode_event(Some(raw.as_bytes()), topic, &mut Names::default()).unwrap();
        let view = EventView::new(raw);
        let verdict = judge(&event, &view, &self.rules, now);
        let context = Context {
            replay: None,
            event: &event,
            view: &view,
            topic: topic_name,
            generation: 1,
            partition: 0,
            offset,
            timestamp,
            now,
            rules: &self.rules,
        };
        let proposal = propose(&context, &verdict);
        self.record(now, &Record::Propose(Box::new(proposal.propose)))
    }

    /// A person lets it start, having seen it as it stands.
    fn approve(&mut self, now: Millis, action_id: Id) {
        let expect = self.fold.action(action_id).unwrap().changed;
        self.next_bid += 1;
        let order = Override {
            override_id: Id([self.next_bid; 16]),
            order: OverrideOrder::Approve { action_id, expect },
            who: "somebody".to_owned(),
            reason: "checked".to_owned(),
        };
        self.record(now, &Record::Override(Box::new(order)));
    }

    fn start(&mut self, now: Millis, action: Id, attempt: u32) -> Option<Id> {
        self.next_bid += 1;
        let start_id = Id([self.next_bid; 16]);
        let start = Start {
            action_id: action,
            attempt,
            start_id,
            owner: "test".to_owned(),
            resolved_params: None,
            probe: None,
        };
        let changes = self.record(now, &Record::Start(start));
        let won = |change: &Change| matches!(change.kind, ChangeKind::BidWon { .. });
        changes.iter().any(won).then_some(start_id)
    }

    fn finish(
        &mut self,
        now: Millis,
        action: Id,
        attempt: u32,
        start_id: Id,
        outcome: FinishOutcome,
    ) -> Vec<Change> {
        let finish = Finish {
            action_id: action,
            attempt,
            start_id,
            outcome,
            via: Via::Response,
            detail: "answer".to_owned(),
            retry_after_ms: None,
            permanent: false,
        };
        self.record(now, &Record::Finish(finish))
    }

    /// Sent and done within the same millisecond, so that its end is `now`.
    fn carry_out(&mut self, now: Millis, action: Id) {
        let start_id = self.start(now, action, 1).expect("the bid wins");
        self.finish(now, action, 1, start_id, FinishOutcome::Done);
    }

    /// An event that is answered, and the answer carried out at once.
    fn answered(&mut self, now: Millis, topic_name: &str, raw: &str) -> Action {
        let told = self.event(now, topic_name, raw);
        assert_eq!(told.phase, "ready", "{told:?}");
        self.carry_out(now, told.id);
        told.action
    }

    fn tick(&mut self, now: Millis) {
        self.record(now, &Record::Tick);
    }

    fn phase(&self, action: Id) -> &'static str {
        self.fold.phase(action).map_or("gone", |phase| phase.name())
    }
}

fn told(changes: &[Change]) -> Option<Told> {
    changes.iter().find_map(|change| match &change.kind {
        ChangeKind::Entered(entered) => Some(Told {
            id: entered.action,
            action: entered.propose.decisions[entered.decision].ladder[entered.step].action,
            phase: entered.phase.name(),
            held_back_by: entered
                .gates
                .last()
                .filter(|gate| !gate.passed)
                .map(|gate| gate.gate),
        }),
        _ => None,
    })
}
