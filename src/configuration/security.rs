//! How Kafka is reached securely: the short form `[kafka.tls]`, `[kafka.sasl]` in the client's names, and what of both forms
//! does not go together (issue 13, row 19).

use std::collections::BTreeMap;

use toml::Value;

use super::layers::Entry;
use crate::log::kafka::{endpoint_fault, options};
use crate::secrets::is_reference;

/// Key of the short form, and the client's names for it: by path, and by content where that is another option.
const SHORT: [(&[&str], &str, Option<&str>); 11] = [
    (&["tls", "ca"], "ssl.ca.location", Some("ssl.ca.pem")),
    (
        &["tls", "certificate"],
        "ssl.certificate.location",
        Some("ssl.certificate.pem"),
    ),
    (&["tls", "key"], "ssl.key.location", Some("ssl.key.pem")),
    (&["tls", "key_password"], "ssl.key.password", None),
    (&["sasl", "mechanism"], "sasl.mechanism", None),
    (&["sasl", "username"], "sasl.username", None),
    (&["sasl", "password"], "sasl.password", None),
    (
        &["sasl", "token_url"],
        "sasl.oauthbearer.token.endpoint.url",
        None,
    ),
    (&["sasl", "client_id"], "sasl.oauthbearer.client.id", None),
    (
        &["sasl", "client_secret"],
        "sasl.oauthbearer.client.secret",
        None,
    ),
    (&["sasl", "scope"], "sasl.oauthbearer.scope", None),
];

/// Options that hold a PEM file's path, and what the file holds.
const FILES: [(&str, &str); 3] = [
    ("ssl.ca.location", "CERTIFICATE"),
    ("ssl.certificate.location", "CERTIFICATE"),
    ("ssl.key.location", "PRIVATE KEY"),
];

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// A value as it was written, and where.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// Below `kafka`.
    pub(super) path: Vec<String>,
    pub(super) text: String,
}

/// Something that does not go together: where below `kafka`, what, and what to do.
#[derive(Debug)]
pub(super) struct Clash {
    pub(super) path: Vec<String>,
    pub(super) problem: String,
    pub(super) remedy: String,
}

/// Both forms as one, by the client's names; references are not resolved.
#[derive(Debug, Default)]
pub(super) struct Security {
    options: BTreeMap<&'static str, Written>,
    clashes: Vec<Clash>,
}

impl Security {
    /// Reads the table `[kafka]`.
    pub(super) fn read(kafka: &Entry) -> Self {
        let mut security = Self::default();
        for (name, entry) in kafka
            .at(&["options"])
            .and_then(Entry::table)
            .into_iter()
            .flatten()
        {
            let known = options::allowed().into_iter().find(|known| known == name);
            let text = entry.leaf().and_then(Value::as_str);
            if let (Some(known), Some(text)) = (known.filter(|name| is_security(name)), text) {
                // An alias of the client.
                let known = if known == "sasl.mechanisms" {
                    "sasl.mechanism"
                } else {
                    known
                };
                let path = vec!["options".to_owned(), name.clone()];
                security.put(known, path, text);
            }
        }
        for (path, by_path, by_content) in SHORT {
            let text = kafka.at(path).and_then(Entry::leaf).and_then(Value::as_str);
            let unset =
                |text: &&str| text.is_empty() || (by_path == "sasl.mechanism" && *text == "none");
            let Some(text) = text.filter(|text| !unset(text)) else {
                continue;
            };
            let name = match by_content {
                Some(name) if is_reference(text) => name,
                _ => by_path,
            };
            let path: Vec<_> = path.iter().map(|&name| name.to_owned()).collect();
            // Also against the other way to give the same: a path here and a content there would both be in force.
            for other in [Some(by_path), by_content].into_iter().flatten() {
                security.differs(other, &path, text);
            }
            security.put(name, path, text);
        }
        security.protocol(kafka);
        security
    }

    fn put(&mut self, name: &'static str, path: Vec<String>, text: &str) {
        let text = text.to_owned();
        self.options.entry(name).or_insert(Written { path, text });
    }

    fn differs(&mut self, name: &str, path: &[String], text: &str) {
        let other = self.options.get(name);
        if let Some(other) = other.filter(|other| !other.text.eq_ignore_ascii_case(text)) {
            let (own, others) = (path.join("."), other.path.join("."));
            self.clashes.push(Clash {
                path: path.to_vec(),
                problem: format!("differs from kafka.{others}"),
                remedy: format!("remove kafka.{own} or kafka.{others}"),
            });
        }
    }

    /// The protocol follows from the short form, if that is used.
    fn protocol(&mut self, kafka: &Entry) {
        let enabled = kafka.at(&["tls", "enabled"]).and_then(Entry::leaf);
        let tls = enabled.and_then(Value::as_bool).unwrap_or_default();
        let mechanism = self
            .options
            .get("sasl.mechanism")
            .filter(|one| is_short(one));
        let mechanism = mechanism.map(|written| written.text.clone());
        let (protocol, path) = match (tls, &mechanism) {
            (false, None) => return,
            (true, None) => ("SSL", ["tls", "enabled"]),
            (true, Some(_)) => ("SASL_SSL", ["tls", "enabled"]),
            (false, Some(_)) => ("SASL_PLAINTEXT", ["sasl", "mechanism"]),
        };
        let given = self.options.contains_key("security.protocol");
        let path = path.map(str::to_owned).to_vec();
        self.differs("security.protocol", &path, protocol);
        let in_the_clear = mechanism.filter(|name| !tls && !given && !name.starts_with("SCRAM"));
        if let Some(mechanism) = in_the_clear {
            self.clashes.push(Clash {
                path: path.clone(),
                problem: format!("{mechanism} without TLS sends the secret in the clear"),
                remedy: "write kafka.tls.enabled = true (or, where that is meant, kafka.options.\"security.protocol\" = \"SASL_PLAINTEXT\")".to_owned(),
            });
        }
        self.put("security.protocol", path, protocol);
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(|written| written.text.as_str())
    }

    fn clash(&mut self, name: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        if let Some(written) = self.options.get(name) {
            self.clashes.push(Clash {
                path: written.path.clone(),
                problem: problem.into(),
                remedy: remedy.into(),
            });
        }
    }

    /// Everything that does not go together.
    pub(super) fn clashes(mut self) -> Vec<Clash> {
        let protocol = self
            .text("security.protocol")
            .unwrap_or("PLAINTEXT")
            .to_uppercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            let remedy = format!("write one of {}", PROTOCOLS.join(", "));
            self.clash(
                "security.protocol",
                format!("`{protocol}` is not a protocol"),
                remedy,
            );
            return self.clashes;
        }
        let of = |start: &str| -> Vec<&'static str> {
            let names = self.options.keys().copied();
            names.filter(|name| name.starts_with(start)).collect()
        };
        let (tls, sasl) = (of("ssl."), of("sasl."));
        if protocol.ends_with("SSL") {
            self.check_tls();
        } else {
            self.without_effect(&tls, "TLS is off", "write kafka.tls.enabled = true");
        }
        if protocol.starts_with("SASL_") {
            self.check_sasl();
        } else {
            self.without_effect(&sasl, "SASL is off", "write kafka.sasl.mechanism");
        }
        self.clashes
    }

    fn without_effect(&mut self, names: &[&'static str], why: &str, mend: &str) {
        for name in names {
            let remedy =
                format!("{mend}, a fitting security.protocol in kafka.options, or remove it");
            self.clash(name, format!("has no effect while {why}"), remedy);
        }
    }

    fn check_tls(&mut self) {
        let given = |security: &Self, what: &str| {
            let names = ["location", "pem"].map(|how| format!("ssl.{what}.{how}"));
            names.into_iter().find(|name| security.text(name).is_some())
        };
        for what in ["ca", "certificate", "key"] {
            let names = ["location", "pem"].map(|how| format!("ssl.{what}.{how}"));
            let [by_path, by_content] = names;
            if self.text(&by_path).is_some() && self.text(&by_content).is_some() {
                self.clash(
                    &by_path,
                    format!("is set together with {by_content}"),
                    "write one of them",
                );
            }
        }
        let (certificate, key) = (given(self, "certificate"), given(self, "key"));
        match (certificate, key) {
            (Some(name), None) => self.clash(
                &name,
                "is a certificate without its key",
                "write kafka.tls.key too",
            ),
            (None, Some(name)) => self.clash(
                &name,
                "is a key without its certificate",
                "write kafka.tls.certificate too",
            ),
            (None, None) => self.clash(
                "ssl.key.password",
                "is a password without a key",
                "write kafka.tls.key too, or remove it",
            ),
            (Some(_), Some(_)) => {}
        }
        let identity = self.text("ssl.endpoint.identification.algorithm");
        if identity.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("https")) {
            self.clash(
                "ssl.endpoint.identification.algorithm",
                "cannot be switched off: otherwise anyone with a certificate of that CA could pose as the broker",
                "write \"https\", and a name of the broker's certificate in kafka.bootstrap_servers",
            );
        }
        for (name, content) in FILES {
            if let Some(problem) = self.text(name).and_then(|path| unreadable(path, content)) {
                self.clash(
                    name,
                    problem,
                    "write the path of a PEM file, or env:NAME or file:PATH",
                );
            }
        }
    }

    fn check_sasl(&mut self) {
        const OAUTH: [&str; 3] = [
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.client.id",
            "sasl.oauthbearer.client.secret",
        ];
        const LOGIN: [&str; 2] = ["sasl.username", "sasl.password"];
        let mechanisms = MECHANISMS.join(", ");
        let Some(mechanism) = self.text("sasl.mechanism").map(str::to_owned) else {
            self.clash(
                "security.protocol",
                "needs SASL, and no mechanism is set",
                format!("write kafka.sasl.mechanism, one of {mechanisms}"),
            );
            return;
        };
        if !MECHANISMS.contains(&mechanism.as_str()) {
            self.clash(
                "sasl.mechanism",
                format!("`{mechanism}` is not supported"),
                format!("write one of {mechanisms}"),
            );
            return;
        }
        let (wanted, unwanted) = if mechanism == "OAUTHBEARER" {
            (&OAUTH[..], &LOGIN[..])
        } else {
            (&LOGIN[..], &OAUTH[..])
        };
        for missing in wanted
            .iter()
            .filter(|name| self.text(name).is_none())
            .copied()
            .collect::<Vec<_>>()
        {
            let short = short_name(missing);
            // Reported where its neighbour is, if there is one.
            let place = wanted
                .iter()
                .find(|name| self.text(name).is_some())
                .copied();
            self.clash(
                place.unwrap_or("sasl.mechanism"),
                format!("{mechanism} needs {short} too"),
                format!("write {short} ({missing} in kafka.options)"),
            );
        }
        for name in unwanted
            .iter()
            .filter(|name| self.text(name).is_some())
            .copied()
            .collect::<Vec<_>>()
        {
            self.clash(
                name,
                format!("has no effect with {mechanism}"),
                "remove it, or change kafka.sasl.mechanism",
            );
        }
        let url = self.text(OAUTH[0]).filter(|url| !is_reference(url));
        if let Some((problem, remedy)) = url.and_then(endpoint_fault) {
            self.clash(OAUTH[0], problem, remedy);
        }
        let method = self.text("sasl.oauthbearer.method");
        if method.is_some_and(|method| method != "oidc") {
            self.clash(
                "sasl.oauthbearer.method",
                "is not supported",
                "write \"oidc\", or remove it",
            );
        }
    }

    /// What the short form adds to the client's options.
    pub(super) fn added(self) -> impl Iterator<Item = (&'static str, Written)> {
        self.options
            .into_iter()
            .filter(|(_, written)| is_short(written))
    }
}

fn is_short(written: &Written) -> bool {
    written.path.first().is_some_and(|first| first != "options")
}

fn is_security(name: &str) -> bool {
    ["security.", "ssl.", "sasl."]
        .iter()
        .any(|start| name.starts_with(start))
}

fn short_name(option: &str) -> String {
    let short = SHORT.iter().find(|(_, name, _)| *name == option);
    short.map_or_else(
        || option.to_owned(),
        |(path, ..)| format!("kafka.{}", path.join(".")),
    )
}

/// Why a PEM file cannot be used. A folder of certificates of a CA can, as the client knows it.
fn unreadable(path: &str, content: &str) -> Option<String> {
    if path.contains("-----BEGIN") {
        return Some("is the content of a PEM file, not its path".to_owned());
    }
    if content == "CERTIFICATE" && std::path::Path::new(path).is_dir() {
        return None;
    }
    match std::fs::read_to_string(path) {
        Err(error) => Some(format!("the file {path} cannot be read: {error}")),
        Ok(text) if text.contains(&format!("{content}-----")) => None,
        Ok(_) => Some(format!("the file {path} has no {content} in PEM form")),
    }
}
