//! Which counters show 0 before anything is counted: those whose labels come from closed lists.

use homeostat_actors::{dead_letters, kinds};
use homeostat_logic::actions::Action;
use homeostat_logic::event::Reject;
use homeostat_logic::ledger::reason::{Suppression, VoidReason};
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::push::ending::{Channel, End};
use homeostat_logic::push::places::REFUSED as PUSH_REFUSED;
use homeostat_logic::push::token::Refusal;
use homeostat_logic::topic;
use strum::VariantNames as _;

use super::{Consumed, Metrics, Published, STATUS_CLASSES};
use crate::connectors;

impl Metrics {
    /// Series whose absence would look like health: a rate over a counter that appears with its first error misses it.
    pub(super) fn start_at_zero(&self) {
        for topic in kinds::topics_read(&kinds::all()) {
            for outcome in Consumed::ALL {
                self.events_consumed(topic.name, outcome, 0);
            }
            for reason in dead_letters::reasons() {
                self.dead_letters.add([topic.name, reason], 0);
            }
        }
        for topic in &topic::TOPICS {
            self.published_events.add([topic.name], 0);
        }
        for reason in Reject::VARIANTS {
            self.decode_rejects.add([reason], 0);
        }
        for gate in Suppression::VARIANTS {
            self.suppressed.add([gate], 0);
        }
        for reason in VoidReason::VARIANTS {
            self.ledger_voids.add([reason], 0);
        }
        for action in Action::ALL {
            for connector in connectors::names() {
                for outcome in FinishOutcome::VARIANTS {
                    self.actions.add([action.name(), connector, outcome], 0);
                }
            }
        }
        for outcome in [
            Published::Accepted,
            Published::Refused,
            Published::Unacknowledged,
        ] {
            self.publish_requests.add([outcome.name()], 0);
        }
        self.actions_in_flight.set([], 0);
        self.users_at_zero();
    }

    fn users_at_zero(&self) {
        for gauge in [&self.model_items, &self.model_pairs, &self.model_users] {
            gauge.set([], 0);
        }
        self.model_unreadable.add([], 0);
        self.push_users.set([], 0);
        for channel in Channel::ALL {
            self.push_connections.set([channel.name()], 0);
            self.push_updates.add([channel.name()], 0);
            for reason in End::VARIANTS {
                self.push_closed.add([channel.name(), reason], 0);
            }
        }
        for reason in PUSH_REFUSED {
            self.push_refused.add([reason], 0);
        }
        for reason in Refusal::VARIANTS {
            self.user_token_refusals.add([reason], 0);
        }
    }

    /// A route exists, by its pattern: its counters start at 0.
    pub fn http_route(&self, route: &str) {
        for class in STATUS_CLASSES {
            self.http_requests.add([route, class], 0);
        }
    }
}
