//! What remains of done actions: connectors are called again until nothing is left, and at once when a person acknowledges.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeostat_actors::ports::connector::{Tended, Tending};
use homeostat_actors::ports::log::{EventLog as _, NewRecord};
use homeostat_logic::ledger::codec;
use homeostat_logic::ledger::record::{Id, Override, OverrideOrder, Record};
use homeostat_logic::topic::LEDGER;

use crate::bench::{Bench, Plan, until};
use crate::memory_log::place;

const ALERTS: &str = "system.alerts";
const HOUR: Duration = Duration::from_hours(1);

type Calls = Arc<Mutex<Vec<(Id, bool)>>>;

/// Notes each call and wants the next one an hour later; a person's word ends it.
fn hourly() -> (Calls, Plan) {
    let calls = Calls::default();
    let noted = Arc::clone(&calls);
    let tend = move |action: Id, state: Tending| {
        noted.lock().unwrap().push((action, state.acknowledged));
        if state.acknowledged {
            Tended::Over
        } else {
            Tended::Again(HOUR)
        }
    };
    let plan = Plan {
        tend: Some(Box::new(tend)),
        ..Plan::default()
    };
    (calls, plan)
}

/// A person acknowledges a delivered alert.
async fn acknowledge(bench: &Bench, action_id: Id) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    for view in bench.roster.views() {
        let Some(expect) = view
            .read()
            .fold
            .action(action_id)
            .map(|state| state.changed)
        else {
            continue;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let order = Record::Override(Box::new(Override {
            override_id: Id::hash(&[b"acknowledge", &number]),
            order: OverrideOrder::Acknowledge { action_id, expect },
            who: "anna".to_owned(),
            reason: "mended".to_owned(),
        }));
        let record = NewRecord {
            topic: LEDGER.to_owned(),
            partition: Some(view.partition),
            value: Some(codec::encode(&order).unwrap()),
            ..NewRecord::default()
        };
        bench.log.append(vec![record]).await;
    }
}

#[actix::test]
async fn a_done_action_is_tended_until_a_person_acknowledges_it_and_never_before_it_is_due() {
    let (calls, plan) = hourly();
    let partition = place(ALERTS, 0);
    let bench = Bench::start(plan, &[&partition]).await;
    let event = r#"{"event_type":"disk_full","service":"s","severity":"high"}"#;
    bench.log.produce(&partition, event);
    until("it is tended", || calls.lock().unwrap().len() == 1).await;
    let (action, acknowledged) = calls.lock().unwrap()[0];
    assert!(!acknowledged);
    bench.clock.advance_boot(HOUR);
    until("it is tended again", || calls.lock().unwrap().len() == 2).await;
    acknowledge(&bench, action).await;
    until("the word arrives", || calls.lock().unwrap().len() == 3).await;
    bench.clock.advance_boot(2 * HOUR);
    bench.until_settled(&partition).await;
    assert_eq!(
        *calls.lock().unwrap(),
        [(action, false), (action, false), (action, true)],
        "one that is not due is not called, and neither is one that is over"
    );
    assert_eq!(bench.orders().len(), 1, "it was sent once");
    bench.end().await;
}
