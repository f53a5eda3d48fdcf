//! Which counters show 0 before anything is counted: those whose labels come from closed lists.

use homeostat_actors::dead_letters;
use homeostat_logic::action::Action;
use homeostat_logic::event::Reject;
use homeostat_logic::ledger::reason::{Suppression, VoidReason};
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::topic::{self, Use};
use prometheus::IntCounterVec;
use strum::VariantNames as _;

use super::{Consumed, Metrics, Published, STATUS_CLASSES};
use crate::connectors;

impl Metrics {
    /// Series whose absence would look like health: a rate over a counter that appears with its first error misses it.
    pub(super) fn start_at_zero(&self) {
        for topic in topic::TOPICS
            .iter()
            .filter(|topic| topic.usage != Use::Produce)
        {
            for outcome in Consumed::ALL {
                self.events_consumed(topic.name, outcome, 0);
            }
            for reason in dead_letters::reasons() {
                zero(&self.dead_letters, &[topic.name, reason]);
            }
        }
        for topic in &topic::TOPICS {
            zero(&self.published_events, &[topic.name]);
        }
        for reason in Reject::VARIANTS {
            zero(&self.decode_rejects, &[reason]);
        }
        for gate in Suppression::VARIANTS {
            zero(&self.suppressed, &[gate]);
        }
        for reason in VoidReason::VARIANTS {
            zero(&self.ledger_voids, &[reason]);
        }
        for action in Action::ALL {
            for connector in connectors::NAMES {
                for outcome in FinishOutcome::VARIANTS {
                    zero(&self.actions, &[action.name(), connector, outcome]);
                }
            }
        }
        for outcome in [
            Published::Accepted,
            Published::Refused,
            Published::Unacknowledged,
        ] {
            zero(&self.publish_requests, &[outcome.name()]);
        }
        self.actions_in_flight(0);
    }

    /// A route exists, by its pattern: its counters start at 0.
    pub fn http_route(&self, route: &str) {
        for class in STATUS_CLASSES {
            zero(&self.http_requests, &[route, class]);
        }
    }
}

/// A series that shows 0 until something is counted.
fn zero(counter: &IntCounterVec, labels: &[&str]) {
    counter.with_label_values(labels).inc_by(0);
}
