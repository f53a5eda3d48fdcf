//! Keys of every connection, whatever its kind.

use schemars::JsonSchema;
use serde::Deserialize;

/// Keys of `[connections.NAME]` besides `kind` and those of the kind.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Common {
    /// Whether actions only show what they would send: they are decided and recorded as done, and nothing is changed outside.
    /// Questions are asked all the same. `homeostat run --dry-run` and the key `dry_run` at the top do so for all connections.
    #[serde(default)]
    pub(crate) dry_run: bool,
}
