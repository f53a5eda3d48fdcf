//! Payloads of other tools in records, by the same forms as over HTTP.

use futures_util::future::BoxFuture;
use homeostat_actors::ports::log::RecordView;
use homeostat_actors::ports::translator::{Translated, Translator, Untranslated};
use homeostat_logic::envelope::{HeaderView, reads_header};
use homeostat_logic::event::Reject;
use homeostat_logic::form::FormError;
use homeostat_logic::forms::{self, Form, Payload, Said, opening};
use homeostat_logic::topic;

use crate::configuration::Ingest;

/// Payloads of one form.
pub(super) struct Tool {
    form: &'static dyn Form,
    said: Said,
}

impl Tool {
    pub(super) fn new(form: &'static dyn Form, ingest: &Ingest) -> Self {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let said = Said {
            model: some(&ingest.model),
            service: some(&ingest.service),
            // The log's time counts.
            timestamp: None,
        };
        Self { form, said }
    }

    fn events(&self, record: RecordView<'_>, position: &str) -> Result<Vec<Translated>, Reject> {
        let headers: Vec<HeaderView<'_>> = record
            .text_headers()
            .filter(|(name, _)| reads_header(name))
            .collect();
        let text = opening::text(record.value, &headers)?;
        let mut payload = Payload::of(&text, &self.said)?;
        payload.position = Some(position);
        let read = forms::read(self.form, &payload);
        let read = read.map_err(|fault| Reject::UnreadableForm(FormError::Payload(fault)))?;
        let events = read.events.into_iter();
        let events = events.filter_map(|event| {
            Some(Translated {
                topic: topic::find(event.topic)?,
                text: event.text,
            })
        });
        Ok(events.collect())
    }
}

impl Translator for Tool {
    fn translate<'a>(
        &'a self,
        record: RecordView<'a>,
        position: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Translated>, Untranslated>> {
        Box::pin(async move { Ok(self.events(record, position)?) })
    }
}
