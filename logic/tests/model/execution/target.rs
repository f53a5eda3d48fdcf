//! The target: what it does with requests, which may come late, and what it says when it is asked about them.

use homeostat_logic::ledger::execution::{Answer, Probed};
use homeostat_logic::ledger::record::FinishOutcome;

use super::steps::Step;
use super::world::{Arrival, Mutation, Request, World, Worlds};

impl Worlds {
    pub(super) fn target_acts(&self, world: &World, step: Step) -> Option<World> {
        let (Step::Leave(number) | Step::TakeEffect(number) | Step::Refuse(number)) = step else {
            return None;
        };
        let request = world.requests[number];
        let held = request.arrival == Arrival::Held;
        if held != matches!(step, Step::Leave(_)) || !(held || request.arrival == Arrival::Pending)
        {
            return None;
        }
        // Refused behind the close is the same as never arrived.
        if request.closed_at.is_some() && matches!(step, Step::Refuse(_)) {
            return None;
        }
        let mut next = world.clone();
        match step {
            Step::Leave(_) => self.leave(&mut next, number),
            Step::Refuse(_) => next.requests[number].arrival = Arrival::Refused,
            _ => {
                next.requests[number].arrival = Arrival::Effect;
                *next.effects.entry(request.action).or_default() += 1;
                next.broken = self.took_effect(&next, request);
            }
        }
        Self::forget_decided(&mut next);
        Some(next)
    }

    /// A request that is closed and decided matters no more.
    pub(super) fn forget_decided(world: &mut World) {
        let open = |request: &Request| request.closed_at.is_none();
        world
            .requests
            .retain(|request| open(request) || request.arrival == Arrival::Pending);
    }

    pub(super) fn answer(&self, world: &World, number: usize) -> Option<World> {
        let outcome = match world.requests[number].arrival {
            Arrival::Effect => FinishOutcome::Done,
            Arrival::Refused => FinishOutcome::Failed,
            Arrival::Held | Arrival::Pending => return None,
        };
        self.ended(world, number, outcome)
    }

    pub(super) fn no_answer(&self, world: &World, number: usize) -> Option<World> {
        let held = world.requests[number].arrival == Arrival::Held;
        if held {
            return None;
        }
        self.ended(world, number, self.setup.no_answer())
    }

    fn ended(&self, world: &World, number: usize, outcome: FinishOutcome) -> Option<World> {
        let request = world.requests[number];
        let from = request.from.filter(|_| request.closed_at.is_none())?;
        let mut next = world.clone();
        next.requests[number].closed_at = Some(world.now);
        let answer = Answer {
            outcome,
            detail: String::new(),
            retry_after_ms: None,
            permanent: false,
        };
        let execution = &mut next.instances[from].execution;
        let effect = execution.answered(request.start_id, answer);
        self.carry_out(&mut next, from, effect.into_iter().collect());
        Self::forget_decided(&mut next);
        Some(next)
    }

    /// It looks, and what it found is on its way.
    pub(super) fn look(&self, world: &World, number: usize) -> Option<World> {
        let found = self.finds(world, number);
        if !self.setup.looks_apart || world.probes[number].found.is_some() {
            return None;
        }
        let mut next = world.clone();
        next.probes[number].found = Some(found);
        Some(next)
    }

    fn finds(&self, world: &World, number: usize) -> bool {
        let lies = self.setup.is(Mutation::LyingTarget);
        !lies && world.effects.contains_key(&world.probes[number].action)
    }

    pub(super) fn hear(&self, world: &World, number: usize) -> Option<World> {
        let said = match world.probes[number].found {
            _ if !self.setup.answers_probes => Probed::CannotAsk,
            None if self.setup.looks_apart => return None,
            found if found.unwrap_or_else(|| self.finds(world, number)) => {
                Probed::Found(String::new())
            }
            _ => Probed::Absent(String::new()),
        };
        Some(self.probed(world, number, said))
    }

    pub(super) fn silence(&self, world: &World, number: usize) -> Option<World> {
        let answers = self.setup.answers_probes;
        answers.then(|| self.probed(world, number, Probed::NoAnswer(String::new())))
    }

    fn probed(&self, world: &World, number: usize, said: Probed) -> World {
        let mut next = world.clone();
        let probe = next.probes.remove(number);
        let now = self.moment(world, probe.from);
        let instance = &mut next.instances[probe.from];
        let fold = &self.ledger.at(instance.at).fold;
        let effect = {
            let mut fresh = self.fresh(probe.from, &mut next.ids);
            let (action, attempt) = (probe.action, probe.attempt);
            let execution = &mut instance.execution;
            execution.probed(fold, action, attempt, said, now, &mut fresh)
        };
        self.carry_out(&mut next, probe.from, effect.into_iter().collect());
        next
    }
}
