//! An external model as the ranker of the service: its list with our reasons, or ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::kinds::activity::CatalogNow;
use homeostat_actors::ports::ranker::Ranker;
use homeostat_logic::activity::List;
use homeostat_logic::activity::list::{Recommended, Why};

use super::external::{Ask, External, Mode};

/// Asks a model, and leaves out what the catalog does not let be recommended.
pub(crate) struct ExternalRanker {
    pub(crate) model: Arc<External>,
    pub(crate) catalog: CatalogNow,
}

impl Ranker for ExternalRanker {
    fn looks_at(&self) -> usize {
        self.model.scored_max()
    }

    fn rank(&self, list: List, recent: Vec<String>, count: usize) -> BoxFuture<'static, List> {
        let (model, catalog) = (Arc::clone(&self.model), Arc::clone(&self.catalog));
        async move {
            let ours = list.recommendations.iter();
            let candidates: Vec<String> = ours.map(|item| item.item_id.clone()).collect();
            let ask = Ask {
                user: &list.user_id,
                recent: &recent,
                candidates: &candidates,
                k: count,
            };
            let may_be_shown = |item: &str| catalog.read().is_available(item);
            match model.recommend(&ask, &may_be_shown).await {
                Ok(items) => by_model(list, &items, &model),
                // It is counted and logged there.
                Err(_) => list.first(count),
            }
        }
        .boxed()
    }
}

/// The list in the model's order. What it named itself it answers for; our items keep their reasons.
fn by_model(ours: List, items: &[String], model: &External) -> List {
    let mut reasons: BTreeMap<String, Why> = ours
        .recommendations
        .into_iter()
        .map(|item| (item.item_id, item.reason))
        .collect();
    let whole = items.len().max(1) as f32;
    let recommendations = items.iter().enumerate().map(|(place, item)| Recommended {
        item_id: item.clone(),
        // Only the order is known.
        score: (whole - place as f32) / whole,
        reason: match (reasons.remove(item), model.mode()) {
            (Some(reason), Mode::Scores) => reason,
            _ => Why::Model,
        },
    });
    List {
        recommendations: recommendations.collect(),
        model: model.name().to_owned(),
        user_id: ours.user_id,
        list: ours.list,
        arms: ours.arms,
        timestamp: ours.timestamp,
        took_ms: ours.took_ms,
    }
}
