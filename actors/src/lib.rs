//! Who holds state and order in Homeostat.
//!
//! [`supervision`] is the domain-free runtime: supervised actors on actix whose failures are caught, whose mailboxes
//! survive and are bounded. [`ports`] are the traits through which actors reach the outside; adapters live in the
//! binary's package. Every other module is one thin actor: it receives, reads the clock, calls logic, passes on the
//! result.

pub mod ports;
pub mod supervision;
