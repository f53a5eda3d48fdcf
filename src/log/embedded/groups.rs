//! Consumer groups inside the process: who owns which partition in which epoch, and what is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use homeostat_actors::ports::log::{Epoch, LogError, TopicPartition};

use super::balance::{MemberId, spread};
use super::store::{Durability, Store};
use super::topics::Topics;
use crate::log::sync::lock;

/// A partition a member now owns.
#[derive(Debug)]
pub(super) struct Acquired {
    pub(super) partition: TopicPartition,
    pub(super) epoch: Epoch,
    /// What earlier owners settled, if anything.
    pub(super) settled: Option<i64>,
}

#[derive(Clone, Copy)]
struct Owner {
    member: MemberId,
    epoch: Epoch,
}

#[derive(Default)]
struct Group {
    members: BTreeMap<MemberId, Vec<String>>,
    /// Who shall own what; [`Self::owners`] follows as members let go.
    target: BTreeMap<TopicPartition, MemberId>,
    owners: BTreeMap<TopicPartition, Owner>,
    settled: BTreeMap<TopicPartition, i64>,
    /// Settled positions not yet stored.
    dirty: BTreeSet<TopicPartition>,
}

/// All groups.
#[derive(Default)]
pub(super) struct Groups {
    by_name: Mutex<BTreeMap<String, Group>>,
    epochs: AtomicU64,
    members: AtomicU64,
    /// One flush at a time, so that an older position never overwrites a newer one.
    flushing: Mutex<()>,
}

impl Groups {
    /// Reads the settled positions from the store.
    pub(super) fn load(store: &Store) -> Result<Self, LogError> {
        let groups = store.read(|opened| {
            let mut groups: BTreeMap<String, Group> = BTreeMap::new();
            for guard in opened.positions.iter() {
                let (key, value) = guard.into_inner()?;
                let position = <[u8; 8]>::try_from(&*value).map(i64::from_be_bytes);
                if let (Some((group, partition)), Ok(position)) = (decode_key(&key), position) {
                    groups
                        .entry(group)
                        .or_default()
                        .settled
                        .insert(partition, position);
                }
            }
            Ok(groups)
        })?;
        Ok(Self {
            by_name: Mutex::new(groups),
            ..Self::default()
        })
    }

    /// Every settled position, with its group.
    pub(super) fn settled(&self) -> Vec<(String, TopicPartition, i64)> {
        let groups = lock(&self.by_name);
        let of_group = |(name, group): (&String, &Group)| {
            let settled = group.settled.iter();
            settled
                .map(|(place, next)| (name.clone(), place.clone(), *next))
                .collect::<Vec<_>>()
        };
        groups.iter().flat_map(of_group).collect()
    }

    /// Adds a member; every member then finds its share by [`Self::to_release`] and [`Self::acquire`].
    pub(super) fn join(&self, group: &str, read: Vec<String>, topics: &Topics) -> MemberId {
        let member = self.members.fetch_add(1, Ordering::Relaxed);
        let mut groups = lock(&self.by_name);
        let group = groups.entry(group.to_owned()).or_default();
        group.members.insert(member, read);
        group.rebalance(topics);
        member
    }

    /// Removes a member with all it owned.
    pub(super) fn leave(&self, group: &str, member: MemberId, topics: &Topics) {
        let mut groups = lock(&self.by_name);
        if let Some(group) = groups.get_mut(group) {
            group.members.remove(&member);
            group.owners.retain(|_, owner| owner.member != member);
            group.rebalance(topics);
        }
    }

    /// Spreads again, because there are new topics.
    pub(super) fn rebalance(&self, topics: &Topics) {
        lock(&self.by_name)
            .values_mut()
            .for_each(|group| group.rebalance(topics));
    }

    /// What the member owns but shall no longer.
    pub(super) fn to_release(&self, group: &str, member: MemberId) -> Vec<(TopicPartition, Epoch)> {
        let groups = lock(&self.by_name);
        let Some(group) = groups.get(group) else {
            return Vec::new();
        };
        group
            .owned(member)
            .filter(|(partition, _)| group.target.get(*partition) != Some(&member))
            .map(|(partition, owner)| (partition.clone(), owner.epoch))
            .collect()
    }

    /// The member has drained these partitions: their epochs end and others may take them.
    pub(super) fn release(&self, group: &str, released: &[(TopicPartition, Epoch)]) {
        let mut groups = lock(&self.by_name);
        let Some(group) = groups.get_mut(group) else {
            return;
        };
        for (partition, epoch) in released {
            if group
                .owners
                .get(partition)
                .is_some_and(|owner| owner.epoch == *epoch)
            {
                group.owners.remove(partition);
            }
        }
    }

    /// Takes the partitions the member shall own and no other holds any more.
    pub(super) fn acquire(&self, group: &str, member: MemberId) -> Vec<Acquired> {
        let mut groups = lock(&self.by_name);
        let Some(group) = groups.get_mut(group) else {
            return Vec::new();
        };
        let mut acquired = Vec::new();
        for (partition, _) in group.target.iter().filter(|(_, target)| **target == member) {
            if group.owners.contains_key(partition) {
                continue;
            }
            let epoch = Epoch(
                self.epochs
                    .fetch_add(1, Ordering::Relaxed)
                    .saturating_add(1),
            );
            group
                .owners
                .insert(partition.clone(), Owner { member, epoch });
            let settled = group.settled.get(partition).copied();
            acquired.push(Acquired {
                partition: partition.clone(),
                epoch,
                settled,
            });
        }
        acquired
    }

    /// Moves the settled position forward, if the epoch is the present one.
    pub(super) fn settle(&self, group: &str, partition: &TopicPartition, epoch: Epoch, next: i64) {
        let mut groups = lock(&self.by_name);
        let Some(group) = groups.get_mut(group) else {
            return;
        };
        let current = group
            .owners
            .get(partition)
            .is_some_and(|owner| owner.epoch == epoch);
        let ahead = group
            .settled
            .get(partition)
            .is_none_or(|settled| *settled < next);
        if current && ahead {
            group.settled.insert(partition.clone(), next);
            group.dirty.insert(partition.clone());
        }
    }

    /// The partitions a member owns, with epoch and settled position.
    pub(super) fn owned(&self, group: &str, member: MemberId) -> Vec<Acquired> {
        let groups = lock(&self.by_name);
        let Some(group) = groups.get(group) else {
            return Vec::new();
        };
        let acquired = |(partition, owner): (&TopicPartition, &Owner)| Acquired {
            partition: partition.clone(),
            epoch: owner.epoch,
            settled: group.settled.get(partition).copied(),
        };
        group.owned(member).map(acquired).collect()
    }

    /// Stores the positions that moved since the last time. They stay due when that fails.
    pub(super) fn flush(&self, store: &Store) -> Result<(), LogError> {
        let _one_by_one = lock(&self.flushing);
        let mut due = Vec::new();
        for (name, group) in lock(&self.by_name).iter_mut() {
            for partition in std::mem::take(&mut group.dirty) {
                let position = group.settled.get(&partition).copied().unwrap_or(0);
                due.push((name.clone(), partition, position));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let stored = store.commit(Durability::Process, |opened, batch| {
            for (group, partition, position) in &due {
                batch.insert(
                    &opened.positions,
                    encode_key(group, partition),
                    position.to_be_bytes(),
                );
            }
        });
        if stored.is_err() {
            let mut groups = lock(&self.by_name);
            for (name, partition, _) in due {
                groups.entry(name).or_default().dirty.insert(partition);
            }
        }
        stored
    }
}

impl Group {
    fn owned(&self, member: MemberId) -> impl Iterator<Item = (&TopicPartition, &Owner)> {
        self.owners
            .iter()
            .filter(move |(_, owner)| owner.member == member)
    }

    fn rebalance(&mut self, topics: &Topics) {
        let names: BTreeSet<&String> = self.members.values().flatten().collect();
        let mut partitions = Vec::new();
        for topic in names.into_iter().filter_map(|name| topics.get(name)) {
            let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            partitions.extend((0..count).map(|partition| TopicPartition {
                topic: topic.name.clone(),
                partition,
            }));
        }
        self.target = spread(&self.target, &self.members, &partitions);
    }
}

fn encode_key(group: &str, partition: &TopicPartition) -> Vec<u8> {
    let mut key = Vec::with_capacity(group.len() + partition.topic.len() + 6);
    key.extend_from_slice(group.as_bytes());
    key.push(0);
    key.extend_from_slice(partition.topic.as_bytes());
    key.push(0);
    key.extend_from_slice(&partition.partition.to_be_bytes());
    key
}

fn decode_key(key: &[u8]) -> Option<(String, TopicPartition)> {
    let (names, number) = key.split_last_chunk::<4>()?;
    let mut names = names.split(|byte| *byte == 0);
    let group = String::from_utf8(names.next()?.to_vec()).ok()?;
    let topic = String::from_utf8(names.next()?.to_vec()).ok()?;
    Some((
        group,
        TopicPartition {
            topic,
            partition: i32::from_be_bytes(*number),
        },
    ))
}
