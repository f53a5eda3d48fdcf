//! What makes a user's list: another model or ours, and by which constants. An arm of an experiment may have its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use homeostat_logic::experiments::Assigned;
use homeostat_logic::recommend::Scoring;

use crate::ports::ranker::Ranker;

/// What makes one list.
#[derive(Clone, Default)]
pub struct Serving {
    /// A model whose list takes the place of ours; `None`: ours it is.
    pub ranker: Option<Arc<dyn Ranker>>,
    /// Constants of our scores; `None`: those of the settings.
    pub scoring: Option<Arc<Scoring>>,
}

/// What makes the lists of all users.
#[derive(Clone, Default)]
pub struct Servings {
    usual: Serving,
    /// By experiment and arm.
    arms: BTreeMap<String, BTreeMap<String, Serving>>,
}

impl Serving {
    /// Items of our own list that are wanted, where the answer needs `count`.
    pub fn wants(&self, count: usize) -> usize {
        let looks_at = self.ranker.as_ref().map_or(0, |ranker| ranker.looks_at());
        looks_at.max(count)
    }
}

impl Servings {
    /// The same for every user.
    pub const fn usual(usual: Serving) -> Self {
        Self {
            usual,
            arms: BTreeMap::new(),
        }
    }

    /// An arm of an experiment gets lists of its own.
    pub fn put(&mut self, experiment: &str, arm: &str, serving: Serving) {
        let arms = self.arms.entry(experiment.to_owned()).or_default();
        arms.insert(arm.to_owned(), serving);
    }

    /// What makes the list of a user in these arms. At most one of a user's experiments says so
    /// ([`homeostat_logic::activity::Arms::of_user`]).
    pub fn of(&self, assigned: &[Assigned]) -> &Serving {
        let mut own = assigned
            .iter()
            .filter_map(|one| self.arms.get(&one.experiment)?.get(&one.arm));
        own.next().unwrap_or(&self.usual)
    }
}
