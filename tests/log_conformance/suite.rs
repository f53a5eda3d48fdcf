//! What every event log promises, checked on whichever log a [`World`] holds.

use std::time::Duration;

mod groups;
mod records;
mod tails;

pub(crate) use groups::*;
pub(crate) use records::*;
pub(crate) use tails::*;

const CLOSE: Duration = Duration::from_secs(10);
