//! Schemas by their keys, each fetched once: a key means the same schema for ever. That a key has no usable schema holds for a
//! while only, because what is missing may be registered later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::translator::Untranslated;
use parking_lot::RwLock;
use tokio::time::Instant;

use super::Known;
use super::framing::SchemaKey;

/// Schemas kept at most; beyond it the one fetched first is dropped, and fetched again when it is needed.
const SCHEMAS_MAX: usize = 1_000;
/// Bytes of the texts of all of them at most, likewise.
const BYTES_MAX: usize = 32 << 20;
/// How long an unknown or unusable schema is not asked for again.
const UNUSABLE_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: RwLock<Kept>,
    /// One question at a time, so that many records of one new schema ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    schemas: BTreeMap<SchemaKey, Entry>,
    /// What was fetched first is first.
    order: VecDeque<SchemaKey>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    known: Arc<Known>,
    until: Option<Instant>,
}

impl Kept {
    fn find(&self, key: SchemaKey) -> Option<Arc<Known>> {
        let entry = self.schemas.get(&key)?;
        let holds = entry.until.is_none_or(|until| Instant::now() < until);
        holds.then(|| Arc::clone(&entry.known))
    }

    fn remove(&mut self, key: SchemaKey) {
        if let Some(entry) = self.schemas.remove(&key) {
            self.bytes -= entry.known.bytes;
            self.order.retain(|other| *other != key);
        }
    }

    fn insert(&mut self, key: SchemaKey, known: Arc<Known>) {
        self.remove(key);
        self.bytes += known.bytes;
        let until = (!known.is_usable()).then(|| Instant::now() + UNUSABLE_FOR);
        self.schemas.insert(key, Entry { known, until });
        self.order.push_back(key);
        while (self.order.len() > SCHEMAS_MAX || self.bytes > BYTES_MAX)
            && let Some(oldest) = self.order.front().copied()
        {
            self.remove(oldest);
        }
    }
}

impl Cache {
    /// What is known of a schema: what is kept, else what `fetch` gives.
    ///
    /// # Errors
    /// That of `fetch`, which is not kept.
    pub(super) async fn get<F>(
        &self,
        key: SchemaKey,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<Known>, Untranslated>
    where
        F: Future<Output = Result<Known, Untranslated>>,
    {
        if let Some(known) = self.kept.read().find(key) {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.kept.read().find(key) {
            return Ok(known);
        }
        let known = Arc::new(fetch().await?);
        self.kept.write().insert(key, Arc::clone(&known));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::Reader;
    use super::*;

    fn known(reader: Reader, bytes: usize) -> Known {
        Known {
            reader,
            subject: None,
            bytes,
        }
    }

    /// Asks for a schema, and counts in `fetched` when it was not kept.
    async fn get(cache: &Cache, fetched: &Cell<usize>, id: u32, unusable: bool, bytes: usize) {
        let reader = cache.get(SchemaKey::Id(id), || async {
            fetched.set(fetched.get() + 1);
            let reader = if unusable {
                Reader::Unusable("no".to_owned())
            } else {
                Reader::Json
            };
            Ok(known(reader, bytes))
        });
        reader.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_schema_is_fetched_once_and_the_oldest_gives_way() {
        let (cache, fetched) = (Cache::default(), Cell::new(0));
        for _ in 0..2 {
            get(&cache, &fetched, 0, false, 1).await;
        }
        assert_eq!(fetched.get(), 1);
        for id in 1..=u32::try_from(SCHEMAS_MAX).unwrap() {
            get(&cache, &fetched, id, false, 1).await;
        }
        get(&cache, &fetched, 0, false, 1).await;
        assert_eq!(fetched.get(), SCHEMAS_MAX + 2);
        assert_eq!(cache.kept.read().schemas.len(), SCHEMAS_MAX);
        assert_eq!(cache.kept.read().bytes, SCHEMAS_MAX);
        // Few large ones.
        for id in 0..40 {
            get(&cache, &fetched, 10_000 + id, false, 1 << 20).await;
        }
        assert!(cache.kept.read().bytes <= BYTES_MAX);
        assert_eq!(
            cache.kept.read().schemas.len(),
            cache.kept.read().order.len()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_used_is_asked_for_again_after_a_while() {
        let (cache, fetched) = (Cache::default(), Cell::new(0));
        for (after, expected) in [
            (Duration::ZERO, 1),
            (UNUSABLE_FOR / 2, 1),
            (UNUSABLE_FOR, 2),
        ] {
            tokio::time::advance(after).await;
            get(&cache, &fetched, 1, true, 0).await;
            assert_eq!(fetched.get(), expected);
        }
        assert_eq!(cache.kept.read().order.len(), 1);
    }

    #[tokio::test]
    async fn what_could_not_be_fetched_is_asked_for_again_at_once() {
        let (cache, id) = (Cache::default(), SchemaKey::Id(1));
        let down = || async { Err(Untranslated::Unavailable("down".to_owned())) };
        assert!(cache.get(id, down).await.is_err());
        let up = || async { Ok(known(Reader::Json, 0)) };
        assert!(cache.get(id, up).await.is_ok());
    }
}
