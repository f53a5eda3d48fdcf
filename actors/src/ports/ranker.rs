//! The ranker port: a model of others, which may put a list of its own in place of ours.

use futures_util::future::BoxFuture;
use homeostat_logic::activity::List;

/// Another model.
pub trait Ranker: Send + Sync + 'static {
    /// Items of our own list that it looks at; as many are computed for it.
    fn looks_at(&self) -> usize;

    /// A list in place of ours, or ours where it has none: answers within a time limit of its own, and never fails. `recent`: items
    /// that the user chose, the newest first.
    fn rank(&self, list: List, recent: Vec<String>, count: usize) -> BoxFuture<'static, List>;
}
