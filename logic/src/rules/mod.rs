//! Rules: what operators configure ([`settings`]), resolved once per load into one [`Rule`] per event type and target
//! ([`compiled`]), with working hours ([`hours`]) and maintenance windows ([`maintenance`]).

pub mod compiled;
pub mod hours;
pub mod maintenance;
pub mod schema;
pub mod settings;

pub use compiled::{Rule, RuleError, Rules};
pub use settings::*;
