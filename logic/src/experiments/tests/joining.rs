//! Clicks joined to impressions of one user: tables of what counts and what does not.

use super::super::arms::Assigned;
use super::super::impressions::{EARLY_MAX, LISTS_MAX};
use super::super::seen::{Happening, Reaction, Seen, Sort};
use super::super::settings::StatisticsSettings;
use super::{DAY, HOUR, MINUTE, MONDAY, One, click, list};

fn shown(id: &str, items: &[&str], minute: i64) -> Happening {
    Happening::Impression(list(id, items, MONDAY + minute * MINUTE))
}

fn clicked(item: &str, minute: i64) -> Happening {
    click(item, MONDAY + minute * MINUTE)
}

#[test]
fn a_click_counts_within_the_window_and_at_its_edges() {
    // Minutes of the click after the impression; whether it counts.
    for (minute, seen) in [
        (-6, Seen::Unattributed),
        (-5, Seen::Counted),
        (0, Seen::Counted),
        (30, Seen::Counted),
        (31, Seen::Unattributed),
    ] {
        let mut one = One::new(StatisticsSettings::default());
        one.apply(&shown("l", &["a", "b"], 60));
        assert_eq!(one.apply(&clicked("b", 60 + minute)), seen, "{minute}");
        let (total, daily) = (one.total(), one.daily());
        let counted = u64::from(seen == Seen::Counted);
        assert_eq!((total.impressions, total.clicks), (2, counted), "{minute}");
        assert_eq!(
            (daily.clicks, daily.unattributed),
            (counted, 1 - counted),
            "{minute}"
        );
    }
}

#[test]
fn a_click_counts_once_for_a_list_and_again_for_another() {
    let mut one = One::new(StatisticsSettings::default());
    one.apply(&shown("first", &["a", "b"], 0));
    assert_eq!(one.apply(&clicked("a", 1)), Seen::Counted);
    assert_eq!(one.apply(&clicked("a", 2)), Seen::Repeated);
    one.apply(&shown("second", &["a"], 3));
    assert_eq!(
        one.apply(&clicked("a", 4)),
        Seen::Counted,
        "the newest list"
    );
    assert_eq!(one.apply(&clicked("a", 5)), Seen::Repeated);
    assert_eq!(
        one.apply(&clicked("b", 5)),
        Seen::Counted,
        "the only list with it"
    );
    assert_eq!((one.total().impressions, one.total().clicks), (3, 3));
    assert_eq!(one.daily().repeated_reactions, 2);
}

#[test]
fn a_click_that_names_its_list_counts_for_that_one() {
    let mut one = One::new(StatisticsSettings::default());
    one.apply(&shown("first", &["b", "a"], 0));
    one.apply(&shown("second", &["a"], 1));
    let named = |list: &str| {
        Happening::Reaction(Reaction {
            sort: Sort::Click,
            item: "a".to_owned(),
            list: Some(list.to_owned()),
            time: MONDAY + 2 * MINUTE,
        })
    };
    assert_eq!(one.apply(&named("first")), Seen::Counted);
    assert_eq!(one.apply(&named("first")), Seen::Repeated);
    assert_eq!(one.apply(&named("third")), Seen::Unattributed);
    let second = one.counts.cells.iter().filter(|(_, cell)| cell.clicks == 1);
    let places: Vec<String> = second.map(|(key, _)| key.position.label()).collect();
    assert_eq!(places, ["2"]);
}

#[test]
fn a_list_that_is_served_again_counts_once_and_one_without_an_id_each_time() {
    let mut one = One::new(StatisticsSettings::default());
    assert_eq!(one.apply(&shown("l", &["a"], 0)), Seen::Counted);
    assert_eq!(one.apply(&shown("l", &["a"], 10)), Seen::Repeated);
    assert_eq!(one.apply(&shown("", &["a"], 10)), Seen::Counted);
    assert_eq!(one.apply(&shown("", &["a"], 10)), Seen::Counted);
    assert_eq!(one.apply(&shown("empty", &[], 10)), Seen::Empty);
    let daily = one.daily();
    assert_eq!(
        (daily.lists, daily.repeated_lists, one.total().impressions),
        (3, 1, 3)
    );
}

#[test]
fn a_click_before_its_impression_is_joined_when_that_arrives() {
    let mut one = One::new(StatisticsSettings::default());
    assert_eq!(one.apply(&clicked("a", 1)), Seen::Unattributed);
    assert_eq!(one.apply(&clicked("a", 1)), Seen::Unattributed);
    assert_eq!(one.daily().unattributed, 2);
    one.apply(&shown("l", &["a", "b"], 0));
    let daily = one.daily();
    assert_eq!((daily.clicks, daily.attributed_later), (1, 1), "once");
    assert_eq!(one.apply(&clicked("a", 2)), Seen::Repeated);
    // What waited too long does not come back.
    one.apply(&clicked("c", 3));
    one.apply(&shown("m", &["d"], 40));
    one.apply(&shown("late", &["c"], 2));
    assert_eq!(one.daily().attributed_later, 1);
}

#[test]
fn an_event_applied_again_changes_nothing() {
    let mut one = One::new(StatisticsSettings::default());
    let events = [shown("l", &["a", "b"], 0), clicked("a", 1), clicked("z", 1)];
    for event in &events {
        one.apply(event);
    }
    let (viewer, counts) = (one.viewer.clone(), one.counts.clone());
    for (position, event) in (0..).zip(&events) {
        let seen = one
            .viewer
            .apply(position, event, MONDAY, &one.settings, &mut one.counts);
        assert_eq!(seen, Seen::Applied);
    }
    assert_eq!((one.viewer, one.counts), (viewer, counts));
}

#[test]
fn a_state_that_was_stored_goes_on_as_before() {
    let mut one = One::new(StatisticsSettings::default());
    one.apply(&shown("l", &["a", "b"], 0));
    one.apply(&clicked("z", 1));
    let text = serde_json::to_string(&one.viewer).unwrap();
    let read = serde_json::from_str(&text).unwrap();
    assert_eq!(one.viewer, read);
    one.viewer = read;
    assert_eq!(one.apply(&clicked("a", 2)), Seen::Counted);
}

#[test]
fn what_is_beyond_an_hour_of_a_person_is_excluded_and_the_next_hour_counts_again() {
    let settings = StatisticsSettings {
        impressions_per_hour_max: 5,
        reactions_per_hour_max: 2,
        ..StatisticsSettings::default()
    };
    let mut one = One::new(settings);
    assert_eq!(one.apply(&shown("1", &["a", "b", "c"], 0)), Seen::Counted);
    assert_eq!(
        one.apply(&shown("2", &["d", "e", "f"], 1)),
        Seen::Excluded,
        "as a whole"
    );
    assert_eq!(one.apply(&clicked("d", 2)), Seen::Excluded, "its list is");
    assert_eq!(one.apply(&clicked("a", 2)), Seen::Counted);
    assert_eq!(one.apply(&clicked("b", 2)), Seen::Counted);
    assert_eq!(one.apply(&clicked("c", 2)), Seen::Excluded);
    assert_eq!(one.apply(&clicked("x", 2)), Seen::Excluded);
    assert_eq!(one.apply(&shown("3", &["g"], 60)), Seen::Counted);
    // An older time does not open the older hour again.
    for place in 0..10 {
        one.apply(&shown(&format!("old{place}"), &["h"], 30));
    }
    let daily = one.daily();
    assert_eq!(
        (daily.excluded_impressions, daily.excluded_reactions),
        (3 + 6, 3)
    );
    assert_eq!(
        (one.total().impressions, one.total().clicks),
        (3 + 1 + 4, 2)
    );
}

#[test]
fn times_in_the_future_count_as_now_and_those_before_1970_as_then() {
    let mut one = One::new(StatisticsSettings::default());
    let now = MONDAY;
    for (position, time) in [(0, i64::MAX), (1, i64::MIN), (2, MONDAY + 40 * DAY)] {
        let event = Happening::Impression(list("", &["a"], time));
        one.viewer
            .apply(position, &event, now, &one.settings, &mut one.counts);
    }
    let days: Vec<i32> = one.counts.days.keys().map(|day| day.0).collect();
    assert_eq!(days, [i32::MIN, (MONDAY / DAY) as i32]);
}

#[test]
fn the_first_arm_of_a_user_counts_and_lists_of_another_one_are_left_out() {
    let mut one = One::new(StatisticsSettings::default());
    let of = |id: &str, arms: &[(&str, &str)]| {
        let mut list = list(id, &["a", "b"], MONDAY);
        list.assigned = arms
            .iter()
            .map(|(experiment, arm)| Assigned {
                experiment: (*experiment).to_owned(),
                arm: (*arm).to_owned(),
                epoch: "e".to_owned(),
            })
            .collect();
        Happening::Impression(list)
    };
    one.apply(&of("1", &[("ranking", "control"), ("size", "large")]));
    one.apply(&of("2", &[("ranking", "candidate"), ("size", "large")]));
    one.apply(&of(
        "3",
        &[
            ("ranking", "control"),
            ("ranking", "control"),
            ("not/a name", "x"),
        ],
    ));
    let users = |experiment: &str, arm: &str| {
        let [clicks, ..] = super::super::compare::sums(&one.counts, experiment, arm);
        (clicks.users, clicks.below)
    };
    assert_eq!(users("ranking", "control"), (1.0, 4.0));
    assert_eq!(users("ranking", "candidate"), (0.0, 0.0));
    assert_eq!(users("size", "large"), (1.0, 4.0));
    assert_eq!(users("", ""), (1.0, 6.0));
    assert_eq!(one.daily().other_arm_lists, 1);
    assert_eq!(one.counts.entries.values().sum::<u64>(), 2);
    // A click on a list of another arm counts for everything, and not for an arm.
    one.apply(&Happening::Reaction(Reaction {
        sort: Sort::Click,
        item: "b".to_owned(),
        list: Some("2".to_owned()),
        time: MONDAY,
    }));
    let clicks: u64 = one.counts.cells.values().map(|cell| cell.clicks).sum();
    assert_eq!(clicks, 2, "everything, and experiment size");
}

#[test]
fn places_of_a_further_page_go_on_and_negative_feedback_is_apart() {
    let mut one = One::new(StatisticsSettings::default());
    let mut page = list("l", &["a", "b", "c"], MONDAY);
    page.first_place = 10;
    one.apply(&Happening::Impression(page));
    one.apply(&Happening::Reaction(Reaction {
        sort: Sort::Negative,
        item: "a".to_owned(),
        list: None,
        time: MONDAY,
    }));
    one.apply(&click("a", MONDAY));
    let cells = one.counts.cells.iter();
    let cells: Vec<_> = cells
        .map(|(key, cell)| {
            (
                key.position.label(),
                cell.impressions,
                cell.clicks,
                cell.negatives,
            )
        })
        .collect();
    assert_eq!(
        cells,
        [("10".to_owned(), 1, 1, 1), ("11-20".to_owned(), 2, 0, 0)]
    );
}

#[test]
fn the_state_of_a_user_is_bounded_whatever_comes() {
    let mut one = One::new(StatisticsSettings::default());
    let long = "x".repeat(1_000);
    for number in 0..2_000 {
        let mut shown = list(
            &format!("list-{number:032}"),
            &[long.as_str(); 200],
            MONDAY + number * HOUR,
        );
        shown.model = format!("model-{number}@{number}");
        shown.assigned = (0..20)
            .map(|arm| Assigned {
                experiment: format!("experiment-{}", number + arm),
                arm: "control".to_owned(),
                epoch: "e".to_owned(),
            })
            .collect();
        one.apply(&Happening::Impression(shown));
        one.apply(&click(&format!("unknown-{number}"), MONDAY + number * HOUR));
    }
    let json = serde_json::to_value(&one.viewer).unwrap();
    let length = |name: &str| json[name].as_array().unwrap().len();
    assert!(length("lists") == LISTS_MAX && length("early") <= EARLY_MAX);
    let bytes = json.to_string().len();
    assert!(bytes < 64 * 1_024, "{bytes} bytes at worst");
}

#[test]
fn the_state_of_a_usual_user_is_small() {
    let mut one = One::new(StatisticsSettings::default());
    let items: Vec<String> = (0..10).map(|item| format!("item-{item}")).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    for number in 0..40 {
        one.apply(&shown(&format!("0-{number}"), &items, number));
        one.apply(&clicked("item-3", number));
    }
    let bytes = serde_json::to_string(&one.viewer).unwrap().len();
    assert!(bytes < 4_096, "{bytes} bytes");
}
