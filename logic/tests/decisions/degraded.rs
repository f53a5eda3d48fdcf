//! A drop that the statistics of recommendations find, through the rules as shipped: the model is rolled back.

use homeostat_logic::actions::Action;
use homeostat_logic::experiments::verdict::TOPIC;
use homeostat_logic::experiments::{
    Assigned, Counts, Experiment, ExperimentSettings, Happening, Impression, Reaction, Sort,
    StatisticsSettings, Viewer, Watch,
};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::TargetKind;

use crate::support::{judged, noon, proposed, rules};

/// A thousand users of each arm see ten items, of which so many of a thousand are clicked.
fn counted(experiment: &Experiment, control: u32, candidate: u32, now: i64) -> Counts {
    let settings = StatisticsSettings::default();
    let mut counts = Counts::new(&settings);
    let mut served = 0_u32;
    for user in 0..2_000 {
        let assigned: Assigned = experiment.assign(&user.to_string(), now).unwrap();
        let (rate, version) = match assigned.arm.as_str() {
            "candidate" => (candidate, 8),
            _ => (control, 7),
        };
        let items: Vec<String> = (0..10).map(|item| format!("item-{item}")).collect();
        let mut viewer = Viewer::default();
        let impression = Impression {
            list: user.to_string(),
            items: items.clone(),
            assigned: vec![assigned],
            model: format!("recommender@{version}"),
            time: now,
            ..Impression::default()
        };
        viewer.apply(
            0,
            &Happening::Impression(impression),
            now,
            &settings,
            &mut counts,
        );
        for (position, item) in (1..).zip(items) {
            served = served.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (served >> 8) % 1_000 < rate {
                let reaction = Reaction {
                    sort: Sort::Click,
                    item,
                    list: None,
                    time: now,
                };
                viewer.apply(
                    position,
                    &Happening::Reaction(reaction),
                    now,
                    &settings,
                    &mut counts,
                );
            }
        }
    }
    counts
}

#[test]
fn a_significant_drop_of_an_arm_rolls_its_model_back() {
    let declared: ExperimentSettings =
        toml::from_str("arms = { control = 1, candidate = 1 }").unwrap();
    let experiments = [Experiment::new("ranking", &declared).unwrap()];
    let settings = StatisticsSettings::default();
    let counts = counted(&experiments[0], 100, 60, noon());
    let found = Watch::default().look(&counts, &experiments, &settings, noon());
    assert_eq!(found.len(), 1);
    let event = found[0].event().to_string();
    let rules = rules("");
    let verdict = judged(TOPIC, &event, &rules, noon());
    assert_eq!(
        (verdict.severity, verdict.action, verdict.doubt),
        (Severity::Critical, Action::Rollback, None)
    );
    assert_eq!(
        (verdict.target_kind, &*verdict.target),
        (TargetKind::Model, "recommender")
    );
    let proposal = proposed(TOPIC, &event, &rules, noon());
    let decision = &proposal.propose.decisions[0];
    let step = &decision.ladder[0];
    assert_eq!(step.action, Action::Rollback);
    let params = step.params.value();
    assert_eq!(params["model_name"], "recommender");
    assert_eq!(
        (&params["current_version"], &params["to"]),
        (&"8".into(), &"7".into())
    );
}

#[test]
fn equal_arms_lead_to_nothing_and_a_small_drop_to_high_severity() {
    let declared: ExperimentSettings =
        toml::from_str("arms = { control = 1, candidate = 1 }").unwrap();
    let experiments = [Experiment::new("ranking", &declared).unwrap()];
    let settings = StatisticsSettings::default();
    let same = counted(&experiments[0], 100, 100, noon());
    assert_eq!(
        Watch::default().look(&same, &experiments, &settings, noon()),
        []
    );
    let counts = counted(&experiments[0], 500, 440, noon());
    let found = Watch::default().look(&counts, &experiments, &settings, noon());
    let event = found[0].event().to_string();
    let verdict = judged(TOPIC, &event, &rules(""), noon());
    assert_eq!(
        (verdict.severity, verdict.action),
        (Severity::High, Action::Rollback),
        "{event}"
    );
}
