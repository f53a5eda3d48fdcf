//! What one hop from thread to actor costs, per message and per batch of 256, through a metered address: beside bare
//! actix and a bare tokio channel.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench ends at the first surprise and prints its result"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message};
use actix_rt::{Arbiter, System};
use criterion::{Criterion, criterion_group, criterion_main};
use homeostat_actors::supervision::{
    Address, ChildSpec, Failure, GroupSpec, Handle, Scope, Supervisor, Worker,
};
use tokio::sync::mpsc;

use support::{compare, timed};

/// Messages per round; mailbox and channel hold them all, so that nobody waits for room.
const MESSAGES: u64 = 8_192;
/// Events per batch.
const BATCH: u64 = 256;

/// An event of the usual size.
#[derive(Clone, Copy)]
struct Event([u8; 128]);

/// One event, or many.
struct Parcel<T>(T);

impl<T: 'static> Message for Parcel<T> {
    type Result = ();
}

trait Count: Send + 'static {
    fn count(&self) -> u64;
}

impl Count for Event {
    fn count(&self) -> u64 {
        u64::from(self.0[0])
    }
}

impl Count for Vec<Event> {
    fn count(&self) -> u64 {
        self.iter().map(Count::count).sum()
    }
}

/// Counts what it gets.
struct Counter(Arc<AtomicU64>);

impl Worker for Counter {}

impl<T: Count> Handle<Parcel<T>> for Counter {
    type Reply = ();

    fn handle(&mut self, parcel: Parcel<T>, _: &mut Scope<'_, Self>) -> Result<(), Failure> {
        self.0.fetch_add(parcel.0.count(), Ordering::Release);
        Ok(())
    }
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl<T: Count> Handler<Parcel<T>> for Counter {
    type Result = ();

    fn handle(&mut self, parcel: Parcel<T>, _: &mut Context<Self>) {
        self.0.fetch_add(parcel.0.count(), Ordering::Release);
    }
}

/// Sends a round and waits until every event was counted.
fn round(counted: &AtomicU64, mut send: impl FnMut(), messages: u64, events: u64) -> Duration {
    let goal = counted.load(Ordering::Acquire) + messages * events;
    timed(|| {
        for _ in 0..messages {
            send();
        }
        while counted.load(Ordering::Acquire) < goal {
            std::thread::yield_now();
        }
        assert_eq!(
            counted.load(Ordering::Acquire),
            goal,
            "each event is counted once"
        );
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "bare actix is what is compared with"
)]
fn measure<T: Count + Clone>(
    criterion: &mut Criterion,
    name: &str,
    message: &T,
    messages: u64,
    stage: &Stage,
) {
    let events = message.count();
    let mut group = criterion.benchmark_group("hop");
    let ours = || {
        let send = || {
            assert!(stage.ours.try_send(Parcel(message.clone())).is_ok());
        };
        round(&stage.counted, send, messages, events)
    };
    let mut bare = || {
        round(
            &stage.counted,
            || stage.bare.do_send(Parcel(message.clone())),
            messages,
            events,
        )
    };
    let (channel, mut received) = mpsc::channel(usize::try_from(MESSAGES).unwrap());
    let counted = Arc::clone(&stage.counted);
    stage.arbiters[2].spawn(async move {
        while let Some(Parcel(message)) = received.recv().await {
            let message: T = message;
            counted.fetch_add(message.count(), Ordering::Release);
        }
    });
    let mut tokio = || {
        let send = || {
            assert!(channel.try_send(Parcel(message.clone())).is_ok());
        };
        round(&stage.counted, send, messages, events)
    };
    let floors: &mut [(&str, &mut dyn FnMut() -> Duration)] = &mut [
        ("bare actix do_send", &mut bare),
        ("bare tokio mpsc", &mut tokio),
    ];
    compare(&mut group, name, messages * events, ours, floors);
    group.finish();
}

/// The receivers, each on a thread of its own.
struct Stage {
    counted: Arc<AtomicU64>,
    ours: Address<Counter>,
    bare: Addr<Counter>,
    arbiters: [Arbiter; 3],
}

fn hops(criterion: &mut Criterion) {
    let system = System::new();
    let stage = system.block_on(async {
        let counted = Arc::new(AtomicU64::new(0));
        let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
        let root = Supervisor::new(GroupSpec::new("bench"));
        let own = Arc::clone(&counted);
        let spec = ChildSpec::new("counter", "counter", move || Counter(Arc::clone(&own)));
        let ours = root
            .start(spec.capacity(MESSAGES).on(&arbiters[0].handle()))
            .unwrap();
        let other = Arc::clone(&counted);
        let bare = Counter::start_in_arbiter(&arbiters[1].handle(), |_| Counter(other));
        (
            Stage {
                counted,
                ours,
                bare,
                arbiters,
            },
            root,
        )
    });
    let event = Event([1; 128]);
    measure(
        criterion,
        "hop, a message per event",
        &event,
        MESSAGES,
        &stage.0,
    );
    let batch = vec![event; usize::try_from(BATCH).unwrap()];
    measure(
        criterion,
        "hop, a message per 256 events",
        &batch,
        MESSAGES / 16,
        &stage.0,
    );
}

criterion_group!(benches, hops);
criterion_main!(benches);
