//! The thin actors around fold and executor: they read the ledger into the product's fold, move the effects of the
//! product's execution, and carry requests to the targets.

use homeostat_logic::ledger::execution::{Answer, Dispatch, Effect, Execution, Moment, Probed};
use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::{FinishOutcome, Genesis, Id, Millis, Policy, Record};
use std::rc::Rc;
use std::time::Duration;

use crate::dice::Dice;
use crate::happening::{Event, Message};
use crate::process::{Payload, Pending, Purpose};
use crate::profile::{Ending, SECOND, Sabotage};
use crate::target::{Plan, T, answer, done, hangs, refused, trouble};
use crate::world::World;

impl World {
    pub(crate) fn poll_soon(&mut self, process: usize, ledger: usize) {
        let high = self.log.high(ledger);
        let one = &mut self.processes[process];
        let view = &mut one.views[ledger];
        if !one.alive || view.polling || view.next_offset() >= high {
            return;
        }
        view.polling = true;
        let delay = self.delay();
        self.tell(delay, process, Message::Poll(ledger));
    }

    /// Reads some records, folds them, tells the executor.
    pub(crate) fn poll(&mut self, process: usize, ledger: usize) {
        self.processes[process].views[ledger].polling = false;
        let caught_up = self.processes[process].members[0].is_some();
        let count = if self.faults && caught_up {
            self.dice.between(1, 6)
        } else {
            64
        };
        for _ in 0..count {
            self.read_one(process, ledger);
        }
        self.poll_soon(process, ledger);
        self.caught_up(process);
        self.start_executor(process, ledger);
        self.tick(process, ledger);
    }

    fn read_one(&mut self, process: usize, ledger: usize) {
        let boot = self.boot();
        let view = &mut self.processes[process].views[ledger];
        let offset = view.next_offset();
        let Some(entry) = self.log.ledger[ledger]
            .entries
            .get(usize::try_from(offset).unwrap())
        else {
            return;
        };
        view.read_at = self.now;
        if let Some((restore, next)) = &mut view.restore {
            *next += 1;
            if let Some(fold) = restore
                .read(offset, entry.time, (*entry.record).clone())
                .unwrap()
            {
                (view.fold, view.restore) = (fold, None);
            }
            return;
        }
        let changes = view.fold.apply(offset, entry.time, (*entry.record).clone());
        let hash = self.hashes.get(&(ledger, offset));
        if hash.is_some_and(|hash| *hash != view.fold.hash()) {
            let what = format!("process {process} and the full fold differ at {ledger}/{offset}");
            self.promises.broken("G6", what);
        }
        let effects = match &mut view.execution {
            Some(execution) => execution.folded(&view.fold, &changes, boot),
            None => Vec::new(),
        };
        self.perform(process, ledger, effects);
        self.return_places(process, ledger);
        self.write_checkpoint(process, ledger, &changes);
    }

    /// A process joins the groups when it has folded what was there when it started, and each partition has its Genesis.
    fn caught_up(&mut self, process: usize) {
        let one = &self.processes[process];
        if one.members[0].is_none() && one.views.iter().all(|view| view.has_read(view.join_at)) {
            let founded = self.found(process);
            if !founded && self.sabotage != Sabotage::ProposedBeforeGenesis {
                return;
            }
            self.note(|| format!("process {process} has caught up"));
            if self.profile.everybody_owns {
                for ledger in 0..self.log.ledger.len() {
                    self.processes[process].views[ledger].act_at = Some(0);
                    self.start_executor(process, ledger);
                }
            }
            self.join(process);
        }
    }

    /// Whether every partition has its Genesis here; appends what is missing. The others take over the first one's.
    fn found(&mut self, process: usize) -> bool {
        let views = &self.processes[process].views;
        let known = views.iter().find_map(|view| view.fold.installation());
        let lacking: Vec<usize> = (0..views.len())
            .filter(|ledger| views[*ledger].fold.installation().is_none())
            .collect();
        let now = if known.is_some() { lacking.len() } else { 1 };
        for &ledger in lacking.iter().take(now) {
            if std::mem::replace(&mut self.processes[process].views[ledger].founding, true) {
                continue;
            }
            let installation = known.unwrap_or_else(|| self.installation());
            let genesis = Record::Genesis(Genesis::new(installation));
            let pending = Pending {
                payload: Payload::Ledger(ledger, Rc::new(genesis)),
                purpose: Purpose::Fact,
            };
            self.append(process, pending);
        }
        lacking.is_empty()
    }

    /// An executor acts only when it has folded up to the end of the log at its assignment.
    pub(crate) fn start_executor(&mut self, process: usize, ledger: usize) {
        let boot = self.boot();
        let view = &mut self.processes[process].views[ledger];
        if view.execution.is_none() && view.act_at.is_some_and(|high| view.has_read(high)) {
            view.execution = Some(Execution::new(
                format!("process-{process}"),
                &view.fold,
                boot,
            ));
            view.executor += 1;
            view.ids = 0;
            self.note(|| format!("process {process} executes ledger {ledger}"));
            self.tick_in(process, ledger, 0);
        }
    }

    pub(crate) fn stop_executor(&mut self, process: usize, ledger: usize) {
        if self.profile.everybody_owns {
            return;
        }
        let view = &mut self.processes[process].views[ledger];
        view.act_at = None;
        if let Some(execution) = &mut view.execution {
            let effects = execution.revoked(&view.fold);
            self.perform(process, ledger, effects);
        }
        self.return_places(process, ledger);
    }

    pub(crate) fn tick_in(&mut self, process: usize, ledger: usize, after: Millis) {
        let at = self.now + after;
        let view = &mut self.processes[process].views[ledger];
        if view.tick_at.is_none_or(|planned| planned > at) {
            view.tick_at = Some(at);
            self.tell(after, process, Message::Tick(ledger));
        }
    }

    pub(crate) fn tick(&mut self, process: usize, ledger: usize) {
        let (now, moment) = (self.now, self.moment(process, ledger));
        let one = &mut self.processes[process];
        let view = &mut one.views[ledger];
        if view.tick_at.is_some_and(|planned| planned <= now) {
            view.tick_at = None;
        }
        let Some(execution) = &mut view.execution else {
            return;
        };
        let effects = {
            let mut fresh = fresh(&mut view.ids, &mut self.dice, self.sabotage);
            let mut admitting = one.traffic.admitting(ledger, moment.boot);
            execution.tick(&view.fold, moment, &mut fresh, &mut admitting)
        };
        let idle = execution.is_idle();
        let next = if idle {
            next_due(&view.fold, moment.log)
        } else {
            Some(0)
        };
        self.perform(process, ledger, effects);
        self.return_places(process, ledger);
        if let Some(wait) = next {
            let jitter = self.dice.between(200, 1_000);
            self.tick_in(process, ledger, wait + jitter);
        }
    }

    /// The present as a process knows it.
    fn moment(&self, process: usize, ledger: usize) -> Moment {
        let one = &self.processes[process];
        let view = &one.views[ledger];
        let estimate = view.fold.now() + (self.now - view.read_at);
        Moment {
            boot: self.boot(),
            log: estimate.max(self.now + one.wall_off),
        }
    }

    /// A target is asked about an attempt: it tells what it has done by now, or nothing.
    pub(crate) fn asked(
        &mut self,
        process: usize,
        ledger: usize,
        executor: u32,
        order: Box<Dispatch>,
    ) {
        let out = self.targets.out_until > self.now;
        let silent = self.faults && self.dice.per_mille(self.profile.target_trouble);
        let done = self.promises.effects.contains_key(&order.action);
        let (after, said) = match (out || silent, done) {
            (true, _) => (T, Probed::NoAnswer(String::new())),
            (false, true) if self.sabotage != Sabotage::LyingProbe => {
                (self.dice.roll(2_000), Probed::Found(String::new()))
            }
            (false, _) => (self.dice.roll(2_000), Probed::Absent(String::new())),
        };
        self.note(|| format!("process {process} hears of {}: {said:?}", order.action));
        self.tell(after, process, Message::Said(ledger, executor, order, said));
    }

    pub(crate) fn said(
        &mut self,
        process: usize,
        ledger: usize,
        executor: u32,
        order: &Dispatch,
        said: Probed,
    ) {
        let moment = self.moment(process, ledger);
        let view = &mut self.processes[process].views[ledger];
        if view.executor != executor {
            return;
        }
        let Some(execution) = &mut view.execution else {
            return;
        };
        let (action, attempt) = (order.action, order.attempt);
        let effect = {
            let mut fresh = fresh(&mut view.ids, &mut self.dice, self.sabotage);
            execution.probed(&view.fold, action, attempt, said, moment, &mut fresh)
        };
        self.perform(process, ledger, effect.into_iter().collect());
        self.return_places(process, ledger);
        self.tick_in(process, ledger, SECOND);
    }

    pub(crate) fn bid_reported(
        &mut self,
        process: usize,
        ledger: usize,
        executor: u32,
        action: Id,
        start_id: Id,
        delivered: bool,
    ) {
        let boot = self.boot();
        let view = &mut self.processes[process].views[ledger];
        if view.executor != executor {
            return;
        }
        let Some(execution) = &mut view.execution else {
            return;
        };
        let effects = execution.reported(&view.fold, action, start_id, delivered, boot);
        self.perform(process, ledger, effects);
        self.return_places(process, ledger);
        self.tick_in(process, ledger, SECOND);
    }

    pub(crate) fn perform(&mut self, process: usize, ledger: usize, effects: Vec<Effect>) {
        for effect in effects {
            let executor = self.processes[process].views[ledger].executor;
            let (record, purpose) = match effect {
                Effect::AppendStart(start) => {
                    let (action, start_id) = (start.action_id, start.start_id);
                    (
                        Record::Start(start),
                        Purpose::Start {
                            executor,
                            action,
                            start_id,
                        },
                    )
                }
                Effect::AppendFinish(finish) => (Record::Finish(finish), Purpose::Fact),
                Effect::AppendTick => (Record::Tick, Purpose::Tick),
                Effect::Send(order) => {
                    let traffic = &mut self.processes[process].traffic;
                    traffic.sends(ledger, order.action, order.start_id);
                    self.send(process, ledger, order);
                    continue;
                }
                Effect::Probe(order) => {
                    let way = self.dice.roll(1_000);
                    self.tell(way, process, Message::Asked(ledger, executor, order));
                    continue;
                }
            };
            self.append(
                process,
                Pending {
                    payload: Payload::Ledger(ledger, Rc::new(record)),
                    purpose,
                },
            );
        }
    }

    /// Gives back the places that the executor of a partition does not use any more.
    pub(crate) fn return_places(&mut self, process: usize, ledger: usize) {
        let boot = self.boot();
        let one = &mut self.processes[process];
        let execution = one.views[ledger].execution.as_ref();
        one.traffic.keep(ledger, execution, boot);
    }

    /// The check before the first byte, and then the byte: A4 says that nothing comes between them.
    fn send(&mut self, process: usize, ledger: usize, order: Box<Dispatch>) {
        if self.boot() > order.deadline {
            let unsent = answer(FinishOutcome::NotSent);
            return self.tell(0, process, Message::Answer(ledger, order, unsent));
        }
        let gap = self.dice.roll(30);
        self.tell(gap, process, Message::FirstByte(ledger, order));
    }

    pub(crate) fn first_byte(&mut self, process: usize, ledger: usize, order: Box<Dispatch>) {
        let out = self.targets.out_until > self.now;
        if out && self.dice.one_in(2) {
            let unsent = answer(FinishOutcome::NotSent);
            return self.tell(20, process, Message::Answer(ledger, order, unsent));
        }
        let gap = Duration::from_millis(30);
        let late = self.boot() > order.deadline + gap;
        self.note(|| {
            format!(
                "process {process} sends {} attempt {} late: {late}",
                order.action, order.attempt
            )
        });
        self.promises.sends(&order, late);
        let troubled = self.faults && self.dice.per_mille(self.profile.target_trouble);
        let plan = match (self.faults, self.profile.ending) {
            _ if out => hangs(),
            (true, _) if troubled => trouble(&mut self.dice, &order),
            (false, Ending::Refuses) => refused(),
            (false, Ending::Hangs) => hangs(),
            _ => done(&mut self.dice),
        };
        let Plan {
            effect,
            answer_after,
            mut answer,
        } = plan;
        if let Some(after) = effect {
            self.at(
                self.now + after,
                Event::Effect(order.action, order.attempt, order.step.policy),
            );
        }
        if answer.outcome == FinishOutcome::Unknown {
            match self.sabotage {
                Sabotage::TimeoutIsFailure => answer.outcome = FinishOutcome::Failed,
                Sabotage::ClientRepeats => self.promises.sends(&order, late),
                _ => {}
            }
        }
        self.tell(
            answer_after.min(T),
            process,
            Message::Answer(ledger, order, answer),
        );
    }

    pub(crate) fn take_effect(&mut self, action: Id, attempt: u32, policy: Policy) {
        self.promises.under_way(action, attempt);
        if policy == Policy::Idempotent && self.is_foreign(action) {
            let what = format!("{action} is dropped as a repetition of another installation's");
            self.promises.broken("X1", what);
        }
        // A target that honours the key does it once.
        let known = self.promises.effects.contains_key(&action);
        if policy != Policy::Idempotent || !known {
            self.promises.effect(action, policy);
        }
    }

    pub(crate) fn answered(
        &mut self,
        process: usize,
        ledger: usize,
        order: &Dispatch,
        answer: Answer,
    ) {
        let boot = self.boot();
        let one = &mut self.processes[process];
        one.traffic.answered(order.start_id, &answer, boot);
        let view = &mut one.views[ledger];
        let known = view.execution.as_mut();
        let known = known.and_then(|execution| execution.answered(order.start_id, answer.clone()));
        // An earlier executor sent it: what came of it is a fact all the same (ledger-protocol §2).
        let fact = Effect::AppendFinish(answer.finish(order.action, order.attempt, order.start_id));
        self.perform(process, ledger, vec![known.unwrap_or(fact)]);
    }
}

/// Start ids as the product draws them.
fn fresh<'a>(
    ids: &'a mut u32,
    dice: &'a mut Dice,
    sabotage: Sabotage,
) -> impl FnMut(Id) -> Id + 'a {
    move |_| {
        *ids += 1;
        match sabotage {
            Sabotage::ReusedStartIds => Id::hash(&[&ids.to_be_bytes()]),
            _ => dice.id(),
        }
    }
}

/// When something of this fold is due, by the estimate of log time.
fn next_due(fold: &homeostat_logic::ledger::fold::Fold, log: Millis) -> Option<Millis> {
    let ready = fold
        .open_actions()
        .filter_map(|(_, action)| match action.phase {
            Phase::Ready { from, .. } => Some(from),
            // Its target is asked, and asked again.
            Phase::Doubt { .. } => Some(log + 5 * SECOND),
            _ => None,
        });
    let timer = fold.next_timer().map(|timer| timer + 1);
    // Held back: until the silence ends, or somebody resumes, which is a record.
    let holds = fold.holds();
    if holds.active(log) {
        let silence = holds.silenced_until.filter(|_| !holds.paused);
        return timer
            .into_iter()
            .chain(silence)
            .min()
            .map(|due| (due - log).max(0));
    }
    ready.chain(timer).min().map(|due| (due - log).max(0))
}
