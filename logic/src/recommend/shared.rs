//! A model that all instances have in common, by the records of one log that each applies in order.
//!
//! Items change by these records alone ([`Model::merge`]), so every instance that has applied the same records knows the same of
//! items. Users belong to the instance that learns for their shard. A claim makes deltas of earlier owners count no more; a delta
//! counts only if it continues where the shard's last one ended, so events that are learned again after a crash count once.

use std::collections::BTreeMap;

use super::codec::{Reader, Writer};
use super::record::{ModelRecord, shard};
use super::snapshot::RestoreError;
use super::{Model, RecommendSettings, SettingsError};

const MAGIC: [u8; 4] = *b"HMSM";
const VERSION: u8 = 2;
const WHAT: &str = "shared snapshot";

/// How far a shard is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Token of its latest claim.
    pub token: u64,
    /// Store of its latest claim.
    pub store: String,
    /// Position of the last event whose delta counts; `None` before the first.
    pub to: Option<i64>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The shard has a new owner.
    Claimed,
    /// The delta counts.
    Counted,
    /// Another owner has claimed the shard since: nothing changed.
    Fenced,
    /// Events of the delta, or all, are counted already: nothing changed.
    Repeated,
    /// The record was applied before: nothing changed.
    Applied,
}

/// The model, and what was applied to it.
#[derive(Clone)]
pub struct SharedModel {
    model: Model,
    shards: BTreeMap<u32, Progress>,
    offset: Option<i64>,
}

impl SharedModel {
    /// An empty one. For the seed see [`Model::new`].
    ///
    /// # Errors
    /// A setting is outside its range.
    pub fn new(settings: RecommendSettings, seed: u64) -> Result<Self, SettingsError> {
        Ok(Self {
            model: Model::new(settings, seed)?,
            shards: BTreeMap::new(),
            offset: None,
        })
    }

    /// The model, to be asked.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The model, to learn apart and to import users. What else changes items there makes instances differ.
    pub const fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Offset of the last record applied; `None` before the first.
    pub const fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// How far a shard is; `None` if it was never claimed. Once the owner's claim was applied, `to` changes by the owner's own
    /// deltas alone: what it learns again up to there is to be left out of its deltas, which begin after it.
    pub fn progress(&self, shard: u32) -> Option<&Progress> {
        self.shards.get(&shard)
    }

    /// All shards that were ever claimed.
    pub fn shards(&self) -> impl Iterator<Item = (u32, &Progress)> {
        self.shards
            .iter()
            .map(|(shard, progress)| (*shard, progress))
    }

    /// The record at an offset is passed over, for one that cannot be read.
    pub fn pass(&mut self, offset: i64) {
        self.offset = self.offset.max(Some(offset));
    }

    /// The log begins again: its topic was created again. What was learned stays, and so do the owners of shards.
    pub const fn begin_again(&mut self) {
        self.offset = None;
    }

    /// Applies the record at an offset. Offsets rise; one that does not is of a record that was applied before.
    pub fn apply(&mut self, offset: i64, record: &ModelRecord) -> Outcome {
        if self.offset.is_some_and(|applied| applied >= offset) {
            return Outcome::Applied;
        }
        self.offset = Some(offset);
        match record {
            ModelRecord::Claim {
                shard,
                token,
                store,
            } => {
                let progress = self.shards.entry(*shard).or_default();
                progress.token = *token;
                progress.store.clone_from(store);
                Outcome::Claimed
            }
            ModelRecord::Delta {
                shard,
                token,
                from,
                to,
                delta,
            } => {
                let progress = self.shards.get_mut(shard);
                let Some(progress) = progress.filter(|progress| progress.token == *token) else {
                    return Outcome::Fenced;
                };
                if progress.to.is_some_and(|done| *from <= done) {
                    return Outcome::Repeated;
                }
                progress.to = Some(*to);
                self.model.merge(delta);
                Outcome::Counted
            }
        }
    }

    /// Items, progress and offset as bytes, without users. Equal after equal records.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::begin(MAGIC, VERSION);
        let after =
            |position: Option<i64>| position.map_or(0, |position| position.saturating_add(1));
        writer.position(after(self.offset));
        writer.length(self.shards.len());
        for (shard, progress) in &self.shards {
            writer.number((*shard).into());
            writer.number(progress.token);
            writer.text(&progress.store);
            writer.position(after(progress.to));
        }
        self.model.write_items(&mut writer);
        writer.done()
    }

    /// From bytes of [`SharedModel::snapshot`]. Records after its offset are to be applied, and users to be imported.
    ///
    /// # Errors
    /// The bytes are no snapshot, of a later version or damaged; or a setting is outside its range.
    pub fn restore(
        bytes: &[u8],
        settings: RecommendSettings,
        seed: u64,
    ) -> Result<Self, RestoreError> {
        let mut restored = Self::new(settings, seed)?;
        let mut reader = Reader::begin(bytes, MAGIC, VERSION, WHAT)?;
        let before = |position: i64| (position > 0).then(|| position - 1);
        restored.offset = before(reader.position()?);
        for _ in 0..reader.length(5)? {
            let shard = shard(&mut reader)?;
            let progress = Progress {
                token: reader.number()?,
                store: reader.text()?.to_owned(),
                to: before(reader.position()?),
            };
            let is_new = restored.shards.insert(shard, progress).is_none();
            reader.plausible(is_new)?;
        }
        restored.model.read_items(&mut reader)?;
        reader.end()?;
        Ok(restored)
    }
}
