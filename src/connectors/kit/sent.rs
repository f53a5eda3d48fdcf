//! What a request carried and must not be shown when it is echoed.

use reqwest::header::HeaderMap;

/// Credentials that a request carried and that no secret of the configuration shows: what was made of one, or a token of a login.
pub(super) struct Sent(Vec<String>);

impl Sent {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let secret = headers.values().filter(|value| value.is_sensitive());
        let words = secret.filter_map(|value| value.to_str().ok());
        // Without its scheme, `Bearer` or `Basic`.
        let words = words.filter_map(|value| value.split(' ').next_back());
        Self(
            words
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    pub(super) fn mask(&self, text: String) -> String {
        let words = self.0.iter();
        words.fold(text, |text, word| text.replace(word, "***"))
    }
}
