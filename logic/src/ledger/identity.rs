//! Identities of the ledger (ledger-protocol §3): each a hash of what it identifies, so that a redelivery, another
//! instance and another configuration arrive at the same one.

use super::phase::DerivedKind;
use super::record::{Id, OverrideOrder, Step};
use crate::target::Target;

/// Identity of a source position: topic name and its configured generation, partition, offset. The rule is no part of
/// it (V5).
pub fn event_key(topic: &str, generation: u32, partition: i32, offset: i64) -> Id {
    Id::hash(&[
        b"event",
        topic.as_bytes(),
        &generation.to_be_bytes(),
        &partition.to_be_bytes(),
        &offset.to_be_bytes(),
    ])
}

/// Identity of one of several events of a record, by its place among them; the first one has the record's own.
pub fn part_key(event_key: Id, part: usize) -> Id {
    if part == 0 {
        return event_key;
    }
    Id::hash(&[b"part", &event_key.0, &(part as u64).to_be_bytes()])
}

/// Identity that the producer gave the event itself.
pub fn event_identity(topic: &str, source: &str, id: &str) -> Id {
    Id::hash(&[
        b"identity",
        topic.as_bytes(),
        source.as_bytes(),
        id.as_bytes(),
    ])
}

/// Takes the place of the source position of an action that a person forces.
pub fn forced_key(override_id: Id) -> Id {
    Id::hash(&[b"forced", &override_id.0])
}

/// Identity of a person's order: two orders under one id differ in it. A forced action is known by what the person asked
/// for, which its event says; times and rules around it belong to the moment it was written.
pub fn order_digest(order: &OverrideOrder) -> Id {
    let bytes = match order {
        OverrideOrder::Force(propose) => serde_json::to_vec(&(&propose.target, &propose.event)),
        other => serde_json::to_vec(other),
    };
    // An order always serialises; were it not so, its name would still distinguish most orders.
    Id::hash(&[
        b"order",
        order.name().as_bytes(),
        &bytes.unwrap_or_default(),
    ])
}

/// Identity of the action that a decision asks for; `decision` is its index in the proposal. The installation is part of
/// it: two installations have events at the same positions, and the id is the idempotency key at their targets
/// (ledger-protocol §13.2).
pub fn action_id(installation: Id, event_key: Id, target: &Target, decision: usize) -> Id {
    Id::hash(&[
        b"action",
        &installation.0,
        &event_key.0,
        target.kind.name().as_bytes(),
        target.name.as_bytes(),
        &(decision as u64).to_be_bytes(),
    ])
}

/// Identity of the action that a person's order at `offset` of the target's ledger partition forces. The offset is part of
/// it: the same key is another order once the fold has forgotten the first one, and the target must not take its action for
/// a repetition.
pub fn forced_id(installation: Id, override_id: Id, target: &Target, offset: i64) -> Id {
    let key = forced_key(override_id);
    let order = Id::hash(&[b"forced at", &key.0, &offset.to_be_bytes()]);
    action_id(installation, order, target, 0)
}

/// What the fold remembers of an event or of an event's name: seen for one target. The protocol writes `seen{event_key}`,
/// but there is one record per (event, target), and two targets of an event may share a ledger partition: the second
/// record would be void. G11 promises one decision set per target, and that is what this gives.
pub(crate) fn for_target(event: Id, target: &Target) -> Id {
    let (kind, name) = (target.kind.name(), target.name.as_bytes());
    Id::hash(&[b"seen", &event.0, kind.as_bytes(), name])
}

/// Identity of an action that the fold derives from `parent`, which was fired again so many times before: a second alert
/// under the first one's key would be dropped by its receiver as a repetition.
pub fn derived_id(parent: Id, kind: DerivedKind, refires: u32, step: &Step) -> Id {
    // A step always serialises; were it not so, the kind alone would still be unique for a parent.
    let step = serde_json::to_vec(step).unwrap_or_default();
    let (kind, refires) = (kind.name().as_bytes(), refires.to_be_bytes());
    Id::hash(&[b"derived", &parent.0, kind, &refires, &step])
}

/// Number below 1000 that spreads the pauses of actions, the same on every instance.
pub(crate) fn jitter(action: Id, attempt: u32) -> i64 {
    let [a, b, ..] = Id::hash(&[b"jitter", &action.0, &attempt.to_be_bytes()]).0;
    i64::from(u16::from_be_bytes([a, b]) % 1000)
}
