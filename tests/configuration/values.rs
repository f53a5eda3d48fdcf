//! Each value outside its range or kind is refused.

use crate::loading::{faults, loaded};

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_value_outside_its_range_or_kind_is_refused() {
    // Text of the file, and part of the fault it must yield.
    let table = [
        (
            "cooldown.retrain_minutes = nan",
            "is nan, not a number; write a number from 0",
        ),
        (
            "cooldown.retrain_minutes = inf",
            "is an infinite number; write a number from 0",
        ),
        ("cooldown.retrain_minutes = -inf", "is an infinite number"),
        ("cooldown.retrain_minutes = 1e999", "is an infinite number"),
        (
            "cooldown.retrain_minutes = -99999999999999999999",
            "is a number beyond 64 bits",
        ),
        (
            "cooldown.retrain_minutes = 1979-05-27T07:32:00Z",
            "is a date or time",
        ),
        (
            "cooldown.retrain_minutes = \"\"",
            "is empty text; write a number",
        ),
        ("cooldown.retrain_minutes = 11520.1", "out of range"),
        ("cooldown.retrain_minutes = true", "is a flag"),
        ("budget.max_event_age_minutes = 0", "out of range"),
        ("recommendations.model.users_max = 19999", "out of range"),
        ("working_hours.start = 24", "out of range"),
        ("working_hours.end = -1", "out of range"),
        ("working_hours.start = 6.0", "with a fraction"),
        (
            "working_hours.start = 99999999999999999999",
            "working_hours.start: is a number beyond 64 bits; write a whole number from 0 to 23",
        ),
        (
            "working_hours.start = 0xffffffffffffffffffff",
            "is a number beyond 64 bits",
        ),
        ("working_hours.start = inf", "is an infinite number"),
        (
            "data_dir = 99999999999999999999",
            "is a number beyond 64 bits; write text",
        ),
        (
            "maintenance.days = [99999999999999999999]",
            "holds a number beyond 64 bits",
        ),
        ("working_hours.enabled = 1", "is a whole number"),
        (
            "working_hours.timezone = \"Europe/Berln\"",
            "did you mean `Europe/Berlin`",
        ),
        (
            "working_hours.timezone = \"+02:00\"",
            "an IANA time zone such as",
        ),
        ("working_hours = 7", "a table with the keys enabled"),
        ("maintenance.start = \"24:00\"", "not a time of day"),
        ("maintenance.start = \"2:00\"", "not a time of day"),
        ("maintenance.days = [\"mon\", \"mon\"]", "is repeated"),
        ("maintenance.days = [\"monday\"]", "unknown"),
        ("maintenance.days = [1]", "holds a whole number"),
        ("maintenance.start = 02:00:00", "is a date or time"),
        ("data_dir = \" \"", "is empty"),
        ("budget.trust_event_time = 1", "is a whole number"),
        ("data_dir = []", "is a list"),
        ("data_dir.x = 1", "is a table"),
        ("rules.other.raise.high.score = -0.1", "out of range"),
        ("rules.other.scheduled = [\"mild\"]", "unknown"),
        ("rules.other.default_severity = \"HIGH\"", "unknown"),
        ("targets.fraud.rules.x.lo = \"alert\"", "did you mean `low`"),
        ("targets.fraud.working_hours.end = 25", "out of range"),
        ("actions.ignore.connection = \"log\"", "unknown key"),
        (
            "connections.jobs.kind = \"webhok\"",
            "did you mean `webhook`",
        ),
        (
            "actions.retrain.connector = \"log\"",
            "unknown key; write connection = \"NAME\"",
        ),
        (
            "webhook.retrain.url = \"https://e.org\"",
            "unknown key; write [connections.NAME] with kind = \"webhook\"",
        ),
        ("actions.retrain.policy = \"always\"", "unknown"),
        ("actions.retrain.backoff.factor = 0", "out of range"),
        ("ledger.partitions = 0", "out of range"),
        ("log_output.format = \"xml\"", "auto, text, json"),
        (
            "http.allowed_hosts = \"a\"",
            "write a list of host or host:port",
        ),
        ("http.allowed_hosts = [1]", "holds a whole number"),
        (
            "http.allowed_hosts = [\"http://a\"]",
            "`http://a` is neither a host nor host:port",
        ),
        (
            "http.allowed_hosts = [\"*.a\"]",
            "without scheme, path or wildcard",
        ),
        (
            "http.allowed_hosts = [\"a\", \"a:0x1\"]",
            "`a:0x1` is neither",
        ),
        ("unknown.x = 1", "unknown key"),
    ];
    for (text, expected) in table {
        let found = faults(text, &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].starts_with("site.toml:1: "), "{found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
    }
}

#[test]
fn hosts_are_allowed_in_a_file_or_by_the_environment() {
    let text = "http.allowed_hosts = [\"Proxy.example\", \"10.1.2.3:8470\", \"[::1]:80\"]";
    assert_eq!(loaded(text, &[]).settings.http.allowed_hosts.len(), 3);
    let variable = [("HOMEOSTAT__HTTP__ALLOWED_HOSTS", "[\"proxy.example\"]")];
    assert_eq!(loaded(text, &variable).settings.http.allowed_hosts.len(), 1);
    assert!(loaded("", &[]).settings.http.allowed_hosts.is_empty());
}
