//! Spreads a group's partitions over its members: pure, even, and moving as few partitions as it can.
//!
//! The service joins each group once in a process. The conformance suite joins several members to one group, so that what it
//! demands of a handover (drain, epochs, no loss) holds for the embedded log as for Kafka.

use std::collections::BTreeMap;

use homeostat_actors::ports::log::TopicPartition;

/// Number of a member, unique in the process.
pub(super) type MemberId = u64;

/// Gives each partition to one of the members that read its topic. A partition stays where it was (`before`) unless
/// its member left, or has at least two partitions more than another that could take it.
pub(super) fn spread(
    before: &BTreeMap<TopicPartition, MemberId>,
    members: &BTreeMap<MemberId, Vec<String>>,
    partitions: &[TopicPartition],
) -> BTreeMap<TopicPartition, MemberId> {
    let mut load: BTreeMap<MemberId, usize> = members.keys().map(|member| (*member, 0)).collect();
    let mut after = BTreeMap::new();
    let (staying, free): (Vec<_>, Vec<_>) = partitions.iter().partition(|partition| {
        before
            .get(partition)
            .is_some_and(|member| reads(members, *member, partition))
    });
    for partition in staying {
        if let Some(member) = before.get(partition) {
            take(&mut load, &mut after, partition, *member);
        }
    }
    for partition in free {
        if let Some((member, _)) = least_loaded(&load, members, partition) {
            take(&mut load, &mut after, partition, member);
        }
    }
    even_out(&mut load, &mut after, members, partitions);
    after
}

/// Moves partitions while that makes the spread more even; each move lowers the sum of squared loads, so it ends.
fn even_out(
    load: &mut BTreeMap<MemberId, usize>,
    after: &mut BTreeMap<TopicPartition, MemberId>,
    members: &BTreeMap<MemberId, Vec<String>>,
    partitions: &[TopicPartition],
) {
    let mut moved = true;
    while moved {
        moved = false;
        for partition in partitions {
            let Some(giver) = after.get(partition).copied() else {
                continue;
            };
            let much = load.get(&giver).copied().unwrap_or(0);
            let Some((taker, little)) = least_loaded(load, members, partition) else {
                continue;
            };
            if much > little + 1 {
                load.insert(giver, much - 1);
                take(load, after, partition, taker);
                moved = true;
            }
        }
    }
}

fn take(
    load: &mut BTreeMap<MemberId, usize>,
    after: &mut BTreeMap<TopicPartition, MemberId>,
    partition: &TopicPartition,
    member: MemberId,
) {
    *load.entry(member).or_insert(0) += 1;
    after.insert(partition.clone(), member);
}

fn reads(
    members: &BTreeMap<MemberId, Vec<String>>,
    member: MemberId,
    partition: &TopicPartition,
) -> bool {
    members
        .get(&member)
        .is_some_and(|topics| topics.contains(&partition.topic))
}

fn least_loaded(
    load: &BTreeMap<MemberId, usize>,
    members: &BTreeMap<MemberId, Vec<String>>,
    partition: &TopicPartition,
) -> Option<(MemberId, usize)> {
    load.iter()
        .map(|(member, owned)| (*member, *owned))
        .filter(|(member, _)| reads(members, *member, partition))
        .min_by_key(|(_, owned)| *owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partitions(count: i32) -> Vec<TopicPartition> {
        (0..count)
            .map(|partition| TopicPartition {
                topic: "t".to_owned(),
                partition,
            })
            .collect()
    }

    fn members(ids: &[MemberId]) -> BTreeMap<MemberId, Vec<String>> {
        ids.iter().map(|id| (*id, vec!["t".to_owned()])).collect()
    }

    fn moved(
        before: &BTreeMap<TopicPartition, MemberId>,
        after: &BTreeMap<TopicPartition, MemberId>,
    ) -> usize {
        before
            .iter()
            .filter(|(partition, member)| after.get(*partition) != Some(member))
            .count()
    }

    proptest! {
        #[test]
        fn every_partition_is_owned_and_the_spread_is_even(count in 0_i32..40, ids in 1_u64..6) {
            let ids: Vec<_> = (0..ids).collect();
            let after = spread(&BTreeMap::new(), &members(&ids), &partitions(count));
            prop_assert_eq!(after.len(), partitions(count).len());
            let loads: Vec<_> = ids.iter().map(|id| after.values().filter(|owner| *owner == id).count()).collect();
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{loads:?}");
        }

        #[test]
        fn a_newcomer_takes_its_share_and_nothing_else_moves(count in 1_i32..40, ids in 1_u64..6) {
            let old: Vec<_> = (0..ids).collect();
            let new: Vec<_> = (0..=ids).collect();
            let before = spread(&BTreeMap::new(), &members(&old), &partitions(count));
            let after = spread(&before, &members(&new), &partitions(count));
            let share = after.values().filter(|owner| **owner == ids).count();
            prop_assert_eq!(moved(&before, &after), share);
        }

        #[test]
        fn when_a_member_leaves_only_its_partitions_move(count in 1_i32..40, ids in 2_u64..6) {
            let all: Vec<_> = (0..ids).collect();
            let before = spread(&BTreeMap::new(), &members(&all), &partitions(count));
            let after = spread(&before, &members(all.split_first().unwrap().1), &partitions(count));
            prop_assert_eq!(moved(&before, &after), before.values().filter(|owner| **owner == 0).count());
        }
    }

    #[test]
    fn members_get_only_topics_they_read() {
        let mut members = members(&[1]);
        members.insert(2, vec!["other".to_owned()]);
        let after = spread(&BTreeMap::new(), &members, &partitions(4));
        assert!(after.values().all(|member| *member == 1));
    }
}
