//! `[ingest.NAME]`: topics whose records other tools write, and what their records mean.

mod own;
mod tool;

use std::sync::Arc;

use homeostat_actors::ports::translator::{Source, Translator};
use homeostat_logic::forms;
use homeostat_logic::topic::{self, Topic, Use};

use crate::configuration::{Ingest, Settings};
use crate::forms_of_topics::{EVENT, REGISTRY};
use crate::schema_registry::{Described, Registry};

/// The topics that the configuration names; none without Kafka, because nothing writes them to the embedded log.
pub fn sources(settings: &Settings) -> Arc<[Source]> {
    if settings.kafka.bootstrap_servers.is_none() {
        return Arc::default();
    }
    let tables = settings.ingest.iter();
    let sources = tables.filter_map(|(name, ingest)| {
        let registry = settings.registries.get(name);
        source(ingest, registry)
    });
    sources.collect()
}

/// `None` where the checks of the configuration would have refused it.
fn source(ingest: &Ingest, registry: Option<&Arc<Registry>>) -> Option<Source> {
    let own = topic::find(&ingest.topic);
    let to = ingest.to.as_deref().and_then(topic::find).or(own);
    let translator: Arc<dyn Translator> = match ingest.form.as_str() {
        EVENT => Arc::new(own::Events(to?)),
        REGISTRY => Arc::new(Described::new(Arc::clone(registry?), to?)),
        name => Arc::new(tool::Tool::new(forms::find(name)?, ingest)),
    };
    Some(Source {
        topic: own.unwrap_or_else(|| named(&ingest.topic)),
        is_own: own.is_some(),
        translator,
    })
}

/// A topic that is not the platform's. Its name lives as long as the process: there are at most 32, read once.
fn named(name: &str) -> &'static Topic {
    Box::leak(Box::new(Topic {
        name: Box::leak(name.to_owned().into_boxed_str()),
        partitions: 0,
        event_type: "",
        usage: Use::Ingest,
    }))
}
