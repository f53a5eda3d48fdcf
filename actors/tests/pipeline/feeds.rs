//! Several kinds of actors read one topic: each gets every record, typed and routed as it declares, and an offset is settled
//! when all of them have settled it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use homeostat_actors::feed::{Feed, Incoming, Taken};
use homeostat_actors::kinds::{Kind, Means, Starter};
use homeostat_actors::ports::observer::Consumed;
use homeostat_actors::supervision::{Failure, Handle, Recipient, Scope, StartError, Worker};
use homeostat_actors::work::Work;
use homeostat_logic::event::Reject;
use homeostat_logic::topic::Topic;
use serde_json::Value;
use tokio::sync::watch;

use crate::bench::{Bench, Plan, drift, header, until};
use crate::memory_log::place;

const DRIFT: &str = "data.drift.detected";
const STREAM: &str = "prediction.completed";
/// Actors of the kind.
const TALLIES: usize = 3;

/// What the kind makes of a record: the length of its model's name, by which it is routed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    model: String,
}

/// What the kind's actors saw: which actor, and the models of one batch.
type Seen = Arc<Mutex<Vec<(usize, Vec<String>)>>>;

/// A kind that notes what it gets and settles it when its gate is open.
struct Tally {
    seen: Seen,
    open: watch::Receiver<bool>,
}

impl Feed for Tally {
    type Item = Reading;

    fn name(&self) -> &'static str {
        "tally"
    }

    fn reads(&self, topic: &Topic) -> bool {
        [DRIFT, STREAM].contains(&topic.name)
    }

    fn take(&self, record: &mut Incoming<'_>) -> Result<Taken<Reading>, Reject> {
        // Not an event of ours: decoded as the kind wants.
        let value: Value = serde_json::from_slice(record.record.value.unwrap()).unwrap();
        let model = value["model_version"].as_str().unwrap();
        if model.starts_with("dull") {
            return Ok(Taken::Observed);
        }
        let model = model.trim_end_matches("@1").to_owned();
        Ok(Taken::Item(Reading { model }))
    }

    fn route(&self, item: &Reading) -> usize {
        item.model.len()
    }

    fn start(&self, starter: &Starter<'_>) -> Result<Vec<Recipient<Work<Reading>>>, StartError> {
        let actors = (0..TALLIES).map(|number| {
            let (seen, open) = (Arc::clone(&self.seen), self.open.clone());
            let means = starter.means.clone();
            let actor = starter.actor(format!("tally-{number}"), "tally", move || Tallier {
                number,
                seen: Arc::clone(&seen),
                open: open.clone(),
                means: means.clone(),
            })?;
            Ok(actor.recipient())
        });
        actors.collect()
    }
}

struct Tallier {
    number: usize,
    seen: Seen,
    open: watch::Receiver<bool>,
    means: Means,
}

impl Worker for Tallier {}

impl Handle<Work<Reading>> for Tallier {
    type Reply = ();

    fn handle(
        &mut self,
        mut work: Work<Reading>,
        scope: &mut Scope<'_, Self>,
    ) -> Result<(), Failure> {
        let (mut models, mut offsets) = (Vec::new(), Vec::new());
        for index in 0..work.len() {
            let (item, record) = work.begin(index).unwrap();
            assert_eq!(item.offset, record.offset);
            assert_ne!(item.value.model, "arsenic", "cannot stand it");
            models.push(item.value.model.clone());
            offsets.push(item.offset);
        }
        work.handled();
        self.seen.lock().unwrap().push((self.number, models));
        let mut open = self.open.clone();
        let opened = async move { open.wait_for(|open| *open).await.is_ok() };
        scope.spawn(opened, move |worker, _, _| {
            let topic = work.flight().topic.name;
            let settled = work.settle(&offsets);
            let observer = &worker.means.observer;
            observer.consumed(topic, Consumed::Settled, settled);
            Ok(())
        });
        Ok(())
    }
}

/// A plan with the kind, what it saw, and its gate.
fn with_tally(open: bool) -> (Plan, Seen, watch::Sender<bool>) {
    let (gate, seen) = (watch::Sender::new(open), Seen::default());
    let tally = Tally {
        seen: Arc::clone(&seen),
        open: gate.subscribe(),
    };
    let plan = Plan {
        kinds: vec![Kind::of(tally)],
        ..Plan::default()
    };
    (plan, seen, gate)
}

/// How often each model was seen, and by which actor.
fn counted(seen: &Seen) -> BTreeMap<(usize, String), usize> {
    let mut counted = BTreeMap::new();
    for (number, models) in seen.lock().unwrap().iter() {
        for model in models {
            *counted.entry((*number, model.clone())).or_default() += 1;
        }
    }
    counted
}

#[actix::test]
async fn a_second_kind_of_a_topic_gets_typed_batches_by_its_own_route_key() {
    let partition = place(DRIFT, 0);
    let (plan, seen, _gate) = with_tally(true);
    let bench = Bench::start(plan, &[&partition]).await;
    for _ in 0..20 {
        for model in ["m", "mm", "mmmm", "dull"] {
            bench.log.produce(&partition, drift(model));
        }
    }
    bench.until_settled(&partition).await;
    // Both kinds got all of it, the first one as events and the second one as readings.
    assert_eq!(bench.decided(&partition), (0..80).collect());
    let expected =
        [(1, "m"), (1, "mmmm"), (2, "mm")].map(|(actor, model)| ((actor, model.to_owned()), 20));
    assert_eq!(counted(&seen), expected.into_iter().collect());
    let batches = seen.lock().unwrap().len();
    assert!(batches < 60, "{batches} batches for 60 items");
    until("each record is counted once", || {
        bench.consumed(DRIFT, Consumed::Settled) + bench.consumed(DRIFT, Consumed::Observed) == 80
    })
    .await;
    bench.end().await;
}

#[actix::test]
async fn an_offset_is_settled_when_every_kind_has_settled_it() {
    let partition = place(DRIFT, 0);
    let (plan, seen, gate) = with_tally(false);
    let bench = Bench::start(plan, &[&partition]).await;
    // Only the first kind has something to do about the first record.
    for model in ["dull", "m", "m"] {
        bench.log.produce(&partition, drift(model));
    }
    until("the first kind has decided", || {
        bench.decided(&partition).len() == 3
    })
    .await;
    until("the second kind has seen them", || {
        counted(&seen).values().sum::<usize>() == 2
    })
    .await;
    until("what waits for no other kind is settled", || {
        bench.log.settled(&partition) == 1
    })
    .await;
    gate.send_replace(true);
    bench.until_settled(&partition).await;
    assert_eq!(counted(&seen).values().sum::<usize>(), 2);
    bench.end().await;
}

#[actix::test]
async fn a_record_that_one_kind_fails_on_comes_back_to_that_kind_alone_and_is_buried_for_it() {
    let partition = place(DRIFT, 0);
    let (mut plan, seen, _gate) = with_tally(true);
    let judged = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&judged);
    plan.judge = Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let bench = Bench::start(plan, &[&partition]).await;
    for model in ["m", "arsenic", "m", "m"] {
        bench.log.produce(&partition, drift(model));
    }
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), (0..4).collect());
    assert_eq!(
        judged.load(Ordering::Relaxed),
        4,
        "nothing came a second time"
    );
    assert_eq!(counted(&seen), BTreeMap::from([((1, "m".to_owned()), 3)]));
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 1);
    let error = header(&letters[0], "error");
    assert!(error.contains("homeostat/roles/tally-1"), "{error}");
    assert_eq!(header(&letters[0], "attempts"), "3");
    assert_eq!(bench.actor("homeostat/roles/drift").restarts, 0);
    bench.end().await;
}

#[actix::test]
async fn a_record_that_a_feed_cannot_decode_is_buried_for_that_kind_and_decided_by_the_other() {
    let partition = place(DRIFT, 0);
    let (plan, _seen, _gate) = with_tally(true);
    let bench = Bench::start(plan, &[&partition]).await;
    bench.log.produce(&partition, drift("m"));
    // An event, and without what the second kind's feed takes for granted: it panics in the partition's consumer.
    bench.log.produce(&partition, r#"{"severity":"HIGH"}"#);
    // No event, and each kind says so in its own way.
    bench.log.produce(&partition, "[]");
    bench.log.produce(&partition, drift("m"));
    bench.until_settled(&partition).await;
    assert_eq!(bench.decided(&partition), [0, 1, 3].into_iter().collect());
    let offsets = bench.dead_letters();
    let mut offsets: Vec<_> = offsets.iter().map(|one| header(one, "offset")).collect();
    offsets.sort();
    assert_eq!(offsets, ["1", "2", "2"]);
    bench.end().await;
}

#[actix::test]
async fn a_stream_that_is_only_counted_can_have_a_kind_of_its_own() {
    let partition = place(STREAM, 0);
    let (plan, seen, _gate) = with_tally(true);
    let bench = Bench::start(plan, &[&partition]).await;
    for _ in 0..30 {
        bench.log.produce(&partition, drift("m"));
    }
    bench.until_settled(&partition).await;
    assert_eq!(counted(&seen), BTreeMap::from([((1, "m".to_owned()), 30)]));
    until("the last kind counts each record", || {
        bench.consumed(STREAM, Consumed::Settled) == 30
    })
    .await;
    assert_eq!(bench.consumed(STREAM, Consumed::Observed), 0);
    bench.end().await;
}
