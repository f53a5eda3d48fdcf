//! The changes of a call, folded so that each key is changed once: then their order does not matter, neither in a batch of the
//! embedded database nor among the nodes of a cluster.

use std::collections::HashMap;

use homeostat_actors::ports::user_store::{Change, Key};

/// What remains of all changes of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last<'a> {
    /// Write it if its position is larger than the stored one.
    Newer(i64, &'a str),
    /// Write it, whatever is stored.
    Put(i64, &'a str),
    /// Remove what is stored.
    Remove,
}

/// Folds changes in their order. Keys come in the order of their first change.
pub(super) fn fold<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<(&'a Key, Last<'a>)> {
    let mut places: HashMap<&Key, usize> = HashMap::new();
    let mut folded: Vec<(&Key, Last<'_>)> = Vec::new();
    for change in changes {
        let key = change.key();
        let place = places.entry(key).or_insert(folded.len());
        match folded.get_mut(*place) {
            Some((_, last)) => *last = after(*last, change),
            None => folded.push((key, alone(change))),
        }
    }
    folded
}

fn alone(change: &Change) -> Last<'_> {
    match change {
        Change::Remove { .. } => Last::Remove,
        Change::Put {
            key,
            position,
            value,
        } if key.entry.is_versioned() => Last::Newer(*position, value),
        Change::Put {
            position, value, ..
        } => Last::Put(*position, value),
    }
}

fn after<'a>(last: Last<'a>, change: &'a Change) -> Last<'a> {
    match (last, alone(change)) {
        (Last::Newer(stored, _), Last::Newer(position, value)) if position > stored => {
            Last::Newer(position, value)
        }
        (Last::Put(stored, _), Last::Newer(position, value)) if position > stored => {
            Last::Put(position, value)
        }
        // Nothing is stored by then.
        (Last::Remove, Last::Newer(position, value)) => Last::Put(position, value),
        (last, Last::Newer(..)) => last,
        (_, next) => next,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use homeostat_actors::ports::user_store::Entry;
    use proptest::prelude::*;

    use super::*;

    /// Entry, user, and the position that is put, or `None` for a removal.
    type Step = (bool, u8, Option<i64>);

    fn changes(steps: &[Step]) -> Vec<Change> {
        let change = |&(is_versioned, user, position): &Step| {
            let entry = if is_versioned {
                Entry::Stream
            } else {
                Entry::Realtime
            };
            let key = Key::new(entry, user.to_string());
            match position {
                Some(position) => Change::Put {
                    key,
                    position,
                    value: format!("{{\"position\":{position}}}"),
                },
                None => Change::Remove { key },
            }
        };
        steps.iter().map(change).collect()
    }

    type Model = BTreeMap<Key, i64>;

    fn step_by_step(mut model: Model, changes: &[Change]) -> Model {
        for change in changes {
            match change {
                Change::Remove { key } => drop(model.remove(key)),
                Change::Put { key, position, .. } => {
                    let stored = model.get(key).filter(|_| key.entry.is_versioned());
                    if stored.is_none_or(|stored| position > stored) {
                        model.insert(key.clone(), *position);
                    }
                }
            }
        }
        model
    }

    fn at_once(mut model: Model, changes: &[Change]) -> Model {
        for (key, last) in fold(changes.iter()) {
            match last {
                Last::Remove => drop(model.remove(key)),
                Last::Put(position, _) => drop(model.insert(key.clone(), position)),
                Last::Newer(position, _) => {
                    if model.get(key).is_none_or(|stored| position > *stored) {
                        model.insert(key.clone(), position);
                    }
                }
            }
        }
        model
    }

    proptest! {
        #[test]
        fn folded_changes_leave_what_they_leave_one_by_one(
            before in prop::collection::vec((any::<bool>(), 0..3_u8, prop::option::of(0..6_i64)), 0..8),
            then in prop::collection::vec((any::<bool>(), 0..3_u8, prop::option::of(0..6_i64)), 0..16),
        ) {
            let model = step_by_step(Model::new(), &changes(&before));
            let then = changes(&then);
            prop_assert_eq!(at_once(model.clone(), &then), step_by_step(model, &then));
        }
    }
}
