//! Deciding: [`judge`](judge::judge) says what ought to be done about an event and why (compact, on the hot path);
//! [`propose`](propose::propose) writes it down as a ledger record with everything that decides in it.

mod age;
pub mod force;
pub mod judge;
pub mod propose;
mod remarks;
