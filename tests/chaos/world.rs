//! A world: fresh topics and groups on the site's broker, instances, events, and everything that watches them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use homeostat::log::kafka::{KafkaLog, KafkaSettings};
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER, TOPICS};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::action_target::ActionTarget;
use crate::faults::Fault;
use crate::ledger::Ledger;
use crate::letters::Letters;
use crate::load::{Event, Load, RATE};
use crate::memory::Memory;
use crate::offsets::{Offsets, consumed, executed};
use crate::oracle;
use crate::proxy::Proxy;
use crate::report::Row;
use crate::support::broker::Broker;
use crate::support::client::run;
use crate::support::service::{Launch, Service};

/// The shortest that brokers allow: the wait of a failover.
pub(crate) const SESSION: Duration = Duration::from_secs(6);
/// Instances, unless a fault wants others.
const INSTANCES: usize = 2;
/// Events flow this long before a fault, and after it.
const CALM: Duration = Duration::from_secs(1);
/// Longest wait for decisions; what has none by then is lost.
const DRAIN: Duration = Duration::from_mins(1);
/// Longest wait for the end of actions: the lease of an attempt (60 s), and some.
const REST: Duration = Duration::from_secs(150);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// The broker, and the way to it that can be cut.
pub(crate) struct Site {
    pub(crate) broker: Broker,
    pub(crate) proxy: Proxy,
    pub(crate) bootstrap: String,
    worlds: AtomicUsize,
}

impl Site {
    pub(crate) fn start(broker: Broker) -> Self {
        let proxy = Proxy::bind();
        let (bootstrap, behind) = broker.start_behind(proxy.port());
        proxy.lead_to(behind.parse().unwrap());
        Self {
            broker,
            proxy,
            bootstrap,
            worlds: AtomicUsize::new(0),
        }
    }

    /// Deletes whatever an earlier world left.
    fn clear(&self) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .create()
            .unwrap();
        let mut names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
        names.extend([LEDGER, DEAD_LETTERS]);
        // One that is not there yet is as good as deleted.
        run(admin.delete_topics(&names, &AdminOptions::new())).unwrap();
    }
}

/// A running instance, and how it was started: its folder is there as long as this is.
pub(crate) struct Instance {
    pub(crate) service: Service,
    launch: Launch,
}

impl Instance {
    /// Moves its wall clock by so many milliseconds.
    pub(crate) fn move_clock(&self, by: i64) {
        std::fs::write(clock(&self.launch), by.to_string()).unwrap();
    }
}

/// The file that moves the clock of an instance.
fn clock(launch: &Launch) -> PathBuf {
    launch.folder().join("clock")
}

/// Fields are dropped in this order: instances before what they talk to.
pub(crate) struct World<'a> {
    pub(crate) instances: Vec<Instance>,
    pub(crate) load: Load,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) letters: Letters,
    pub(crate) memory: Memory,
    pub(crate) target: ActionTarget,
    pub(crate) chance: fastrand::Rng,
    pub(crate) site: &'a Site,
    events: Offsets,
    executor: Offsets,
    log: Arc<KafkaLog>,
    group: String,
}

impl<'a> World<'a> {
    pub(crate) fn open(site: &'a Site, seed: u64) -> Self {
        let number = site.worlds.fetch_add(1, Ordering::SeqCst);
        site.clear();
        let mut chance = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
        let log = Arc::new(KafkaLog::open(KafkaSettings::new(&site.bootstrap)).unwrap());
        let ledger = Arc::new(Ledger::of(Arc::clone(&log) as Arc<dyn EventLog>));
        let group = format!("world-{number}");
        let mut world = Self {
            instances: Vec::new(),
            load: Load::start(log.clone(), Arc::clone(&ledger), chance.u64(..)),
            ledger,
            letters: Letters::of(log.clone()),
            memory: Memory::watch(),
            target: ActionTarget::start(chance.u64(..)),
            chance,
            site,
            events: Offsets::watch(&site.bootstrap, &group, consumed()),
            executor: Offsets::watch(&site.bootstrap, &format!("{group}-executor"), executed()),
            log,
            group,
        };
        // The first one alone: it creates the topics.
        let first = world.spawn(world.launch());
        first.service.ready();
        world.instances.push(first);
        world.heal();
        world
    }

    /// How an instance is started, straight to the broker.
    pub(crate) fn launch(&self) -> Launch {
        self.launch_at(&self.site.bootstrap)
    }

    /// How an instance is started whose connections go through the proxy.
    pub(crate) fn launch_behind_proxy(&self) -> Launch {
        self.launch_at(&format!("127.0.0.1:{}", self.site.proxy.port()))
    }

    fn launch_at(&self, bootstrap: &str) -> Launch {
        let launch = Launch::new();
        let clock = clock(&launch).display().to_string();
        launch
            .overlay(&self.target.overlay())
            .with("KAFKA__BOOTSTRAP_SERVERS", bootstrap)
            .with(
                "KAFKA__SESSION_TIMEOUT_MS",
                &SESSION.as_millis().to_string(),
            )
            .with("KAFKA__GROUP_ID", &self.group)
            .environment("HOMEOSTAT_CLOCK_OFFSET", &clock)
    }

    /// Starts an instance; it is not ready yet.
    pub(crate) fn spawn(&self, launch: Launch) -> Instance {
        let service = launch.spawn();
        self.memory.add(service.pid());
        Instance { service, launch }
    }

    /// As many plain instances as there are between faults, all of them ready.
    pub(crate) fn heal(&mut self) {
        while self.instances.len() > INSTANCES {
            self.instances.pop().unwrap().service.stop();
        }
        while self.instances.len() < INSTANCES {
            let instance = self.spawn(self.launch());
            self.instances.push(instance);
        }
        for instance in &self.instances {
            instance.service.ready();
        }
    }

    /// One of the instances.
    pub(crate) fn any(&mut self) -> usize {
        self.chance.usize(..self.instances.len())
    }

    /// A fault, so many times; each round is over when all of its events are decided and all instances are well again.
    pub(crate) fn hurt(&mut self, fault: Fault, rounds: usize) -> Row {
        let mut row = Row::new(fault.name());
        row.base = self.memory.take_peak();
        self.load.label(fault.name());
        let first = self.load.count();
        fault.prepare(self);
        for number in 0..rounds * fault.strikes() {
            let from = self.load.count();
            self.load.rate(RATE);
            std::thread::sleep(CALM);
            let moments = fault.strike(self, number % fault.strikes(), &mut row);
            std::thread::sleep(CALM);
            self.load.rate(0);
            self.drain(from);
            let waits = self.load.events(from).into_iter();
            let waited = waits
                .filter_map(|event| self.waited(&event, &moments))
                .max();
            row.recoveries.push(waited.unwrap_or_default());
            row.breaches.extend(self.events.take_gone_back());
            row.breaches.extend(self.executor.take_gone_back());
            row.peak = row.peak.max(self.memory.take_peak());
            println!(
                "{} {}: {} events, recovered after {:?}",
                row.fault,
                number + 1,
                self.load.count() - from,
                row.recoveries.last().unwrap()
            );
        }
        fault.restore(self);
        self.heal();
        row.events = self.load.count() - first;
        row.rounds = rounds;
        row.decisions = self.ledger.decisions();
        row
    }

    /// How long after the last fault before it, or after itself if that was later, an event was decided.
    fn waited(&self, event: &Event, moments: &[Millis]) -> Option<Duration> {
        self.ledger.with_decided(|decided| {
            let first = decided.get(&event.position)?.first()?;
            let before = moments.iter().copied().filter(|moment| *moment <= first.at);
            let since = before.max().unwrap_or(event.at).max(event.at);
            let waited = first.at.saturating_sub(since).max(0);
            Some(Duration::from_millis(waited.unsigned_abs()))
        })
    }

    /// Waits until whatever was acknowledged from the `from`-th event on is decided, or a dead letter.
    fn drain(&self, from: usize) {
        let until = Instant::now() + DRAIN;
        let mut left = self.load.events(from);
        while Instant::now() < until {
            self.ledger.catch_up();
            self.letters.catch_up();
            left.extend(self.load.events(from + left.len()));
            let is_open = |event: &Event| match event.poison {
                None => !self.ledger.has_decided(&event.position),
                Some(_) => self.letters.about(&event.position).is_empty(),
            };
            if !left.iter().any(is_open) {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for the end of all actions, and compares everything that was seen.
    pub(crate) fn come_to_rest(&mut self, rows: &mut [Row]) {
        let until = Instant::now() + REST;
        while Instant::now() < until {
            if self.ledger.catch_up() && self.ledger.open_actions() == 0 {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let verdict = oracle::judge(
            &self.load.events(0),
            &self.ledger,
            &self.letters,
            &self.target.requests(),
        );
        verdict.into_rows(rows);
        let row = rows.last_mut().unwrap();
        row.breaches.extend(self.unequal());
        row.breaches.extend(self.uncommitted());
        let looks = self.events.looks();
        assert!(looks > 0, "nobody has seen a committed offset");
    }

    /// Instances that do not show the ledger's states, or do not serve its decisions.
    fn unequal(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let until = Instant::now() + DRAIN;
        for instance in &self.instances {
            let mut difference = Some("was not asked".to_owned());
            while difference.is_some() && Instant::now() < until {
                self.ledger.catch_up();
                difference = self.difference(&instance.service);
                std::thread::sleep(LOOK);
            }
            differences.extend(difference.map(|text| format!("{}: {text}", instance.service.url)));
        }
        differences
    }

    fn difference(&self, service: &Service) -> Option<String> {
        let shown = service.get("/api/v1/ledger").json();
        for (partition, (offset, hash)) in self.ledger.hashes() {
            let one = &shown["partitions"][usize::try_from(partition).unwrap()];
            if one["offset"] != offset || one["hash"] != hash.as_str() {
                return Some(format!(
                    "ledger partition {partition} stands at {offset} {hash}, here {one}"
                ));
            }
        }
        let newest = self.ledger.acts().into_iter().rev().take(3);
        for act in newest {
            let answer = service.get(&format!("/api/v1/decisions/{}", act.id));
            // The history keeps the newest ones only, and ids are in no order.
            if answer.status != 200 && self.ledger.decisions() < 900 {
                return Some(format!("decision {} is not served: {answer:?}", act.id));
            }
        }
        None
    }

    /// Partitions of which not everything was settled and committed in the end.
    fn uncommitted(&self) -> Vec<String> {
        let until = Instant::now() + DRAIN;
        loop {
            let left: Vec<String> = self.behind();
            if left.is_empty() || Instant::now() > until {
                return left;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn behind(&self) -> Vec<String> {
        let names = TOPICS.iter().map(|topic| topic.name.to_owned()).collect();
        let described = run(self.log.describe_topics(names)).unwrap();
        let mut behind = Vec::new();
        for (topic, partition) in consumed() {
            let found = described.iter().find(|one| one.name == topic).unwrap();
            let high = found.partitions[usize::try_from(partition).unwrap()].high;
            let committed = self.events.committed(&topic, partition).unwrap_or(0);
            if committed != high {
                behind.push(format!(
                    "{topic}/{partition} ends at {high}, committed is {committed}"
                ));
            }
        }
        behind
    }
}
