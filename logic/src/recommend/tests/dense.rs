//! The recipe written down directly, over whole matrices and the list of all events: slow, and easy to check against the text.

use std::collections::{BTreeMap, BTreeSet};

use super::super::RecommendSettings;
use super::super::evidence::{Evidence, PRIORS, REPEATS};
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
    /// First choices.
    choices: BTreeMap<String, f64>,
    /// (item, weight, second)
    trend: Vec<(String, f64, i64)>,
    events: f64,
    pub(super) evidence: Evidence,
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
        if weight > 0.0 {
            self.test(step, second);
        }
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
            let first = if before.is_none() { 1.0 } else { 0.0 };
            self.events += first;
            *self.choices.entry(step.item.clone()).or_insert(0.0) += first;
        }
    }

    /// Of an item at this second, and of all: decayed weights.
    fn trends(&self, second: i64) -> BTreeMap<&str, f64> {
        let newest = self.trend.iter().map(|(.., at)| *at).max().unwrap_or(0);
        let half_life = self.settings.trend_half_life_hours * 3_600.0;
        let mut trends = BTreeMap::new();
        for (item, weight, at) in &self.trend {
            let age = (second.max(newest) - at) as f64;
            *trends.entry(&**item).or_insert(0.0) += weight * (-age / half_life).exp2();
        }
        trends
    }

    /// How likely an item is whatever the history.
    fn share(&self, item: &str, trends: &BTreeMap<&str, f64>, prior: f64) -> f64 {
        let trend = trends.get(item).copied().unwrap_or(0.0);
        let whole: f64 = trends.values().sum();
        let choices = self.choices.get(item).copied().unwrap_or(0.0);
        (trend + prior * choices / self.events) / (whole + prior)
    }

    /// How likely a choice is before it is learned, beside what its frequency says.
    fn test(&mut self, step: &Step, second: i64) {
        let item = &step.item;
        let history = self.history.get(&step.user).cloned().unwrap_or_default();
        let choices = self.choices.get(item).copied().unwrap_or(0.0);
        if choices == 0.0 || history.last().is_some_and(|(newest, ..)| newest == item) {
            return;
        }
        let is_first = history.iter().all(|(own, ..)| own != item);
        let past: Vec<_> = history
            .into_iter()
            .filter(|(_, at, _)| *at <= second)
            .collect();
        let mut found = Evidence {
            tests: 1.0,
            ..Evidence::default()
        };
        let trends = self.trends(second);
        let open = |share: &dyn Fn(&str) -> f64| {
            1.0 - past.iter().map(|(own, ..)| share(own)).sum::<f64>()
        };
        let frequency = |item: &str| self.choices.get(item).copied().unwrap_or(0.0) / self.events;
        for (sum, prior) in found.trend.iter_mut().zip(PRIORS).filter(|_| is_first) {
            let share = |item: &str| self.share(item, &trends, prior);
            *sum = (share(item) / open(&share) / (frequency(item) / open(&frequency))).ln();
        }
        let share = |item: &str| self.share(item, &trends, self.evidence.trend_prior());
        let far = |at: i64| distance(&past, at) / self.settings.learn_decay;
        let weight = self.counts.values().sum::<f64>() / self.events;
        for (place, prior) in PRIORS.iter().enumerate() {
            let presumed = prior * weight;
            let (mut likely, mut whole) = (0.0, 0.0);
            for (own, at, _) in past.iter().rev().take(10) {
                let near = (-3.0 * far(*at)).exp();
                let row = self.pairs.iter().filter(|((one, _), _)| one == own);
                let all: f64 = row.map(|(_, count)| count).sum();
                let pair = self.pairs.get(&(own.clone(), item.clone()));
                let pair = pair.copied().unwrap_or(0.0) * (1.0 - share(own).min(0.99));
                likely += near * (pair / share(item) + presumed) / (all + presumed);
                whole += near;
            }
            let sum = if whole > 0.0 {
                (likely / whole).ln()
            } else {
                0.0
            };
            found.pairs_of_all[place] = sum;
            found.pairs[place] = if is_first { sum } else { 0.0 };
        }
        let near = |all: bool| -> f64 {
            let past = past.iter().filter(|(own, ..)| all || own == item);
            past.map(|(_, at, _)| (-far(*at)).exp()).sum()
        };
        if !past.is_empty() {
            let times = near(false) / near(true) / share(item);
            found.repeats = REPEATS.map(|repeats| (repeats * times + 1.0 - repeats).ln());
        }
        self.evidence.add(&found);
    }

    /// Scores of all items that the user does not know.
    pub(super) fn scores(&self, user: &str, now: i64) -> BTreeMap<String, f64> {
        let settings = &self.settings;
        let idle = |at: i64| (now - at) as f64 > settings.idle_after_minutes * 60.0;
        let history = self.history.get(user).cloned().unwrap_or_default();
        let newest = history.len().saturating_sub(settings.scored_max);
        let trends = self.trends(now);
        let weight = self.counts.values().sum::<f64>() / self.events;
        let damp = |item: &str| self.choices[item].max(1.0).powf(-settings.frequency_power);
        let known = self.known.get(user).cloned().unwrap_or_default();
        let mut parts = Vec::new();
        for item in self.counts.keys() {
            if known.contains(item) {
                continue;
            }
            let share = self.share(item, &trends, settings.trend_prior);
            let prior = settings.prior * weight * share;
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
            parts.push((item.clone(), damp(item) * sum, share));
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
