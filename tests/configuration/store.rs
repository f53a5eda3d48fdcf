//! The section `[store]`: what is refused, what is doubted, and that no secret is shown.

use crate::loading::{faults, loaded};

const ENVIRONMENT: [(&str, &str); 3] = [
    ("PASSWORD", "correct-horse"),
    ("URL", "rediss://:correct-horse@redis.example.com:6380/2"),
    ("BAD_URL", "http://correct-horse@redis.example.com"),
];

#[test]
fn each_mistake_is_reported_at_its_key_without_the_secret() {
    for (section, key, problem) in [
        (
            "redis_url = \"redis://a:correct-horse@h\"",
            "redis_url",
            "user name or password",
        ),
        ("redis_url = \"h:6379\"", "redis_url", "redis://HOST:PORT"),
        (
            "redis_url = \"http://h:6379\"",
            "redis_url",
            "redis://HOST:PORT",
        ),
        (
            "redis_url = \"redis://h/x\"",
            "redis_url",
            "redis://HOST:PORT",
        ),
        (
            "redis_url = \"redis://h,rediss://i\"",
            "redis_url",
            "with TLS",
        ),
        (
            "redis_url = \"redis://h/1,redis://i/2\"",
            "redis_url",
            "databases",
        ),
        (
            "redis_url = \"rediss://h/#insecure\"",
            "redis_url",
            "store.ca",
        ),
        (
            "redis_url = \"env:BAD_URL\"",
            "redis_url",
            "redis://HOST:PORT",
        ),
        ("redis_url = \"env:UNSET\"", "redis_url", "is not set"),
        (
            "redis_url = \"redis://h\"\nusername = \"a\"",
            "password",
            "is missing",
        ),
        (
            "redis_url = \"redis://h\"\npassword = \"correct-horse\"",
            "password",
            "in the clear",
        ),
        (
            "redis_url = \"rediss://h\"\ncertificate = \"env:PASSWORD\"",
            "key",
            "is missing",
        ),
        (
            "redis_url = \"rediss://h\"\nkey = \"env:PASSWORD\"",
            "certificate",
            "is missing",
        ),
        (
            "redis_url = \"rediss://h\"\nca = \"env:PASSWORD\"",
            "ca",
            "PEM",
        ),
        (
            "redis_url = \"rediss://h\"\nca = \"/nowhere/ca.pem\"",
            "ca",
            "cannot be read",
        ),
        (
            "redis_url = \"redis://h\"\nkey_prefix = \"a*\"",
            "key_prefix",
            "letters",
        ),
        (
            "redis_url = \"redis://h\"\nconnect_timeout_ms = 0",
            "connect_timeout_ms",
            "10",
        ),
        ("stream_minutes = 0.0", "stream_minutes", "0.01"),
        ("redis = \"redis://h\"", "redis", "unknown key"),
    ] {
        let found = faults(&format!("[store]\n{section}\n"), &ENVIRONMENT);
        let expected = format!(": store.{key}: ");
        assert!(
            found
                .iter()
                .any(|fault| fault.contains(&expected) && fault.contains(problem)),
            "{section}: {found:#?}"
        );
        let shown = found.concat();
        assert!(!shown.contains("correct-horse"), "{shown}");
    }
}

#[test]
fn what_has_no_effect_or_shows_a_password_is_doubted() {
    for (section, key, problem) in [
        ("key_prefix = \"a:\"", "key_prefix", "has no effect"),
        ("password = \"env:PASSWORD\"", "password", "has no effect"),
        (
            "redis_url = \"redis://redis.example.com\"\npassword = \"env:PASSWORD\"",
            "redis_url",
            "in the clear",
        ),
    ] {
        let warnings = loaded(&format!("[store]\n{section}\n"), &ENVIRONMENT).warnings;
        let shown = format!("{warnings:?}");
        assert_eq!(warnings.len(), 1, "{shown}");
        assert_eq!(warnings[0].key, format!("store.{key}"));
        assert!(warnings[0].problem.contains(problem), "{shown}");
    }
    for section in [
        "",
        "redis_url = \"env:URL\"",
        "redis_url = \"redis://127.0.0.1:7000,redis://127.0.0.1:7001\"\npassword = \"env:PASSWORD\"",
        "redis_url = \"valkeys://h\"\nusername = \"a\"\npassword = \"env:PASSWORD\"",
        "stream_minutes = 5\nrecommendations_minutes = 0.5\nrealtime_minutes = 60",
    ] {
        let loaded = loaded(&format!("[store]\n{section}\n"), &ENVIRONMENT);
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let shown = format!("{:?}", loaded.settings);
        assert!(!shown.contains("correct-horse"), "{shown}");
        assert!(!homeostat::configuration::effective(&loaded).contains("correct-horse"));
    }
}
