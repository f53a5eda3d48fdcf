//! A model beside its own past: simulations of days that differ, and of one that drops.

use super::super::baseline;
use super::super::counts::{Counts, Day};
use super::super::names::EVERYTHING;
use super::super::ratio::{Part, Ratio};
use super::super::settings::StatisticsSettings;
use super::dice::Dice;
use super::{DAY, HOUR, MONDAY};

/// A day of so many users with ten items each.
fn day_of(dice: &mut Dice, users: u32, rate: f64) -> Ratio {
    let mut ratio = Ratio::default();
    for _ in 0..users {
        let own = (rate * dice.exponential()).min(1.0);
        let after = Part {
            below: 10.0,
            above: f64::from(dice.hits(10, own)),
        };
        ratio.change(Part::default(), after);
    }
    ratio
}

fn put(counts: &mut Counts, day: i32, model: &str, ratio: Ratio) {
    let model = counts.name(model);
    let key = (
        Day((MONDAY / DAY) as i32 + day),
        EVERYTHING,
        EVERYTHING,
        model,
    );
    counts.lines.insert(key, ratio);
}

/// Whether the drop of a day is significant at its end.
fn drops(counts: &Counts, settings: &StatisticsSettings, day: i32) -> bool {
    let now = MONDAY + i64::from(day + 1) * DAY - 1;
    let pasts = baseline::all(counts, settings, now);
    let contrast = pasts.iter().find_map(|past| past.contrast);
    contrast.is_some_and(|contrast| contrast.interval.high < 0.0)
}

#[test]
fn days_that_differ_by_chance_are_no_drop() {
    let settings = StatisticsSettings::default();
    let (runs, mut alarms) = (150_u64, 0);
    for seed in 0..runs {
        let mut dice = Dice::new(seed + 1);
        let mut counts = Counts::new(&settings);
        let mut is_wrong = false;
        for day in 0..35 {
            // Days are up to a fifth better or worse, whatever their users.
            let rate = 0.05 * (0.8 + 0.4 * dice.uniform());
            put(
                &mut counts,
                day,
                "recommender@7",
                day_of(&mut dice, 800, rate),
            );
            is_wrong |= drops(&counts, &settings, day);
        }
        alarms += u64::from(is_wrong);
    }
    println!("{alarms} wrong alarms in {runs} times 35 days");
    // Alpha for thirty days: .05, with three standard deviations.
    assert!(alarms as f64 <= 150.0 * 0.05 + 3.0 * 2.7, "{alarms}");
}

#[test]
fn a_model_that_loses_a_third_is_found_on_its_first_day_in_most_runs() {
    let settings = StatisticsSettings::default();
    let mut found = 0;
    for seed in 0..50 {
        let mut dice = Dice::new(seed + 1);
        let mut counts = Counts::new(&settings);
        for day in 0..14 {
            let rate = 0.05 * (0.95 + 0.1 * dice.uniform());
            put(
                &mut counts,
                day,
                "recommender@7",
                day_of(&mut dice, 3_000, rate),
            );
        }
        put(
            &mut counts,
            14,
            "recommender@8",
            day_of(&mut dice, 3_000, 0.033),
        );
        found += usize::from(drops(&counts, &settings, 14));
        let past = &baseline::all(&counts, &settings, MONDAY + 15 * DAY - 1)[0];
        assert_eq!((past.earlier.as_str(), past.days), ("recommender@7", 14));
    }
    println!("found {found} of 50");
    assert!(found >= 30, "{found} of 50");
}

#[test]
fn it_is_too_early_without_a_past_and_while_clicks_are_still_to_come() {
    let settings = StatisticsSettings::default();
    let mut dice = Dice::new(1);
    let mut counts = Counts::new(&settings);
    let contrast = |counts: &Counts, now: i64| baseline::all(counts, &settings, now)[0].contrast;
    for day in 0..4 {
        put(&mut counts, day, "m@1", day_of(&mut dice, 3_000, 0.05));
    }
    put(&mut counts, 5, "m@1", day_of(&mut dice, 3_000, 0.05));
    assert_eq!(contrast(&counts, MONDAY + 6 * DAY - 1), None, "four days");
    put(&mut counts, 4, "m@1", day_of(&mut dice, 3_000, 0.05));
    let end = contrast(&counts, MONDAY + 6 * DAY - 1).unwrap();
    let early = MONDAY + 5 * DAY + HOUR;
    // Half of what is an hour old may still be clicked.
    assert!(contrast(&counts, early).unwrap().estimate > end.estimate + 0.02);
    assert_eq!(contrast(&counts, MONDAY + 5 * DAY + HOUR / 2), None);
    let off = StatisticsSettings {
        baseline_days: 0,
        ..settings
    };
    assert_eq!(baseline::all(&counts, &off, early), []);
}
