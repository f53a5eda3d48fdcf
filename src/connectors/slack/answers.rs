//! What Slack's answers mean.

use homeostat_actors::ports::connector::Answer;
use homeostat_logic::ledger::record::FinishOutcome;
use serde::Deserialize;

use crate::connectors::kit::{Reply, TOO_MANY_PAUSE_MS};

/// What the Web API answers.
#[derive(Deserialize)]
pub(super) struct Said {
    pub(super) ok: bool,
    pub(super) error: Option<String>,
    pub(super) ts: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) team: Option<String>,
    pub(super) user: Option<String>,
}

/// Errors that are a 429 by another name.
const BUSY: [&str; 2] = ["ratelimited", "rate_limited"];

pub(super) const NOT_SLACK: &str = ": this is no answer of Slack; check the url";

/// An incoming webhook says `ok` when it took the message. A proxy may answer 200 as well.
pub(super) fn hooked(reply: Reply) -> Answer {
    if !reply.is_success() || reply.text().trim() == "ok" {
        return reply.outcome();
    }
    not_slack(reply)
}

/// The Web API says 200 and puts the error into the body.
pub(super) fn judged(reply: Reply, said: Option<&Said>) -> Answer {
    if !reply.is_success() {
        return reply.outcome();
    }
    let Some(said) = said else {
        return not_slack(reply);
    };
    let (outcome, permanent) = match (said.ok, said.error.as_deref().unwrap_or_default()) {
        (true, _) => (FinishOutcome::Done, false),
        (_, "message_limit_exceeded" | "service_unavailable" | "team_added_to_org") => {
            (FinishOutcome::Failed, false)
        }
        (_, error) if BUSY.contains(&error) => (FinishOutcome::Failed, false),
        // Slack's documentation says of these that some part may have been done.
        (_, "internal_error" | "fatal_error" | "request_timeout") => {
            (FinishOutcome::Unknown, false)
        }
        _ => (FinishOutcome::Failed, true),
    };
    let mut answer = reply.answer(outcome, permanent);
    if said
        .error
        .as_deref()
        .is_some_and(|error| BUSY.contains(&error))
    {
        // As a 429 without a wish.
        answer.retry_after_ms.get_or_insert(TOO_MANY_PAUSE_MS);
    }
    answer
}

/// A 2xx that does not say what Slack says: of half an answer it is not known whether the message was taken.
fn not_slack(reply: Reply) -> Answer {
    if reply.is_half() {
        return reply.half();
    }
    let mut answer = reply.answer(FinishOutcome::Failed, false);
    answer.detail.push_str(NOT_SLACK);
    answer
}
