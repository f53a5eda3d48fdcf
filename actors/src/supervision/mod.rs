//! Supervision runtime: actors on actix that heal. Knows nothing of the domain it serves.
//!
//! ```text
//!            Supervisor (root group)                 one Supervisor = one group; all share one tree
//!             /        \
//!      Supervisor     Address ── try_send, call ──► mailbox ──► Guard ──► Worker   (on an arbiter of your choice)
//!        /    \                    bounded, metered   kept      catches,  built by its factory,
//!    Address  Address                               for life    rebuilds  rebuilt after each failure
//!
//!    Watchdog (own thread) ── looks at all actors and at your probes, heals in steps
//! ```
//!
//! ```
//! use homeostat_actors::supervision::{ChildSpec, Failure, GroupSpec, Handle, Scope, Supervisor, Worker};
//!
//! struct Counter(u64);
//! impl Worker for Counter {}
//! struct Add(u64);
//! impl Handle<Add> for Counter {
//!     type Reply = u64;
//!     fn handle(&mut self, message: Add, _: &mut Scope<'_, Self>) -> Result<u64, Failure> {
//!         self.0 = self.0.checked_add(message.0).ok_or_else(|| Failure::new("the sum overflows"))?;
//!         Ok(self.0)
//!     }
//! }
//!
//! actix_rt::System::new().block_on(async {
//!     let root = Supervisor::new(GroupSpec::new("root"));
//!     let counter = root.start(ChildSpec::new("counter", "counter", || Counter(0))).unwrap();
//!     assert_eq!(counter.call(Add(2)).await, Ok(2));
//!     assert!(counter.call(Add(u64::MAX)).await.is_err());
//!     assert_eq!(counter.call(Add(3)).await, Ok(3)); // same address, fresh state
//! });
//! ```
//!
//! | the worker … | permanent | transient | temporary |
//! | --- | --- | --- | --- |
//! | fails (panic or returned, anywhere) | restarted | restarted | ends |
//! | stops itself ([`Scope::stop`]) | restarted | ends | ends |
//! | is restarted with its group | restarted | restarted | ends |
//! | exceeds its [`Intensity`] | its group fails: all in it are restarted under the group's intensity, else the group's parent … | same | - |
//! | is stopped ([`Supervisor::stop`]) | drains, ends | same | same |
//!
//! Guaranteed: messages of one sender are handled in order, each at most once; those behind a failing one wait out the
//! backoff and reach the next incarnation; the failing one and all tasks are dropped before its failure is reported; nothing
//! of a failed incarnation is reused; depth never exceeds capacity, over all clones; `enqueued = handled + lost + depth`
//! at rest; no actor keeps its thread for more than 64 messages and 64 continuations; orders go ahead of the backlog.
//!
//! Not guaranteed: order between the restarts of siblings, which rebuild at the same time, each on its thread; return of
//! the failing message (keep it outside the actor if it must be tried again); an end to a handler that blocks its thread
//! (the watchdog reports it, and goes on to larger steps); anything under `panic = "abort"`, stack overflow or lack of memory.
//!
//! Arbiters: rulings are made at once on the failing actor's thread and the watchdog has its own, so neither waits for a
//! busy worker. Give hot actors their own arbiters, and run HTTP, [`Supervisor::stop`] and what awaits
//! [`Supervisor::gave_up`] on another one: a blocked thread delays all that lives on it.

mod address;
mod cell;
mod event;
mod failure;
mod guard;
mod histogram;
mod meter;
mod policy;
mod scope;
mod shared;
mod snapshot;
mod spec;
mod supervisor;
mod tree;
mod watch_state;
mod watchdog;
mod worker;

pub use address::{Address, CallError, Recipient, SendError};
pub use event::{Change, Events, SupervisionEvent};
pub use failure::{Failure, FailureClass};
pub use policy::{Backoff, Intensity, RestartPolicy, Strategy};
pub use scope::Scope;
pub use shared::GaveUp;
pub use snapshot::{ActorSnapshot, ActorState, MailboxSnapshot};
pub use spec::{ChildSpec, GroupSpec};
pub use supervisor::{Shutdown, StartError, StopError, Supervisor};
pub use watch_state::{Observation, Pulse, WatchState};
pub use watchdog::{RunningWatchdog, Step, Watch, Watchdog};
pub use worker::{Handle, Worker};
