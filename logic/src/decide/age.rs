//! How old an event is: the older of its own plausible time and the log's counts (issue 13, row 9).
//!
//! A backlog that is published late is new to the log and old all the same. The event's own time is believed only as far
//! as [`crate::event_time`] says, and not at all for a replayed dead letter, whose age counts from its replay.

use super::judge::{Doubt, Verdict};
use crate::actions::{Action, Strength};
use crate::clock_text::format_time;
use crate::event_time::{AHEAD_MS_MAX, EventTime, read, read_log_time};
use crate::field::{Field, Raw};
use crate::ledger::record::{Millis, When};
use crate::rules::Rule;

/// How old an event is, and what is odd about it.
#[derive(Debug, PartialEq)]
pub(super) struct Age {
    /// The log's time; the proposer's now where the log's is not plausible (ledger-protocol §3, and its siblings here).
    pub(super) log: Millis,
    /// From when on its age counts.
    pub(super) since: Millis,
    /// Whether it is too old to be acted on.
    pub(super) stale: bool,
    /// Whether it is too old only by a time whose unit had to be guessed.
    guessed: bool,
    /// The event's own time, where it makes a difference.
    own_is_older: Option<Millis>,
    /// What is odd about the times, one sentence each.
    odd: Vec<String>,
    limit_minutes: f64,
}

impl Age {
    /// `own` is the event's `timestamp`; `timestamp` the log's time of the record.
    pub(super) fn of(
        own: Field<Raw<'_>>,
        timestamp: Millis,
        replayed: bool,
        rule: &Rule,
        now: Millis,
    ) -> Self {
        let mut odd_times = Vec::new();
        let mut age_from = |name: &str, time: EventTime| match time {
            EventTime::Absent => None,
            EventTime::At {
                latest,
                guessed,
                odd,
            } => {
                odd_times.extend(odd.map(|odd| format!("{name} {odd}")));
                Some((latest, guessed))
            }
            EventTime::Implausible(why) => {
                let instead = if name == OWN { "the log's time" } else { "now" };
                odd_times.push(format!("{name} {why}; {instead} counts"));
                None
            }
        };
        let by_log = age_from("the log's time", read_log_time(timestamp, now));
        let own = if replayed || !rule.trust_event_time {
            EventTime::Absent
        } else {
            read(own, now)
        };
        let by_event = age_from(OWN, own);
        let log = match by_log {
            Some((at, false)) => at,
            Some((_, true)) | None => now,
        };
        let times = [by_log, by_event];
        let too_old = |at: Millis| now.saturating_sub(at) > rule.max_event_age_ms;
        let certain = times
            .iter()
            .flatten()
            .any(|(at, guessed)| !guessed && too_old(*at));
        let since = times.iter().flatten().map(|(at, _)| *at).min();
        let since = since.unwrap_or(now).min(log);
        let stale = too_old(since);
        let own_is_older = by_event
            .map(|(at, _)| at)
            .filter(|at| stale && *at == since || at.saturating_add(AHEAD_MS_MAX) < log);
        Self {
            log,
            since,
            stale,
            own_is_older,
            guessed: stale && !certain,
            odd: odd_times,
            limit_minutes: rule.max_event_age_ms as f64 / 60_000.0,
        }
    }

    /// The verdict on an event whose time is too old but not reliable. It must not silence an alarm: people are alerted
    /// where a reliable time would have the event suppressed.
    pub(super) fn doubt(&self, verdict: &Verdict, rule: &Rule, now: Millis) -> Option<Verdict> {
        let alarms = verdict.action.kind().strength >= Strength::Notifies;
        (self.guessed && alarms).then(|| {
            let alert = Verdict {
                action: Action::Alert,
                doubt: verdict.doubt.or(Some(Doubt::Age)),
                after_hours: None,
                start: When::Now,
                no_window: false,
                ..verdict.clone()
            };
            alert.unless_muted(rule, now)
        })
    }

    /// Whether nothing is done about the event, because it is too old for certain.
    pub(super) const fn suppresses(&self, verdict: &Verdict) -> bool {
        self.stale && !(self.guessed && verdict.doubt.is_some())
    }

    /// From when on the age of what is done counts.
    pub(super) const fn counts_from(&self, verdict: &Verdict) -> Millis {
        if self.guessed && verdict.doubt.is_some() {
            self.log
        } else {
            self.since
        }
    }

    /// Sentences for the reasons.
    pub(super) fn notes(&self, verdict: &Verdict) -> Vec<String> {
        let mut notes = self.odd.clone();
        if let Some(own) = self
            .own_is_older
            .filter(|_| verdict.action != Action::Ignore)
        {
            let limit = if self.stale {
                format!(
                    ", and an event older than {} min is not acted on",
                    self.limit_minutes
                )
            } else {
                String::new()
            };
            notes.push(format!(
                "the event's own time, {}, is older than the log's, {}; the older one counts{limit}",
                format_time(own),
                format_time(self.log)
            ));
        }
        notes
    }
}

const OWN: &str = "timestamp";
