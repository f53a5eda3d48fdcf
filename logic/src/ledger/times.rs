//! The protocol's times (ledger-protocol §7). Constants, because fold and executor must not read configuration.

use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// D: from before the append of a Start to the first byte of the request.
pub const START_DEADLINE: Duration = Duration::from_secs(10);

/// T: a whole request, connecting included.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// E: longest time between our close of a request and its visible effect, in ms.
pub const TARGET_LATENESS_MS: Millis = 20_000;

/// J: largest forward disagreement between the brokers' clocks, in ms.
pub const CLOCK_STEP_MS: Millis = 20_000;

/// Least lease of a step: D + T + E + J, in ms. One unit less gives two effects under `verify` (V3).
pub const LEASE_MS_MIN: Millis = 10_000 + 10_000 + TARGET_LATENESS_MS + CLOCK_STEP_MS;

/// H: how long the fold remembers, in ms (8 days). Every cooldown, window, age and pause fits into it.
pub const HORIZON_MS: Millis = 8 * 24 * 3_600_000;

/// How long an action may start that a person fires again, in ms (§9).
pub const REFIRE_START_MS: Millis = 3_600_000;

/// C: a checkpoint whenever log time passes a multiple of this, in ms.
pub const CHECKPOINT_MS: Millis = 600_000;

/// C in records: a checkpoint behind every so many.
pub const CHECKPOINT_RECORDS: i64 = 5_000;

/// Log time that must lie before a checkpoint, beyond H, for it to be started from: it covers steps of the log's clock
/// (J) many times over, so that the memory rebuilt from those records is the full one.
pub const RESTORE_MARGIN_MS: Millis = 3_600_000;

/// How long a derived action other than an alert may start, in ms: as long as one that a person fires again (§9).
/// An addition: §4 does not say, and the parent's own `not_after` has usually passed.
pub const DERIVED_START_MS: Millis = 3_600_000;

/// How long a derived alert may start, in ms: as long as the fold remembers, because telling people late is better than
/// never, also after an outage of days. An addition, as above; it adds no send, for attempts stay bounded.
pub const ESCALATION_START_MS: Millis = HORIZON_MS;
