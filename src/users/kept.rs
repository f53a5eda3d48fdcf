//! Lists that were computed on request, kept for the next question.

use homeostat_actors::ports::user_store::{Change, Entry, Key, StoreError, UserStore};

/// Keeps a list, unless the user acts meanwhile: whatever the user did has removed the list before, and not this one. Profiles are written
/// before lists are removed, so `is_current`, asked after the list is written, knows of it.
///
/// # Errors
/// The store does not take the list, or does not remove it.
pub(super) async fn keep(
    store: &dyn UserStore,
    user: &str,
    value: String,
    is_current: impl Future<Output = bool>,
) -> Result<(), StoreError> {
    let key = Key::new(Entry::Recommendations, user);
    let list = Change::Put {
        key: key.clone(),
        position: 0,
        value,
    };
    let kept = store.change(vec![list]).await;
    if is_current.await {
        return kept;
    }
    // Also where the answer was lost: the list may be there.
    store.change(vec![Change::Remove { key }]).await
}

#[cfg(test)]
mod tests {
    use homeostat_actors::ports::user_store::Lifetimes;

    use super::*;
    use crate::store::embedded::EmbeddedStore;

    async fn list_of(store: &dyn UserStore, user: &str) -> Option<String> {
        let key = Key::new(Entry::Recommendations, user);
        let found = store.read(vec![key]).await.unwrap().pop().flatten();
        found.map(|found| found.value)
    }

    #[tokio::test]
    async fn a_list_is_not_kept_if_the_user_acted_while_it_was_computed() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), Lifetimes::default()).unwrap();
        keep(&store, "1", "[1]".to_owned(), async { true })
            .await
            .unwrap();
        assert_eq!(list_of(&store, "1").await.as_deref(), Some("[1]"));
        let acted = async {
            // The list is there when the profile is looked at, so that no action falls between the two.
            assert_eq!(list_of(&store, "1").await.as_deref(), Some("[2]"));
            false
        };
        keep(&store, "1", "[2]".to_owned(), acted).await.unwrap();
        assert_eq!(list_of(&store, "1").await, None);
    }
}
