//! What breaks, what people order, and how the world calms down.

use homeostat_logic::ledger::identity::forced_key;
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{
    Id, Observe, Override, OverrideOrder, Propose, Record, Resolution, When,
};
use std::rc::Rc;

use crate::groups::GROUPS;
use crate::happening::Event;
use crate::process::{Payload, Pending, Process, Purpose};
use crate::profile::{Fault, MINUTE, SECOND};
use crate::world::World;

impl World {
    pub(crate) fn wake(&mut self, process: usize) {
        let extents: Vec<(i64, i64)> = (0..self.log.ledger.len())
            .map(|ledger| (self.log.ledger[ledger].low, self.log.high(ledger)))
            .collect();
        let old = &self.processes[process];
        let rules = if self.profile.mixed_rules {
            self.dice.index(self.rules.len())
        } else {
            old.rules
        };
        let wall_off = if self.faults {
            self.dice.between(-5_000, 5_000)
        } else {
            0
        };
        self.processes[process] = Process::new(old.incarnation + 1, rules, wall_off, &extents);
        self.note(|| format!("process {process} starts with rules {rules}"));
        for ledger in 0..self.log.ledger.len() {
            // Also where there is nothing to read: then it has caught up.
            self.processes[process].views[ledger].polling = true;
            let delay = self.delay();
            self.tell(delay, process, crate::happening::Message::Poll(ledger));
        }
    }

    pub(crate) fn something_breaks(&mut self) {
        let fault = self.profile.faults[self.dice.index(self.profile.faults.len())];
        let process = self.dice.index(self.processes.len());
        let ledger = self.dice.index(self.log.ledger.len());
        let lasts = match self.dice.roll(3) {
            0 => self.dice.between(1, 5_000),
            1 => self.dice.between(5_000, 40_000),
            _ => self.dice.between(40_000, 5 * MINUTE),
        };
        let until = (self.now + lasts).min(self.calm_at);
        self.note(|| format!("fault: {fault:?} of process {process}, {lasts} ms"));
        let one = &mut self.processes[process];
        match fault {
            Fault::Crash if one.alive => {
                one.alive = false;
                one.incarnation += 1;
                self.at(until, Event::Wake(process));
                self.watch(process);
            }
            Fault::RestartExecutor => {
                one.views[ledger].execution = None;
                self.return_places(process, ledger);
                self.start_executor(process, ledger);
            }
            Fault::Pause if one.alive && one.paused_until <= self.now => {
                one.paused_until = until;
                self.watch(process);
            }
            Fault::Cut => {
                one.cut_until = until;
                self.watch(process);
            }
            Fault::Rebalance => GROUPS.into_iter().for_each(|name| self.rebalance(name)),
            Fault::Outage => self.targets.out_until = until,
            Fault::ClockStep => self.log.ledger[ledger].ahead = self.dice.roll(20 * SECOND),
            Fault::Crash | Fault::Pause => {}
        }
    }

    /// The faults stop. People decide what is left to them.
    pub(crate) fn calm_down(&mut self) {
        self.note(|| "the faults stop".to_owned());
        self.faults = false;
        for process in &mut self.processes {
            (process.paused_until, process.cut_until, process.wall_off) = (0, 0, 0);
        }
        self.targets.out_until = 0;
        for ledger in 0..self.log.ledger.len() {
            self.log.ledger[ledger].ahead = 0;
            self.give_order(ledger, OverrideOrder::Resume);
        }
    }

    /// People order something that the view of some process suggests, which may be old.
    pub(crate) fn people_order(&mut self) {
        let process = self.dice.index(self.processes.len());
        let ledger = self.dice.index(self.log.ledger.len());
        let fold = &self.processes[process].views[ledger].fold;
        let actions: Vec<(Id, i64, Phase)> = fold
            .state()
            .actions
            .iter()
            .map(|(id, action)| (*id, action.changed, action.phase))
            .collect();
        let order = match self.dice.roll(12) {
            10 => return self.observe(ledger, &actions),
            11 => return self.force(ledger),
            0 => OverrideOrder::Pause,
            1 => OverrideOrder::Silence {
                until: self.now + self.dice.between(1, 10) * MINUTE,
                target: None,
            },
            2 | 3 => OverrideOrder::Resume,
            _ if actions.is_empty() => return,
            kind => {
                // Rather what is still open or ended badly: there people have something to decide.
                let live: Vec<_> = actions
                    .iter()
                    .filter(|one| one.2.is_open() || ended_badly(one.2))
                    .collect();
                let (action_id, expect, phase) = match live.len() {
                    some if some == 0 || self.dice.one_in(4) => {
                        actions[self.dice.index(actions.len())]
                    }
                    some => *live[self.dice.index(some)],
                };
                match (phase, kind) {
                    (Phase::Unknown { .. } | Phase::Failed, 4..=6) => {
                        OverrideOrder::Refire { action_id, expect }
                    }
                    (Phase::Unknown { .. } | Phase::Failed | Phase::Expired, 8) => {
                        OverrideOrder::Acknowledge { action_id, expect }
                    }
                    (Phase::Unknown { .. } | Phase::Doubt { .. }, 7) => OverrideOrder::Resolve {
                        action_id,
                        expect,
                        outcome: Resolution::Failed,
                    },
                    (Phase::Approval, _) => OverrideOrder::Approve { action_id, expect },
                    (Phase::Done, _) => OverrideOrder::ClearCooldown { action_id, expect },
                    _ => OverrideOrder::Cancel { action_id, expect },
                }
            }
        };
        self.give_order(ledger, order);
    }

    /// Somebody has seen whether an action helped.
    fn observe(&mut self, ledger: usize, actions: &[(Id, i64, Phase)]) {
        let done: Vec<Id> = actions
            .iter()
            .filter(|one| one.2 == Phase::Done)
            .map(|one| one.0)
            .collect();
        if done.is_empty() {
            return;
        }
        let (action_id, recovered) = (done[self.dice.index(done.len())], self.dice.one_in(2));
        let observe = Observe {
            action_id,
            recovered,
            evidence: "seen".to_owned(),
        };
        self.at(
            self.now + 1,
            Event::Land(Payload::Ledger(ledger, Rc::new(Record::Observe(observe)))),
        );
    }

    /// Somebody wants at once what was proposed once.
    fn force(&mut self, ledger: usize) {
        let entries = self.log.ledger[ledger].entries.iter();
        let proposals: Vec<Propose> = entries
            .filter_map(|entry| match &*entry.record {
                Ok(Record::Propose(propose)) => Some((**propose).clone()),
                _ => None,
            })
            .collect();
        if proposals.is_empty() {
            return;
        }
        let mut propose = proposals[self.dice.index(proposals.len())].clone();
        let override_id = self.dice.id();
        propose.event_key = forced_key(override_id);
        propose.not_after = self.now + 30 * MINUTE;
        let ladder = &mut propose.decisions[0].ladder;
        ladder.truncate(1);
        ladder[0].start = When::Now;
        ladder[0].approval = false;
        self.give_order_named(override_id, ledger, OverrideOrder::Force(Box::new(propose)));
    }

    fn give_order(&mut self, ledger: usize, order: OverrideOrder) {
        let override_id = self.dice.id();
        self.give_order_named(override_id, ledger, order);
    }

    fn give_order_named(&mut self, override_id: Id, ledger: usize, order: OverrideOrder) {
        self.promises.orders.insert(override_id, order.clone());
        self.promises.forced.insert(forced_key(override_id));
        let reason = "because".to_owned();
        let who = "somebody".to_owned();
        let record = Rc::new(Record::Override(Box::new(Override {
            override_id,
            order,
            who,
            reason,
        })));
        let process = self.dice.index(self.processes.len());
        let payload = Payload::Ledger(ledger, record);
        if self.processes[process].alive && self.faults {
            return self.append(
                process,
                Pending {
                    payload,
                    purpose: Purpose::Fact,
                },
            );
        }
        self.at(self.now + 1, Event::Land(payload));
    }
}

/// What people may fire again or acknowledge.
const fn ended_badly(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Unknown { .. } | Phase::Failed | Phase::Expired
    )
}
