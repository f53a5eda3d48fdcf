//! One accepted action, and instances which all act as its owner all the time (ledger-protocol §11 "Execution"): the real
//! executor on the real fold, in a world in which everything may come late, twice or never.

mod liveness;
mod mutations;
mod person;
mod promises;
mod searches;
mod steps;
mod target;
mod world;

pub(crate) use self::world::{Faults, Setup, Worlds};
