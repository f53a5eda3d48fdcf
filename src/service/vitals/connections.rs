//! The connections: what their gates let through, and a warning for each that is left alone because it failed too often. The
//! service does its work all the same: actions wait, and those over other connections leave.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use homeostat_actors::traffic::ConnectionTraffic;
use homeostat_logic::clock_text::format_time;
use homeostat_logic::traffic::{BreakerState, Wait};

use super::vital::Vital;
use crate::metrics::Metrics;
use crate::service::connections_now::ConnectionsNow;

/// Characters of the latest failure that a warning shows.
const DETAIL_SHOWN: usize = 200;

pub(super) struct Connected {
    connections: ConnectionsNow,
    /// Names of which gauges show something.
    shown: Mutex<BTreeSet<String>>,
}

impl Connected {
    pub(super) fn new(connections: ConnectionsNow) -> Self {
        let shown = Mutex::default();
        Self { connections, shown }
    }
}

impl Vital for Connected {
    fn warnings(&self) -> Vec<String> {
        let dry_run = dry_run_warning(&self.connections.in_dry_run());
        let all = self.connections.all();
        all.iter().filter_map(warning).chain(dry_run).collect()
    }

    fn gauges(&self, metrics: &Metrics) {
        let all = self.connections.all();
        for one in &all {
            show(one, metrics);
        }
        let now: BTreeSet<String> = all.into_iter().map(|one| one.connection).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.difference(&now) {
            forget(gone, metrics);
        }
        *shown = now;
    }
}

/// What people should know where decisions look carried out and are not.
fn dry_run_warning(names: &BTreeSet<String>) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| {
        format!(
            "dry run: nothing is sent over {}, and actions over it are recorded as done; start without --dry-run, or remove dry_run, to send",
            quoted.join(", ")
        )
    })
}

/// What people should know of a connection that was opened and did not answer since.
fn warning(one: &ConnectionTraffic) -> Option<String> {
    let (name, health) = (&one.connection, &one.health);
    let next = match health.state {
        BreakerState::Open => one.next_try.map_or_else(String::new, |at| {
            format!("it is tried again at {}", format_time(at))
        }),
        BreakerState::HalfOpen if health.tripped => "one request tries it now".to_owned(),
        _ => return None,
    };
    let last = one.failure.as_ref().map_or_else(String::new, |failure| {
        let detail: String = failure.detail.chars().take(DETAIL_SHOWN).collect();
        format!(", the latest: {detail}")
    });
    Some(format!(
        "connection `{name}` is left alone since {}: it failed {} times in a row{last}; {} actions wait for it and spend no attempt; {next}; repair the service, or correct [connections.{name}]",
        format_time(one.since),
        health.failures,
        health.waiting,
    ))
}

fn show(one: &ConnectionTraffic, metrics: &Metrics) {
    let (name, health) = (one.connection.as_str(), &one.health);
    for state in BreakerState::ALL {
        let is = i64::from(health.state == state);
        metrics.connection_state.set([name, state.name()], is);
    }
    for wait in Wait::ALL {
        let waiting = if health.wait == Some(wait) {
            health.waiting
        } else {
            0
        };
        metrics.connection_waiting.set([name, wait.name()], waiting);
    }
    metrics.connection_in_flight.set([name], health.in_flight);
    metrics.connection_opened.raise_to([name], health.opened);
    metrics.connection_paused.raise_to([name], health.paused);
    for (outcome, count) in &one.outcomes {
        metrics
            .connection_attempts
            .raise_to([name, outcome], *count);
    }
}

fn forget(name: &str, metrics: &Metrics) {
    for state in BreakerState::ALL {
        metrics.connection_state.forget([name, state.name()]);
    }
    for wait in Wait::ALL {
        metrics.connection_waiting.forget([name, wait.name()]);
    }
    metrics.connection_in_flight.forget([name]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_said_with_the_names_of_its_connections() {
        assert_eq!(dry_run_warning(&BTreeSet::new()), None);
        let names = ["am", "chat"].map(str::to_owned);
        let warning = dry_run_warning(&names.into()).unwrap();
        assert!(
            warning.starts_with("dry run: nothing is sent over `am`, `chat`"),
            "{warning}"
        );
    }
}
