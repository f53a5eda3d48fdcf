//! A notice as a message of Slack: text, colour and blocks, within Slack's limits.

use homeostat_logic::language::Language;
use homeostat_logic::severity::Severity;
use serde_json::{Value, json};

use super::super::kit::notice::Notice;

/// Limits of Slack in letters, after escaping: text of a section, and one of its fields.
const SECTION_LETTERS_MAX: usize = 3_000;
const FIELD_LETTERS_MAX: usize = 2_000;

/// A message about an alert.
pub(super) fn message(notice: &Notice<'_>) -> Value {
    let (emoji, colour) = look(notice.order.severity);
    let title = format!("{emoji} *{}*", escaped(&notice.title, SECTION_LETTERS_MAX));
    with(&title, colour, notice)
}

/// The same message once a person acknowledged the alert.
pub(super) fn acknowledged(notice: &Notice<'_>) -> Value {
    let word = match notice.language {
        Language::En => "acknowledged",
        Language::Ko => "확인됨",
    };
    let title = escaped(&notice.title, SECTION_LETTERS_MAX);
    with(
        &format!(":white_check_mark: *{title}* ({word})"),
        "#8d8d8d",
        notice,
    )
}

fn with(title: &str, colour: &str, notice: &Notice<'_>) -> Value {
    let facts = notice.facts();
    let fields: Vec<Value> = facts
        .iter()
        .map(|(label, value)| {
            text(&format!(
                "*{label}*\n{}",
                escaped(value, FIELD_LETTERS_MAX - 100)
            ))
        })
        .collect();
    let mut blocks = vec![
        json!({ "type": "section", "text": text(&escaped(&notice.message, SECTION_LETTERS_MAX)) }),
        json!({ "type": "section", "fields": fields }),
    ];
    let mut small = Vec::new();
    let reasons = notice.reasons();
    if !reasons.is_empty() {
        small.push(text(&escaped(&reasons, SECTION_LETTERS_MAX)));
    }
    if let Some(link) = &notice.link {
        let link = link.replace('|', "%7C");
        small.push(text(&format!(
            "<{}|{}>",
            escaped(&link, SECTION_LETTERS_MAX - 100),
            notice.link_label()
        )));
    }
    if !small.is_empty() {
        blocks.push(json!({ "type": "context", "elements": small }));
    }
    json!({
        "text": title,
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{ "color": colour, "fallback": title, "blocks": blocks }],
    })
}

fn text(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text })
}

/// Text in which nothing mentions or links, at most so many letters of it; what was cut is marked.
fn escaped(text: &str, letters: usize) -> String {
    let (mut escaped, mut length) = (String::new(), 0);
    for letter in text.chars() {
        let own = letter.to_string();
        let written = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\n' => "\n",
            letter if letter.is_control() => " ",
            _ => &own,
        };
        length += written.chars().count();
        if length >= letters {
            escaped.push('…');
            break;
        }
        escaped.push_str(written);
    }
    escaped
}

const fn look(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Low => (":information_source:", "#439fe0"),
        Severity::Medium => (":large_yellow_circle:", "#daa038"),
        Severity::High => (":warning:", "#e8590c"),
        Severity::Critical => (":rotating_light:", "#d40e0d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_mentions_and_links_nothing_and_is_cut_after_it_was_escaped() {
        let table = [
            ("a < b & c > d", 99, "a &lt; b &amp; c &gt; d"),
            ("<!channel> <@U1>", 99, "&lt;!channel&gt; &lt;@U1&gt;"),
            ("one\ntwo\u{7}", 99, "one\ntwo "),
            ("<<<", 10, "&lt;&lt;…"),
            ("드리프트", 4, "드리프…"),
        ];
        for (text, letters, expected) in table {
            assert_eq!(escaped(text, letters), expected);
            assert!(escaped(text, letters).chars().count() <= letters);
        }
    }
}
