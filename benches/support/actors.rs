//! The service's actors with its shipped settings, on a log of the bench's choice.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, RwLock};

use homeostat::clock::SystemClock;
use homeostat::configuration::load;
use homeostat::service::roster_settings;
use homeostat_actors::dead_letters::DeadLetters;
use homeostat_actors::executor::ExecutorContext;
use homeostat_actors::in_force::InForce;
use homeostat_actors::kinds::{self, Means};
use homeostat_actors::ledger::LedgerContext;
use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::connector::Connections;
use homeostat_actors::ports::log::{Epoch, EventLog};
use homeostat_actors::ports::observer::Observer;
use homeostat_actors::roster::{Roster, RosterContext};
use homeostat_actors::traffic::Traffic;
use homeostat_logic::history::History;
use homeostat_logic::ledger::record::Id;
use homeostat_logic::ledger::retention::KEEP_MS_MIN;
use homeostat_logic::rules::Rules;

/// Starts the actors; `ledger_partitions` of 0 folds and executes nothing.
pub(crate) fn start(
    log: &Arc<dyn EventLog>,
    rules: Rules,
    observer: &Arc<dyn Observer>,
    ledger_partitions: i32,
) -> Roster {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let partitions = usize::try_from(ledger_partitions).unwrap();
    let connections = homeostat::connectors::with_log(&Connections::default(), log);
    let live = InForce::begin(rules, connections);
    let means = Means {
        live: Arc::clone(&live),
        log: Arc::clone(log),
        clock: Arc::clone(&clock),
        observer: Arc::clone(observer),
        topic_generation: 1,
        ledger_partitions: partitions,
    };
    let history = Arc::new(RwLock::new(History::new(1_000)));
    let under_way = Arc::new(AtomicUsize::new(0));
    let traffic = Traffic::new(Arc::clone(&clock));
    let ledger = (0..ledger_partitions).map(|partition| {
        let view = LedgerView::new(partition);
        view.assigned(Epoch(1));
        let cooldown = LedgerContext {
            log: Arc::clone(log),
            clock: Arc::clone(&clock),
            observer: Arc::clone(observer),
            history: Arc::clone(&history),
            view: Arc::clone(&view),
            keep_ms: KEEP_MS_MIN,
            partitions,
            executor: Arc::new(OnceLock::new()),
        };
        let executor = ExecutorContext {
            log: Arc::clone(log),
            clock: Arc::clone(&clock),
            observer: Arc::clone(observer),
            view,
            live: Arc::clone(&live),
            fresh_id: || Id::hash(&[uuid::Uuid::new_v4().as_bytes()]),
            owner: "bench".into(),
            traffic: Arc::clone(&traffic),
            under_way: Arc::clone(&under_way),
        };
        (cooldown, executor)
    });
    let settings = load(&[], BTreeMap::new()).unwrap().settings;
    let context = RosterContext {
        kinds: kinds::all(),
        means,
        decode: homeostat_logic::envelope::decode_record,
        ledger: ledger.collect(),
        dead_letters: DeadLetters::new(Arc::clone(log), "bench"),
        observer: Arc::clone(observer),
    };
    Roster::start(context, roster_settings(&settings)).unwrap()
}
