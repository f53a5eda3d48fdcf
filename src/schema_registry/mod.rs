//! Records that a Confluent-compatible schema registry describes: Avro, Protobuf or JSON, each with the key of its schema. Each
//! becomes the JSON of one event, read by the schema that it was written with.
//!
//! A registry that does not answer, or that refuses us, makes records wait. A schema that it does not have, or that does not fit
//! the record, makes a dead letter that names it.

mod avro;
mod cache;
mod client;
mod framing;
mod protobuf;
mod settings;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use homeostat_actors::ports::log::RecordView;
use homeostat_actors::ports::translator::{Translated, Translator, Untranslated};
use homeostat_logic::event::{EVENT_BYTES_MAX, Reject};
use homeostat_logic::form::FormError;
use homeostat_logic::topic::Topic;
use serde::de::IgnoredAny;

use crate::connectors::kit::Compile;
use cache::Cache;
use client::{Client, NoSchema, Schema};
use framing::{Framed, SchemaKey, framed};
pub(crate) use settings::RegistrySettings;

/// A registry, and the schemas that it gave.
#[derive(Debug)]
pub(crate) struct Registry {
    client: Client,
    cache: Cache,
}

/// What is known of a schema.
#[derive(Debug)]
struct Known {
    reader: Reader,
    subject: Option<String>,
    /// Size of its text, with what it refers to.
    bytes: usize,
}

/// What reads the records of one schema.
#[derive(Debug)]
enum Reader {
    Avro(avro::Avro),
    Protobuf(protobuf::Protobuf),
    /// JSON needs no schema to be read; the producer's serializer validated it.
    Json,
    /// There is no schema that can be used, for this reason.
    Unusable(String),
}

impl Known {
    fn of(schema: &Schema) -> Self {
        let reader = match schema.kind.as_str() {
            "AVRO" => avro::Avro::new(&schema.text, &schema.references).map(Reader::Avro),
            "PROTOBUF" => {
                protobuf::Protobuf::new(&schema.text, &schema.references).map(Reader::Protobuf)
            }
            "JSON" => Ok(Reader::Json),
            other => Err(format!("schemas of the type {other} are not read")),
        };
        let texts = schema.references.values().chain([&schema.text]);
        Self {
            reader: reader.unwrap_or_else(Reader::Unusable),
            subject: schema.subject.clone(),
            bytes: texts.map(String::len).sum(),
        }
    }

    const fn unusable(why: String) -> Self {
        Self {
            reader: Reader::Unusable(why),
            subject: None,
            bytes: 0,
        }
    }

    const fn is_usable(&self) -> bool {
        !matches!(self.reader, Reader::Unusable(_))
    }

    /// The JSON of a record.
    fn json(&self, record: &Framed<'_>) -> Result<String, String> {
        let Framed { beside, data, .. } = *record;
        match &self.reader {
            Reader::Json => std::str::from_utf8(data)
                .map(str::to_owned)
                .map_err(|error| format!("it is not UTF-8 from byte {} on", error.valid_up_to())),
            Reader::Avro(avro) => avro.json(data),
            Reader::Protobuf(protobuf) => protobuf.json(beside, data),
            Reader::Unusable(why) => Err(why.clone()),
        }
    }
}

impl Registry {
    /// As the settings say; `None` with at least one problem recorded.
    pub(crate) fn new(settings: &RegistrySettings, compile: &mut Compile<'_>) -> Option<Self> {
        Some(Self {
            client: settings.client(compile)?,
            cache: Cache::default(),
        })
    }

    async fn known(&self, key: SchemaKey) -> Result<Arc<Known>, Untranslated> {
        let fetch = || async move {
            match self.client.schema(key).await {
                // Compiling a large schema takes its time, which other tasks do not wait for.
                Ok(schema) => {
                    let known = tokio::task::spawn_blocking(move || Known::of(&schema)).await;
                    let broken = |error| format!("its schema cannot be read: {error}");
                    Ok(known.unwrap_or_else(|error| Known::unusable(broken(error))))
                }
                Err(NoSchema::Unavailable(why)) => Err(Untranslated::Unavailable(why)),
                Err(NoSchema::Settled(why)) => Ok(Known::unusable(why)),
            }
        };
        self.cache.get(key, fetch).await
    }
}

/// Records of one topic, as events of another.
pub(crate) struct Described {
    registry: Arc<Registry>,
    to: &'static Topic,
}

impl Described {
    pub(crate) const fn new(registry: Arc<Registry>, to: &'static Topic) -> Self {
        Self { registry, to }
    }

    async fn event(&self, record: RecordView<'_>) -> Result<Translated, Untranslated> {
        let bytes = record.value.ok_or(Reject::NoValue)?.len();
        if bytes > EVENT_BYTES_MAX {
            return Err(Reject::TooLarge { bytes }.into());
        }
        let record = framed(record).ok_or(Reject::UnreadableForm(FormError::Undescribed))?;
        let known = self.registry.known(record.schema).await?;
        let text = known.json(&record);
        let subject = known.subject.as_deref();
        let text = text.map_err(|problem| described(record.schema, subject, problem))?;
        Ok(Translated {
            topic: self.to,
            text,
        })
    }
}

impl Translator for Described {
    fn takes(&self, record: RecordView<'_>) -> bool {
        // JSON behind the prefix is an event already.
        let is_json = |data: &[u8]| {
            data.trim_ascii_start().first() == Some(&b'{')
                && serde_json::from_slice::<IgnoredAny>(data).is_ok()
        };
        framed(record).is_some_and(|found| !is_json(found.data))
    }

    fn translate<'a>(
        &'a self,
        record: RecordView<'a>,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Translated>, Untranslated>> {
        Box::pin(async move { Ok(vec![self.event(record).await?]) })
    }
}

/// The dead letter of a record that its schema does not describe.
fn described(key: SchemaKey, subject: Option<&str>, problem: String) -> Untranslated {
    let schema = match subject {
        Some(subject) => format!("{key}, {subject}"),
        None => key.to_string(),
    };
    Reject::UnreadableForm(FormError::Described { schema, problem }).into()
}

#[cfg(test)]
mod tests;
