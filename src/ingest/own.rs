//! Events as they are, or in envelopes, on a topic of another name.

use futures_util::future::BoxFuture;
use homeostat_actors::ports::log::RecordView;
use homeostat_actors::ports::translator::{Translated, Translator, Untranslated};
use homeostat_logic::envelope::{HeaderView, decode_record, reads_header};
use homeostat_logic::event::{Names, Reject};
use homeostat_logic::topic::Topic;

/// Events of this topic.
pub(super) struct Events(pub(super) &'static Topic);

impl Translator for Events {
    fn translate<'a>(
        &'a self,
        record: RecordView<'a>,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Translated>, Untranslated>> {
        Box::pin(async move { Ok(vec![self.event(record)?]) })
    }
}

impl Events {
    fn event(&self, record: RecordView<'_>) -> Result<Translated, Reject> {
        let headers: Vec<HeaderView<'_>> = record
            .text_headers()
            .filter(|(name, _)| reads_header(name))
            .collect();
        let decoded = decode_record(record.value, &headers, self.0, &mut Names::default())?;
        let value = || String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
        Ok(Translated {
            topic: self.0,
            text: decoded.text.map_or_else(value, String::from),
        })
    }
}
