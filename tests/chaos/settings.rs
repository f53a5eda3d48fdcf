//! What is run, from the environment that `scripts/chaos` sets.

use crate::faults::Fault;

/// The choice of faults, how often, and the seed of all chance.
pub(crate) struct Settings {
    faults: Vec<Fault>,
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
    /// A world of its own for each fault, so that what it did is not mended by the next. The short set shares one: its
    /// leases run out while other faults are at work.
    pub(crate) separate: bool,
}

impl Settings {
    pub(crate) fn from_environment() -> Self {
        let rounds = variable("HOMEOSTAT_CHAOS_ROUNDS");
        let chosen = variable("HOMEOSTAT_CHAOS_FAULT");
        let faults = match (&chosen, &rounds) {
            (Some(names), _) => names.split(',').map(Fault::named).collect(),
            (None, Some(_)) => Fault::ALL.to_vec(),
            (None, None) => Fault::SHORT.to_vec(),
        };
        Self {
            faults,
            separate: rounds.is_some(),
            rounds: rounds.map_or(1, |rounds| rounds.parse().expect("a number of rounds")),
            seed: variable("HOMEOSTAT_CHAOS_SEED").map_or_else(
                || fastrand::u64(..1_000_000),
                |seed| seed.parse().expect("a seed"),
            ),
        }
    }

    /// The faults that share a world.
    pub(crate) fn worlds(&self) -> Vec<Vec<Fault>> {
        if self.separate {
            self.faults.iter().map(|fault| vec![*fault]).collect()
        } else {
            vec![self.faults.clone()]
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
