//! The HTTP API of a schema registry, as Confluent defined it and others (Apicurio, Karapace, Redpanda) serve it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::framing::SchemaKey;
use crate::connectors::kit::Credentials;
use crate::live::Derived;

/// Largest schema in bytes; that of all schemas to which one refers, together.
pub(super) const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// Largest answer in bytes: a schema as JSON text, most of whose characters may be escaped.
const ANSWER_BYTES_MAX: usize = 4 * SCHEMA_BYTES_MAX;
/// Schemas that one schema may refer to, directly or not.
const REFERENCES_MAX: usize = 100;
/// What registries answer, with 404, for a subject, a version and a schema that they do not have.
const NOT_THERE: [u32; 3] = [40_401, 40_402, 40_403];
/// Characters of a registry's own words that are repeated.
const WORDS_MAX: usize = 300;

/// Asks a registry.
#[derive(Debug)]
pub(super) struct Client {
    /// Instances of it; all have the same schemas.
    servers: Vec<Url>,
    /// Place of the one that answered last.
    last: AtomicUsize,
    credentials: Credentials,
    http: Derived<reqwest::Client>,
}

/// Why there is no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoSchema {
    /// The registry says so, and would say so again.
    Settled(String),
    /// It does not say.
    Unavailable(String),
}

/// A schema with all that it refers to.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema {
    /// AVRO, PROTOBUF, JSON.
    pub(super) kind: String,
    pub(super) text: String,
    /// Names and texts.
    pub(super) references: BTreeMap<String, String>,
    /// A subject that has it, with the version, if the registry says so.
    pub(super) subject: Option<String>,
}

/// A schema as the registry writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    schema: String,
    /// Absent for Avro.
    schema_type: Option<String>,
    /// Absent or null where there are none.
    references: Option<Vec<Reference>>,
}

/// A name in a schema, and which schema it means.
#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct Version {
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Client {
    pub(super) const fn new(
        servers: Vec<Url>,
        credentials: Credentials,
        http: Derived<reqwest::Client>,
    ) -> Self {
        Self {
            servers,
            last: AtomicUsize::new(0),
            credentials,
            http,
        }
    }

    /// The schema of that key, with all that it refers to.
    pub(super) async fn schema(&self, key: SchemaKey) -> Result<Schema, NoSchema> {
        let path = match key {
            // Registries count in 31 bits, and some answer a greater number as if they had no such page.
            SchemaKey::Id(id) if i32::try_from(id).is_err() => {
                let why = "no registry gives an id above 2147483647, so this is no record of one";
                return Err(NoSchema::Settled(why.to_owned()));
            }
            SchemaKey::Id(id) => format!("schemas/ids/{id}"),
            SchemaKey::Guid(guid) => format!("schemas/guids/{guid}"),
        };
        let registered: Registered = self.get(&path).await?;
        let subject = match key {
            SchemaKey::Id(_) => self.subject(&path).await,
            SchemaKey::Guid(_) => None,
        };
        let kind = registered.schema_type.unwrap_or_else(|| "AVRO".to_owned());
        // JSON is read without its schema.
        let references = match registered.references {
            Some(references) if kind != "JSON" => self.references(references).await?,
            _ => BTreeMap::new(),
        };
        let bytes = references.values().map(String::len).sum::<usize>() + registered.schema.len();
        if bytes > SCHEMA_BYTES_MAX {
            let why = format!("its schema has {bytes} bytes; the limit is {SCHEMA_BYTES_MAX}");
            return Err(NoSchema::Settled(why));
        }
        Ok(Schema {
            kind,
            text: registered.schema,
            references,
            subject,
        })
    }

    /// A subject that has this schema. It only makes messages clearer, so that no answer is one, too.
    async fn subject(&self, path: &str) -> Option<String> {
        let versions: Result<Vec<Version>, _> = self.get(&format!("{path}/versions")).await;
        let Version { subject, version } = versions.ok()?.into_iter().next()?;
        Some(format!("subject {} version {version}", cut(&subject)))
    }

    /// Everything that a schema refers to, directly or not. A name means one schema.
    async fn references(
        &self,
        mut open: Vec<Reference>,
    ) -> Result<BTreeMap<String, String>, NoSchema> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut bytes = 0;
        while let Some(reference) = open.pop() {
            let Reference {
                name,
                subject,
                version,
            } = reference;
            if found.contains_key(&name) {
                continue;
            }
            if found.len() == REFERENCES_MAX || bytes > SCHEMA_BYTES_MAX {
                let why = format!(
                    "it refers to more than {REFERENCES_MAX} schemas, or to more than {SCHEMA_BYTES_MAX} bytes of them"
                );
                return Err(NoSchema::Settled(why));
            }
            let path = utf8_percent_encode(&subject, NON_ALPHANUMERIC);
            let path = format!("subjects/{path}/versions/{version}");
            let referred: Registered = self.get(&path).await.map_err(|none| match none {
                NoSchema::Settled(why) => {
                    let (name, subject) = (cut(&name), cut(&subject));
                    NoSchema::Settled(format!(
                        "it refers to {name}, version {version} of the subject {subject}: {why}"
                    ))
                }
                none @ NoSchema::Unavailable(_) => none,
            })?;
            bytes += referred.schema.len();
            found.insert(name, referred.schema);
            open.extend(referred.references.unwrap_or_default());
        }
        Ok(found)
    }

    /// The answer of the first instance that gives one, beginning with the one that did last.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NoSchema> {
        let first = self.last.load(Ordering::Relaxed);
        let mut silent = Vec::new();
        for place in (0..self.servers.len()).map(|step| (first + step) % self.servers.len()) {
            let Some(server) = self.servers.get(place) else {
                continue;
            };
            match self.ask(server, path).await {
                Err(NoSchema::Unavailable(why)) => {
                    silent.push(format!("the schema registry at {server} {why}"));
                }
                answer => {
                    self.last.store(place, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(NoSchema::Unavailable(silent.join("; ")))
    }

    async fn ask<T: DeserializeOwned>(&self, server: &Url, path: &str) -> Result<T, NoSchema> {
        let unavailable = NoSchema::Unavailable;
        let mut request = self.http.current().get(format!("{server}{path}"));
        request = request.header(
            ACCEPT,
            "application/vnd.schemaregistry.v1+json, application/json",
        );
        if let Some(header) = self.credentials.header() {
            request = request.header(AUTHORIZATION, header);
        }
        let answer = request.send().await;
        let answer =
            answer.map_err(|error| unavailable(format!("does not answer: {}", in_full(error))))?;
        let status = answer.status();
        let body = body(answer).await?;
        if status.is_success() {
            let read = serde_json::from_slice(&body);
            return read.map_err(|error| {
                unavailable(format!(
                    "sends something else than a schema: {error}; check `url`"
                ))
            });
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        Err(refused(status, refusal))
    }
}

/// What an answer means that is no schema. In doubt records wait: an address that is wrong, or a proxy before the registry, must not
/// make dead letters of them.
fn refused(status: StatusCode, refusal: Option<Refusal>) -> NoSchema {
    let code = refusal.as_ref().map_or(0, |refusal| refusal.error_code);
    let message = refusal.map(|refusal| format!(": {}", cut(&refusal.message)));
    let message = message.unwrap_or_default();
    match status {
        StatusCode::NOT_FOUND if NOT_THERE.contains(&code) => {
            NoSchema::Settled(format!("the schema registry does not have it{message}"))
        }
        StatusCode::UNPROCESSABLE_ENTITY if code > 0 => {
            NoSchema::Settled(format!("the schema registry answers {status}{message}"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => NoSchema::Unavailable(format!(
            "refuses us ({status}){message}; check username and password, or token, and what they may read"
        )),
        StatusCode::NOT_FOUND => NoSchema::Unavailable(format!(
            "answers {status}{message}; check `url`, which may need a path, such as /apis/ccompat/v7 for Apicurio"
        )),
        _ => NoSchema::Unavailable(format!("answers {status}{message}")),
    }
}

/// The body of an answer. One that is too large is a schema that is.
async fn body(mut answer: Response) -> Result<Vec<u8>, NoSchema> {
    let broken = |error: reqwest::Error| {
        NoSchema::Unavailable(format!("breaks off its answer: {}", in_full(error)))
    };
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let why = format!("its schema is larger than {SCHEMA_BYTES_MAX} bytes");
            return Err(NoSchema::Settled(why));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Text from outside, cut to a length for messages.
fn cut(text: &str) -> String {
    text.chars().take(WORDS_MAX).collect()
}

/// An error with what caused it.
fn in_full(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
