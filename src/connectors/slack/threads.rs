//! Which messages were posted about which target, as far as this process posted them: Slack cannot be asked for that.

use std::collections::BTreeMap;

use homeostat_actors::ports::connector::Order;
use homeostat_logic::ledger::record::{Id, Millis};
use homeostat_logic::severity::Severity;
use homeostat_logic::target::Target;
use parking_lot::Mutex;

/// Messages that are known; beyond, the oldest is forgotten, and its thread ends.
const MESSAGES_MAX: usize = 1_024;

/// Messages by action.
pub(super) struct Threads {
    /// How long after its last message a thread is continued.
    lasting: Millis,
    messages: Mutex<BTreeMap<Id, Message>>,
}

/// Where a message is.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    /// Slack's name of the message in its channel.
    pub(super) ts: String,
    pub(super) channel: String,
}

struct Message {
    posted: Posted,
    target: Target,
    /// First message of the thread.
    root: String,
    /// Gravest in the thread up to this message.
    severity: Severity,
    at: Millis,
}

/// The thread of a message that is about to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) root: String,
    /// Whether it is graver than all in the thread.
    pub(super) is_graver: bool,
    severity: Severity,
}

impl Threads {
    pub(super) const fn lasting(lasting: Millis) -> Self {
        Self {
            lasting,
            messages: Mutex::new(BTreeMap::new()),
        }
    }

    /// The thread that an order's message belongs to; `None` = it begins one.
    pub(super) fn place(&self, order: &Order) -> Option<Place> {
        let messages = self.messages.lock();
        let same = messages
            .values()
            .filter(|message| message.target == order.target);
        let last = same.max_by_key(|message| message.at)?;
        (order.now < last.at.saturating_add(self.lasting)).then(|| Place {
            root: last.root.clone(),
            is_graver: order.severity > last.severity,
            severity: last.severity,
        })
    }

    /// Keeps where an order's message is.
    pub(super) fn posted(&self, order: &Order, posted: Posted, place: Option<Place>) {
        let mut messages = self.messages.lock();
        while messages.len() >= MESSAGES_MAX {
            let oldest = messages.iter().min_by_key(|(_, message)| message.at);
            let Some(oldest) = oldest.map(|(id, _)| *id) else {
                break;
            };
            messages.remove(&oldest);
        }
        let gravest = place
            .as_ref()
            .map_or(order.severity, |place| place.severity.max(order.severity));
        let message = Message {
            root: place.map_or_else(|| posted.ts.clone(), |place| place.root),
            posted,
            target: order.target.clone(),
            severity: gravest,
            at: order.now,
        };
        messages.insert(order.action_id, message);
    }

    /// Where the message of an action is.
    pub(super) fn find(&self, action: Id) -> Option<Posted> {
        self.messages
            .lock()
            .get(&action)
            .map(|message| message.posted.clone())
    }
}
