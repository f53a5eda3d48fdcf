//! Simulations of what is claimed of comparisons: error rates under looking after every visit, coverage, power.

use super::super::inference::{Comparison, always_valid};
use super::super::mismatch::Mismatch;
use super::super::ratio::{Part, Ratio};
use super::super::settings::StatisticsSettings;
use super::dice::Dice;

const ALPHA: f64 = 0.05;

/// A user: how often the user clicks, and comes.
struct User {
    rate: f64,
    items: u32,
    part: Part,
}

/// Two arms, whose users come, come back, and differ: some click often, some never; some come often.
struct World {
    dice: Dice,
    /// Click-through rate of each arm.
    rates: [f64; 2],
    /// How many of the visits are of new users.
    new: f64,
    arms: [(Ratio, Vec<User>); 2],
}

impl World {
    fn new(seed: u64, rates: [f64; 2], new: f64) -> Self {
        Self {
            dice: Dice::new(seed),
            rates,
            new,
            arms: [
                (Ratio::default(), Vec::new()),
                (Ratio::default(), Vec::new()),
            ],
        }
    }

    /// The next visit.
    fn visit(&mut self) {
        let arm = self.dice.below(2);
        let (ratio, users) = &mut self.arms[arm];
        if users.is_empty() || self.dice.happens(self.new) {
            let rate = (self.rates[arm] * self.dice.exponential()).min(1.0);
            let items = 2 + (8.0 * self.dice.exponential()) as u32;
            users.push(User {
                rate,
                items,
                part: Part::default(),
            });
        }
        let last = users.len() - 1;
        // Some users come back far more often than others.
        let returning = (self.dice.uniform().powi(2) * users.len() as f64) as usize;
        let user = &mut users[if self.dice.happens(0.5) {
            last
        } else {
            returning.min(last)
        }];
        let clicks = self.dice.hits(user.items, user.rate);
        let after = Part {
            below: user.part.below + f64::from(user.items),
            above: user.part.above + f64::from(clicks),
        };
        ratio.change(user.part, after);
        user.part = after;
    }

    /// The comparison, if there is enough to be believed.
    fn look(&self) -> Option<super::super::inference::Contrast> {
        let settings = StatisticsSettings::default();
        let [(control, _), (candidate, _)] = &self.arms;
        let users = control.users.min(candidate.users) >= settings.users_min as f64;
        let clicks = control.above + candidate.above >= settings.clicks_min as f64;
        let comparison = Comparison::of(*candidate, *control);
        (users && clicks)
            .then(|| comparison.read(ALPHA, settings.expected_effect))
            .flatten()
    }
}

/// Of how many runs a look at any time finds a difference, by the always-valid interval and by a fixed one; and of how many
/// the truth was outside the interval at any time.
fn looks(runs: u64, visits: usize, rates: [f64; 2], new: f64) -> [f64; 3] {
    let mut found = [0.0; 3];
    for seed in 0..runs {
        let mut world = World::new(seed + 1, rates, new);
        let mut seen = [false; 3];
        for _ in 0..visits {
            world.visit();
            let Some(contrast) = world.look() else {
                continue;
            };
            let truth = rates[1] - rates[0];
            let interval = contrast.interval;
            seen[0] |= interval.low > 0.0 || interval.high < 0.0;
            seen[1] |= contrast.estimate.abs() > 1.96 * contrast.variance.sqrt();
            seen[2] |= truth < interval.low || truth > interval.high;
        }
        for (count, seen) in found.iter_mut().zip(seen) {
            *count += f64::from(u8::from(seen)) / runs as f64;
        }
    }
    found
}

/// Three standard deviations of a share of so many runs above alpha.
fn at_most(runs: u64) -> f64 {
    ALPHA + 3.0 * (ALPHA * (1.0 - ALPHA) / runs as f64).sqrt()
}

#[test]
fn equal_arms_looked_at_after_every_visit_differ_in_at_most_alpha_of_the_runs() {
    let runs = 400;
    // Few users who return often; about as many new ones; new ones nearly always.
    for new in [0.1, 0.4, 0.9] {
        let [always, fixed, _] = looks(runs, 12_000, [0.03, 0.03], new);
        println!("new {new}: always-valid {always}, fixed {fixed}");
        assert!(always <= at_most(runs), "{new}: {always}");
        // The simulation would notice: a fixed interval looked at as often is wrong far more often.
        assert!(fixed > 2.0 * ALPHA, "{new}: {fixed}");
    }
}

#[test]
fn the_true_difference_is_within_the_interval_at_all_times_together() {
    let runs = 300;
    for rates in [[0.05, 0.06], [0.02, 0.012], [0.3, 0.3]] {
        let [_, _, missed] = looks(runs, 6_000, rates, 0.4);
        println!("{rates:?}: missed in {missed}");
        assert!(missed <= at_most(runs), "{rates:?}: {missed}");
    }
}

#[test]
fn a_difference_of_a_quarter_is_found_in_most_runs_with_its_sign() {
    let (mut found, mut wrong, mut users) = (0, 0, Vec::new());
    for seed in 0..100 {
        let mut world = World::new(seed + 1, [0.05, 0.0625], 0.5);
        for _ in 0..20_000 {
            world.visit();
            let interval = world.look().map(|contrast| contrast.interval);
            if interval.is_some_and(|interval| interval.low > 0.0) {
                found += 1;
                users.push(world.arms[0].0.users + world.arms[1].0.users);
                break;
            }
            wrong += usize::from(interval.is_some_and(|interval| interval.high < 0.0));
        }
    }
    users.sort_by(f64::total_cmp);
    println!(
        "found {found}, half of them within {} users",
        users[users.len() / 2]
    );
    assert!(found >= 80 && wrong <= 5, "found {found}, wrong {wrong}");
}

#[test]
fn users_as_units_are_what_keeps_the_error_rate() {
    // The same arms, as if every item shown were a coin of its own: wrong far more often.
    let (runs, mut wrong) = (100, 0);
    for seed in 0..runs {
        let mut world = World::new(seed + 1, [0.1, 0.1], 0.05);
        let mut seen = false;
        for _ in 0..20_000 {
            world.visit();
            let [(control, _), (candidate, _)] = &world.arms;
            let (Some(a), Some(b)) = (control.value(), candidate.value()) else {
                continue;
            };
            if world.look().is_none() {
                continue;
            }
            let variance = a * (1.0 - a) / control.below + b * (1.0 - b) / candidate.below;
            let contrast = always_valid(b - a, variance, 0.01 * 0.01, ALPHA);
            seen |= contrast.is_some_and(|one| one.interval.low > 0.0 || one.interval.high < 0.0);
        }
        wrong += usize::from(seen);
    }
    println!("items as units: wrong in {wrong} of {runs}");
    assert!(wrong > 15, "{wrong}");
}

#[test]
fn users_divided_as_declared_are_a_mismatch_in_at_most_alpha_of_the_runs() {
    let weights = [("candidate", 3.0), ("control", 7.0)];
    let weights = weights.map(|(arm, weight)| (arm.to_owned(), weight)).into();
    let of = |runs: u64, share: f64| {
        let mut alarms = 0.0;
        for seed in 0..runs {
            let mut dice = Dice::new(seed + 1);
            let mut users = [("candidate".to_owned(), 0_u64), ("control".to_owned(), 0)];
            let mut least = 1.0_f64;
            for count in 0..10_000 {
                users[usize::from(!dice.happens(share))].1 += 1;
                if count % 10 == 0 {
                    least = least.min(Mismatch::of(&weights, &users.clone().into()).p);
                }
            }
            alarms += f64::from(u8::from(least < ALPHA)) / runs as f64;
        }
        alarms
    };
    let wrong = of(400, 0.3);
    println!("wrong mismatch in {wrong}");
    assert!(wrong <= at_most(400), "{wrong}");
    let found = of(50, 0.33);
    assert!(found > 0.95, "{found}");
}
