//! The model of ledger-protocol §11, on the real fold and the real executor: every state within some bounds is searched, and
//! the promises of §1 are asked of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy does not see that helpers of a test are part of it"
)]
#![allow(
    clippy::disallowed_types,
    reason = "what is iterated over is never in one of the unordered maps"
)]

mod canon;
mod execution;
mod ledger;
mod prints;
mod promises;
mod records;
mod search;

use execution::{Faults, Setup, Worlds};
use homeostat_logic::ledger::record::Policy;
use search::{Limits, search};

#[test]
fn first() {
    for policy in [Policy::Idempotent, Policy::AtMostOnce, Policy::Verify] {
        for (short, long, crashes) in [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0), (2, 1, 0), (1, 1, 1)] {
            let worlds = Worlds::new(Setup {
                short,
                long,
                faults: Faults {
                    crashes,
                    ..Faults::default()
                },
                ..Setup::new(policy)
            });
            let found = search(&worlds, Limits { states: 2_000_000, sample: 0 });
            found.must_hold(&format!("{policy:?} {short} {long} {crashes}"));
        }
    }
}
