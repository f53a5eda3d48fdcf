//! A notice as a mail: plain text, and headers by which mailboxes sort it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use homeostat_actors::ports::connector::Answer;
use lettre::Message;
use lettre::address::Address;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::super::kit::notice::Notice;
use super::super::kit::refused;

/// Bytes of the hash of a target in the name of its thread.
const THREAD_BYTES: usize = 12;

/// A mail, ready to be handed over.
pub(super) struct Mail {
    pub(super) from: Address,
    pub(super) to: Vec<Address>,
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
}

impl Mail {
    pub(super) fn of(notice: &Notice<'_>, from: &Mailbox, to: &[Mailbox]) -> Result<Self, Answer> {
        let order = notice.order;
        let domain = from.email.domain();
        let time = u64::try_from(order.now).unwrap_or_default();
        let thread = Sha256::digest(order.target.to_string().as_bytes());
        let thread = thread.iter().take(THREAD_BYTES);
        let thread = thread.fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
        let text = text(notice);
        let to = to.iter();
        let message = to
            .clone()
            .fold(Message::builder().from(from.clone()), |message, to| {
                message.to(to.clone())
            })
            .subject(&*notice.title)
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(time))
            .message_id(Some(format!("<{}.homeostat@{domain}>", order.action_id)))
            .references(format!("<{thread}.homeostat@{domain}>"))
            // No out-of-office reply is wanted (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(text.clone());
        let message =
            message.map_err(|error| refused(format!("the mail cannot be written: {error}")))?;
        Ok(Self {
            from: from.email.clone(),
            to: to.map(|to| to.email.clone()).collect(),
            text,
            bytes: message.formatted(),
        })
    }
}

fn text(notice: &Notice<'_>) -> String {
    let mut text = format!("{}\n\n", notice.message);
    for (label, value) in notice.facts() {
        // Writing to a string cannot fail.
        writeln!(text, "{label}: {value}").unwrap_or_default();
    }
    let reasons = notice.reasons();
    for part in [
        Some(reasons).filter(|reasons| !reasons.is_empty()),
        notice.link.clone(),
    ]
    .into_iter()
    .flatten()
    {
        write!(text, "\n{part}\n").unwrap_or_default();
    }
    text
}
