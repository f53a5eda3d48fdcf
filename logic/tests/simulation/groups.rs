//! Consumer groups: members come, go and are expelled; partitions move with a new epoch each time. Members hear of it
//! late, so former owners and two owners at once are ordinary.

use std::collections::BTreeMap;

use homeostat_logic::offsets::Watermark;

use crate::happening::{Event, Message};
use crate::log::{GroupName, Owner};
use crate::process::Consumer;
use crate::profile::SECOND;
use crate::world::World;

const SESSION_TIMEOUT: i64 = 10 * SECOND;
const DRAIN: i64 = 2_500;

pub(crate) const GROUPS: [GroupName; 2] = [GroupName::Sources, GroupName::Executors];

impl World {
    fn partitions(&self, name: GroupName) -> usize {
        match name {
            GroupName::Sources => self.log.sources.len(),
            GroupName::Executors => self.log.ledger.len(),
        }
    }

    pub(crate) fn join(&mut self, process: usize) {
        for name in GROUPS {
            let member = self.fresh();
            self.processes[process].members[name as usize] = Some(member);
            self.log.group(name).members.insert(member, process);
            self.rebalance(name);
        }
    }

    pub(crate) fn rebalance(&mut self, name: GroupName) {
        let turn = if self.faults { self.dice.index(4) } else { 0 };
        let partitions = self.partitions(name);
        let group = self.log.group(name);
        let members: Vec<u64> = group.members.keys().copied().collect();
        if members.is_empty() {
            return;
        }
        let owner = |partition: usize| members[(partition + turn) % members.len()];
        group.target = (0..partitions)
            .map(|partition| (partition, owner(partition)))
            .collect();
        for partition in 0..partitions {
            self.move_partition(name, partition);
        }
    }

    fn move_partition(&mut self, name: GroupName, partition: usize) {
        let group = self.log.group(name);
        let wanted = group.target[&partition];
        match group.owners.get(&partition).copied() {
            Some(owner) if owner.member == wanted => {}
            Some(owner) if group.members.contains_key(&owner.member) => {
                let process = group.members[&owner.member];
                let delay = self.delay();
                self.tell(
                    delay,
                    process,
                    Message::Revoked(name, partition, owner.epoch),
                );
                self.at(
                    self.now + SESSION_TIMEOUT,
                    Event::Release(name, partition, owner.epoch),
                );
            }
            _ => self.grant(name, partition, wanted),
        }
    }

    fn grant(&mut self, name: GroupName, partition: usize, member: u64) {
        let epoch = self.fresh();
        let group = self.log.group(name);
        let Some(process) = group.members.get(&member).copied() else {
            return;
        };
        group.owners.insert(partition, Owner { member, epoch });
        let delay = self.delay();
        self.tell(delay, process, Message::Assigned(name, partition, epoch));
    }

    /// The owner gave a partition back, or did not in time: then it is no member any more.
    fn give_back(&mut self, name: GroupName, partition: usize, epoch: u64) {
        let group = self.log.group(name);
        if group
            .owners
            .get(&partition)
            .is_none_or(|owner| owner.epoch != epoch)
        {
            return;
        }
        group.owners.remove(&partition);
        if let Some(wanted) = group.target.get(&partition).copied() {
            self.grant(name, partition, wanted);
        }
    }

    pub(crate) fn force_release(&mut self, name: GroupName, partition: usize, epoch: u64) {
        let group = self.log.group(name);
        let Some(owner) = group.owners.get(&partition).copied() else {
            return;
        };
        if owner.epoch == epoch && group.target.get(&partition) != Some(&owner.member) {
            self.expel(name, owner.member);
        }
    }

    /// Processes that cannot be reached for so long are expelled.
    pub(crate) fn watch(&mut self, process: usize) {
        for name in GROUPS {
            if let Some(member) = self.processes[process].members[name as usize] {
                self.at(self.now + SESSION_TIMEOUT, Event::Expire(name, member));
            }
        }
    }

    pub(crate) fn expire(&mut self, name: GroupName, member: u64) {
        let Some(process) = self.log.group(name).members.get(&member).copied() else {
            return;
        };
        let one = &self.processes[process];
        let same = one.members[name as usize] == Some(member);
        let away = !one.alive || !same || one.paused_until.max(one.cut_until) > self.now;
        if away {
            self.expel(name, member);
        }
    }

    fn expel(&mut self, name: GroupName, member: u64) {
        let group = self.log.group(name);
        let Some(process) = group.members.remove(&member) else {
            return;
        };
        group.owners.retain(|_, owner| owner.member != member);
        self.note(|| format!("process {process} is expelled from {name:?}"));
        if self.processes[process].members[name as usize] == Some(member) {
            // It learns that by its next heartbeat; until then it is a zombie.
            let one = &self.processes[process];
            let back = one.paused_until.max(one.cut_until).max(self.now) - self.now;
            let after = back + self.dice.between(1, 3_000);
            self.tell(after, process, Message::Expelled);
        }
        self.rebalance(name);
    }

    /// Everything is lost at once, without a commit; then the process joins anew.
    pub(crate) fn expelled(&mut self, process: usize) {
        let members = self.processes[process].members;
        let groups: Vec<GroupName> = GROUPS
            .into_iter()
            .filter(|name| {
                let member = members[*name as usize];
                member.is_some_and(|member| {
                    !self.log.groups[*name as usize]
                        .members
                        .contains_key(&member)
                })
            })
            .collect();
        for name in groups {
            match name {
                GroupName::Sources => self.processes[process].consumers = BTreeMap::new(),
                GroupName::Executors => {
                    for ledger in 0..self.log.ledger.len() {
                        self.stop_executor(process, ledger);
                    }
                }
            }
            let member = self.fresh();
            self.processes[process].members[name as usize] = Some(member);
            self.log.group(name).members.insert(member, process);
            self.rebalance(name);
        }
    }

    pub(crate) fn assigned(
        &mut self,
        process: usize,
        name: GroupName,
        partition: usize,
        epoch: u64,
    ) {
        let member = self.processes[process].members[name as usize];
        let owner = self.log.group(name).owners.get(&partition).copied();
        if owner.is_none_or(|owner| owner.epoch != epoch || Some(owner.member) != member) {
            return;
        }
        self.note(|| format!("process {process} gets {name:?} {partition}, epoch {epoch}"));
        if name == GroupName::Executors {
            let high = self.log.high(partition);
            let view = &mut self.processes[process].views[partition];
            view.act_at = Some(high);
            view.execution = None;
            self.return_places(process, partition);
            return self.start_executor(process, partition);
        }
        let position = self.log.groups[0].committed[partition];
        let consumer = Consumer {
            epoch,
            position,
            watermark: Watermark::new(position),
            waiting: BTreeMap::new(),
            draining: false,
            fetching: false,
            committing: false,
        };
        self.processes[process]
            .consumers
            .insert(partition, consumer);
        self.fetch_soon(process, partition);
    }

    pub(crate) fn revoked(
        &mut self,
        process: usize,
        name: GroupName,
        partition: usize,
        epoch: u64,
    ) {
        if name == GroupName::Executors {
            // A late word about an epoch before the present one ends nothing.
            let member = self.processes[process].members[name as usize];
            let owner = self.log.group(name).owners.get(&partition);
            let late =
                owner.is_some_and(|owner| Some(owner.member) == member && owner.epoch != epoch);
            if !late {
                self.stop_executor(process, partition);
            }
            return self.give_back(name, partition, epoch);
        }
        let consumer = self.processes[process].consumers.get_mut(&partition);
        let Some(consumer) = consumer.filter(|consumer| consumer.epoch == epoch) else {
            return self.give_back(name, partition, epoch);
        };
        consumer.draining = true;
        let wait = if consumer.watermark.in_flight() == 0 {
            0
        } else {
            DRAIN
        };
        self.tell(wait, process, Message::Drained(partition, epoch));
    }

    pub(crate) fn release_source(&mut self, process: usize, partition: usize, epoch: u64) {
        let consumer = self.processes[process].consumers.get(&partition);
        if consumer.is_none_or(|consumer| consumer.epoch != epoch) {
            return;
        }
        self.commit(process, partition, epoch);
        self.processes[process].consumers.remove(&partition);
        self.give_back(GroupName::Sources, partition, epoch);
    }
}
