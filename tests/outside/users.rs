//! A server to which users connect.

use std::sync::Arc;
use std::time::Duration;

use homeostat::http::{ApiParts, Authority, Server};
use homeostat::metrics::Metrics;
use homeostat::push::{Hub, HubSettings};
use homeostat::secrets::Secret;
use homeostat::user_secret::UserSecret;
use homeostat_actors::ports::clock::Clock;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::push::update::{Update, read};

use super::{Answers, MemoryLog, NOW, Outside, TOKEN, parts};

/// Signs the tokens of users.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A clock that stands still.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Millis {
        NOW
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// A registry without users.
pub(crate) fn hub(metrics: &Arc<Metrics>, settings: HubSettings) -> Arc<Hub> {
    Hub::new(settings, Arc::new(Still), Arc::clone(metrics))
}

/// A running server, and who is connected to it.
pub(crate) struct Connected {
    pub(crate) outside: Outside,
    pub(crate) hub: Arc<Hub>,
}

impl Connected {
    pub(crate) fn start() -> Self {
        Self::start_with(HubSettings::default(), None)
    }

    /// With these limits; tokens are needed where there is a secret. The operator has his.
    pub(crate) fn start_with(settings: HubSettings, secret: Option<&str>) -> Self {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap_or_default();
        let (log, answers) = (Arc::new(MemoryLog::default()), Arc::new(Answers::default()));
        let metrics = Arc::new(Metrics::new([], NOW).unwrap());
        let hub = hub(&metrics, settings);
        let users = secret.map(|secret| UserSecret::fixed(Secret::new(secret)));
        let parts = ApiParts {
            push: Arc::clone(&hub),
            user_secret: users.unwrap_or_default(),
            operator_token: Some(Secret::new(TOKEN)),
            allowed_hosts: vec![Authority::parse("shop.example").unwrap()],
            ..parts(&log, &answers, &metrics)
        };
        let server = Server::start("127.0.0.1:0", parts).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let outside = Outside {
            log,
            answers,
            metrics,
            server,
            client,
        };
        Self { outside, hub }
    }

    /// Updates a user's recommendations: the n-th update of the topic.
    pub(crate) fn update(&self, user: &str, number: i64) {
        self.hub.deliver(user, &update(number, 1));
    }

    /// Waits until so many connections are open.
    pub(crate) async fn open(&self, count: usize) {
        let until = std::time::Instant::now() + Duration::from_mins(1);
        while self.hub.open() != count {
            let open = self.hub.open();
            assert!(
                std::time::Instant::now() < until,
                "{open} open, not {count}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A line of `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        self.hub.show();
        let text = self.outside.metrics.render().unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(series));
        let value = found.unwrap_or_else(|| panic!("no {series} in {text}"));
        value.trim().parse().unwrap()
    }
}

/// The n-th update of the topic, with so many bytes of text.
pub(crate) fn update(number: i64, bytes: usize) -> Update {
    let value = format!(
        r#"{{"type": "recommendations_update", "number": {number}, "text": "{}"}}"#,
        "x".repeat(bytes)
    );
    read(0, number, Some(b"u"), value.as_bytes()).unwrap().1
}
