//! What takes the place of the outside: a clock, a judge, a connector and an observer of the test's choice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::kinds::responder::Judge;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::connector::{
    Answer, Connector, Due, Heard, Order, Probe, Tended, Tending,
};
use homeostat_actors::ports::observer::{Consumed, Observer};
use homeostat_logic::actions::Action;
use homeostat_logic::decide::judge::{Verdict, judge};
use homeostat_logic::event::Event;
use homeostat_logic::ledger::change::Change;
use homeostat_logic::ledger::fold::Fold;
use homeostat_logic::ledger::record::{FinishOutcome, Id, Millis};
use homeostat_logic::rules::Rules;
use homeostat_logic::traffic::Signal;
use homeostat_logic::view::EventView;

/// A Monday at noon, UTC: inside working hours.
pub(crate) const NOON: Millis = 1_772_452_800_000;

/// Real time from noon on, which the test may advance.
pub(crate) struct TestClock {
    pub(crate) start: Instant,
    pub(crate) ahead: AtomicI64,
    pub(crate) boot_ahead: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, time: Duration) {
        let ahead = i64::try_from(time.as_millis()).unwrap();
        self.ahead.fetch_add(ahead, Ordering::SeqCst);
    }

    pub(crate) fn advance_boot(&self, time: Duration) {
        let ahead = u64::try_from(time.as_millis()).unwrap();
        self.boot_ahead.fetch_add(ahead, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Millis {
        let elapsed = i64::try_from(self.start.elapsed().as_millis()).unwrap();
        NOON + elapsed + self.ahead.load(Ordering::SeqCst)
    }

    fn boot(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.boot_ahead.load(Ordering::SeqCst))
    }
}

/// Runs a test's code before it judges by the rules.
pub(crate) struct Scripted(pub(crate) Box<dyn Fn(&str) + Send + Sync>);

impl Judge for Scripted {
    fn judge(&self, event: &Event, view: &EventView<'_>, rules: &Rules, now: Millis) -> Verdict {
        (self.0)(view.text());
        judge(event, view, rules, now)
    }
}

/// What a connector does with an order.
pub(crate) type Sending = Box<dyn Fn(Order) -> BoxFuture<'static, Answer> + Send + Sync>;

/// What its target says of an attempt.
pub(crate) type Probing = Box<dyn Fn(&Order) -> Option<Probe> + Send + Sync>;

/// Absolute parameters, or why there are none.
pub(crate) type Resolved = Result<Option<serde_json::Value>, Answer>;

/// What it makes of relative parameters.
pub(crate) type Resolving = Box<dyn Fn(&Order) -> BoxFuture<'static, Resolved> + Send + Sync>;

/// What it does of a done action.
pub(crate) type Tend =
    Box<dyn Fn(Id, Tending) -> BoxFuture<'static, (Tended, Signal)> + Send + Sync>;

/// Notes every order, then does what the test asks for.
pub(crate) struct Recording {
    pub(crate) orders: Arc<Mutex<Vec<(Id, u32, Action)>>>,
    pub(crate) send: Sending,
    pub(crate) probe: Probing,
    pub(crate) resolve: Resolving,
    pub(crate) tend: Option<Tend>,
}

impl Connector for Recording {
    fn send(&self, order: Order) -> BoxFuture<'_, Answer> {
        let noted = (order.action_id, order.attempt, order.action);
        self.orders.lock().unwrap().push(noted);
        (self.send)(order)
    }

    fn probe(&self, order: Order) -> BoxFuture<'_, Option<Probe>> {
        let said = (self.probe)(&order);
        async { said }.boxed()
    }

    fn is_tended(&self) -> bool {
        self.tend.is_some()
    }

    fn due(&self, _: &Order, _: Tending) -> Due {
        Due::Now
    }

    fn tend(&self, order: Order, state: Tending) -> BoxFuture<'_, (Tended, Heard)> {
        let tend = self.tend.as_ref().unwrap();
        let tended = tend(order.action_id, state);
        async move {
            let (tended, signal) = tended.await;
            (tended, signal.into())
        }
        .boxed()
    }

    fn resolve(&self, order: Order) -> BoxFuture<'_, Resolved> {
        (self.resolve)(&order)
    }
}

pub(crate) fn done() -> Answer {
    Answer {
        outcome: FinishOutcome::Done,
        detail: "done".to_owned(),
        retry_after_ms: None,
        permanent: false,
        trouble: false,
    }
}

/// Counts what it hears, and runs a test's code at each change.
pub(crate) struct Hearing {
    pub(crate) consumed: Mutex<BTreeMap<(String, Consumed), u64>>,
    pub(crate) rejected: Mutex<Vec<(String, String)>>,
    pub(crate) changed: Box<dyn Fn(&Change) + Send + Sync>,
}

impl Observer for Hearing {
    fn consumed(&self, topic: &'static str, outcome: Consumed, records: u64) {
        let mut consumed = self.consumed.lock().unwrap();
        *consumed.entry((topic.to_owned(), outcome)).or_default() += records;
    }

    fn rejected(&self, topic: &'static str, reason: &'static str) {
        let rejected = (topic.to_owned(), reason.to_owned());
        self.rejected.lock().unwrap().push(rejected);
    }

    fn changed(&self, change: &Change, _: &Fold, _: Millis) {
        (self.changed)(change);
    }

    fn answered(&self, _: Action, _: &str, _: FinishOutcome, _: Duration) {}
}
