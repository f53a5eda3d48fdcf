//! Intervals by tables: what they hold, what is refused, and the spans that they make.

use super::*;
use crate::ledger::record::Window;

fn at(text: &str) -> Millis {
    DateTime::parse_from_rfc3339(text)
        .unwrap()
        .timestamp_millis()
}

fn read(json: &str) -> Result<Intervals, Vec<(usize, IntervalFault)>> {
    let written: Vec<TimeInterval> = serde_json::from_str(json).unwrap();
    Intervals::new(&written)
}

#[track_caller]
fn holds(json: &str, inside: &[&str], outside: &[&str]) {
    let intervals = read(json).unwrap();
    for moment in inside {
        assert!(intervals.contains(at(moment)), "{json} holds {moment}");
    }
    for moment in outside {
        assert!(!intervals.contains(at(moment)), "{json} holds no {moment}");
    }
}

#[test]
fn every_key_narrows_and_every_interval_adds() {
    // 2026-03-02 is a Monday.
    holds("[{}]", &["2026-03-02T00:00:00Z"], &[]);
    holds("[]", &[], &["2026-03-02T00:00:00Z"]);
    holds(r#"[{"weekdays":[]}]"#, &[], &["2026-03-02T00:00:00Z"]);
    holds(
        r#"[{"times":[{"start_time":"02:00","end_time":"05:00"},{"start_time":"23:59","end_time":"24:00"}]}]"#,
        &[
            "2026-03-02T02:00:00Z",
            "2026-03-02T04:59:59.999Z",
            "2026-03-02T23:59:59.999Z",
        ],
        &[
            "2026-03-02T01:59:59.999Z",
            "2026-03-02T05:00:00Z",
            "2026-03-03T00:00:00Z",
        ],
    );
    holds(
        r#"[{"weekdays":["Monday:wednesday","SUNDAY"]}]"#,
        &[
            "2026-03-02T00:00:00Z",
            "2026-03-04T23:59:59Z",
            "2026-03-01T12:00:00Z",
        ],
        &["2026-03-05T00:00:00Z", "2026-03-07T12:00:00Z"],
    );
    holds(
        r#"[{"weekdays":["friday:monday"]}]"#,
        &[
            "2026-03-06T00:00:00Z",
            "2026-03-07T12:00:00Z",
            "2026-03-01T12:00:00Z",
            "2026-03-02T12:00:00Z",
        ],
        &["2026-03-03T00:00:00Z", "2026-03-05T23:59:59Z"],
    );
    holds(
        r#"[{"months":["december",2,"4:june"],"years":["2026:2027","2030"]}]"#,
        &[
            "2026-12-31T00:00:00Z",
            "2027-02-01T00:00:00Z",
            "2030-05-01T00:00:00Z",
        ],
        &["2026-03-01T00:00:00Z", "2028-12-31T00:00:00Z"],
    );
    holds(
        r#"[{"location":"Asia/Seoul","times":[{"start_time":"00:00","end_time":"01:00"}],"weekdays":["monday"]},{"years":[2000]}]"#,
        &["2026-03-01T15:30:00Z", "2000-06-01T00:00:00Z"],
        &["2026-03-02T00:30:00Z"],
    );
}

#[test]
fn days_of_the_month_count_from_both_ends_and_end_with_the_month() {
    let february = |days: &str| format!(r#"[{{"days_of_month":["{days}"]}}]"#);
    for (days, inside, outside) in [
        ("1:5", "2026-02-05", "2026-02-06"),
        ("-1", "2026-02-28", "2026-02-27"),
        ("-1", "2028-02-29", "2028-02-28"),
        ("-3:-1", "2026-02-26", "2026-02-25"),
        ("27:31", "2026-02-28", "2026-03-01"),
        ("29:31", "2026-03-30", "2026-02-28"),
        ("20:-2", "2026-02-27", "2026-02-28"),
        ("-31:-28", "2026-02-01", "2026-02-02"),
        ("-31", "2026-03-01", "2026-02-01"),
    ] {
        let noon = |day: &str| format!("{day}T12:00:00Z");
        holds(
            &february(days),
            &[noon(inside).as_str()],
            &[noon(outside).as_str()],
        );
    }
}

#[test]
fn what_is_refused_says_where_and_what_would_be_right() {
    for (json, expected) in [
        (
            r#"{"times":[{"start_time":"22:00","end_time":"06:00"}]}"#,
            r#"times[0]: 22:00 to 06:00 passes midnight; write two, { start_time = "22:00", end_time = "24:00" } and { start_time = "00:00", end_time = "06:00" }"#,
        ),
        (
            r#"{"times":[{"start_time":"05:00","end_time":"05:00"}]}"#,
            "times[0]: 05:00 to 05:00 holds no time",
        ),
        (
            r#"{"times":[{"start_time":"22:00","end_time":"00:00"}]}"#,
            "the end of the day is \"24:00\"",
        ),
        (
            r#"{"times":[{"start_time":"24:00","end_time":"05:00"}]}"#,
            "24:00 to 05:00 holds no time",
        ),
        (
            r#"{"times":[{"start_time":"02:00"}]}"#,
            "has no start_time or no end_time",
        ),
        (
            r#"{"times":[{"start_time":"2:00","end_time":"05:00"}]}"#,
            "`2:00` is not a time of day; write HH:MM",
        ),
        (
            r#"{"times":[{"start_time":"02:00","end_time":"24:01"}]}"#,
            "`24:01` is not a time of day",
        ),
        (
            r#"{"weekdays":["sunday","mon"]}"#,
            "weekdays[1]: `mon` is not a weekday; did you mean `monday`?",
        ),
        (r#"{"weekdays":[1]}"#, "`1` is not a weekday; use one of"),
        (
            r#"{"weekdays":["monday:tuesday:friday"]}"#,
            "is not a range",
        ),
        (r#"{"days_of_month":["0"]}"#, "0 is no day of a month"),
        (r#"{"days_of_month":[32]}"#, "32 is no day of a month"),
        (
            r#"{"days_of_month":["-1:1"]}"#,
            "begins at the end of a month",
        ),
        (r#"{"days_of_month":["5:1"]}"#, "5:1 ends before it begins"),
        (r#"{"days_of_month":["10:-25"]}"#, "ends before it begins"),
        (r#"{"days_of_month":["first"]}"#, "`first` is not a day"),
        (r#"{"months":["13"]}"#, "13 is no month"),
        (r#"{"months":["sept"]}"#, "did you mean `september`?"),
        (r#"{"months":["december:january"]}"#, "12:1 ends before"),
        (r#"{"years":["2030:2026"]}"#, "2030:2026 ends before"),
        (r#"{"years":["2026.5"]}"#, "is not a year"),
        (
            r#"{"location":"Europe/Berln"}"#,
            "location: `Europe/Berln` is not a time zone",
        ),
        (r#"{"location":"Local"}"#, "another clock on each machine"),
    ] {
        let faults = read(&format!("[{{}},{json}]")).unwrap_err();
        assert_eq!(faults.len(), 1, "{json}: {faults:?}");
        assert_eq!(faults[0].0, 1);
        let text = faults[0].1.to_string();
        assert!(text.contains(expected), "{json}: {text}");
    }
    let several = read(r#"[{"weekdays":["mon","tue"],"months":["jan"]},{"years":["x"]}]"#);
    assert_eq!(several.unwrap_err().len(), 4, "each of them is reported");
}

fn first(json: &str, now: &str) -> Option<Window> {
    let windows = read(json).unwrap().next(at(now));
    windows.map(|windows| windows.first())
}

#[test]
fn spans_join_over_midnight_and_begin_where_they_began() {
    let nights = r#"[
        {"times":[{"start_time":"22:00","end_time":"24:00"}],"weekdays":["friday"]},
        {"times":[{"start_time":"00:00","end_time":"06:00"}],"weekdays":["saturday"]}]"#;
    let friday = Window {
        from: at("2026-03-06T22:00:00Z"),
        to: at("2026-03-07T06:00:00Z"),
    };
    for now in ["2026-03-02T00:00:00Z", "2026-03-07T05:59:59Z"] {
        assert_eq!(first(nights, now), Some(friday), "{now}");
    }
    let whole_days = r#"[{"weekdays":["saturday","sunday"],"location":"Europe/Berlin"}]"#;
    let change = Window {
        from: at("2026-03-27T23:00:00Z"),
        to: at("2026-03-29T22:00:00Z"),
    };
    assert_eq!(first(whole_days, "2026-03-25T00:00:00Z"), Some(change));
}

#[test]
fn rare_spans_are_found_with_those_of_their_week_and_what_never_comes_is_none() {
    let from = |json: &str, now: &str| first(json, now).map(|window| window.from);
    let new_year = r#"[{"months":["january"],"days_of_month":["1:3"],"times":[{"start_time":"02:00","end_time":"03:00"}]}]"#;
    assert_eq!(
        from(new_year, "2026-02-01T00:00:00Z"),
        Some(at("2027-01-01T02:00:00Z"))
    );
    let windows = read(new_year).unwrap().next(at("2026-02-01T00:00:00Z"));
    assert_eq!(windows.unwrap().iter().count(), 3);
    for never in [
        r#"[{"months":["february"],"days_of_month":["30"]}]"#,
        r#"[{"years":["2028"]}]"#,
        "[]",
    ] {
        assert_eq!(first(never, "2026-02-01T00:00:00Z"), None, "{never}");
    }
    // What never ends is cut.
    let always = first("[{}]", "2026-02-01T12:00:00Z").unwrap();
    assert_eq!(always.to, at("2026-02-11T00:00:00Z"));
    for now in [Millis::MAX, Millis::MIN] {
        assert!(!read("[{}]").unwrap().contains(now));
        assert_eq!(read("[{}]").unwrap().next(now), None);
    }
}
