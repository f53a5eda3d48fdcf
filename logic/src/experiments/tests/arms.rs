//! Which arm a user is in.

use super::super::arms::{Experiment, State};
use super::super::settings::ExperimentSettings;
use super::{DAY, MONDAY, experiment, halves};
use crate::activity::Arms as _;

fn arm_of(experiment: &Experiment, user: usize) -> String {
    experiment
        .assign(&format!("user-{user}"), MONDAY)
        .unwrap()
        .arm
}

/// Computed by the Python of docs/experiments.md, so that a backend that follows it gets the same arms.
#[test]
fn arms_are_those_that_the_documentation_computes() {
    let halves = halves();
    let three = experiment("arms = { control = 2, a = 1, b = 1 }\nsalt = \"s\"");
    let page = include_str!("../../../../docs/experiments.md");
    let table = page.split("<!-- arms -->").nth(1).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect()
        })
        .collect();
    assert!(rows.len() >= 5);
    for row in rows {
        let arms = [&halves, &three].map(|one| one.assign(row[0], MONDAY).unwrap().arm);
        assert_eq!(arms, [row[1], row[2]], "{row:?}");
    }
}

#[test]
fn shares_are_those_of_the_weights() {
    let uneven = experiment("arms = { control = 7, candidate = 3 }");
    let users = 20_000;
    let candidates = (0..users)
        .filter(|user| arm_of(&uneven, *user) == "candidate")
        .count();
    // Three standard deviations are 195.
    assert!(
        (5_805..=6_195).contains(&candidates),
        "{candidates} of {users}"
    );
}

#[test]
fn a_new_arm_and_a_larger_weight_move_users_only_to_themselves() {
    let before = halves();
    let changes = [
        (
            "arms = { control = 1, candidate = 1, third = 1 }",
            "third",
            1.0 / 3.0,
        ),
        ("arms = { control = 1, candidate = 3 }", "candidate", 0.25),
    ];
    for (after, gains, share) in changes {
        let after = experiment(after);
        let moved: Vec<(String, String)> = (0..10_000)
            .map(|user| (arm_of(&before, user), arm_of(&after, user)))
            .filter(|(was, is)| was != is)
            .collect();
        assert!(moved.iter().all(|(_, is)| is == gains), "{gains}");
        let moved = moved.len() as f64 / 10_000.0;
        assert!((moved - share).abs() < 0.02, "{gains} takes {moved}");
    }
}

#[test]
fn a_share_keeps_its_users_when_it_grows_and_does_not_depend_on_the_arm() {
    let of = |share: &str| {
        experiment(&format!(
            "arms = {{ control = 1, candidate = 1 }}\nshare = {share}"
        ))
    };
    let (tenth, half) = (of("0.1"), of("0.5"));
    let arm =
        |one: &Experiment, user: usize| one.assign(&user.to_string(), MONDAY).map(|one| one.arm);
    let mut counts = [0, 0, 0];
    for user in 0..10_000 {
        let (few, more) = (arm(&tenth, user), arm(&half, user));
        if few.is_some() {
            assert_eq!(few, more);
            counts[0] += 1;
            counts[1] += usize::from(few.as_deref() == Some("control"));
        }
        counts[2] += usize::from(more.is_some());
    }
    assert!(
        (900..1_100).contains(&counts[0]) && (4_800..5_200).contains(&counts[2]),
        "{counts:?}"
    );
    assert!((420..580).contains(&counts[1]), "{counts:?}");
}

#[test]
fn an_experiment_assigns_between_its_start_and_its_end() {
    let times = "start = \"2026-03-02T00:00:00Z\"\nend = \"2026-03-09T01:00:00+01:00\"";
    let week = experiment(&format!(
        "arms = {{ control = 1, candidate = 1 }}\n{times}\nexclude = [\"tester\"]"
    ));
    for (time, state) in [
        (MONDAY - 1, State::Waiting),
        (MONDAY, State::Running),
        (MONDAY + 7 * DAY - 1, State::Running),
        (MONDAY + 7 * DAY, State::Ended),
    ] {
        assert_eq!(week.state(time), state, "{time}");
        assert_eq!(week.assign("7", time).is_some(), state == State::Running);
    }
    assert_eq!(week.assign("tester", MONDAY), None);
}

#[test]
fn an_arm_of_weight_0_gets_no_users_and_the_salt_divides_again() {
    let none = experiment("arms = { control = 1, candidate = 0 }");
    assert!((0..1_000).all(|user| arm_of(&none, user) == "control"));
    let (one, two) = (
        halves(),
        experiment("arms = { control = 1, candidate = 1 }\nsalt = \"again\""),
    );
    let same = (0..10_000)
        .filter(|user| arm_of(&one, *user) == arm_of(&two, *user))
        .count();
    assert!((4_800..5_200).contains(&same), "{same}");
    assert_ne!(one.epoch(), two.epoch());
}

#[test]
fn what_cannot_be_declared_says_which_key_and_what_to_write() {
    let cases = [
        ("", "arms: there are 0"),
        ("arms = { control = 1 }", "arms: there are 1"),
        ("arms = { control = 1, \"a b\" = 1 }", "\"a b\""),
        ("arms = { control = 1, b = -1 }", "arms.b is -1"),
        ("arms = { control = 1, b = nan }", "arms.b is NaN"),
        ("arms = { control = 0, b = 0 }", "every weight is 0"),
        ("arms = { a = 1, b = 1 }", "control is \"control\""),
        (
            "arms = { control = 1, b = 1 }\nmodels = { c = \"x\" }",
            "models.c",
        ),
        ("arms = { control = 1, b = 1 }\nsalt = \"a:b\"", "salt"),
        ("arms = { control = 1, b = 1 }\nshare = 1.5", "share is 1.5"),
        (
            "arms = { control = 1, b = 1 }\nstart = \"tomorrow\"",
            "start is \"tomorrow\"",
        ),
        (
            "arms = { control = 1, b = 1 }\nend = \"2026-03-02T00:00:00\"",
            "end is",
        ),
        (
            "arms = { control = 1, b = 1 }\nstart = \"2026-03-02T00:00:00Z\"\nend = \"2026-03-02T00:00:00Z\"",
            "end is not after start",
        ),
        (
            "arms = { control = 1, b = 1 }\nguardrails.coverage.margin = -1",
            "guardrails.coverage.margin",
        ),
    ];
    for (text, part) in cases {
        let settings: ExperimentSettings = toml::from_str(text).unwrap();
        let problem = Experiment::new("ranking", &settings)
            .unwrap_err()
            .to_string();
        assert!(problem.contains(part), "{text}: {problem}");
    }
    let settings = ExperimentSettings::default();
    assert!(Experiment::new("a/b", &settings).is_err());
    let nine = (0..9)
        .map(|number| (format!("e{number}"), settings.clone()))
        .collect();
    assert!(Experiment::all(&nine).is_err());
}

#[test]
fn of_experiments_that_make_lists_differently_a_user_is_in_the_first_alone() {
    let declared = |name: &str, text: &str| {
        let settings: ExperimentSettings = toml::from_str(text).unwrap();
        Experiment::new(name, &settings).unwrap()
    };
    let halves = "arms = { control = 1, candidate = 1 }";
    let all = [
        declared(
            "a",
            &format!("{halves}\nshare = 0.5\nmodels.candidate = \"x\""),
        ),
        declared("b", halves),
        declared(
            "c",
            &format!("{halves}\nsettings.candidate.trend_weight = 1"),
        ),
    ];
    let in_a = |user: &str| all[0].assign(user, MONDAY).is_some();
    let mut both = [0, 0];
    for user in (0..2_000).map(|user| format!("user-{user}")) {
        let names: Vec<String> = all
            .of_user(&user, MONDAY)
            .into_iter()
            .map(|one| one.experiment)
            .collect();
        let expected = if in_a(&user) { ["a", "b"] } else { ["b", "c"] };
        assert_eq!(names, expected, "{user}");
        both[usize::from(in_a(&user))] += 1;
    }
    assert!(both.iter().all(|users| *users > 800), "{both:?}");
}

#[test]
fn constants_of_an_arm_are_those_of_scores_alone() {
    for (text, part) in [
        (
            "settings.other.trend_weight = 1",
            "settings.other: there is no such arm",
        ),
        (
            "settings.candidate.learn_decay = 1",
            "there is no setting \"learn_decay\"",
        ),
        ("settings.candidate.trend_weight = -1", "from 0 to 1000"),
    ] {
        let text = format!("arms = {{ control = 1, candidate = 1 }}\n{text}");
        let settings: ExperimentSettings = toml::from_str(&text).unwrap();
        let problem = Experiment::new("x", &settings).unwrap_err().to_string();
        assert!(problem.contains(part), "{problem}");
    }
}
