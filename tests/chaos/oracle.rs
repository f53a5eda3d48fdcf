//! What must have come of the events: exactly one decision each, or a dead letter; a request for each accepted action, at
//! most one for each attempt, and at most one effect where the target can be asked.

use std::collections::BTreeMap;

use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::Policy;

use crate::action_target::Requests;
use crate::faults::Fault;
use crate::ledger::{Act, Ledger};
use crate::letters::Letters;
use crate::load::Event;
use crate::report::Row;

/// What is wrong, with the event that it is about.
#[derive(Default)]
pub(crate) struct Findings {
    lost: Vec<(String, String)>,
    duplicated: Vec<(String, String)>,
}

/// Compares everything that was published with everything that happened.
pub(crate) fn judge(
    events: &[Event],
    ledger: &Ledger,
    letters: &Letters,
    requests: &Requests,
) -> Findings {
    let mut verdict = Findings::default();
    verdict.judge_events(events, ledger, letters);
    verdict.judge_decisions(ledger);
    let acts: BTreeMap<String, Act> = ledger
        .acts()
        .into_iter()
        .map(|act| (act.id.to_string(), act))
        .collect();
    verdict.judge_acts(&acts, requests);
    verdict.judge_requests(&acts, requests);
    verdict
}

impl Findings {
    fn lost(&mut self, event: &str, what: impl Into<String>) {
        self.lost.push((event.to_owned(), what.into()));
    }

    fn duplicated(&mut self, event: &str, what: impl Into<String>) {
        self.duplicated.push((event.to_owned(), what.into()));
    }

    fn judge_events(&mut self, events: &[Event], ledger: &Ledger, letters: &Letters) {
        for event in events {
            let decided = ledger.has_decided(&event.position);
            match &event.poison {
                None if !decided => {
                    self.lost(&event.id, format!("no decision: {:?}", event.position));
                }
                None => {}
                Some(_) if decided => self.duplicated(&event.id, "poison was decided"),
                Some(bytes) => {
                    // Two letters after a crash between letter and offset: at least once, as promised.
                    let found = letters.about(&event.position);
                    if found.is_empty() || found.iter().any(|letter| letter != bytes) {
                        self.lost(&event.id, "no dead letter with its bytes");
                    }
                }
            }
        }
    }

    fn judge_decisions(&mut self, ledger: &Ledger) {
        ledger.with_decided(|decided| {
            for (position, decisions) in decided {
                let mut targets: Vec<&str> =
                    decisions.iter().map(|one| one.target.as_str()).collect();
                targets.sort_unstable();
                if targets.windows(2).any(|pair| pair[0] == pair[1]) {
                    self.duplicated("", format!("decided twice: {position:?} {targets:?}"));
                }
            }
        });
    }

    fn judge_acts(&mut self, acts: &BTreeMap<String, Act>, requests: &Requests) {
        for (id, act) in acts {
            let sent = requests.sent.contains_key(id);
            let effects = requests.effects.get(id).copied().unwrap_or_default();
            let fault = Fault::of_event(&act.event_id);
            match act.phase {
                Phase::Done if effects > 0 => {}
                Phase::Done => self.lost(&act.event_id, format!("{id} is done without an effect")),
                _ if act.phase.is_open() => {
                    self.lost(&act.event_id, format!("{id} does not end: {:?}", act.phase));
                }
                // Nobody knows whether the only request was sent, and people are told.
                Phase::Unknown { .. } if act.policy == Policy::AtMostOnce => {}
                // A target that fails as often as not may fail every time.
                Phase::Unknown { .. } | Phase::Failed
                    if fault == Some(Fault::Connector) && sent => {}
                _ => self.lost(&act.event_id, format!("{id} ended {:?}", act.phase)),
            }
        }
    }

    fn judge_requests(&mut self, acts: &BTreeMap<String, Act>, requests: &Requests) {
        for (id, attempts) in &requests.sent {
            let Some(act) = acts.get(id) else {
                self.duplicated("", format!("{id} was sent and never decided"));
                continue;
            };
            for (attempt, count) in attempts.iter().filter(|(_, count)| **count > 1) {
                let what = format!("attempt {attempt} of {id} was sent {count} times");
                self.duplicated(&act.event_id, what);
            }
            let effects = requests.effects.get(id).copied().unwrap_or_default();
            if act.policy == Policy::Verify && effects > 1 {
                self.duplicated(&act.event_id, format!("{id} took effect {effects} times"));
            }
            if act.policy == Policy::AtMostOnce && attempts.len() > 1 {
                self.duplicated(&act.event_id, format!("{id} was sent again: {attempts:?}"));
            }
        }
    }

    /// Puts each fault of the product into the row of the fault that brought it; the last row takes what is nobody's.
    pub(crate) fn into_rows(self, rows: &mut [Row]) {
        for (event, what) in self.lost {
            row_of(rows, &event).lost.push(format!("{event}: {what}"));
        }
        for (event, what) in self.duplicated {
            row_of(rows, &event)
                .duplicated
                .push(format!("{event}: {what}"));
        }
    }
}

fn row_of<'a>(rows: &'a mut [Row], event: &str) -> &'a mut Row {
    let fault = Fault::of_event(event).map(Fault::name);
    let found = rows.iter().position(|row| Some(row.fault) == fault);
    let index = found.unwrap_or(rows.len() - 1);
    &mut rows[index]
}
