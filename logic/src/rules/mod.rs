//! Rules: what operators configure ([`settings`]), resolved once per load into one [`Rule`] per event type and target
//! ([`compiled`]), with working hours ([`hours`]), maintenance windows ([`maintenance`]) and mute times ([`muting`]), all of
//! which may be named time intervals ([`intervals`]).

mod checks;
pub mod compiled;
mod cooldown;
mod fault;
pub mod hours;
pub mod intervals;
pub mod maintenance;
pub mod muting;
pub mod schema;
pub mod settings;
pub mod timing;

pub use compiled::{Rule, Rules};
pub use cooldown::Cooldown;
pub use fault::RuleError;
pub use settings::*;
