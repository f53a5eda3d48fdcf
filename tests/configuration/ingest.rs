//! `[ingest.NAME]` with a schema registry: what is complete, and what is refused at which key.

use crate::loading::{faults, loaded};

const TABLE: &str =
    "[ingest.a]\ntopic = \"drift\"\nform = \"registry\"\nto = \"data.drift.detected\"\n";

#[test]
fn a_registry_is_common_or_of_one_topic() {
    let secrets = [
        ("P", "word"),
        ("HOMEOSTAT__KAFKA__BOOTSTRAP_SERVERS", "a:1"),
    ];
    for registry in [
        "[registry]\nurl = \"http://schema-registry:8081\"\n",
        "[registry]\nurl = \"https://a:8081,https://b:8081\"\nusername = \"u\"\npassword = \"env:P\"\n",
        "[ingest.a.registry]\nurl = \"https://a/apis/ccompat/v7\"\ntoken = \"env:P\"\n",
        "[registry]\nurl = \"http://localhost:8081\"\nusername = \"u\"\npassword = \"env:P\"\n[ingest.a.registry]\nurl = \"https://a\"\n",
    ] {
        let configuration = loaded(&format!("{TABLE}{registry}"), &secrets);
        assert!(
            configuration.warnings.is_empty(),
            "{:?}",
            configuration.warnings
        );
    }
    // A topic of the platform says itself which events it has.
    let own = "[ingest.a]\ntopic = \"data.drift.detected\"\nform = \"registry\"\n[registry]\nurl = \"http://a\"\n";
    loaded(own, &secrets);
    let variable = [secrets[1], ("HOMEOSTAT__REGISTRY__URL", "http://a")];
    loaded(TABLE, &variable);
}

#[test]
fn what_is_wrong_with_a_registry_is_found_at_its_key() {
    for (text, expected) in [
        (
            "",
            "site.toml:3: ingest.a.form: needs a schema registry; write [registry] with its url",
        ),
        ("[registry]\n", "registry.url: is missing"),
        (
            "[registry]\nurl = \"a:8081\"\n",
            "site.toml:6: registry.url: is not a URL of http or https",
        ),
        (
            "[registry]\nurl = \"https://u:p@a\"\n",
            "registry.url: holds a user name or password",
        ),
        (
            "[registry]\nurl = \"http://a\"\ntoken = \"env:P\"\n",
            "registry.url: is plain http",
        ),
        (
            "[registry]\nurl = \"https://a\"\ntoken = \"word\"\n",
            "registry.token: holds a secret in the clear",
        ),
        (
            "[registry]\nurl = \"https://a\"\nusername = \"u\"\n",
            "registry.password: is missing",
        ),
        (
            "[registry]\nurl = \"https://a\"\ncertificate = \"x.pem\"\n",
            "registry.key: is missing",
        ),
        (
            "[registry]\nurl = \"https://a\"\nca = \"nowhere.pem\"\n",
            "registry.ca: the file nowhere.pem cannot be read",
        ),
        (
            "[registry]\nuri = \"https://a\"\n",
            "registry.uri: unknown key; did you mean `url`?",
        ),
        (
            "[ingest.a.registry]\nurl = \"a\"\n",
            "ingest.a.registry.url: is not a URL",
        ),
        ("to = \"\"\n", "duplicate key"),
        (
            "[ingest.b]\ntopic = \"x\"\nform = \"evidently\"\n[ingest.b.registry]\nurl = \"https://a\"\n[registry]\nurl = \"http://a\"\n",
            "ingest.b.registry: has no effect: records of the form evidently have no schema",
        ),
        (
            "[ingest.b]\ntopic = \"data.ingested\"\nform = \"event\"\n[registry]\nurl = \"http://a\"\n",
            "ingest.b.topic: `data.ingested` is read by the service itself",
        ),
        (
            "[ingest.b]\ntopic = \"homeostat.ledger\"\nform = \"registry\"\n[registry]\nurl = \"http://a\"\n",
            "ingest.b.topic: `homeostat.ledger` is read by the service itself",
        ),
        (
            "[ingest.b]\ntopic = \"b\"\nform = \"registry\"\n[registry]\nurl = \"http://a\"\n",
            "ingest.b.to: is missing: a record of the form registry does not say which event it is",
        ),
        (
            "[ingest.b]\ntopic = \"data.ingested\"\nform = \"registry\"\nto = \"data.ingested\"\n[registry]\nurl = \"http://a\"\n",
            "ingest.b.to: has no effect",
        ),
    ] {
        let found = faults(&format!("{TABLE}{text}"), &[("P", "word")]);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{text}: {found:#?}"
        );
    }
}
