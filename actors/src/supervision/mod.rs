//! Supervision runtime: actors on actix that heal. Domain-free.

mod address;
mod cell;
mod event;
mod failure;
mod guard;
mod histogram;
mod meter;
mod policy;
mod scope;
mod snapshot;
mod spec;
mod supervisor;
mod tree;
mod watchdog;
mod worker;

pub use address::{Address, CallError, Recipient, SendError};
pub use event::{Change, Events, SupervisionEvent};
pub use failure::{Failure, FailureClass};
pub use policy::{Backoff, Intensity, RestartPolicy, Strategy};
pub use scope::Scope;
pub use snapshot::{ActorSnapshot, ActorState, MailboxSnapshot};
pub use spec::{ChildSpec, GroupSpec};
pub use supervisor::{GaveUp, Shutdown, StartError, StopError, Supervisor};
pub use watchdog::{Observation, Progress, RunningWatchdog, Step, Watch, WatchState, Watchdog};
pub use worker::{Handle, Worker};
