//! What may happen next, and what comes of it. Everything that an executor does is done by the real one.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use homeostat_logic::ledger::change::{Change, ChangeKind, VoidRecord};
use homeostat_logic::ledger::execution::{Dispatch, Effect, Execution};
use homeostat_logic::ledger::record::{Id, Record, Start};
use homeostat_logic::ledger::times::REQUEST_LIMIT;

use super::person::Wish;
use super::world::{Arrival, Instance, Mutation, Probe, Request, World, Worlds};
use crate::canon;
use crate::ledger::Letter;
use crate::records::{UNIT, log_time};
use crate::search::Model;

/// A step of the world; instances, requests and orphans by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Time goes on.
    Pass,
    /// The log's clock steps ahead, or back again.
    ClockSteps,
    /// The first append under way lands.
    Land(usize),
    /// It is reported.
    Report(usize),
    /// It is reported failed, though it may land later.
    ReportFailed(usize),
    /// An append that nobody waits for lands.
    LandOrphan(usize),
    /// The last record of the log is lost.
    Lose,
    /// One record is read.
    Read(usize),
    /// The executor looks at the clock.
    Tick(usize),
    /// It does, and its connections have no room: whatever it would bid for or ask about waits.
    Refused(usize),
    /// The first byte leaves.
    Leave(usize),
    /// The target does it.
    TakeEffect(usize),
    /// The target refuses it.
    Refuse(usize),
    /// The answer arrives.
    Answer(usize),
    /// No answer arrives: timeout, reset, or lost.
    Break(usize),
    /// The target looks whether an attempt had its effect.
    Look(usize),
    /// What it found arrives.
    Hear(usize),
    /// A probe gets no answer.
    Silence(usize),
    /// The process ends and begins anew.
    Crash(usize),
    /// The executor begins anew in a process that lives on.
    Renew(usize),
    /// A person who looks at that instance orders something.
    Dispatch(usize, Wish),
}

/// T in units.
fn request_limit() -> i64 {
    i64::try_from(REQUEST_LIMIT.as_millis()).unwrap() / UNIT
}

impl Model for Worlds {
    type State = World;
    type Step = Step;

    fn start(&self) -> World {
        self.begin()
    }

    fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = vec![Step::Pass, Step::ClockSteps, Step::Lose];
        for number in 0..world.instances.len() {
            steps.extend([
                Step::Land(number),
                Step::Report(number),
                Step::ReportFailed(number),
                Step::Read(number),
                Step::Tick(number),
                Step::Refused(number),
                Step::Crash(number),
                Step::Renew(number),
            ]);
            if world.left.orders > 0 {
                steps.extend(Wish::ALL.map(|wish| Step::Dispatch(number, wish)));
            }
        }
        steps.extend((0..world.orphans.len()).map(Step::LandOrphan));
        for number in 0..world.requests.len() {
            steps.extend([
                Step::Leave(number),
                Step::TakeEffect(number),
                Step::Refuse(number),
                Step::Answer(number),
                Step::Break(number),
            ]);
        }
        for number in 0..world.probes.len() {
            steps.extend([
                Step::Look(number),
                Step::Hear(number),
                Step::Silence(number),
            ]);
        }
        steps
    }

    fn apply(&self, world: &World, step: Step) -> Option<World> {
        if world.broken.is_some() {
            return None;
        }
        match step {
            Step::Pass => self.pass(world),
            Step::ClockSteps => self.clock_steps(world),
            Step::Land(number) => self.land_next(world, number),
            Step::Report(number) => self.report_next(world, number),
            Step::ReportFailed(number) => self.report_failed(world, number),
            Step::LandOrphan(number) => {
                let mut next = world.clone();
                let letter = next.orphans.remove(number);
                self.land(&mut next, &letter);
                Some(next)
            }
            Step::Lose => self.lose(world),
            Step::Read(number) => self.read(world, number),
            Step::Tick(number) => self.tick(world, number, true),
            Step::Refused(number) => self.refused(world, number),
            Step::Leave(_) | Step::TakeEffect(_) | Step::Refuse(_) => self.target_acts(world, step),
            Step::Answer(number) => self.answer(world, number),
            Step::Break(number) => self.no_answer(world, number),
            Step::Look(number) => self.look(world, number),
            Step::Hear(number) => self.hear(world, number),
            Step::Silence(number) => self.silence(world, number),
            Step::Crash(number) => self.crash(world, number),
            Step::Renew(number) => self.renew(world, number),
            Step::Dispatch(number, wish) => self.order(world, number, wish),
        }
    }

    fn fingerprint(&self, world: &World) -> u64 {
        self.print(world)
    }

    fn broken(&self, world: &World) -> Option<String> {
        let told = self.ledger.at(world.log).facts.broken.clone();
        world.broken.clone().or(told)
    }
}

impl Worlds {
    fn pass(&self, world: &World) -> Option<World> {
        let units = *self.setup.plan.get(world.passed)?;
        let mut next = self.pass_by(world, units)?;
        next.passed += 1;
        Some(next)
    }

    /// Lets so many units pass, unless somebody has to act before.
    pub(super) fn pass_by(&self, world: &World, units: i64) -> Option<World> {
        let mut next = world.clone();
        next.now += units;
        // T holds for whoever lives: nothing is open longer.
        let open =
            |request: &Request| request.closed_at.is_none() && request.arrival != Arrival::Held;
        let late =
            |request: &Request| open(request) && next.now > request.sent_at + request_limit();
        if next.requests.iter().any(late) {
            return None;
        }
        // What is closed and decided, or can arrive no more, matters no more.
        let (now, lateness) = (next.now, self.setup.lateness);
        next.requests.retain(|request| match request.closed_at {
            Some(at) => request.arrival == Arrival::Pending && now < at + lateness,
            None => true,
        });
        Some(next)
    }

    fn clock_steps(&self, world: &World) -> Option<World> {
        let mut next = world.clone();
        next.left.clock_steps = next.left.clock_steps.checked_sub(1)?;
        next.ahead = if next.ahead == 0 {
            self.setup.clock_step
        } else {
            0
        };
        Some(next)
    }

    /// A record enters the log.
    pub(super) fn land(&self, world: &mut World, letter: &Letter) {
        let time = log_time(world.now + world.ahead, &letter.record);
        world.log = self.ledger.append(world.log, letter, time);
    }

    fn land_next(&self, world: &World, number: usize) -> Option<World> {
        world.instances[number].queue.front()?;
        let mut next = world.clone();
        let letter = next.instances[number].queue.pop_front()?;
        self.land(&mut next, &letter);
        if self.setup.reports_apart && matches!(*letter.record, Record::Start(_)) {
            if self.setup.is(Mutation::EarlyReport) {
                self.report(&mut next, number, &letter, true);
            }
            next.instances[number].reports.push_back(letter);
        } else {
            self.report(&mut next, number, &letter, true);
        }
        Some(next)
    }

    fn report_next(&self, world: &World, number: usize) -> Option<World> {
        world.instances[number].reports.front()?;
        let mut next = world.clone();
        let letter = next.instances[number].reports.pop_front()?;
        self.report(&mut next, number, &letter, true);
        Some(next)
    }

    fn report_failed(&self, world: &World, number: usize) -> Option<World> {
        world.instances[number].queue.front()?;
        let mut next = world.clone();
        next.left.failures = next.left.failures.checked_sub(1)?;
        let letter = next.instances[number].queue.pop_front()?;
        next.orphans.push(letter.clone());
        // An outcome is appended again until it is acknowledged.
        if matches!(*letter.record, Record::Finish(_)) {
            next.instances[number].queue.push_front(letter);
        } else {
            self.report(&mut next, number, &letter, false);
            if self.setup.is(Mutation::ForgetsGivenUp) {
                let instance = &mut next.instances[number];
                instance.execution = self.execution(instance.at, world.now);
            }
        }
        Some(next)
    }

    fn report(&self, world: &mut World, number: usize, letter: &Letter, delivered: bool) {
        let Record::Start(start) = &*letter.record else {
            return;
        };
        let (action, start_id, now) = (start.action_id, start.start_id, self.boot(world.now));
        let instance = &mut world.instances[number];
        let fold = &self.ledger.at(instance.at).fold;
        let execution = &mut instance.execution;
        let effects = execution.reported(fold, action, start_id, delivered, now);
        self.carry_out(world, number, effects);
    }

    /// The last record is lost, though it may have been read: whatever it is without A1, or a bid that was not reported yet.
    fn lose(&self, world: &World) -> Option<World> {
        let (letter, _, before) = self.ledger.at(world.log).last.clone()?;
        if world.log == self.begin {
            return None;
        }
        let mut next = world.clone();
        next.log = before;
        if let Some(losses) = world.left.losses.checked_sub(1) {
            next.left.losses = losses;
            return Some(next);
        }
        next.left.unreported = world.left.unreported.checked_sub(1)?;
        let waits = |letters: &VecDeque<Letter>| {
            let last = letters.back()?;
            Rc::ptr_eq(&last.bytes, &letter.bytes).then_some(())
        };
        let of_instance = |instance: &Instance| waits(&instance.reports).is_some();
        let number = world.instances.iter().position(of_instance)?;
        next.instances[number].reports.pop_back();
        self.report(&mut next, number, &letter, false);
        Some(next)
    }

    fn read(&self, world: &World, number: usize) -> Option<World> {
        let at = world.instances[number].at;
        let position = self.ledger.next(at, world.log)?;
        let mut next = world.clone();
        let prefix = self.ledger.at(position);
        let mut changes = Rc::clone(&prefix.changes);
        if self.setup.is(Mutation::VoidIsWon) {
            changes = changes.iter().map(taken_for_won).collect();
        }
        let instance = &mut next.instances[number];
        instance.at = position;
        // Whoever has no bid has no deadline either: only its own wait for the lease depends on when it reads.
        let forgets = self.setup.is(Mutation::NoLocalWait) && instance.execution.is_idle();
        let boot = if forgets {
            Duration::ZERO
        } else {
            self.boot(world.now)
        };
        let effects = instance
            .execution
            .folded(&prefix.fold, changes.iter(), boot);
        self.carry_out(&mut next, number, effects);
        Some(next)
    }

    /// Names for the bids of an instance.
    pub(super) fn fresh(&self, number: usize, ids: &mut u32) -> impl FnMut(Id) -> Id {
        let reuses = self.setup.is(Mutation::ReusedIds) || self.setup.is(Mutation::ForgetsGivenUp);
        move |_| {
            if reuses {
                return canon::start_id(u32::try_from(number).unwrap());
            }
            *ids += 1;
            canon::start_id(*ids + 100)
        }
    }

    fn refused(&self, world: &World, number: usize) -> Option<World> {
        let refusals = world.left.refusals.checked_sub(1)?;
        let mut next = self.tick(world, number, false)?;
        next.left.refusals = refusals;
        Some(next)
    }

    fn tick(&self, world: &World, number: usize, room: bool) -> Option<World> {
        let now = self.moment(world, number);
        let mut next = world.clone();
        let instance = &mut next.instances[number];
        let fold = &self.ledger.at(instance.at).fold;
        let effects = {
            let mut fresh = self.fresh(number, &mut next.ids);
            let mut admission = |_: &str, _: Id| room;
            instance
                .execution
                .tick(fold, now, &mut fresh, &mut admission)
        };
        if effects.is_empty() && instance.execution == world.instances[number].execution {
            return None;
        }
        self.carry_out(&mut next, number, effects);
        Some(next)
    }

    pub(super) fn carry_out(&self, world: &mut World, number: usize, effects: Vec<Effect>) {
        for effect in effects {
            let record = match effect {
                Effect::AppendStart(start) => self.resolved(world, number, start),
                Effect::AppendFinish(finish) => Record::Finish(finish),
                Effect::AppendTick if self.setup.is(Mutation::NoTicks) => continue,
                Effect::AppendTick => Record::Tick,
                Effect::Send(order) => {
                    self.send(world, number, &order);
                    continue;
                }
                Effect::Probe(order) => {
                    world.probes.push(Probe {
                        from: number,
                        action: order.action,
                        attempt: order.attempt,
                        found: None,
                    });
                    continue;
                }
            };
            world.instances[number].queue.push_back(Letter::new(record));
        }
    }

    /// The first bid of an action carries what its parameters mean to whoever bids.
    fn resolved(&self, world: &World, number: usize, mut start: Start) -> Record {
        let fold = &self.ledger.at(world.instances[number].at).fold;
        if self.setup.resolves && Execution::first_order(fold, &start).is_some() {
            start.resolved_params = Some(serde_json::json!({ "by": number }));
        }
        Record::Start(start)
    }

    fn send(&self, world: &mut World, number: usize, order: &Dispatch) {
        world.requests.push(Request {
            from: Some(number),
            action: order.action,
            attempt: order.attempt,
            start_id: order.start_id,
            sent_at: world.now,
            closed_at: None,
            arrival: Arrival::Held,
        });
        let print = if self.setup.is(Mutation::OtherParameters) {
            number as u64
        } else {
            super::promises::print_of(order)
        };
        let known = world.sends.insert((order.action, order.attempt), print);
        world.broken = self.sent(world, order, known.is_some());
        if !self.setup.is(Mutation::LateBytes) {
            let last = world.requests.len() - 1;
            self.leave(world, last);
        }
    }

    pub(super) fn leave(&self, world: &mut World, number: usize) {
        let request = &mut world.requests[number];
        request.arrival = Arrival::Pending;
        request.sent_at = world.now;
        let request = *request;
        world.broken = world.broken.take().or_else(|| self.left(world, request));
    }

    fn crash(&self, world: &World, number: usize) -> Option<World> {
        let crashes = world.left.crashes.checked_sub(1)?;
        let mut next = world.clone();
        next.left.crashes = crashes;
        let instance = &mut next.instances[number];
        next.orphans.extend(std::mem::take(&mut instance.queue));
        instance.reports.clear();
        instance.at = if self.setup.stale_start {
            self.begin
        } else {
            world.log
        };
        instance.execution = self.execution(instance.at, world.now);
        Self::abandon(&mut next, number);
        Some(next)
    }

    /// Appends under way go on, for the process lives; their reports reach the new executor.
    fn renew(&self, world: &World, number: usize) -> Option<World> {
        let renewals = world.left.renewals.checked_sub(1)?;
        let mut next = world.clone();
        next.left.renewals = renewals;
        let instance = &mut next.instances[number];
        instance.execution = self.execution(instance.at, world.now);
        Self::abandon(&mut next, number);
        Some(next)
    }

    fn abandon(world: &mut World, number: usize) {
        world.probes.retain(|probe| probe.from != number);
        for request in &mut world.requests {
            if request.from == Some(number) {
                request.from = None;
                request.closed_at.get_or_insert(world.now);
            }
        }
        world
            .requests
            .retain(|request| request.arrival != Arrival::Held);
        Self::forget_decided(world);
    }
}

fn taken_for_won(change: &Change) -> Change {
    let mut change = change.clone();
    if let ChangeKind::Void {
        record: VoidRecord::Start { action, start_id },
        ..
    } = change.kind
    {
        change.kind = ChangeKind::BidWon {
            action,
            attempt: 1,
            start_id,
            owner: String::new(),
        };
    }
    change
}
