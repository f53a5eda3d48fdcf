//! A team's own model behind a server, asked over HTTP: for candidates, or for scores of ours. It never stands in the way: what
//! comes late, wrong or not at all is counted by its reason, and our own list is used.

mod gate;
mod ids;
mod kserve;
mod mlflow;
#[cfg(test)]
mod real;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use homeostat_actors::throttle::Throttle;
use homeostat_logic::traffic::{Limits, Signal, Wait};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Response, Url};
use serde_json::Value;

pub use ids::Ids;
pub use settings::{ExternalSettings, Form, Mode, Protocol};

use crate::connectors::kit::Service;
use gate::Gate;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Of an answer in a message.
const SHOWN_CHARS: usize = 200;

/// What a model is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Id of the user.
    pub user: &'a str,
    /// Items that the user chose, the newest first. No more than the settings say are sent.
    pub recent: &'a [String],
    /// Our own list, the best first: what is scored, and what fills up a list that is too short.
    pub candidates: &'a [String],
    /// How many items are wanted.
    pub k: usize,
}

/// Why our own list is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// As many requests as it takes are under way.
    #[error("as many requests as external.concurrency_max allows are under way")]
    Busy,
    /// It failed too often in a row, and is left alone for a while.
    #[error("it failed too often in a row and is left alone for a while")]
    Open,
    /// It did not answer in time.
    #[error("it did not answer within {0} ms")]
    Late(u128),
    /// It was not reached.
    #[error("it was not reached: {0}")]
    Away(String),
    /// It answered with another status than success.
    #[error("it answered {status}: {shown}")]
    Status {
        /// The status.
        status: u16,
        /// The beginning of its answer.
        shown: String,
    },
    /// Its answer is not what the protocol says.
    #[error("its answer cannot be used: {0}")]
    Wrong(String),
    /// It named no item that may be recommended.
    #[error("it named no item that may be recommended")]
    Nothing,
}

/// Names of the outcomes, in the order in which they are counted: the model's list was used, or why not.
pub const OUTCOMES: [&str; 8] = [
    "used", "busy", "open", "late", "away", "status", "wrong", "nothing",
];

impl Why {
    /// Its name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Open => "open",
            Self::Late(_) => "late",
            Self::Away(_) => "away",
            Self::Status { .. } => "status",
            Self::Wrong(_) => "wrong",
            Self::Nothing => "nothing",
        }
    }

    /// What it says of the server: one that refuses lives.
    const fn signal(&self) -> Signal {
        match self {
            Self::Busy | Self::Open => Signal::Nothing,
            Self::Status { status, .. } if *status < 500 && *status != 429 => Signal::Answered,
            Self::Late(_) | Self::Away(_) | Self::Status { .. } => Signal::Failed,
            Self::Wrong(_) | Self::Nothing => Signal::Answered,
        }
    }
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
enum Answered {
    /// Items, the best first.
    Items(Vec<String>),
    /// A score for each item that was asked about, in their order.
    Scores(Vec<f64>),
}

/// A model behind a server, ready to be asked.
#[derive(Debug)]
pub struct External {
    name: String,
    protocol: Protocol,
    mode: Mode,
    ids: Ids,
    url: Url,
    service: Service,
    limit: Duration,
    recent_max: usize,
    scored_max: usize,
    limits: Limits,
    gate: Gate,
    counts: [AtomicU64; OUTCOMES.len()],
    failing: Throttle,
}

impl External {
    /// Its name in `[recommendations.external.NAME]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is asked for.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Items of our own list that it looks at.
    pub const fn scored_max(&self) -> usize {
        match self.mode {
            Mode::Scores => self.scored_max,
            Mode::Candidates => 0,
        }
    }

    /// How often each outcome came, by its name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        OUTCOMES.into_iter().zip(counts)
    }

    /// A list of at most `k` items by the model: those that `may_be_shown`, each once. A list of candidates that is too short
    /// is filled up with our own.
    ///
    /// # Errors
    /// Why our own list is to be used. It is counted, and logged once in five seconds.
    pub async fn recommend(
        &self,
        ask: &Ask<'_>,
        may_be_shown: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<String>, Why> {
        let candidates = self.scored(ask);
        let asked = self.asked(&Ask { candidates, ..*ask }).await;
        let list = asked.and_then(|answered| self.list(ask, answered, may_be_shown));
        let outcome = list.as_ref().map_or_else(Why::name, |_| "used");
        let place = OUTCOMES.iter().position(|one| *one == outcome);
        if let Some(count) = place.and_then(|place| self.counts.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(why) = &list
            && let Some(more) = self.failing.pass()
        {
            tracing::warn!(
                model = self.name,
                more,
                "our own recommendations are used: the external model failed: {why}"
            );
        }
        list
    }

    /// The part of our own list that is scored.
    fn scored<'a>(&self, ask: &Ask<'a>) -> &'a [String] {
        ask.candidates
            .get(..self.scored_max)
            .unwrap_or(ask.candidates)
    }

    /// Within the time limit and the bound of requests; an end of any kind gives the place back.
    async fn asked(&self, ask: &Ask<'_>) -> Result<Answered, Why> {
        if self.mode == Mode::Scores && ask.candidates.is_empty() {
            return Err(Why::Nothing);
        }
        let mut place = self.gate.enter(&self.limits).map_err(|wait| match wait {
            Wait::Concurrency | Wait::Rate => Why::Busy,
            Wait::Pause | Wait::Breaker => Why::Open,
        })?;
        let answer = match tokio::time::timeout(self.limit, self.exchange(ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(Why::Late(self.limit.as_millis())),
        };
        let signal = answer
            .as_ref()
            .map_or_else(Why::signal, |_| Signal::Answered);
        place.hear(signal, &self.limits);
        answer
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<Answered, Why> {
        let recent = ask.recent.get(..self.recent_max).unwrap_or(ask.recent);
        let ask = Ask { recent, ..*ask };
        let body = match &self.protocol {
            Protocol::Mlflow(form) => mlflow::request(*form, self.mode, self.ids, &ask),
            Protocol::Kserve => kserve::request(self.mode, self.ids, &ask),
        };
        let client = self.service.client.current();
        let request = client
            .post(self.url.clone())
            .headers(self.service.headers.map())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.to_string());
        let response = request.send().await.map_err(|error| away(&error))?;
        let status = response.status();
        let text = read(response).await?;
        if !status.is_success() {
            return Err(Why::Status {
                status: status.as_u16(),
                shown: shown(&String::from_utf8_lossy(&text)),
            });
        }
        let answer: Value = serde_json::from_slice(&text)
            .map_err(|error| Why::Wrong(format!("it is not JSON: {error}")))?;
        match &self.protocol {
            Protocol::Mlflow(_) => mlflow::answer(&answer, self.mode),
            Protocol::Kserve => kserve::answer(&answer, self.mode),
        }
        .map_err(Why::Wrong)
    }

    fn list(
        &self,
        ask: &Ask<'_>,
        answered: Answered,
        may_be_shown: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<String>, Why> {
        let items = match answered {
            Answered::Items(items) => items,
            Answered::Scores(scores) => by_score(self.scored(ask), &scores).map_err(Why::Wrong)?,
        };
        let mut seen = BTreeSet::new();
        let mut list: Vec<String> = Vec::with_capacity(ask.k);
        let mut take = |item: &str, list: &mut Vec<String>| {
            if list.len() < ask.k && may_be_shown(item) && seen.insert(item.to_owned()) {
                list.push(item.to_owned());
            }
        };
        for item in &items {
            take(item, &mut list);
        }
        if list.is_empty() {
            return Err(Why::Nothing);
        }
        for item in ask.candidates {
            take(item, &mut list);
        }
        Ok(list)
    }
}

/// The items in order of their scores; of equal ones ours stay in order.
fn by_score(items: &[String], scores: &[f64]) -> Result<Vec<String>, String> {
    if scores.len() != items.len() {
        return Err(format!("{} scores for {} items", scores.len(), items.len()));
    }
    let mut scored: Vec<(&String, f64)> = items.iter().zip(scores.iter().copied()).collect();
    scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(scored.into_iter().map(|(item, _)| item.clone()).collect())
}

async fn read(mut response: Response) -> Result<Vec<u8>, Why> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| away(&error))? {
        text.extend_from_slice(&chunk);
        if text.len() > ANSWER_BYTES_MAX {
            return Err(Why::Wrong(format!(
                "it is longer than {ANSWER_BYTES_MAX} bytes"
            )));
        }
    }
    Ok(text)
}

/// The innermost cause says what happened; the address belongs to the configuration.
fn away(error: &reqwest::Error) -> Why {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Why::Away(shown(&cause.to_string()))
}

fn shown(text: &str) -> String {
    let plain = text
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    plain.take(SHOWN_CHARS).collect()
}
