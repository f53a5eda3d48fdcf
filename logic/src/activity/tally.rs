//! What the users of a shard were shown and clicked, counted: the link between events about users and `experiments`.
//!
//! What was shown to a user is kept with the user, under the position of the user's last event. Counters leave the shard batch by
//! batch, as a delta that says which positions it counts. Both are written on their own, so a crash can leave one of them behind:
//! an event that is counted already changes the user alone.

use std::sync::Arc;

use super::event::{Interaction, Served, UserEvent};
use super::list::List;
use super::users::User;
use crate::experiments::{
    Assigned, Counts, CountsDelta, Experiment, Happening, Impression, Reaction, Seen, Sort,
    StatisticsSettings,
};
use crate::ledger::record::Millis;

/// Interactions that say no to an item.
const NEGATIVE: [&str; 3] = ["dislike", "hide", "low_rating"];
/// Interactions from which on a user counts as returning.
const RETURNING: u64 = 10;

/// Counters of a shard since the last delta.
#[derive(Clone, Debug)]
pub struct Tally {
    settings: StatisticsSettings,
    experiments: Arc<[Experiment]>,
    /// Position of the last event that is counted.
    counted_to: i64,
    counts: Counts,
    /// For events that are counted already.
    ignored: Counts,
}

impl Default for Tally {
    fn default() -> Self {
        Self::behind(-1, &StatisticsSettings::default(), Arc::default())
    }
}

impl Tally {
    /// Nothing yet, behind the last event that is counted; -1 before the first.
    pub fn behind(
        position: i64,
        settings: &StatisticsSettings,
        experiments: Arc<[Experiment]>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            experiments,
            counted_to: position,
            counts: Counts::new(settings),
            ignored: Counts::new(settings),
        }
    }

    /// What was counted since the last time, up to this position. `None`: nothing.
    pub fn take(&mut self, shard: u32, token: u64, to: i64) -> Option<CountsDelta> {
        if self.counts.is_empty() {
            return None;
        }
        let empty = self.counts.emptied();
        let delta = CountsDelta {
            shard,
            token,
            from: self.counted_to,
            to,
            counts: std::mem::replace(&mut self.counts, empty),
        };
        self.counted_to = to;
        Some(delta)
    }

    /// An interaction at a position.
    pub(super) fn interact(
        &mut self,
        user: &mut User,
        (event, position): (&UserEvent, i64),
        interaction: &Interaction,
        is_click: bool,
        now: Millis,
    ) {
        let list = named_list(interaction);
        // A click that names its list is one on a recommendation, by whatever topic it came.
        let is_click = is_click || (interaction.kind == "click" && list.is_some());
        let sort = match &*interaction.kind {
            _ if is_click => Sort::Click,
            kind if NEGATIVE.contains(&kind) => Sort::Negative,
            _ => return,
        };
        for item in &interaction.items {
            let reaction = Reaction {
                sort,
                item: item.clone(),
                list: list.clone(),
                time: event.at,
            };
            self.see(user, position, &Happening::Reaction(reaction), now);
        }
    }

    /// A list that was shown, at the position of the event that it follows.
    pub(super) fn shown(
        &mut self,
        user: &mut User,
        position: i64,
        mut impression: Impression,
        now: Millis,
    ) -> Seen {
        let is_new = user.profile.interactions < RETURNING;
        let segment = if is_new { "new" } else { "returning" };
        segment.clone_into(&mut impression.segment);
        self.see(user, position, &Happening::Impression(impression), now)
    }

    /// A list that was served, by the event that says so. Arms are taken as the list has them.
    pub(super) fn served(
        &mut self,
        user: &mut User,
        (at, position): (Millis, i64),
        served: &Served,
        now: Millis,
    ) {
        let arms = served.arms.iter();
        let arms = arms.map(|(name, arm)| (name.as_str(), arm.as_str()));
        let impression = Impression {
            list: served.list.clone(),
            items: served.items.clone(),
            first_place: 1,
            assigned: self.experiments.of_list(arms),
            model: served.model.clone(),
            asked: served.asked,
            latency_ms: served.took_ms,
            time: at,
            ..Impression::default()
        };
        self.shown(user, position, impression, now);
    }

    fn see(&mut self, user: &mut User, position: i64, what: &Happening, now: Millis) -> Seen {
        let counts = if position > self.counted_to {
            &mut self.counts
        } else {
            self.ignored = self.counts.emptied();
            &mut self.ignored
        };
        let viewer = user.viewer.get_or_insert_default();
        // Which events it has is said by the user's position; its own only numbers what is in them.
        let next = viewer.position().saturating_add(1);
        viewer.apply(next, what, now, &self.settings, counts)
    }
}

/// The list that an interaction says it is about: `list` in its context.
fn named_list(interaction: &Interaction) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Context {
        list: Option<serde_json::Value>,
    }
    let context: Context = serde_json::from_str(interaction.context.as_deref()?).ok()?;
    context.list?.as_str().map(str::to_owned)
}

/// Arms of a user in the experiments that run, and those of a list with the division that they are of.
pub trait Arms {
    /// The arm of a user in each experiment that runs. Of those that change how lists are made, a user takes part in the first
    /// alone, so that no list is made in two ways.
    fn of_user(&self, user: &str, now: Millis) -> Vec<Assigned>;
    /// Arms as a list names them. An experiment that is declared no longer has no division.
    fn of_list<'a>(&self, named: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Assigned>;
}

impl Arms for [Experiment] {
    fn of_user(&self, user: &str, now: Millis) -> Vec<Assigned> {
        let mut is_served = false;
        let arms = self.iter().filter_map(|one| {
            if one.serves() && is_served {
                return None;
            }
            let assigned = one.assign(user, now)?;
            is_served |= one.serves();
            Some(assigned)
        });
        arms.collect()
    }

    fn of_list<'a>(&self, named: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Assigned> {
        let epoch = |name: &str| {
            let declared = self.iter().find(|one| one.name() == name);
            declared.map_or_else(String::new, |one| one.epoch().to_owned())
        };
        named
            .map(|(experiment, arm)| Assigned {
                experiment: experiment.to_owned(),
                arm: arm.to_owned(),
                epoch: epoch(experiment),
            })
            .collect()
    }
}

impl List {
    /// It is part of these arms' experiments.
    pub fn join(&mut self, assigned: &[Assigned]) {
        let arms = assigned.iter();
        let arms = arms.map(|one| (one.experiment.clone(), one.arm.clone()));
        self.arms = arms.collect();
    }

    /// Whether it was made for a user in these arms.
    pub fn is_of(&self, assigned: &[Assigned]) -> bool {
        let is_in = |one: &Assigned| self.arms.get(&one.experiment) == Some(&one.arm);
        self.arms.len() == assigned.len() && assigned.iter().all(is_in)
    }

    /// What there is to count when it is shown. `asked`: how many items were wanted.
    pub fn impression(&self, assigned: Vec<Assigned>, asked: usize, now: Millis) -> Impression {
        let items = self.recommendations.iter();
        Impression {
            list: self.list.clone(),
            items: items.map(|one| one.item_id.clone()).collect(),
            first_place: 1,
            asked: u32::try_from(asked).unwrap_or(u32::MAX),
            assigned,
            model: self.model.clone(),
            latency_ms: self.took_ms,
            time: now,
            ..Impression::default()
        }
    }

    /// The event by which the owner of the user counts that it was shown. `asked`: how many items were wanted.
    pub fn served(&self, asked: usize) -> Served {
        let arms = self.arms.iter();
        Served {
            list: self.list.clone(),
            items: self
                .recommendations
                .iter()
                .map(|one| one.item_id.clone())
                .collect(),
            arms: arms
                .map(|(name, arm)| (name.clone(), arm.clone()))
                .collect(),
            model: self.model.clone(),
            asked: u32::try_from(asked).unwrap_or(u32::MAX),
            took_ms: self.took_ms,
        }
    }
}
