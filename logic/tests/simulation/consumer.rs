//! The thin actors between the source topics and the ledger, as small as they can be: partition consumer, responder,
//! dead letters, flight. Decoding, judging and proposing are the product's.

use std::rc::Rc;

use homeostat_logic::actions::Action;
use homeostat_logic::decide::judge::judge;
use homeostat_logic::decide::propose::{Context, propose};
use homeostat_logic::event::decode;
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::record::{Id, Propose, Record};
use homeostat_logic::topic::Use;
use homeostat_logic::view::EventView;

use crate::events::publish;
use crate::happening::Message;
use crate::log::GroupName;
use crate::process::{Payload, Pending, Purpose};
use crate::profile::Sabotage;
use crate::world::World;

/// Records in flight of one partition.
const IN_FLIGHT_MAX: usize = 8;

impl World {
    pub(crate) fn publish(&mut self) {
        let source = self.dice.index(self.log.sources.len());
        let topic = self.log.sources[source].topic;
        let published = publish(&mut self.dice, topic, self.now, self.profile.poison);
        self.note(|| format!("published to {} {:?}", topic.name, published.due));
        self.log.sources[source].records.push(published);
        for process in 0..self.processes.len() {
            self.fetch_soon(process, source);
        }
    }

    pub(crate) fn fetch_soon(&mut self, process: usize, source: usize) {
        let high = self.log.sources[source].records.len();
        let Some(consumer) = self.processes[process].consumers.get_mut(&source) else {
            return;
        };
        let more = usize::try_from(consumer.position).unwrap() < high;
        if consumer.fetching
            || consumer.draining
            || !more
            || consumer.watermark.in_flight() >= IN_FLIGHT_MAX
        {
            return;
        }
        consumer.fetching = true;
        let epoch = consumer.epoch;
        let delay = self.delay();
        self.tell(delay, process, Message::Fetch(source, epoch));
    }

    pub(crate) fn fetch(&mut self, process: usize, source: usize, epoch: u64) {
        let count = self.dice.between(1, 4);
        for _ in 0..count {
            let high = self.log.sources[source].records.len();
            let Some(consumer) = self.processes[process].consumers.get_mut(&source) else {
                return;
            };
            if consumer.epoch != epoch || consumer.draining {
                return;
            }
            consumer.fetching = false;
            let offset = consumer.position;
            if usize::try_from(offset).unwrap() >= high
                || consumer.watermark.in_flight() >= IN_FLIGHT_MAX
            {
                break;
            }
            consumer.position += 1;
            consumer.watermark.delivered(offset);
            self.consume(process, source, epoch, offset);
        }
        self.fetch_soon(process, source);
    }

    fn consume(&mut self, process: usize, source: usize, epoch: u64, offset: i64) {
        let topic = self.log.sources[source].topic;
        let one = &mut self.processes[process];
        let published = &self.log.sources[source].records[usize::try_from(offset).unwrap()];
        let rules = &self.rules[one.rules];
        let now = self.now + one.wall_off;
        let Ok(event) = decode(Some(&published.value), topic, &mut one.names) else {
            return self.append_for(
                process,
                source,
                epoch,
                offset,
                Payload::Letter(source, offset),
            );
        };
        let view = EventView::new(std::str::from_utf8(&published.value).unwrap());
        let verdict = judge(&event, &view, rules, now);
        if verdict.action == Action::Ignore && topic.usage == Use::DecideByType {
            return self.settle(process, source, epoch, offset);
        }
        let context = Context {
            event: &event,
            view: &view,
            topic: topic.name,
            generation: 1,
            partition: self.log.sources[source].number,
            offset,
            timestamp: published.timestamp,
            now,
            rules,
            replay: None,
        };
        let mut record = propose(&context, &verdict).propose;
        crate::variants::configure(&mut record, one.rules, now);
        let ledger = self.log.ledger_of(&record.target.to_string());
        if self.sabotage == Sabotage::RuleInIdentity {
            record.event_key = Id::hash(&[&record.event_key.0, record.rule_rev.as_bytes()]);
        }
        if self.sabotage == Sabotage::SkippedWhenCooling && self.cools(process, ledger, &record) {
            return self.settle(process, source, epoch, offset);
        }
        let bytes = codec::encode(&Record::Propose(Box::new(record))).unwrap();
        let record = Rc::new(codec::decode(&bytes).unwrap());
        self.append_for(
            process,
            source,
            epoch,
            offset,
            Payload::Ledger(ledger, record),
        );
    }

    fn cools(&self, process: usize, ledger: usize, record: &Propose) -> bool {
        let key = &record.decisions[0].ladder[0].cooldown_key;
        let cooldowns = self.processes[process].views[ledger]
            .fold
            .cooldowns(self.now);
        cooldowns.iter().any(|one| one.key == *key)
    }

    fn append_for(
        &mut self,
        process: usize,
        source: usize,
        epoch: u64,
        offset: i64,
        payload: Payload,
    ) {
        if let Some(consumer) = self.processes[process].consumers.get_mut(&source) {
            *consumer.waiting.entry(offset).or_default() += 1;
        }
        let purpose = Purpose::Source {
            partition: source,
            epoch,
            offset,
        };
        self.append(process, Pending { payload, purpose });
        if self.sabotage == Sabotage::SettledBeforeAcknowledged {
            self.settle(process, source, epoch, offset);
        }
    }

    pub(crate) fn acknowledged(&mut self, process: usize, source: usize, epoch: u64, offset: i64) {
        let Some(consumer) = self.processes[process].consumers.get_mut(&source) else {
            return;
        };
        if consumer.epoch != epoch {
            return;
        }
        let Some(waiting) = consumer.waiting.get_mut(&offset) else {
            return;
        };
        *waiting -= 1;
        if *waiting == 0 {
            consumer.waiting.remove(&offset);
            self.settle(process, source, epoch, offset);
        }
    }

    fn settle(&mut self, process: usize, source: usize, epoch: u64, offset: i64) {
        let Some(consumer) = self.processes[process].consumers.get_mut(&source) else {
            return;
        };
        let moved = consumer.watermark.settle(offset).is_some();
        let drained = consumer.draining && consumer.watermark.in_flight() == 0;
        if moved && !consumer.committing {
            consumer.committing = true;
            let after = self.dice.roll(1_000);
            self.tell(after, process, Message::Commit(source, epoch));
        }
        if drained {
            self.release_source(process, source, epoch);
        }
        self.fetch_soon(process, source);
    }

    /// The group takes a commit of the present owner only; whoever is refused has lost everything.
    pub(crate) fn commit(&mut self, process: usize, source: usize, epoch: u64) {
        let member = self.processes[process].members[GroupName::Sources as usize];
        let Some(consumer) = self.processes[process].consumers.get_mut(&source) else {
            return;
        };
        if consumer.epoch != epoch {
            return;
        }
        consumer.committing = false;
        let next = consumer.watermark.next();
        let group = self.log.group(GroupName::Sources);
        let owner = group.owners.get(&source);
        let owns = owner.is_some_and(|owner| Some(owner.member) == member && owner.epoch == epoch);
        if !owns && self.sabotage != Sabotage::UnfencedCommit {
            return self.expelled(process);
        }
        let before = std::mem::replace(&mut group.committed[source], next);
        self.note(|| format!("process {process} commits {next} of source {source}"));
        if next < before {
            self.promises.broken(
                "O2",
                format!("process {process} moved source {source} back from {before} to {next}"),
            );
        }
        for offset in before..next {
            if !self.log.sources[source].is_answered(offset) {
                self.promises.broken(
                    "G5",
                    format!("source {source}@{offset} is settled and nowhere to be found"),
                );
            }
        }
    }
}
