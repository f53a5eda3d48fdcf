//! What is around a payload: a `CloudEvent`, whose attributes say what the payload does not.

use std::borrow::Cow;

use crate::envelope::bytes::text_of;
use crate::envelope::{HeaderView, cloud_event_in_headers, cloud_event_in_text};
use crate::event::Reject;
use crate::event_text::EventError;

/// The text of a payload in a record: what is inside a `CloudEvent`, in each of its modes, with its attributes under
/// `cloudevents`. Other envelopes stay: they are payloads of some forms.
///
/// # Errors
/// What is wrong with the envelope or with the encoding.
pub fn text<'a>(
    value: Option<&'a [u8]>,
    headers: &[HeaderView<'_>],
) -> Result<Cow<'a, str>, Reject> {
    if let Some(bare) = cloud_event_in_headers(value, headers)? {
        return Ok(Cow::Owned(bare.text));
    }
    let text = text_of(value.ok_or(Reject::NoValue)?)?;
    Ok(unwrapped(text)?.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// What is inside a structured `CloudEvent`; `None` if the text is none.
///
/// # Errors
/// What is wrong with the envelope.
pub fn unwrapped(text: &str) -> Result<Option<String>, EventError> {
    // An array is a table of some form, and no envelope.
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    Ok(cloud_event_in_text(text)?.map(|bare| bare.text))
}
