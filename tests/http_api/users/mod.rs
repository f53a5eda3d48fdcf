//! Users who are connected: over server-sent events and `WebSocket`s, with real clients.

mod crowd;
mod events;
mod seats;
mod slow;
mod sockets;
mod tokens;

use std::time::Duration;

use homeostat::push::HubSettings;

use crate::outside::users::Connected;

/// Held by tests that open thousands of files: all tests of this program share one limit of them.
static MANY_FILES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Only reached when a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Signs of life come every second.
fn quick() -> HubSettings {
    HubSettings {
        heartbeat: Duration::from_secs(1),
        patience: Duration::from_secs(1),
        ..HubSettings::default()
    }
}

/// A stream of server-sent events, read as text.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(connected: &Connected, path: &str) -> Self {
        let url = connected.outside.url(path);
        Self::of(connected.outside.client.get(url)).await
    }

    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), String::new());
        assert_eq!(status, 200, "{:?}", response.text().await);
        Self { response, text }
    }

    /// Reads until this has come; what came before it and with it.
    async fn until(&mut self, wanted: &str) -> String {
        let read = async {
            loop {
                if let Some(place) = self.text.find(wanted) {
                    let rest = self.text.split_off(place + wanted.len());
                    return std::mem::replace(&mut self.text, rest);
                }
                match self.response.chunk().await.unwrap() {
                    Some(bytes) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                    None => panic!("ended without {wanted:?}: {:?}", self.text),
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.unwrap_or_else(|_| panic!("{wanted:?} never came"))
    }

    /// Reads to the end.
    async fn rest(mut self) -> String {
        let read = async {
            while let Some(bytes) = self.response.chunk().await.unwrap() {
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap();
        self.text
    }
}
