//! Traits through which actors reach the outside world; each has a real adapter and a recording twin for tests.

pub mod clock;
pub mod connector;
pub mod log;
pub mod observer;
pub mod ranker;
pub mod translator;
pub mod user_store;
