//! A running roster over the log in memory, with a clock, rules, a judge and a connector of the test's choice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use homeostat_actors::assignment::Assignments;
use homeostat_actors::dead_letters::DeadLetters;
use homeostat_actors::executor::ExecutorContext;
use homeostat_actors::feed::Decoder;
use homeostat_actors::flight::FlightLimits;
use homeostat_actors::in_force::{InForce, Live};
use homeostat_actors::kinds::observe::Observe;
use homeostat_actors::kinds::responder::Decide;
use homeostat_actors::kinds::{Kind, Means};
use homeostat_actors::ledger::{LedgerContext, SharedHistory};
use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::connector::{Binding, Connections, Connector};
use homeostat_actors::ports::log::{
    Epoch, EventLog, GroupSettings, NewRecord, StoredRecord, TopicPartition,
};
use homeostat_actors::ports::observer::{Consumed, Observer};
use homeostat_actors::roster::{Roster, RosterContext, RosterSettings};
use homeostat_actors::roster_settings::RetrySettings;
use homeostat_actors::supervision::{ActorSnapshot, Backoff, Intensity};
use homeostat_actors::traffic::{ConnectionTraffic, Traffic};
use homeostat_logic::actions::Action;
use homeostat_logic::dead_letters::breaker::BreakerSettings;
use homeostat_logic::history::History;
use homeostat_logic::ledger::change::{Change, ChangeKind};
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{Genesis, Id, Override, OverrideOrder, Record};
use homeostat_logic::ledger::retention::KEEP_MS_MIN;
use homeostat_logic::topic::{DEAD_LETTERS, LEDGER};
use homeostat_logic::traffic::Limits;

use crate::doubles::{
    Hearing, Probing, Recording, Resolving, Scripted, Sending, Tend, TestClock, done,
};
use crate::memory_log::MemoryLog;
use crate::rules::{Over, rules};

/// As shipped.
pub(crate) const BREAKER: BreakerSettings = BreakerSettings::new(100, 0.5);
/// Partitions of the ledger.
pub(crate) const LEDGER_PARTITIONS: usize = 2;

/// What a test may choose.
pub(crate) struct Plan {
    pub(crate) settings: RosterSettings,
    pub(crate) judge: Box<dyn Fn(&str) + Send + Sync>,
    /// Kinds beside those shipped.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) decode: Decoder,
    pub(crate) changed: Box<dyn Fn(&Change) + Send + Sync>,
    pub(crate) send: Sending,
    pub(crate) probe: Probing,
    pub(crate) resolve: Resolving,
    /// What an attempt without a clear answer means.
    pub(crate) tend: Option<Tend>,
    pub(crate) policy: &'static str,
    pub(crate) fresh_id: fn() -> Id,
    /// Actions over a connection other than `log`.
    pub(crate) over: &'static [Over],
    /// How much every connection takes.
    pub(crate) limits: Limits,
    /// Whether every connection only shows what it would send.
    pub(crate) dry_run: bool,
}

pub(crate) const FAST: Backoff = Backoff {
    first: Duration::from_millis(5),
    max: Duration::from_millis(20),
    jitter: 0.0,
    quiet: Duration::from_secs(10),
};

impl Default for Plan {
    fn default() -> Self {
        Self {
            settings: RosterSettings {
                intensity: Intensity::new(1_000, Duration::from_mins(1)),
                backoff: FAST,
                group_intensity: Intensity::new(1, Duration::from_mins(1)),
                group_backoff: FAST,
                mailbox_messages_max: 64,
                handling_max: Duration::from_secs(30),
                batch_events_max: 16,
                flight: FlightLimits {
                    records_max: 64,
                    bytes_max: 1_048_576,
                    breaker: BREAKER,
                },
                retry: RetrySettings {
                    attempts_max: 3,
                    first: Duration::from_millis(5),
                    max: Duration::from_millis(20),
                },
            },
            judge: Box::new(|_| {}),
            kinds: Vec::new(),
            decode: homeostat_logic::envelope::decode_record,
            changed: Box::new(|_| {}),
            send: Box::new(|_| async { done() }.boxed()),
            probe: Box::new(|_| None),
            resolve: Box::new(|_| async { Ok(None) }.boxed()),
            tend: None,
            policy: "idempotent",
            fresh_id,
            over: &[],
            limits: Limits::INTERNAL,
            dry_run: false,
        }
    }
}

pub(crate) fn fresh_id() -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Id::hash(&[&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()])
}

/// The running service, without its outside.
pub(crate) struct Bench {
    pub(crate) log: MemoryLog,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) roster: Roster,
    pub(crate) hearing: Arc<Hearing>,
    pub(crate) history: SharedHistory,
    traffic: Arc<Traffic>,
    live: Live,
    orders: Arc<Mutex<Vec<(Id, u32, Action)>>>,
}

impl Bench {
    /// Starts it and has these partitions assigned.
    pub(crate) async fn start(plan: Plan, partitions: &[&TopicPartition]) -> Self {
        let clock = Arc::new(TestClock {
            start: Instant::now(),
            ahead: AtomicI64::new(0),
            boot_ahead: AtomicU64::new(0),
        });
        let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>, LEDGER_PARTITIONS);
        Self::start_on(log, clock, plan, partitions).await
    }

    /// The same on a log that has something already.
    pub(crate) async fn start_on(
        log: MemoryLog,
        clock: Arc<TestClock>,
        plan: Plan,
        partitions: &[&TopicPartition],
    ) -> Self {
        let hearing = Arc::new(Hearing {
            consumed: Mutex::default(),
            rejected: Mutex::default(),
            changed: plan.changed,
        });
        let history: SharedHistory = Arc::new(RwLock::new(History::new(1_000)));
        let orders = Arc::new(Mutex::new(Vec::new()));
        let recording: Arc<dyn Connector> = Arc::new(Recording {
            orders: Arc::clone(&orders),
            send: plan.send,
            probe: plan.probe,
            resolve: plan.resolve,
            tend: plan.tend,
        });
        let shared_log: Arc<dyn EventLog> = Arc::new(log.clone());
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let observer: Arc<dyn Observer> = Arc::clone(&hearing) as _;
        let connections = connections(&recording, plan.over, plan.limits, plan.dry_run);
        let live = InForce::begin(rules(plan.policy, plan.over), connections);
        let under_way = Arc::new(AtomicUsize::new(0));
        let traffic = Traffic::new(Arc::clone(&time));
        found(&log).await;
        let ledger = (0..LEDGER_PARTITIONS).map(|partition| {
            let view = LedgerView::new(i32::try_from(partition).unwrap());
            view.assigned(Epoch(1));
            let cooldown = LedgerContext {
                log: Arc::clone(&shared_log),
                clock: Arc::clone(&time),
                observer: Arc::clone(&observer),
                history: Arc::clone(&history),
                view: Arc::clone(&view),
                keep_ms: KEEP_MS_MIN,
                partitions: LEDGER_PARTITIONS,
                executor: Arc::new(OnceLock::new()),
            };
            let executor = ExecutorContext {
                log: Arc::clone(&shared_log),
                clock: Arc::clone(&time),
                observer: Arc::clone(&observer),
                view,
                live: Arc::clone(&live),
                fresh_id: plan.fresh_id,
                owner: "test".into(),
                traffic: Arc::clone(&traffic),
                under_way: Arc::clone(&under_way),
            };
            (cooldown, executor)
        });
        let context = RosterContext {
            kinds: with_shipped(plan.kinds, plan.judge),
            means: Means {
                live: Arc::clone(&live),
                log: Arc::clone(&shared_log),
                clock: Arc::clone(&time),
                observer: Arc::clone(&observer),
                topic_generation: 1,
                ledger_partitions: LEDGER_PARTITIONS,
            },
            decode: plan.decode,
            ledger: ledger.collect(),
            dead_letters: DeadLetters::new(Arc::clone(&shared_log), "test"),
            observer: Arc::clone(&observer),
        };
        let roster = Roster::start(context, plan.settings).unwrap();
        until("the ledger is folded", || {
            roster.views().iter().all(|view| view.is_live())
        })
        .await;
        let group = GroupSettings {
            group: "test".to_owned(),
            topics: Vec::new(),
            drain: Duration::from_secs(5),
        };
        let handler = Assignments(Arc::clone(roster.partitions()));
        let subscription = log.subscribe(group, Box::new(handler)).unwrap();
        roster.partitions().subscribed(&subscription);
        for partition in partitions {
            log.assign(partition);
        }
        Self {
            log,
            clock,
            roster,
            hearing,
            history,
            traffic,
            live,
            orders,
        }
    }

    /// Waits until everything in a partition is settled.
    pub(crate) async fn until_settled(&self, partition: &TopicPartition) {
        let index = usize::try_from(partition.partition).unwrap();
        let end = self.log.records(&partition.topic, index).len();
        let end = i64::try_from(end).unwrap();
        until(&format!("{partition} is settled up to {end}"), || {
            self.log.settled(partition) == end
        })
        .await;
    }

    /// Folds the ledger anew.
    pub(crate) fn fold(&self) -> Vec<(Fold, Vec<Change>)> {
        let partitions = 0..LEDGER_PARTITIONS;
        let folds = partitions.map(|index| fold_records(&self.log.records(LEDGER, index)));
        folds.collect()
    }

    /// Offsets of a partition that the fold has decisions about. Fails when there are two about one.
    pub(crate) fn decided(&self, partition: &TopicPartition) -> BTreeSet<i64> {
        let mut decided = BTreeSet::new();
        for change in self.fold().into_iter().flat_map(|(_, changes)| changes) {
            if let ChangeKind::Entered(entered) = change.kind {
                let src = &entered.propose.src;
                if src.topic == partition.topic && src.partition == partition.partition {
                    assert!(decided.insert(src.offset), "{} decided twice", src.offset);
                }
            }
        }
        decided
    }

    pub(crate) fn dead_letters(&self) -> Vec<StoredRecord> {
        self.log.records(DEAD_LETTERS, 0)
    }

    pub(crate) fn consumed(&self, topic: &str, outcome: Consumed) -> u64 {
        let consumed = self.hearing.consumed.lock().unwrap();
        let key = (topic.to_owned(), outcome);
        consumed.get(&key).copied().unwrap_or(0)
    }

    /// What the connector was told to send.
    pub(crate) fn orders(&self) -> Vec<(Id, u32, Action)> {
        self.orders.lock().unwrap().clone()
    }

    /// From now on every connection sends, or only shows what it would send.
    pub(crate) fn reload(&self, dry_run: bool) {
        let in_force = self.live.load_full();
        let mut connections = in_force.connections.clone();
        for (name, action, target, binding) in in_force.connections.iter() {
            let binding = Binding {
                dry_run,
                ..binding.clone()
            };
            connections.bind(name, action, target.cloned(), binding);
        }
        let rules = in_force.rules.clone();
        self.live.store(Arc::new(InForce { rules, connections }));
    }

    /// The traffic of a connection.
    pub(crate) fn connection(&self, name: &str) -> ConnectionTraffic {
        let all = self.traffic.snapshot(&self.live.load().connections);
        let one = all.into_iter().find(|one| one.connection == name);
        one.unwrap_or_else(|| panic!("no connection {name}"))
    }

    pub(crate) fn actor(&self, path: &str) -> ActorSnapshot {
        let actors = self.roster.supervisor().snapshot();
        let actor = actors.into_iter().find(|actor| actor.path == path);
        actor.unwrap_or_else(|| panic!("no actor {path}"))
    }

    /// Ends it; the threads end with it.
    /// A person's order in a ledger partition.
    pub(crate) async fn ordered(&self, partition: i32, id: Id, order: OverrideOrder) {
        let order = Record::Override(Box::new(Override {
            override_id: id,
            order,
            who: "anna".to_owned(),
            reason: "a look".to_owned(),
        }));
        let record = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(partition),
            value: Some(codec::encode(&order).unwrap()),
            ..NewRecord::default()
        };
        self.log.append(vec![record]).await;
    }

    pub(crate) async fn end(self) {
        self.log.close();
        self.roster.shutdown(Duration::from_secs(2)).await;
    }
}

/// Each of these connections and `log`, all of which do the same with whatever they carry.
fn connections(
    to: &Arc<dyn Connector>,
    over: &[Over],
    limits: Limits,
    dry_run: bool,
) -> Connections {
    let mut connections = Connections::default();
    for name in over.iter().map(|(_, name)| *name).chain(["log"]) {
        connections.limit(name, limits);
        for action in Action::ALL {
            let connector = Arc::clone(to);
            let binding = Binding {
                kind: "log",
                connector,
                dry_run,
            };
            connections.bind(name, action, None, binding);
        }
    }
    connections
}

/// These kinds beside those shipped, which judge by a test's code.
fn with_shipped(mut kinds: Vec<Kind>, judge: Box<dyn Fn(&str) + Send + Sync>) -> Vec<Kind> {
    let decide = Decide::by(Arc::new(Scripted(judge)));
    kinds.extend([Kind::of(decide), Kind::of(Observe::default())]);
    kinds
}

/// The Genesis of each partition, as the service appends it before it consumes.
async fn found(log: &MemoryLog) {
    let genesis = Record::Genesis(Genesis::new(Id([1; 16])));
    for partition in 0..LEDGER_PARTITIONS {
        let record = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(i32::try_from(partition).unwrap()),
            value: Some(codec::encode(&genesis).unwrap()),
            ..NewRecord::default()
        };
        if log.records(LEDGER, partition).is_empty() {
            log.append(vec![record]).await;
        }
    }
}

fn fold_records(records: &[StoredRecord]) -> (Fold, Vec<Change>) {
    let mut fold = Fold::new();
    let mut changes = Vec::new();
    for record in records {
        let decoded = codec::decode(record.value.as_deref().unwrap()).unwrap();
        changes.extend(fold.apply(record.offset, record.timestamp, Ok(decoded)));
    }
    (fold, changes)
}

/// The ledger's records of all partitions.
pub(crate) fn ledger(log: &MemoryLog) -> Vec<Record> {
    let stored = (0..LEDGER_PARTITIONS).flat_map(|index| log.records(LEDGER, index));
    stored
        .map(|record| codec::decode(record.value.as_deref().unwrap()).unwrap())
        .collect()
}

/// Waits for a condition. The limit is only there to make a hang a failure.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "never happened: {what}");
}

/// A drift event about a model, of a severity that retrains at once.
pub(crate) fn drift(model: impl std::fmt::Display) -> String {
    format!(r#"{{"severity":"HIGH","model_version":"{model}@1","drift_score":0.7}}"#)
}

pub(crate) fn header(record: &StoredRecord, name: &str) -> String {
    let found = record
        .headers
        .iter()
        .find(|header| header.name == name.as_bytes());
    let found = found.unwrap_or_else(|| panic!("no header {name}"));
    String::from_utf8(found.bytes().to_vec()).unwrap()
}
