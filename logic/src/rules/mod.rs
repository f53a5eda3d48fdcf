//! Rules: what operators configure ([`settings`]), resolved once per load into one [`Rule`] per event type and target
//! ([`compiled`]), with working hours ([`hours`]) and maintenance windows ([`maintenance`]).

mod checks;
pub mod compiled;
mod cooldown;
mod fault;
pub mod hours;
pub mod maintenance;
pub mod schema;
pub mod settings;

pub use compiled::{Rule, Rules};
pub use cooldown::Cooldown;
pub use fault::RuleError;
pub use settings::*;
