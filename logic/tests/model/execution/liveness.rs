//! Bounded liveness: from some of the states that a search reached, faults stop and a fair schedule runs. Then everything that
//! was accepted has to end in a name, and whatever failed, stayed unknown or expired has to be told to people.

use homeostat_logic::ledger::phase::Phase;
use homeostat_logic::ledger::record::Policy;

use super::searches::CRASH;
use super::steps::Step;
use super::world::{Mutation, Setup, World, Worlds};
use crate::search::{Limits, Model, search};
use crate::size::is_large;

/// How the target behaves from now on.
#[derive(Clone, Copy, Debug)]
enum Target {
    Answers,
    Refuses,
    Hangs,
}

/// Longest time that anything takes without faults, in steps of time: leases, pauses, and asking.
const STEPS_MAX: usize = 100;

impl Worlds {
    /// Everything that can happen at once, in a fair order.
    fn calm(&self, world: &World, target: Target) -> World {
        let mut world = world.clone();
        loop {
            let requests = 0..world.requests.len();
            let ends = requests.flat_map(|number| match target {
                Target::Answers => vec![Step::TakeEffect(number), Step::Answer(number)],
                Target::Refuses => vec![Step::Refuse(number), Step::Answer(number)],
                Target::Hangs => vec![Step::Break(number)],
            });
            let instances = 0..world.instances.len();
            let own = instances.flat_map(|number| {
                [
                    Step::Land(number),
                    Step::Report(number),
                    Step::Read(number),
                    Step::Tick(number),
                ]
            });
            let probes = (0..world.probes.len()).map(|number| match target {
                Target::Hangs => Step::Silence(number),
                Target::Answers | Target::Refuses => Step::Hear(number),
            });
            let orphan = (!world.orphans.is_empty()).then_some(Step::LandOrphan(0));
            let steps: Vec<Step> = orphan
                .into_iter()
                .chain(own)
                .chain(ends)
                .chain(probes)
                .collect();
            match steps.into_iter().find_map(|step| self.apply(&world, step)) {
                Some(next) => world = next,
                None => return world,
            }
        }
    }

    fn is_settled(&self, world: &World) -> bool {
        let fold = &self.ledger.at(world.log).fold;
        fold.open_actions().count() == 0
    }

    /// The end of a world without faults.
    fn settle(&self, world: &World, target: Target) -> Result<World, String> {
        let mut world = world.clone();
        world.passed = usize::MAX;
        for _ in 0..STEPS_MAX {
            world = self.calm(&world, target);
            if let Some(promise) = self.broken(&world) {
                return Err(promise);
            }
            if self.is_settled(&world) {
                return Ok(world);
            }
            let longer = self.pass_by(&world, 7);
            world = longer
                .or_else(|| self.pass_by(&world, 1))
                .ok_or("time stands still")?;
        }
        Err(format!("G5: open for ever while the target {target:?}"))
    }

    fn told(&self, world: &World) -> Result<(), String> {
        let fold = &self.ledger.at(world.log).fold;
        for action in fold.state().actions.values() {
            let wrong = matches!(
                action.phase,
                Phase::Failed | Phase::Expired | Phase::Unknown { .. }
            );
            if wrong && action.derived_from.is_none() && action.derived.is_empty() {
                return Err("G5: escalation lost".to_owned());
            }
        }
        Ok(())
    }

    /// Every sampled state, three times; how many, or what is broken.
    fn all_settle(&self, worlds: &[World]) -> Result<usize, String> {
        for world in worlds {
            for target in [Target::Answers, Target::Refuses, Target::Hangs] {
                let end = self.settle(world, target)?;
                self.told(&end)?;
            }
        }
        Ok(worlds.len())
    }
}

fn sampled(setup: Setup, one_in: u64) -> (Worlds, Vec<World>) {
    let worlds = Worlds::new(setup);
    let limits = Limits {
        sample: one_in,
        ..Limits::of_size()
    };
    let found = search(&worlds, limits);
    found.must_hold("sampled for liveness", "G1 to G4");
    (worlds, found.sample)
}

fn faulty(policy: Policy) -> Setup {
    let plan: &[i64] = if is_large() { &[1] } else { &[] };
    Setup::new(policy, plan, CRASH).escalating()
}

#[test]
fn g5_from_every_sampled_state_everything_accepted_ends_and_what_went_wrong_is_told() {
    for policy in [Policy::Idempotent, Policy::Verify, Policy::AtMostOnce] {
        let (worlds, sample) = sampled(faulty(policy), 16);
        let settled = worlds.all_settle(&sample);
        let states = sample.len();
        println!("| {policy:?}: liveness | {states} x 3 | | | G5 | {settled:?} |");
        settled.unwrap();
    }
}

#[test]
fn v13_a_failure_without_an_escalation_is_seen() {
    let setup = Setup {
        escalates: false,
        ..faulty(Policy::AtMostOnce)
    };
    let (worlds, sample) = sampled(setup, 64);
    assert_eq!(
        worlds.all_settle(&sample),
        Err("G5: escalation lost".to_owned())
    );
}

#[test]
fn g5_a_log_whose_time_nobody_lets_pass_leaves_actions_open() {
    let setup = faulty(Policy::Verify).but(Mutation::NoTicks);
    let (worlds, sample) = sampled(setup, 64);
    let settled = worlds.all_settle(&sample);
    let found = settled.is_err_and(|promise| promise.starts_with("G5: open"));
    assert!(found, "nobody misses the ticks");
}
