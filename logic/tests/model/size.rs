//! How much is searched: in every run of the tests as much as takes seconds, by `scripts/model --large` what takes minutes.

/// When a search is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Always,
    Large,
}

/// States at most; a search that needs more is cut off and says so.
pub(crate) const STATES_MAX: usize = 6_000_000;

pub(crate) fn is_large() -> bool {
    #[allow(
        clippy::disallowed_methods,
        reason = "the tests, not logic, are configured"
    )]
    let size = std::env::var("HOMEOSTAT_MODEL");
    size.is_ok_and(|size| size == "large")
}

impl Size {
    pub(crate) fn is_wanted(self) -> bool {
        self == Self::Always || is_large()
    }
}
