//! What was shown to users and clicked, as this instance has it: the sum over all shards, and drops that go on.
//!
//! Counters travel on `homeostat.model`, beside what the model learns: the owner of a shard appends what a batch adds, before the
//! users of the batch are written, and each instance adds up what it reads. A record counts if its token is that of the shard's
//! claim, and if its positions are not counted yet. So all instances have the same, and a redelivery counts nothing twice.

use std::sync::Arc;

use homeostat_logic::experiments::shards::{BEFORE_FIRST, Outcome};
use homeostat_logic::experiments::{
    AllCounts, CountsDelta, Degraded, Experiment, RecommendationStats, StatisticsSettings, Watch,
};
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::recommend::SharedModel;
use homeostat_logic::topic::MODEL;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use crate::ports::log::NewRecord;

/// A record of `homeostat.model` that is about statistics. It is JSON, which no other record of the topic is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatisticsRecord {
    /// What a shard counted.
    Counts(Box<CountsDelta>),
    /// The drops that go on.
    Watch(Watch),
}

/// What is kept in the store.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    counts: String,
    watch: Watch,
}

/// What was shown and clicked.
pub struct Statistics {
    /// How it is counted and judged.
    pub settings: StatisticsSettings,
    /// Those that are declared.
    pub experiments: Arc<[Experiment]>,
    counts: RwLock<AllCounts>,
    watch: Mutex<Watch>,
}

impl StatisticsRecord {
    /// Whether a record's value is one.
    pub fn is_one(value: &[u8]) -> bool {
        value.first() == Some(&b'{')
    }

    /// Reads a value.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_bytes(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }

    /// As a record of the topic.
    ///
    /// # Errors
    /// Never, as far as serde goes: all keys are text.
    pub fn to_record(&self) -> Result<NewRecord, serde_json::Error> {
        Ok(NewRecord {
            topic: MODEL.to_owned(),
            partition: Some(0),
            value: Some(serde_json::to_vec(self)?),
            ..NewRecord::default()
        })
    }
}

impl Statistics {
    /// Nothing was shown yet.
    pub fn new(settings: StatisticsSettings, experiments: Vec<Experiment>) -> Self {
        Self {
            counts: RwLock::new(AllCounts::new(&settings)),
            watch: Mutex::default(),
            experiments: experiments.into(),
            settings,
        }
    }

    /// Position of the last event of a shard that is counted; -1 before the first.
    pub fn counted_to(&self, shard: u32) -> i64 {
        let progress = self.counts.read().progress(shard);
        progress.map_or(BEFORE_FIRST, |progress| progress.to)
    }

    /// The report, as of now.
    pub fn report(&self, now: Millis) -> RecommendationStats {
        let counts = self.counts.read();
        let watch = self.watch.lock();
        RecommendationStats::of(
            counts.total(),
            &self.experiments,
            &watch,
            &self.settings,
            now,
        )
    }

    /// Looks for drops. `None`: none began and none ended. Else those that began, and the record by which all instances know.
    pub(crate) fn look(&self, now: Millis) -> Option<(Vec<Degraded>, StatisticsRecord)> {
        let subjects = |watch: &Watch| {
            let episodes = watch.episodes().iter();
            episodes
                .map(|(subject, _)| subject.clone())
                .collect::<Vec<_>>()
        };
        let mut watch = self.watch.lock().clone();
        let before = subjects(&watch);
        let counts = self.counts.read();
        let begun = watch.look(counts.total(), &self.experiments, &self.settings, now);
        if subjects(&watch) == before {
            *self.watch.lock() = watch;
            return None;
        }
        // What began counts once it was published: it comes back by the topic.
        Some((begun, StatisticsRecord::Watch(watch)))
    }

    /// Applies a record, where the shards' claims are as they were then.
    pub(crate) fn apply(&self, record: StatisticsRecord, claims: &SharedModel) -> Outcome {
        match record {
            StatisticsRecord::Counts(mut delta) => {
                let claim = claims.progress(delta.shard);
                if claim.is_none_or(|claim| claim.token != delta.token) {
                    return Outcome::Fenced;
                }
                // Tokens are in no order; the claims of the topic say which is the newest.
                delta.token = 0;
                self.counts.write().apply(&delta)
            }
            StatisticsRecord::Watch(watch) => {
                *self.watch.lock() = watch;
                Outcome::Added
            }
        }
    }

    /// For the store.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let snapshot = Snapshot {
            counts: self.counts.read().to_json(),
            watch: self.watch.lock().clone(),
        };
        serde_json::to_vec(&snapshot).unwrap_or_default()
    }

    /// From the store.
    ///
    /// # Errors
    /// It is something else, in words.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), String> {
        let snapshot: Snapshot =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let counts = AllCounts::from_json(&snapshot.counts, &self.settings);
        *self.counts.write() = counts.map_err(|error| error.to_string())?;
        *self.watch.lock() = snapshot.watch;
        Ok(())
    }
}
