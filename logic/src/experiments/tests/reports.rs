//! The answer of the API: what it holds, its words, and its schema.

use serde_json::Value;

use super::super::arms::{Experiment, State};
use super::super::counts::Counts;
use super::super::impressions::Viewer;
use super::super::report::RecommendationStats;
use super::super::seen::Happening;
use super::super::settings::StatisticsSettings;
use super::super::verdict::Watch;
use super::super::{Standing, Verdict};
use super::dice::Dice;
use super::{DAY, HOUR, MONDAY, click, experiment, list};

/// Users who see three lists on three days; `better` is how much more often the candidate's are clicked.
fn counted(experiments: &[Experiment], users: usize, better: f64) -> Counts {
    let settings = StatisticsSettings::default();
    let mut counts = Counts::new(&settings);
    let mut dice = Dice::new(11);
    for user in 0..users {
        let mut viewer = Viewer::default();
        let mut position = 0;
        let own = 0.4 * dice.uniform();
        for day in 0..3 {
            let time = MONDAY + day * DAY + HOUR;
            let mut shown = list(&format!("{user}-{day}"), &["a", "b", "c", "d"], time);
            let assigned = experiments
                .iter()
                .filter_map(|one| one.assign(&user.to_string(), time));
            shown.assigned = assigned.collect();
            shown.asked = 4;
            shown.latency_ms = Some(5.0 + dice.below(5) as f64);
            if user % 4 == 0 {
                shown.segment = "new".to_owned();
            }
            let candidate = shown.assigned.iter().any(|one| one.arm == "candidate");
            let rate = if candidate { own * better } else { own };
            let mut events = vec![Happening::Impression(shown)];
            for item in ["a", "b", "c", "d"] {
                if dice.happens(rate) {
                    events.push(click(item, time + 60_000));
                }
            }
            for event in &events {
                viewer.apply(position, event, time + HOUR, &settings, &mut counts);
                position += 1;
            }
        }
    }
    counts
}

fn report(counts: &Counts, experiments: &[Experiment]) -> RecommendationStats {
    let mut watch = Watch::default();
    let settings = StatisticsSettings::default();
    let now = MONDAY + 3 * DAY;
    watch.look(counts, experiments, &settings, now);
    RecommendationStats::of(counts, experiments, &watch, &settings, now)
}

#[test]
fn a_better_arm_reads_as_better_with_its_points_and_every_sum_fits() {
    let experiments = [experiment(
        "arms = { control = 1, candidate = 1 }\nguardrails.coverage = {}\nguardrails.latency_ms = {}",
    )];
    let stats = report(&counted(&experiments, 3_000, 1.3), &experiments);
    let one = &stats.experiments[0];
    assert_eq!(
        (one.name.as_str(), one.state, one.control.as_str()),
        ("ranking", State::Running, "control")
    );
    let compared = &one.comparisons[0];
    assert_eq!(compared.verdict, Verdict::Better);
    let (low, high) = (compared.low.unwrap(), compared.high.unwrap());
    assert!(
        low > 0.0 && low < 0.06 && high > 0.06 && high < 0.12,
        "{low} {high}"
    );
    let words = format!(
        "candidate is better by {:.2} to {:.2} points; it can be stopped at any time.",
        low * 100.0,
        high * 100.0
    );
    assert_eq!(one.reading, words);
    assert!(stats.reading.contains(&words), "{}", stats.reading);
    assert!(compared.p.unwrap() < 0.05);
    let standing: Vec<Standing> = one.guardrails.iter().map(|one| one.standing).collect();
    assert_eq!(standing, [Standing::Holds; 2], "{:?}", one.guardrails);
    let division = one.division.as_ref().unwrap();
    assert!(!division.mismatch && division.users.values().sum::<u64>() == 3_000);
    assert_eq!(stats.total.impressions, 3 * 4 * 3_000);
    let of_arms: u64 = one.arms.iter().map(|arm| arm.counted.impressions).sum();
    assert_eq!(of_arms, stats.total.impressions);
    for rows in [
        &stats.days,
        &stats.positions,
        &stats.segments,
        &stats.models,
    ] {
        let sum: u64 = rows.iter().map(|row| row.counted.clicks).sum();
        assert_eq!(sum, stats.total.clicks);
    }
    let names =
        |rows: &[super::super::Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        names(&stats.days),
        ["2026-03-02", "2026-03-03", "2026-03-04"]
    );
    assert_eq!(names(&stats.positions), ["1", "2", "3", "4"]);
    assert_eq!(names(&stats.segments), ["returning", "new"]);
    assert_eq!(names(&one.arms[0].models), ["recommender@1"]);
    let rate = stats.total.click_through.unwrap();
    assert!(rate.low < rate.value && rate.value < rate.high);
}

#[test]
fn a_worse_arm_is_listed_as_degraded() {
    let experiments = [experiment("arms = { control = 1, candidate = 1 }")];
    let stats = report(&counted(&experiments, 3_000, 0.7), &experiments);
    let compared = &stats.experiments[0].comparisons[0];
    assert_eq!(compared.verdict, Verdict::Worse);
    assert!(
        compared.reading.starts_with("candidate is worse by "),
        "{}",
        compared.reading
    );
    assert_eq!(
        (stats.degraded.len(), stats.degraded[0].arm.as_str()),
        (1, "candidate")
    );
    assert!(
        stats
            .reading
            .contains("candidate is degraded: the click-through rate.")
    );
}

#[test]
fn what_is_not_known_says_so() {
    let experiments = [experiment("arms = { control = 1, candidate = 1 }")];
    let empty = report(&Counts::new(&StatisticsSettings::default()), &experiments);
    assert_eq!(empty.reading, "No recommendation was shown yet.");
    assert_eq!(
        empty.experiments[0].comparisons[0].verdict,
        Verdict::TooEarly
    );
    let few = report(&counted(&experiments, 100, 1.0), &experiments);
    let reading = &few.experiments[0].reading;
    assert!(
        reading.starts_with("it is too early to compare candidate: "),
        "{reading}"
    );
    assert!(reading.contains("users of 200 each"), "{reading}");
    let same = report(&counted(&experiments, 2_000, 1.0), &experiments);
    assert_eq!(same.experiments[0].comparisons[0].verdict, Verdict::Open);
    let reading = &same.experiments[0].reading;
    assert!(
        reading.starts_with("no difference is known yet: candidate is between "),
        "{reading}"
    );
}

#[test]
fn a_mismatch_is_the_only_thing_that_is_said_of_an_experiment() {
    let experiments = [experiment("arms = { control = 1, candidate = 1 }")];
    let mut counts = counted(&experiments, 2_000, 1.4);
    let names = ["ranking", experiments[0].epoch(), "control"].map(|text| counts.name(text));
    (0..300).for_each(|_| counts.enter(names[0], names[1], names[2]));
    let stats = report(&counts, &experiments);
    let one = &stats.experiments[0];
    assert!(one.division.as_ref().unwrap().mismatch);
    assert_eq!(one.comparisons[0].verdict, Verdict::Untrusted);
    assert!(
        one.reading.starts_with("users are not divided as declared"),
        "{}",
        one.reading
    );
}

#[test]
fn an_experiment_that_was_removed_keeps_its_arms() {
    let experiments = [experiment("arms = { control = 1, candidate = 1 }")];
    let stats = report(&counted(&experiments, 400, 1.0), &[]);
    let one = &stats.experiments[0];
    assert_eq!(
        (one.state, one.arms.len(), one.comparisons.len()),
        (State::Removed, 2, 0)
    );
}

#[test]
fn every_field_of_the_answer_is_described() {
    let schema = schemars::schema_for!(RecommendationStats);
    let schema: Value = schema.into();
    let definitions = schema["$defs"].as_object().unwrap();
    let mut looked_at = 0;
    for (name, one) in definitions.iter().chain([(&"it".to_owned(), &schema)]) {
        for (field, property) in one["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{field}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 40, "{looked_at}");
}
