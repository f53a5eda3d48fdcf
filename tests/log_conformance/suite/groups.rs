//! Members of groups: partitions, order, settlement, credit.

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::log::LogError;

use super::CLOSE;
use crate::support::recorder::Recorder;
use crate::support::world::{World, fill, group, place, unique};

pub(crate) fn a_member_gets_every_partition_and_every_record_in_order(world: &World) {
    let (log, name) = world.with_topic(3);
    fill(&log, &name, 0, 0, 50);
    let member = Recorder::default();
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    member.wait("all partitions", |seen| seen.owned.len() == 3);
    fill(&log, &name, 0, 50, 50);
    fill(&log, &name, 2, 0, 10);
    let seen = member.when("all records", |seen| seen.records.len() == 110);
    assert_eq!(seen.offsets(0), (0..100).collect::<Vec<_>>());
    assert_eq!(seen.offsets(2), (0..10).collect::<Vec<_>>());
    drop(seen);
    subscription.close(CLOSE);
    assert_eq!(
        member.seen().revoked.len(),
        3,
        "closing drains like a revocation of everything"
    );
}

pub(crate) fn settled_records_are_not_delivered_again_after_a_restart_and_others_are(
    world: &World,
) {
    let (log, name) = world.with_topic(1);
    let group = group(&unique("group"), &name);
    fill(&log, &name, 0, 0, 10);
    let before = Recorder::default();
    let subscription = log.subscribe(group.clone(), before.handler()).unwrap();
    let epoch = before
        .when("ten records", |seen| seen.records.len() == 10)
        .records[0]
        .1;
    subscription.settle(&place(&name, 0), epoch, 6);
    subscription.close(CLOSE);
    drop(subscription);
    log.close();
    drop(log);

    let log = world.open();
    let after = Recorder::default();
    let subscription = log.subscribe(group, after.handler()).unwrap();
    let seen = after.when("the rest", |seen| seen.records.len() >= 4);
    assert_eq!(seen.offsets(0), [6, 7, 8, 9]);
    assert_eq!(seen.owned[&place(&name, 0)].position, 6);
    drop(seen);
    subscription.close(CLOSE);
}

pub(crate) fn members_share_partitions_and_hand_over_without_loss(world: &World) {
    let (log, name) = world.with_topic(4);
    let group = group(&unique("group"), &name);
    let (first, second) = (Recorder::default(), Recorder::default());
    let keeps = log.subscribe(group.clone(), first.handler()).unwrap();
    first.seen().settle_by = Some(Arc::clone(&keeps));
    first.wait("all partitions", |seen| seen.owned.len() == 4);
    (0..4).for_each(|partition| fill(&log, &name, partition, 0, 25));
    first.wait("what was there", |seen| seen.records.len() == 100);

    let leaves = log.subscribe(group, second.handler()).unwrap();
    {
        // What the second one gets it settles only when it is asked to drain.
        let mut seen = second.seen();
        seen.settle_by = Some(Arc::clone(&leaves));
        seen.settle_on_revoke = true;
    }
    second.wait("its half", |seen| seen.owned.len() == 2);
    let moved = first
        .when("two given up", |seen| seen.owned.len() == 2)
        .revoked
        .len();
    assert_eq!(moved, 2, "only what had to move moved");
    (0..4).for_each(|partition| fill(&log, &name, partition, 25, 25));
    first.wait("its half of the news", |seen| seen.records.len() == 150);
    second.wait("the other half", |seen| seen.records.len() == 50);

    leaves.close(CLOSE);
    first.wait("everything back", |seen| seen.owned.len() == 4);
    (0..4).for_each(|partition| fill(&log, &name, partition, 50, 1));
    let seen = first.when("the last ones", |seen| seen.records.len() >= 154);
    assert_eq!(
        seen.records.len(),
        154,
        "nothing that was drained is delivered again"
    );
    let mut offsets: Vec<_> = seen
        .records
        .iter()
        .chain(&second.seen().records)
        .map(|(of, _, record)| (of.partition, record.offset))
        .collect();
    offsets.sort_unstable();
    let all: Vec<_> = (0..4)
        .flat_map(|partition| (0..51).map(move |offset| (partition, offset)))
        .collect();
    assert_eq!(offsets, all, "each record exactly once");
    drop(seen);
    first.seen().settle_by = None;
    second.seen().settle_by = None;
    keeps.close(CLOSE);
}

pub(crate) fn a_settlement_of_an_older_epoch_changes_nothing(world: &World) {
    let (log, name) = world.with_topic(1);
    let group = group(&unique("group"), &name);
    fill(&log, &name, 0, 0, 10);
    let member = Recorder::default();
    let subscription = log.subscribe(group.clone(), member.handler()).unwrap();
    let old = member
        .when("ten records", |seen| seen.records.len() == 10)
        .records[0]
        .1;
    subscription.settle(&place(&name, 0), old, 3);
    subscription.close(CLOSE);

    let member = Recorder::default();
    let subscription = log.subscribe(group.clone(), member.handler()).unwrap();
    let new = member
        .when("the rest", |seen| seen.records.len() == 7)
        .records[0]
        .1;
    assert!(new > old);
    subscription.settle(&place(&name, 0), old, 9);
    subscription.settle(&place(&name, 0), new, 5);
    assert_eq!(subscription.status()[0].settled, 5);
    subscription.close(CLOSE);
    subscription.settle(&place(&name, 0), new, 10);

    let member = Recorder::default();
    let subscription = log.subscribe(group, member.handler()).unwrap();
    let seen = member.when("the rest again", |seen| seen.records.len() >= 5);
    assert_eq!(seen.offsets(0), [5, 6, 7, 8, 9]);
    drop(seen);
    subscription.close(CLOSE);
}

pub(crate) fn a_sink_without_credit_gets_nothing_until_it_has_some_again(world: &World) {
    let (log, name) = world.with_topic(2);
    let member = Recorder::default();
    member.seen().credit = Some(0);
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    member.wait("both partitions", |seen| seen.owned.len() == 2);
    fill(&log, &name, 0, 0, 30);
    // The sink itself fails the test when it is given more than its credit.
    for credit in [5, 25] {
        member.seen().credit = Some(credit);
        member.wait("the credit used up", |seen| seen.credit == Some(0));
    }
    assert_eq!(member.seen().offsets(0), (0..30).collect::<Vec<_>>());
    subscription.close(CLOSE);
}

pub(crate) fn status_tells_how_far_a_member_is(world: &World) {
    let (log, name) = world.with_topic(1);
    let member = Recorder::default();
    let subscription = log
        .subscribe(group(&unique("group"), &name), member.handler())
        .unwrap();
    let epoch = member
        .when("the partition", |seen| seen.owned.len() == 1)
        .owned[&place(&name, 0)]
        .epoch;
    fill(&log, &name, 0, 0, 8);
    member.wait("the records", |seen| seen.records.len() == 8);
    subscription.settle(&place(&name, 0), epoch, 8);
    member.wait("a known end", |_| {
        subscription
            .status()
            .first()
            .is_some_and(|status| status.high == Some(8))
    });
    let status = subscription.status();
    assert_eq!((status[0].settled, status[0].epoch), (8, epoch));
    assert!(
        subscription.idle() < Duration::from_secs(30),
        "the loop goes round"
    );
    subscription.close(CLOSE);
    assert!(
        subscription.status().is_empty(),
        "a closed member owns nothing"
    );
}

pub(crate) fn two_groups_each_get_everything(world: &World) {
    let (log, name) = world.with_topic(2);
    let (one, other) = (Recorder::default(), Recorder::default());
    let first = log
        .subscribe(group(&unique("group"), &name), one.handler())
        .unwrap();
    let second = log
        .subscribe(group(&unique("group"), &name), other.handler())
        .unwrap();
    fill(&log, &name, 1, 0, 10);
    one.wait("all", |seen| seen.records.len() == 10);
    other.wait("all", |seen| seen.records.len() == 10);
    first.close(CLOSE);
    second.close(CLOSE);
}

pub(crate) fn a_sink_that_panics_is_reported_and_its_partitions_go_to_others(world: &World) {
    let (log, name) = world.with_topic(2);
    let group = group(&unique("group"), &name);
    let broken = Recorder::default();
    broken.seen().panic = true;
    let subscription = log.subscribe(group.clone(), broken.handler()).unwrap();
    broken.wait("both partitions", |seen| seen.owned.len() == 2);
    fill(&log, &name, 0, 0, 5);
    broken.wait("the failure", |seen| {
        matches!(seen.failed, Some(LogError::Fatal(_)))
    });
    let other = Recorder::default();
    let heir = log.subscribe(group, other.handler()).unwrap();
    let seen = other.when("all of it", |seen| seen.records.len() >= 5);
    assert_eq!(seen.offsets(0), [0, 1, 2, 3, 4]);
    drop(seen);
    subscription.close(CLOSE);
    heir.close(CLOSE);
}
