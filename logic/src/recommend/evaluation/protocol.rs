//! Who is asked for recommendations when, and what is learned when.

use serde::Serialize;

use super::super::{RecommendSettings, SettingsError};
use super::baselines::{Cosine, Popularity};
use super::dataset::{Dataset, Event};
use super::measures::{Measures, Tally};
use super::ours::Ours;
use super::recommender::{Asked, Ranking, Recommender, Seen};

/// A way to recommend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The items with the most events.
    Popularity,
    /// The sum of cosines with the user's newest 50 items.
    ItemKnn,
    /// [`super::super::Model`].
    Homeostat,
}

/// A way to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Each event of a user with a past, in order of time.
    Prequential,
    /// The last event of each user.
    LeaveLastOut,
    /// Prequential, with the order of items within sessions at random: what is left without that order.
    Shuffled,
    /// Prequential, with only the history before the second of the event: what is left without lists chosen at once.
    Strict,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Prequential,
        Self::LeaveLastOut,
        Self::Shuffled,
        Self::Strict,
    ];
}

/// Measures a method on a data set. `progress` is called with the number of events done, now and then.
///
/// Not scored are events whose item the user has already, unless the settings recommend what was seen, and those that say
/// that the user does not want the item.
///
/// # Errors
/// A setting is outside its range.
pub fn evaluate(
    data: &Dataset,
    method: Method,
    protocol: Protocol,
    settings: &RecommendSettings,
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Result<Measures, SettingsError> {
    settings.check()?;
    let (users, items) = (data.users.width(), data.items.width());
    let mut recommender: Box<dyn Recommender + '_> = match method {
        Method::Popularity => Box::new(Popularity::new(items)),
        Method::ItemKnn => Box::new(Cosine::new(users, items)),
        Method::Homeostat => Box::new(Ours::new(data, settings)?),
    };
    let shuffled;
    let events = if protocol == Protocol::Shuffled {
        shuffled = data.shuffled((settings.idle_after_minutes * 60_000.0) as i64, seed);
        &shuffled
    } else {
        &data.events
    };
    let mut run = Run {
        seen: Seen::new(users),
        tally: Tally::new(users, data.items.len()),
        ranking: Ranking::new(),
        settings,
        data,
        strict: protocol == Protocol::Strict,
    };
    let mut last = vec![usize::MAX; users];
    if protocol == Protocol::LeaveLastOut {
        for (place, event) in events.iter().enumerate() {
            if let Some(last) = last.get_mut(event.user as usize) {
                *last = place;
            }
        }
    }
    let is_last = |place: usize, event: &Event| last.get(event.user as usize) == Some(&place);
    for (place, event) in events.iter().enumerate() {
        if place % 512 == 0 {
            progress(place);
        }
        if is_last(place, event) {
            continue;
        }
        if protocol != Protocol::LeaveLastOut {
            run.score(event, recommender.as_mut());
        }
        recommender.learn(event);
        run.seen.add(event.user, event.item);
    }
    for (place, event) in events.iter().enumerate() {
        if is_last(place, event) {
            run.score(event, recommender.as_mut());
        }
    }
    progress(events.len());
    Ok(run.tally.measures(seed))
}

struct Run<'a> {
    data: &'a Dataset,
    settings: &'a RecommendSettings,
    seen: Seen,
    tally: Tally,
    ranking: Ranking,
    strict: bool,
}

impl Run<'_> {
    fn score(&mut self, event: &Event, recommender: &mut dyn Recommender) {
        let asked = Asked {
            event,
            before_ms: self.strict.then(|| event.time_ms.div_euclid(1_000) * 1_000),
            seen: &self.seen,
            recommend_seen: self.settings.recommend_seen,
        };
        let is_wanted = self.data.weight(event, self.settings) > 0.0;
        if self.seen.len(event.user) == 0 || !is_wanted || !asked.allows(event.item) {
            return;
        }
        self.ranking.clear();
        recommender.recommend(&asked, &mut self.ranking);
        self.tally.note(event.user, event.item, &self.ranking);
    }
}
