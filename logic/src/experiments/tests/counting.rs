//! Counters: sums of shards, bounds, days that become old, and redelivery.

use proptest::prelude::*;

use super::super::arms::Assigned;
use super::super::counts::{Counts, Day};
use super::super::impressions::Viewer;
use super::super::names::EVERYTHING;
use super::super::seen::Happening;
use super::super::settings::StatisticsSettings;
use super::super::shards::{AllCounts, CountsDelta, Outcome, ShardCounts, ShardError};
use super::super::tables::Tables;
use super::{DAY, HOUR, MONDAY, One, click, halves, list};

/// An event of a user: shown at an hour, or clicked.
fn event(user: usize, number: usize, hour: i64, is_click: bool) -> Happening {
    let time = MONDAY + hour * HOUR;
    if is_click {
        return click(&format!("item-{}", number % 5), time);
    }
    let assigned = halves().assign(&user.to_string(), MONDAY);
    let mut shown = list(
        &format!("{user}-{number}"),
        &["item-0", "item-1", "item-2"],
        time,
    );
    shown.assigned = assigned.into_iter().collect::<Vec<Assigned>>();
    shown.segment = format!("segment-{}", user % 3);
    shown.latency_ms = Some(10.0 + number as f64 / 128.0);
    Happening::Impression(shown)
}

fn is_first(text: &str) -> bool {
    text.starts_with("{\"position\":")
}

fn events() -> impl Strategy<Value = Vec<(usize, i64, bool)>> {
    prop::collection::vec((0_usize..8, 0_i64..200, any::<bool>()), 0..120)
}

proptest! {
    #[test]
    fn shards_add_up_to_one_and_text_keeps_them(events in events()) {
        let settings = StatisticsSettings::default();
        let mut all = Counts::new(&settings);
        let mut shards = [ShardCounts::new(&settings), ShardCounts::new(&settings)];
        let mut viewers = vec![(Viewer::default(), Viewer::default()); 8];
        for (position, (user, hour, is_click)) in (0_i64..).zip(&events) {
            let event = event(*user, position as usize, *hour, *is_click);
            let (one, other) = &mut viewers[*user];
            one.apply(position, &event, MONDAY + 99 * DAY, &settings, &mut all);
            let shard = shards[*user % 2].at(position).unwrap();
            other.apply(position, &event, MONDAY + 99 * DAY, &settings, shard);
        }
        let stored = shards.each_ref().map(ShardCounts::to_json);
        prop_assert!(stored.iter().all(|text| is_first(text)));
        let read = stored.map(|text| ShardCounts::from_json(&text, &settings).unwrap());
        prop_assert_eq!(&read, &shards);
        let [mut sum, other] = read;
        sum.merge(&other);
        prop_assert_eq!(sum.counts(), &all);
    }

    #[test]
    fn a_crash_between_two_writes_counts_nothing_twice(events in events(), crash in 0_usize..120, back in 0_usize..20) {
        let settings = StatisticsSettings::default();
        let run = |crash: Option<usize>| {
            let mut shard = ShardCounts::new(&settings);
            let mut viewers = vec![Viewer::default(); 8];
            let mut stored = viewers.clone();
            let mut position = 0_usize;
            let mut crash = crash.filter(|at| *at < events.len());
            while let Some((user, hour, is_click)) = events.get(position) {
                if crash.is_some_and(|at| position + back == at) {
                    stored = viewers.clone();
                }
                if crash == Some(position) {
                    // The counters are stored; the users are as they were some events ago, and these come again.
                    crash = None;
                    viewers = stored.clone();
                    position = position.saturating_sub(back);
                    continue;
                }
                let event = event(*user, position, *hour, *is_click);
                let mut again = Counts::new(&settings);
                let counts = shard.at(i64::try_from(position).unwrap()).unwrap_or(&mut again);
                viewers[*user].apply(i64::try_from(position).unwrap(), &event, MONDAY + 99 * DAY, &settings, counts);
                position += 1;
            }
            (shard, viewers)
        };
        let back_fits = crash >= back;
        prop_assume!(back_fits);
        prop_assert_eq!(run(Some(crash)), run(None));
    }
}

fn counted(lists: i64) -> Counts {
    let mut one = One::new(StatisticsSettings::default());
    for number in 0..lists {
        one.apply(&event(number as usize, number as usize, number, false));
    }
    one.counts
}

#[test]
fn deltas_count_once_in_order_and_of_the_newest_owner() {
    let settings = StatisticsSettings::default();
    let mut all = AllCounts::new(&settings);
    let delta = |shard, token, from, to| CountsDelta {
        shard,
        token,
        from,
        to,
        counts: counted(1),
    };
    let steps = [
        (delta(0, 1, -1, 4), Outcome::Added),
        (delta(0, 1, -1, 4), Outcome::Repeated),
        (delta(0, 1, 2, 6), Outcome::Overlap),
        (delta(1, 1, -1, 9), Outcome::Added),
        (delta(0, 2, 4, 5), Outcome::Added),
        (delta(0, 1, 5, 7), Outcome::Fenced),
        (delta(0, 2, 8, 9), Outcome::AddedAfterGap),
    ];
    for (delta, outcome) in steps {
        let delta: CountsDelta =
            serde_json::from_str(&serde_json::to_string(&delta).unwrap()).unwrap();
        assert_eq!(all.apply(&delta), outcome, "{} {}", delta.from, delta.to);
    }
    all.claim(1, 7);
    assert_eq!(all.apply(&delta(1, 6, 9, 10)), Outcome::Fenced);
    let lists: u64 = all.total().days.values().map(|day| day.lists).sum();
    assert_eq!(lists, 4);
    let read = AllCounts::from_json(&all.to_json(), &settings).unwrap();
    assert_eq!(read, all);
    assert_eq!(read.progress(0).unwrap().to, 9);
}

#[test]
fn a_shard_that_sends_deltas_goes_on_where_they_end() {
    let settings = StatisticsSettings::default();
    let mut all = AllCounts::new(&settings);
    let mut viewer = Viewer::default();
    let mut shard = ShardCounts::new(&settings);
    for position in 0..30_i64 {
        let event = event(1, position as usize, position, false);
        if position == 17 {
            // Another owner, that counts what no delta holds; the user's state was stored before it.
            let to = all.progress(4).unwrap().to;
            shard = ShardCounts::behind(to, &settings);
            assert_eq!(to, 14);
            viewer = Viewer::default();
            for again in 0..17_i64 {
                let event = self::event(1, again as usize, again, false);
                let mut counted = Counts::new(&settings);
                let counts = shard.at(again).unwrap_or(&mut counted);
                viewer.apply(again, &event, MONDAY + DAY, &settings, counts);
            }
        }
        viewer.apply(
            position,
            &event,
            MONDAY + DAY,
            &settings,
            shard.at(position).unwrap(),
        );
        if position % 5 == 4 {
            let delta = shard.take_delta(4, 1 + u64::from(position > 16)).unwrap();
            assert_eq!(
                all.apply(&delta),
                Outcome::Added,
                "{} {}",
                delta.from,
                delta.to
            );
            assert_eq!(shard.take_delta(4, 1), None);
        }
    }
    let lists: u64 = all.total().days.values().map(|day| day.lists).sum();
    let users: f64 = all
        .total()
        .arms
        .values()
        .map(|[clicks, ..]| clicks.users)
        .sum();
    assert_eq!(
        (lists, users),
        (30, 2.0),
        "one user, of everything and of an arm"
    );
}

#[test]
fn old_days_are_added_up_and_totals_stay() {
    let settings = StatisticsSettings {
        days_max: 8,
        ..StatisticsSettings::default()
    };
    let mut one = One::new(settings.clone());
    for day in 0..30 {
        one.apply(&event(1, day as usize, day * 24, false));
        one.apply(&event(1, 0, day * 24, true));
    }
    // A late one of a day that is no longer kept.
    one.apply(&event(1, 99, 0, false));
    let tables = Tables::of(&one.counts, EVERYTHING, None);
    assert_eq!((tables.total.impressions, tables.total.clicks), (93, 30));
    let rows = tables.days(1.0, |_| None);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), 9);
    assert_eq!(
        (names[0], names[1], names[8]),
        ("earlier", "2026-03-24", "2026-03-31")
    );
    assert_eq!(rows[0].counted.impressions, 22 * 3 + 3);
    let again = ShardCounts::from_json(
        &format!(
            "{{\"position\":1,\"counts\":{}}}",
            serde_json::to_string(&one.counts).unwrap()
        ),
        &settings,
    );
    assert_eq!(again.unwrap().counts(), &one.counts);
}

#[test]
fn beyond_the_bound_what_comes_is_counted_as_other_and_totals_stay() {
    let settings = StatisticsSettings {
        counters_max: 100,
        ..StatisticsSettings::default()
    };
    let mut one = One::new(settings);
    for number in 0..500_i64 {
        let mut shown = list(
            &number.to_string(),
            &["a", "b"],
            MONDAY + (number % 3) * DAY,
        );
        shown.segment = format!("segment-{number}");
        one.apply(&Happening::Impression(shown));
    }
    assert!(
        one.counts.cells.len() <= 100 + 3,
        "{}",
        one.counts.cells.len()
    );
    let tables = Tables::of(&one.counts, EVERYTHING, None);
    assert_eq!(tables.total.impressions, 1_000);
    let rows = tables.segments(&one.counts, |_| None);
    assert_eq!(rows[0].name, "other");
    let mut twice = one.counts.clone();
    twice.merge(&one.counts);
    let tables = Tables::of(&twice, EVERYTHING, None);
    assert_eq!(
        (tables.total.impressions, twice.newest()),
        (2_000, Some(Day::of(MONDAY + 2 * DAY)))
    );
}

#[test]
fn what_is_no_counters_is_refused() {
    let settings = StatisticsSettings::default();
    let empty = r#"{"position":1,"counts":{"names":["","other"],"cells":[],"days":[],"arms":[],"segments":[],"lines":[],"entries":[]}}"#;
    assert!(ShardCounts::from_json(empty, &settings).is_ok());
    for wrong in [
        "",
        "{}",
        "[]",
        &empty.replace("\"other\"", "\"else\""),
        &empty.replace("\"cells\":[]", "\"cells\":[[1]]"),
    ] {
        let problem = ShardCounts::from_json(wrong, &settings).unwrap_err();
        assert!(matches!(problem, ShardError::Form(_)), "{wrong}: {problem}");
    }
    // A name that does not exist is other, not a panic.
    let odd = empty.replace("\"cells\":[]", "\"cells\":[[1,77,0,0,0,1,5,1,0]]");
    let read = ShardCounts::from_json(&odd, &settings).unwrap();
    let mut sum = Counts::new(&settings);
    sum.merge(read.counts());
    assert_eq!(sum.cells.len(), 1);
}
