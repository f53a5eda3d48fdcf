//! Kafka in production, and a secured cluster.

use std::collections::BTreeMap;

use crate::loading::{faults, loaded};

#[test]
fn production_on_kafka_wants_three_copies() {
    let kafka = "kafka.bootstrap_servers = \"k:9092\"\nledger.durability = \"production\"\n";
    let told = faults(kafka, &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("kafka.replication_factor: 1 is below 3"),
        "{told:?}"
    );
    loaded(&format!("{kafka}kafka.replication_factor = 3"), &[]);
    loaded("ledger.durability = \"production\"", &[]);
    loaded("kafka.bootstrap_servers = \"k:9092\"", &[]);
}

/// Issue 13, row 19: the short form says the same as the client's names.
#[test]
fn a_secured_cluster_is_configured_by_the_short_form_or_by_the_names_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let ca = file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let key = file("key.pem", "-----BEGIN PRIVATE KEY-----\n");
    let env = [
        ("PASSWORD", "hunter2"),
        ("CA", "-----BEGIN CERTIFICATE-----"),
    ];
    let options = |text: &str| {
        let options = loaded(text, &env).settings.kafka_options;
        let exposed = options
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()));
        exposed.collect::<BTreeMap<_, _>>()
    };
    let scram = "mechanism = \"SCRAM-SHA-512\"\nusername = \"me\"\npassword = \"env:PASSWORD\"\n";
    let table = [
        (
            format!("[kafka.tls]\nenabled = true\nca = \"{ca}\"\n[kafka.sasl]\n{scram}"),
            format!("[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"\n\"ssl.ca.location\" = \"{ca}\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\""),
        ),
        (
            format!("[kafka.tls]\nenabled = true\nca = \"env:CA\"\ncertificate = \"{ca}\"\nkey = \"{key}\"\nkey_password = \"env:PASSWORD\""),
            format!("[kafka.options]\n\"security.protocol\" = \"SSL\"\n\"ssl.ca.pem\" = \"env:CA\"\n\"ssl.certificate.location\" = \"{ca}\"\n\"ssl.key.location\" = \"{key}\"\n\"ssl.key.password\" = \"env:PASSWORD\""),
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"https://idp/token\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"\nscope = \"kafka\"".to_owned(),
            "[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"OAUTHBEARER\"\n\"sasl.oauthbearer.token.endpoint.url\" = \"https://idp/token\"\n\"sasl.oauthbearer.client.id\" = \"me\"\n\"sasl.oauthbearer.client.secret\" = \"env:PASSWORD\"\n\"sasl.oauthbearer.scope\" = \"kafka\"".to_owned(),
        ),
        (format!("[kafka.sasl]\n{scram}"), "[kafka.options]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\"".to_owned()),
    ];
    for (short, long) in table {
        assert_eq!(options(&short), options(&long), "{short}");
    }
    assert!(options("").is_empty());
}

#[test]
fn what_of_a_secured_cluster_does_not_go_together_is_refused_with_a_remedy() {
    let env = [("PASSWORD", "hunter2")];
    let table = [
        (
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\nusername = \"me\"",
            "kafka.sasl.username: SCRAM-SHA-256 needs kafka.sasl.password too",
        ),
        (
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\npassword = \"env:PASSWORD\"",
            "needs kafka.sasl.username too",
        ),
        (
            "[kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"me\"\npassword = \"env:PASSWORD\"",
            "PLAIN without TLS sends the secret in the clear",
        ),
        (
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\nusername = \"me\"\npassword = \"hunter2\"",
            "kafka.sasl.password: holds a secret in the clear",
        ),
        (
            "[kafka.sasl]\nmechanism = \"GSSAPI\"",
            "kafka.sasl.mechanism: `GSSAPI` is unknown",
        ),
        (
            "[kafka.sasl]\nusername = \"me\"",
            "kafka.sasl.username: has no effect while SASL is off",
        ),
        (
            "[kafka.tls]\nca = \"/etc/ca.pem\"",
            "kafka.tls.ca: has no effect while TLS is off",
        ),
        (
            "[kafka.tls]\nenabled = true\nca = \"/nowhere/ca.pem\"",
            "kafka.tls.ca: the file /nowhere/ca.pem cannot be read",
        ),
        (
            "[kafka.tls]\nenabled = true\ncertificate = \"env:PASSWORD\"",
            "kafka.tls.certificate: is a certificate without its key",
        ),
        (
            "[kafka.tls]\nenabled = true\nkey = \"env:PASSWORD\"",
            "kafka.tls.key: is a key without its certificate",
        ),
        (
            "[kafka.tls]\nenabled = true\nkey = \"-----BEGIN PRIVATE KEY-----\"\ncertificate = \"env:PASSWORD\"",
            "kafka.tls.key: is the content of a PEM file",
        ),
        (
            "[kafka.tls]\nenabled = true\nkey_password = \"env:PASSWORD\"",
            "is a password without a key",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"me\"\n\"sasl.password\" = \"env:PASSWORD\"",
            "kafka.tls.enabled: differs from kafka.options.security.protocol",
        ),
        (
            "[kafka.tls]\nenabled = true\nca = \"env:PASSWORD\"\n[kafka.options]\n\"ssl.ca.pem\" = \"env:OTHER\"",
            "kafka.tls.ca: differs from kafka.options.ssl.ca.pem",
        ),
        (
            "[kafka.options]\n\"security.protocol\" = \"SASL_SSL\"",
            "security.protocol\": needs SASL, and no mechanism is set",
        ),
        (
            "[kafka.options]\n\"security.protocol\" = \"TLS\"",
            "`TLS` is not a protocol",
        ),
        (
            "[kafka.options]\n\"security.protocol\" = \"SSL\"\n\"ssl.endpoint.identification.algorithm\" = \"none\"",
            "cannot be switched off",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"",
            "OAUTHBEARER needs kafka.sasl.token_url too",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"http://idp/token\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"",
            "kafka.sasl.token_url: is plain http",
        ),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\nusername = \"u\"\ntoken_url = \"https://idp/token\"\nclient_id = \"me\"\nclient_secret = \"env:PASSWORD\"",
            "kafka.sasl.username: has no effect with OAUTHBEARER",
        ),
    ];
    for (text, expected) in table {
        let found = faults(text, &env);
        let told = found.iter().any(|fault| fault.contains(expected));
        assert!(told, "{text}: {expected}\n{found:#?}");
        assert!(!found.concat().contains("hunter2"), "{found:#?}");
    }
}
