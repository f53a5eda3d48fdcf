//! A model beside its own past: today's rate, and that of the same model's days before.
//!
//! Three things make such a comparison dishonest, and each is allowed for. Days differ by more than their users do: the
//! variance between the past days is added, at the upper end of what so few days allow. Clicks on what was shown just now are
//! still to come: the share of today that is younger than the attribution window is taken as if no click on it had arrived.
//! Today is another comparison than yesterday: each day has a thirtieth of alpha, so that a wrong alarm is to be expected once
//! in 30 / alpha days at most.

use super::counts::{Counts, Day};
use super::inference::{Comparison, Contrast};
use super::names::{EVERYTHING, Name};
use super::ratio::Ratio;
use super::settings::StatisticsSettings;
use crate::ledger::record::Millis;
use crate::model_reference;

/// Days that a past has at least.
pub const PAST_DAYS_MIN: usize = 5;
/// Days over which alpha is spent.
const ALPHA_DAYS: f64 = 30.0;

/// Today beside the past.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The model, as impressions name it.
    pub model: String,
    /// The version of the same model that had most impressions in the past, as impressions name it.
    pub earlier: String,
    /// Past days.
    pub days: usize,
    /// Sums of today.
    pub current: Ratio,
    /// Sums of the past days.
    pub baseline: Ratio,
    /// Today less the past, where the clicks that are still to come are allowed for; `None` if it is too early.
    pub contrast: Option<Contrast>,
}

/// The name of a model without its version.
pub(super) fn name_of(model: &str) -> &str {
    model_reference::parse(model).map_or(model, |read| read.name)
}

/// Every model with impressions today beside its past.
pub fn all(counts: &Counts, settings: &StatisticsSettings, now: Millis) -> Vec<Past> {
    let today = Day::of(now);
    if settings.baseline_days == 0 {
        return Vec::new();
    }
    let of_all = counts.lines.iter();
    let of_all: Vec<(Day, Name, &Ratio)> = of_all
        .filter(|((_, experiment, ..), _)| *experiment == EVERYTHING)
        .map(|((day, _, _, model), ratio)| (*day, *model, ratio))
        .collect();
    let models: Vec<(Name, Ratio)> = of_all
        .iter()
        .filter(|(day, ..)| *day == today)
        .map(|(_, model, ratio)| (*model, **ratio))
        .collect();
    let looks = ALPHA_DAYS * models.len().max(1) as f64;
    let pasts = models.into_iter().map(|(model, current)| {
        let name = name_of(counts.names.text(model));
        let first = today
            .0
            .saturating_sub(i32::try_from(settings.baseline_days).unwrap_or(i32::MAX));
        let before = of_all.iter().filter(|(day, one, _)| {
            (first..today.0).contains(&day.0) && name_of(counts.names.text(*one)) == name
        });
        let before: Vec<(Day, Name, Ratio)> = before
            .map(|(day, model, ratio)| (*day, *model, **ratio))
            .collect();
        let earlier = before.iter().max_by(|a, b| a.2.below.total_cmp(&b.2.below));
        let earlier = earlier.map_or(model, |(_, model, _)| *model);
        let days = by_day(&before, settings.users_min);
        let mut baseline = Ratio::default();
        for day in &days {
            baseline.add(day);
        }
        let enough = days.len() >= PAST_DAYS_MIN
            && current.users >= settings.users_min as f64
            && current.above + baseline.above >= settings.clicks_min as f64;
        let arrived = 1.0 - still_to_come(today, settings, now);
        let comparison = Comparison {
            factor: arrived,
            extra_variance: between(&days),
            ..Comparison::of(current, baseline)
        };
        let enough = enough && arrived > 0.0;
        Past {
            model: counts.names.text(model).to_owned(),
            earlier: counts.names.text(earlier).to_owned(),
            days: days.len(),
            current,
            baseline,
            contrast: enough
                .then(|| comparison.read(settings.alpha / looks, settings.expected_effect))
                .flatten(),
        }
    });
    pasts.collect()
}

/// The share of today that is younger than the window.
fn still_to_come(today: Day, settings: &StatisticsSettings, now: Millis) -> f64 {
    let elapsed = (now - today.start()).max(1) as f64;
    let window = 60_000.0 * f64::from(settings.attribution_minutes);
    (window / elapsed).min(1.0)
}

/// Sums of each day with enough users.
fn by_day(before: &[(Day, Name, Ratio)], users_min: u64) -> Vec<Ratio> {
    let mut days = std::collections::BTreeMap::<Day, Ratio>::new();
    for (day, _, ratio) in before {
        days.entry(*day).or_default().add(ratio);
    }
    days.into_values()
        .filter(|day| day.users >= users_min as f64)
        .collect()
}

/// Variance that a day adds to the comparison beside that of its users: what the rates of the days vary more than their users
/// explain, at its upper 90 % bound, for today and for the mean of the past.
fn between(days: &[Ratio]) -> f64 {
    let rates: Vec<f64> = days.iter().filter_map(Ratio::value).collect();
    let count = rates.len() as f64;
    if rates.len() < 2 {
        return 0.0;
    }
    let mean = rates.iter().sum::<f64>() / count;
    let squares: f64 = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum();
    let by_users: f64 = days.iter().filter_map(Ratio::variance).sum::<f64>() / count;
    let most = squares / chi_square_tenth(count - 1.0);
    (most - by_users).max(0.0) * (1.0 + 1.0 / count)
}

/// The 10 % quantile of the chi-square distribution (Wilson & Hilferty 1931).
fn chi_square_tenth(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    let root = 1.0 - spread - 1.281_551_565_544_6 * spread.sqrt();
    // With one degree of freedom the approximation is least exact; its value there is .0158.
    freedom * root.max(0.25).powi(3)
}
