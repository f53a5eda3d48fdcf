//! Users: the store, the model, the catalog, and the kinds of actors that work with them.

use std::sync::Arc;

use anyhow::Context as _;
use homeostat_actors::kinds::UserKinds;
use homeostat_actors::kinds::activity::{CatalogNow, StoreLosses, UserMeans, WarmUp};
use homeostat_actors::model::{ModelContext, ModelNow};
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::EventLog;
use homeostat_actors::ports::ranker::Ranker;
use homeostat_actors::ports::user_store::{Lifetimes, UserStore};
use homeostat_actors::serving::{Serving, Servings};
use homeostat_actors::statistics::Statistics;
use homeostat_logic::activity::ShardSettings;
use homeostat_logic::experiments::BUILTIN;
use homeostat_logic::recommend::{RecommendSettings, Scoring};

use crate::configuration::Settings;
use crate::random::{fresh_event_id, fresh_number};
use crate::recommendations::ExternalRanker;
use crate::store;
use crate::users::Users;

/// What is known of users, and who works with it.
pub(super) struct UserSide {
    pub(super) kinds: UserKinds,
    pub(super) users: Arc<Users>,
}

/// Users are in another store than this instance's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "users of partition {shard} of homeostat.users are kept in another store ({theirs}; here it is {ours}). Several instances share the users of one group only through a Redis: set store.redis_url at each of them. If this instance alone is left, give it the data_dir of the other; or set recommendations.take_over_users = true for one start, and every user begins again with nothing"
)]
pub(super) struct OtherStore {
    shard: u32,
    theirs: String,
    ours: String,
}

impl UserSide {
    /// Waits until the model is read, and refuses to go on where another store has the users.
    ///
    /// # Errors
    /// Another store has them.
    pub(super) async fn read(&self, settings: &Settings) -> Result<(), OtherStore> {
        let model = &self.users.model;
        model.caught_up().await;
        let ours = self.users.store.identity();
        let shared = model.read();
        let mut shards = shared.shards();
        let other = shards.find(|(_, progress)| progress.store != ours);
        let Some((shard, progress)) = other else {
            return Ok(());
        };
        let theirs = progress.store.clone();
        if settings.recommendations.take_over_users {
            tracing::warn!(
                shard,
                theirs,
                ours,
                "users begin again with nothing: another store has what was known of them"
            );
            return Ok(());
        }
        Err(OtherStore {
            shard,
            theirs,
            ours,
        })
    }

    /// Opens it; `None` where recommendations are switched off.
    ///
    /// # Errors
    /// The store cannot be opened, or a constant of the model is outside its range.
    pub(super) fn open(
        settings: &Settings,
        log: &Arc<dyn EventLog>,
        clock: &Arc<dyn Clock>,
        catalog: CatalogNow,
    ) -> anyhow::Result<Option<Self>> {
        let wanted = &settings.recommendations;
        if !wanted.enabled {
            return Ok(None);
        }
        let store: Arc<dyn UserStore> = store::open(&settings.user_store, &settings.data_dir)
            .context("the user store cannot be opened")?;
        let seed = fresh_number();
        let constants = wanted.model.clone().unwrap_or_default();
        let counting = wanted.statistics.clone().unwrap_or_default();
        let statistics = Statistics::new(counting, settings.experiments.clone());
        let model = ModelNow::new(constants.clone(), seed, statistics);
        let model = Arc::new(model.context("recommendations.model")?);
        let partitions = usize::try_from(wanted.partitions).unwrap_or(1);
        let lifetimes: Lifetimes = settings.user_store.lifetimes;
        let ttl = i64::try_from(lifetimes.stream.as_millis()).unwrap_or(i64::MAX);
        let servings = servings(settings, &constants, &catalog)?;
        let losses = Arc::<StoreLosses>::default();
        let means = UserMeans {
            store: Arc::clone(&store),
            model: Arc::clone(&model),
            catalog: Arc::clone(&catalog),
            servings: servings.clone(),
            partitions,
            shard: ShardSettings {
                stream_ttl_ms: ttl,
                users_max: (wanted.users_in_memory_max / partitions).max(1),
            },
            warm_up: Arc::new(WarmUp::new(partitions, wanted.warm_users_max)),
            cached_max: wanted.cached_max,
            pushed_max: wanted.pushed_max,
            fresh_token: fresh_number,
            fresh_event_id,
            losses: Arc::clone(&losses),
            generation: settings.kafka.topic_generation,
        };
        let following = ModelContext {
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            store: Arc::clone(&store),
            model: Arc::clone(&model),
            settings: constants,
            seed,
        };
        let users = Users::new(
            (store, losses),
            model,
            (catalog, servings),
            (Arc::clone(log), Arc::clone(clock)),
            (partitions, wanted.cached_max, wanted.pushed_max),
        );
        Ok(Some(Self {
            kinds: UserKinds {
                means,
                model: following,
                clock: Arc::clone(clock),
            },
            users: Arc::new(users),
        }))
    }
}

/// What makes the lists: as configured for all users, and for each arm of an experiment that says otherwise.
fn servings(
    settings: &Settings,
    constants: &RecommendSettings,
    catalog: &CatalogNow,
) -> anyhow::Result<Servings> {
    let ranker = |name: &str| {
        let mut models = settings.external_models.iter();
        let model = models.find(|model| model.name() == name)?;
        let (model, catalog) = (Arc::clone(model), Arc::clone(catalog));
        Some(Arc::new(ExternalRanker { model, catalog }) as Arc<dyn Ranker>)
    };
    let usual = ranker(&settings.recommendations.served_by);
    let mut servings = Servings::usual(Serving {
        ranker: usual.clone(),
        scoring: None,
    });
    for experiment in &settings.experiments {
        for arm in experiment.arms().keys() {
            let (model, own) = (experiment.model(arm), experiment.constants(arm));
            if model.is_none() && own.is_none() {
                continue;
            }
            let own = own.map(|own| constants.with_scoring(own)).transpose();
            let own = own.with_context(|| {
                let name = experiment.name();
                format!("recommendations.experiments.{name}.settings.{arm}")
            })?;
            let serving = Serving {
                ranker: match model {
                    None => usual.clone(),
                    Some(BUILTIN) => None,
                    Some(name) => ranker(name),
                },
                scoring: own.map(|own| Arc::new(Scoring::of(&own))),
            };
            servings.put(experiment.name(), arm, serving);
        }
    }
    Ok(servings)
}
