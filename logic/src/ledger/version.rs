//! Versions of the fold's rules.

/// Newest version of the rules of [`super::fold`]. A ledger is folded by the rules that its Genesis names, and by newer ones only behind
/// an Upgrade record (ledger-protocol §8).
///
/// Since 2 a forced action's id depends on where its order is in the ledger, and `acknowledge` of an action covers
/// every alert about it so far, not the newest alone. Since 3 a delivered alert can be acknowledged, so that what its connection
/// keeps up ends.
pub const FOLD_VERSION: u32 = 3;

/// Version of the rules of a ledger whose Genesis names none.
pub const FIRST_VERSION: u32 = 1;
