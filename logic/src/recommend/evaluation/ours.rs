//! The model, as a method to be measured.

use super::super::{Interaction, Model, RecommendSettings, Request, Scratch, SettingsError};
use super::dataset::{Dataset, Event};
use super::recommender::{Asked, RANKED, Ranking, Recommender};

/// The model on a data set.
pub(super) struct Ours<'a> {
    data: &'a Dataset,
    model: Model,
    scratch: Scratch,
}

impl<'a> Ours<'a> {
    pub(super) fn new(
        data: &'a Dataset,
        settings: &RecommendSettings,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            data,
            model: Model::new(settings.clone(), 0)?,
            scratch: Scratch::default(),
        })
    }
}

impl Recommender for Ours<'_> {
    fn recommend(&mut self, asked: &Asked<'_>, ranking: &mut Ranking) {
        let request = Request {
            user: self.data.users.name(asked.event.user),
            count: RANKED,
            now_ms: asked.event.time_ms,
            before_ms: asked.before_ms,
            scoring: None,
            allow: &|_| true,
        };
        let recommended = self.model.recommend(&request, &mut self.scratch);
        ranking.extend(
            recommended
                .iter()
                .filter_map(|one| Some((self.data.items.find(one.item)?, one.score))),
        );
    }

    fn learn(&mut self, event: &Event) {
        let interaction = Interaction {
            user: self.data.users.name(event.user),
            kind: "",
            weight: Some(self.data.weight(event, self.model.settings())),
            items: &[self.data.items.name(event.item)],
            time_ms: event.time_ms,
        };
        self.model.learn(&interaction, event.time_ms);
    }
}
