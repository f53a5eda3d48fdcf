//! Time intervals as they are written: every fault at its line with what is probably meant, and warnings of what has no effect.

use homeostat::configuration::{Configuration, DEFAULT};
use homeostat_logic::rules::Rules;

use crate::loading::{faults, loaded};

fn warnings(configuration: &Configuration) -> Vec<String> {
    let warnings = configuration.warnings.iter().map(ToString::to_string);
    warnings
        .map(|line| match line.find("site.toml:") {
            Some(at) => line[at..].to_owned(),
            None => line,
        })
        .collect()
}

const NIGHTS: &str =
    "[[time_intervals.nights]]\ntimes = [{ start_time = \"22:00\", end_time = \"24:00\" }]\n";

#[test]
fn each_fault_of_an_interval_stands_at_its_list_with_what_is_meant() {
    let table = [
        (
            "weekdays = [\"mon\"]",
            "weekdays[0]: `mon` is not a weekday; did you mean `monday`?",
        ),
        (
            "weekday = [\"monday\"]",
            "unknown key `weekday`; did you mean `weekdays`?",
        ),
        (
            "time_zone = \"UTC\"",
            "unknown key `time_zone`; did you mean `location`?",
        ),
        ("weekdays = \"monday\"", "weekdays is text; write a list"),
        (
            "years = [2026.5]",
            "years holds a number with a fraction; write text such as \"1:5\", or whole numbers",
        ),
        (
            "location = \"Europe/Berln\"",
            "location: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?",
        ),
        ("location = 1", "location is a whole number; write an IANA"),
        (
            "times = [{ start_time = \"22:00\", end_time = \"06:00\" }]",
            "times[0]: 22:00 to 06:00 passes midnight; write two, { start_time = \"22:00\", end_time = \"24:00\" } and",
        ),
        (
            "times = [{ start_time = 02:00:00, end_time = \"06:00\" }]",
            "times[0].start_time is a date or time; write it as text",
        ),
        (
            "times = [{ start = \"02:00\", end_time = \"06:00\" }]",
            "unknown key `times[0].start`; did you mean `start_time`?",
        ),
        (
            "times = [\"02:00\"]",
            "times[0] is text; write { start_time",
        ),
        ("months = [\"13\"]", "months[0]: 13 is no month"),
    ];
    for (text, expected) in table {
        let found = faults(
            &format!("[[time_intervals.w]]\n{text}\n[maintenance]\nwindows = [\"w\"]"),
            &[],
        );
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        let expected = format!("site.toml:1: time_intervals.w: {expected}");
        assert!(found[0].starts_with(&expected), "{text}: {found:#?}");
    }
    let several = faults(
        "[[time_intervals.w]]\nyears = [\"x\"]\n[[time_intervals.w]]\nmonths = [\"jan\", 0]",
        &[],
    );
    assert_eq!(several.len(), 3, "{several:#?}");
    assert!(several[0].contains("interval 1: years[0]"), "{several:#?}");
    assert!(several[1].contains("interval 2: months[0]"), "{several:#?}");
    for (text, expected) in [
        (
            "[time_intervals.w]\nyears = [2026]",
            "is a table; write a list of intervals: [[time_intervals.NAME]]",
        ),
        (
            "[time_intervals]\nw = \"nights\"",
            "is text; write a list of intervals",
        ),
        (
            "[time_intervals]\nw = [\"nights\"]",
            "holds text; write tables such as",
        ),
    ] {
        let found = faults(text, &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
    }
}

#[test]
fn names_without_a_list_are_faults_wherever_they_are_used() {
    let table = [
        (
            "[maintenance]\nwindows = [\"night\"]",
            "maintenance.windows: there is no interval `night`; did you mean `nights`?",
        ),
        (
            "[working_hours]\nduring = [\"nihgts\"]",
            "working_hours.during: there is no interval `nihgts`; did you mean `nights`?",
        ),
        (
            "[alerts]\nmute = [\"x\"]",
            "alerts.mute: there is no interval `x`; use one of nights",
        ),
        (
            "[rules.other.alerts]\nactive = [\"night\"]",
            "rules.other.alerts.active: there is no interval `night`",
        ),
        (
            "[targets.m.maintenance]\nwindows = [\"night\"]",
            "targets.m.maintenance.windows: there is no interval `night`",
        ),
        (
            "[targets.m.rules.other.working_hours]\nduring = [\"night\"]",
            "targets.m.rules.other.working_hours.during: there is no interval",
        ),
        (
            "[alerts]\nmute = [\"nights\", \"nights\"]",
            "alerts.mute: `nights` is repeated; write it once",
        ),
        (
            "[alerts]\nmute = [1]",
            "alerts.mute: holds a whole number; write names",
        ),
        (
            "[alerts]\nmute = \"nights\"",
            "alerts.mute: is text; write a list of names in quotes",
        ),
        (
            "[targets.m.maintenance]\ndays = []",
            "targets.m.maintenance.days: names no day",
        ),
    ];
    for (text, expected) in table {
        let found = faults(&format!("{NIGHTS}{text}"), &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].starts_with("site.toml:4: "), "{found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
    }
    let found = faults("[maintenance]\nwindows = [\"month-end\"]", &[]);
    let expected = "there is no interval `month-end`; write one with [[time_intervals.month-end]]";
    assert!(found[0].contains(expected), "{found:#?}");
    // One that is refused is not missing as well.
    let found = faults(
        "[[time_intervals.\"a b\"]]\nyears = [\"x\"]\n[alerts]\nmute = [\"a b\"]",
        &[],
    );
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn what_has_no_effect_is_warned_of() {
    let table = [
        (
            NIGHTS.to_owned(),
            "site.toml:1: time_intervals.nights: is used by no key; name it in",
        ),
        (
            format!("{NIGHTS}[maintenance]\nwindows = [\"nights\"]\nstart = \"01:00\""),
            "site.toml:5: maintenance.start: has no effect, because maintenance.windows names intervals; remove it",
        ),
        (
            format!("{NIGHTS}[targets.m.working_hours]\nduring = [\"nights\"]\nend = 3"),
            "targets.m.working_hours.end: has no effect",
        ),
        (
            "[[time_intervals.never]]\nyears = [2020]\n[alerts]\nmute = [\"never\"]".to_owned(),
            "site.toml:1: time_intervals.never: holds no time in the next 400 days",
        ),
        (
            "[[time_intervals.never]]\nweekdays = []\n[alerts]\nmute = [\"never\"]".to_owned(),
            "holds no time",
        ),
    ];
    for (text, expected) in table {
        let found = warnings(&loaded(&text, &[]));
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
    }
    let used = format!("{NIGHTS}[maintenance]\nwindows = [\"nights\"]\ndays = []");
    let found = warnings(&loaded(&used, &[]));
    assert_eq!(
        found.len(),
        1,
        "days without effect are no fault: {found:#?}"
    );
    let mended = format!("{NIGHTS}[targets.m.rules.other.alerts]\nactive = [\"nights\"]");
    assert_eq!(warnings(&loaded(&mended, &[])), Vec::<String>::new());
}

#[test]
fn the_interval_of_the_comments_loads_and_intervals_come_from_variables_too() {
    let start = DEFAULT.find("#   [[time_intervals.").expect("the example");
    let example: String = DEFAULT[start..]
        .lines()
        .map_while(|line| line.strip_prefix("#   "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let environment = [
        (
            "HOMEOSTAT__TIME_INTERVALS__NIGHTS",
            "[{ weekdays = [\"sunday\"] }]",
        ),
        (
            "HOMEOSTAT__MAINTENANCE__WINDOWS",
            "[\"month-end\", \"nights\"]",
        ),
    ];
    let configuration = loaded(&example, &environment);
    assert_eq!(warnings(&configuration), Vec::<String>::new());
    assert_eq!(configuration.rules.time_intervals.len(), 2);
    assert_eq!(
        configuration.rules.maintenance.windows,
        ["month-end", "nights"]
    );
    Rules::new(&configuration.rules).unwrap();
}

#[test]
fn the_intervals_of_the_page_on_configuration_load_without_a_warning() {
    let page = std::fs::read_to_string("docs/configuration.md").unwrap();
    let mut examples = page.split("```toml\n").skip(1);
    let example = examples.find(|one| one.starts_with("[[time_intervals."));
    let (example, _) = example.unwrap().split_once("```").unwrap();
    let configuration = loaded(example, &[]);
    assert_eq!(warnings(&configuration), Vec::<String>::new());
    Rules::new(&configuration.rules).unwrap();
}
