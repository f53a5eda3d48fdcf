//! Verdicts: once an episode, not without cause, and with the fields of the event.

use serde_json::json;

use super::super::arms::{Assigned, Experiment};
use super::super::counts::Counts;
use super::super::inference::Interval;
use super::super::metric::Metric;
use super::super::ratio::Part;
use super::super::settings::StatisticsSettings;
use super::super::verdict::{Degraded, EPISODES_MAX, Subject, Watch};
use super::dice::Dice;
use super::{DAY, HOUR, MONDAY, experiment, halves};

/// Adds users of an arm with ten items each, of whom some click.
fn add(counts: &mut Counts, dice: &mut Dice, arm: &str, users: u32, rate: f64, day: i64) {
    let model = format!("{arm}-ranker@{}", if arm == "control" { 7 } else { 8 });
    let [experiment, arm, model, segment, epoch] =
        ["ranking", arm, &model, "all", halves().epoch()].map(|text| counts.name(text));
    let day = super::super::counts::Day::of(MONDAY + day * DAY);
    for _ in 0..users {
        let clicks = dice.hits(10, rate);
        let after = Part {
            below: 10.0,
            above: f64::from(clicks),
        };
        counts.enter(experiment, epoch, arm);
        let group = (experiment, arm, segment);
        counts.change(group, Metric::ClickThrough, Part::default(), after);
        let negative = Part {
            below: 10.0,
            above: f64::from(dice.hits(10, 0.01)),
        };
        counts.change(group, Metric::NegativeFeedback, Part::default(), negative);
        counts.change_line((day, experiment, arm, model), Part::default(), after);
    }
}

fn both(control: f64, candidate: f64) -> Counts {
    let mut counts = Counts::new(&StatisticsSettings::default());
    let mut dice = Dice::new(7);
    add(&mut counts, &mut dice, "control", 4_000, control, 0);
    add(&mut counts, &mut dice, "candidate", 4_000, candidate, 0);
    counts
}

fn look(
    watch: &mut Watch,
    counts: &Counts,
    experiments: &[Experiment],
    hour: i64,
) -> Vec<Degraded> {
    watch.look(
        counts,
        experiments,
        &StatisticsSettings::default(),
        MONDAY + hour * HOUR,
    )
}

#[test]
fn a_drop_is_found_once_an_episode_and_again_in_the_next() {
    let experiments = [halves()];
    let (good, bad) = (both(0.10, 0.101), both(0.10, 0.07));
    let mut watch = Watch::default();
    assert_eq!(look(&mut watch, &good, &experiments, 0), []);
    let found = look(&mut watch, &bad, &experiments, 1);
    assert_eq!(found.len(), 1);
    let Subject {
        model, arm, metric, ..
    } = &found[0].subject;
    assert_eq!(
        (model.as_str(), arm.as_str(), *metric),
        ("candidate-ranker@8", "candidate", Metric::ClickThrough)
    );
    assert!(found[0].interval.high < 0.0 && (0.2..0.4).contains(&found[0].relative()));
    assert_eq!(
        look(&mut watch, &bad, &experiments, 2),
        [],
        "the episode goes on"
    );
    let text = serde_json::to_string(&watch).unwrap();
    watch = serde_json::from_str(&text).unwrap();
    assert_eq!(
        look(&mut watch, &bad, &experiments, 3),
        [],
        "also after a restart"
    );
    assert_eq!(look(&mut watch, &good, &experiments, 4), []);
    assert_eq!(watch.episodes(), [], "it is over");
    assert_eq!(look(&mut watch, &bad, &experiments, 5).len(), 1);
    // Without a comparison for long enough it is over, too.
    assert_eq!(look(&mut watch, &good, &[], 5 + 8 * 24), []);
    assert_eq!(watch.episodes(), []);
}

#[test]
fn a_drop_between_half_and_the_whole_threshold_neither_begins_nor_ends_an_episode() {
    let experiments = [halves()];
    let mut watch = Watch::default();
    let mut counts = Counts::new(&StatisticsSettings::default());
    let mut dice = Dice::new(3);
    // 4 % less, certain, with so many users.
    add(&mut counts, &mut dice, "control", 300_000, 0.50, 0);
    add(&mut counts, &mut dice, "candidate", 300_000, 0.48, 0);
    assert_eq!(look(&mut watch, &counts, &experiments, 0), []);
    assert_eq!(
        look(&mut watch, &both(0.10, 0.07), &experiments, 1).len(),
        1
    );
    assert_eq!(look(&mut watch, &counts, &experiments, 2), []);
    assert_eq!(watch.episodes().len(), 1);
}

#[test]
fn an_experiment_with_a_mismatch_gives_no_verdict() {
    let mut counts = both(0.10, 0.07);
    let mut dice = Dice::new(9);
    add(&mut counts, &mut dice, "candidate", 1_000, 0.07, 0);
    assert_eq!(look(&mut Watch::default(), &counts, &[halves()], 0), []);
}

#[test]
fn a_breached_guardrail_is_a_drop_of_its_metric() {
    let guarded = experiment(
        "arms = { control = 1, candidate = 1 }\nguardrails.negative_feedback.margin = 0.1",
    );
    let mut counts = both(0.1, 0.1);
    assert_eq!(
        look(
            &mut Watch::default(),
            &counts,
            std::slice::from_ref(&guarded),
            0
        ),
        []
    );
    let [experiment, arm, segment] = ["ranking", "candidate", "all"].map(|text| counts.name(text));
    for _ in 0..400 {
        let (before, after) = (
            Part {
                below: 10.0,
                above: 0.0,
            },
            Part {
                below: 10.0,
                above: 2.0,
            },
        );
        counts.change(
            (experiment, arm, segment),
            Metric::NegativeFeedback,
            before,
            after,
        );
    }
    let found = look(&mut Watch::default(), &counts, &[guarded], 0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject.metric, Metric::NegativeFeedback);
    assert!(found[0].relative() > 0.5 && found[0].interval.low > 0.0);
}

#[test]
fn the_event_has_the_fields_that_the_responder_reads() {
    let mut degraded = Degraded {
        subject: Subject {
            model: "ranker@8".to_owned(),
            experiment: "ranking".to_owned(),
            arm: "candidate".to_owned(),
            metric: Metric::ClickThrough,
        },
        against: "arm control".to_owned(),
        against_model: "ranker@7".to_owned(),
        current: 0.375,
        baseline: 0.5,
        users: 4_000.0,
        interval: Interval {
            low: -0.03,
            high: -0.01,
        },
        time: MONDAY + HOUR,
    };
    let mut event = degraded.event();
    let id = event["event_id"].take();
    assert_eq!(
        event,
        json!({
            "event_type": "model_performance_degraded", "event_id": null, "source": "mlops_system",
            "timestamp": "2026-03-02T01:00:00.000Z", "severity": "high", "model_name": "ranker", "model_version": "8",
            "to_version": "7", "metric": "click_through", "current_performance": 0.375, "baseline_performance": 0.5,
            "performance_drop": 0.25, "interval": [-0.03, -0.01], "users": 4000.0, "against": "arm control",
            "experiment": "ranking", "arm": "candidate",
            "message": "the click-through rate of ranker@8 in arm candidate of experiment ranking is 37.50 % against 50.00 % of arm control, over 4000 users",
        })
    );
    degraded.time += 20 * HOUR;
    assert_eq!(degraded.event()["event_id"], id, "on the same day");
    degraded.time += 20 * HOUR;
    assert_ne!(degraded.event()["event_id"], id);
    degraded.against_model = "popularity@7".to_owned();
    assert!(
        degraded.event().get("to_version").is_none(),
        "of another model"
    );
    degraded.subject.model = String::new();
    assert_eq!(
        degraded.event()["model_name"],
        "",
        "unreadable, so that people are alerted"
    );
}

#[test]
fn episodes_are_bounded() {
    let arms: Vec<String> = (0..9).map(|arm| format!("a{arm} = 1")).collect();
    let experiments: Vec<Experiment> = (0..2)
        .map(|_| experiment(&format!("arms = {{ control = 1, {} }}", arms.join(", "))))
        .collect();
    let mut watch: Watch = serde_json::from_value(json!(
        (0..EPISODES_MAX)
            .map(|number| json!([
                {"model": number.to_string(), "experiment": "", "arm": "", "metric": "coverage"},
                {"since": MONDAY, "looked": MONDAY}
            ]))
            .collect::<Vec<_>>()
    ))
    .unwrap();
    assert_eq!(watch.episodes().len(), EPISODES_MAX);
    look(&mut watch, &both(0.10, 0.07), &[halves()], 1);
    look(
        &mut watch,
        &Counts::new(&StatisticsSettings::default()),
        &experiments,
        1,
    );
    assert_eq!(watch.episodes().len(), EPISODES_MAX);
    assert_eq!(watch.episodes()[EPISODES_MAX - 1].0.arm, "candidate");
}

#[test]
fn assigned_arms_are_written_as_they_are_read() {
    let assigned = Assigned {
        experiment: "ranking".to_owned(),
        arm: "control".to_owned(),
        epoch: halves().epoch().to_owned(),
    };
    let text = serde_json::to_string(&assigned).unwrap();
    assert_eq!(serde_json::from_str::<Assigned>(&text).unwrap(), assigned);
}
