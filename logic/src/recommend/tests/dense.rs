//! The recipe written down directly, over whole matrices and the list of all events: slow, and easy to check against the text.

use std::collections::{BTreeMap, BTreeSet};

use super::super::RecommendSettings;
use super::{NOW_S, Step};

#[derive(Default)]
pub(super) struct Dense {
    settings: RecommendSettings,
    /// (item, second, weight), in order of time.
    history: BTreeMap<String, Vec<(String, i64, f64)>>,
    known: BTreeMap<String, BTreeSet<String>>,
    /// n
    counts: BTreeMap<String, f64>,
    /// C, both directions.
    pairs: BTreeMap<(String, String), f64>,
    /// (item, weight, second)
    trend: Vec<(String, f64, i64)>,
    events: f64,
}

impl Dense {
    pub(super) fn new(settings: &RecommendSettings) -> Self {
        Self {
            settings: settings.clone(),
            ..Self::default()
        }
    }

    pub(super) fn learn(&mut self, step: &Step) {
        let weight = self.settings.weight(step.kind);
        let second = step.second.min(NOW_S);
        self.known
            .entry(step.user.clone())
            .or_default()
            .insert(step.item.clone());
        let history = self.history.entry(step.user.clone()).or_default();
        let before = history.iter().position(|(item, ..)| *item == step.item);
        let before = before
            .filter(|_| weight != 0.0)
            .map(|place| history.remove(place));
        if weight <= 0.0 {
            return;
        }
        let earlier = before.as_ref().map_or(0.0, |(.., weight)| *weight);
        let gain = (weight - earlier).max(0.0);
        let past: Vec<_> = history
            .iter()
            .filter(|(_, at, _)| *at <= second)
            .cloned()
            .collect();
        for (item, at, _) in &past {
            let distance = distance(&past, *at);
            let by = gain * (-distance / self.settings.learn_decay).exp();
            for pair in [
                (item.clone(), step.item.clone()),
                (step.item.clone(), item.clone()),
            ] {
                *self.pairs.entry(pair).or_insert(0.0) += by;
            }
        }
        let at = second.max(before.as_ref().map_or(0, |(_, at, _)| *at));
        let place = history.iter().filter(|(_, other, _)| *other <= at).count();
        history.insert(place, (step.item.clone(), at, weight.max(earlier)));
        if history.len() > self.settings.history_max {
            history.remove(0);
        }
        if gain > 0.0 {
            *self.counts.entry(step.item.clone()).or_insert(0.0) += gain;
            self.trend.push((step.item.clone(), gain, second));
            self.events += if before.is_none() { 1.0 } else { 0.0 };
        }
    }

    /// Scores of all items that the user does not know.
    pub(super) fn scores(&self, user: &str, now: i64) -> BTreeMap<String, f64> {
        let settings = &self.settings;
        let idle = |at: i64| (now - at) as f64 > settings.idle_after_minutes * 60.0;
        let history = self.history.get(user).cloned().unwrap_or_default();
        let newest = history.len().saturating_sub(settings.scored_max);
        let half_life = settings.trend_half_life_hours * 3_600.0;
        let damp = |item: &str| self.counts[item].powf(-settings.frequency_power);
        let known = self.known.get(user).cloned().unwrap_or_default();
        let mut parts = Vec::new();
        for (item, count) in &self.counts {
            if known.contains(item) {
                continue;
            }
            let prior = settings.prior * count / self.events;
            let sum: f64 = history[newest..]
                .iter()
                .map(|(own, at, _)| {
                    let near = (-distance(&history, *at) / settings.score_decay).exp();
                    let near = if idle(*at) {
                        near * settings.idle_factor
                    } else {
                        near
                    };
                    let pair = self.pairs.get(&(own.clone(), item.clone()));
                    near * damp(own) * (pair.copied().unwrap_or(0.0) + prior).sqrt()
                })
                .sum();
            let trend: f64 = self
                .trend
                .iter()
                .filter(|(other, ..)| other == item)
                .map(|(_, weight, at)| weight * (-((now - at) as f64) / half_life).exp2())
                .sum();
            parts.push((item.clone(), damp(item) * sum, trend));
        }
        let largest =
            |part: fn(&(String, f64, f64)) -> f64| parts.iter().map(part).fold(0.0, f64::max);
        let (sum_max, trend_max) = (largest(|part| part.1), largest(|part| part.2));
        let active = history.last().is_some_and(|(_, at, _)| !idle(*at));
        let weight = if active {
            settings.trend_weight
        } else {
            settings.idle_trend_weight
        };
        let share = |part: f64, max: f64| if max > 0.0 { part / max } else { 0.0 };
        let score = |sum, trend| share(sum, sum_max) + weight * share(trend, trend_max);
        parts
            .into_iter()
            .map(|(item, sum, trend)| (item, score(sum, trend)))
            .collect()
    }
}

/// How many items are newer than the first one of that second.
fn distance(history: &[(String, i64, f64)], second: i64) -> f64 {
    let first = history.iter().position(|(_, at, _)| *at == second).unwrap();
    (history.len() - 1 - first) as f64
}
