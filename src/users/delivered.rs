//! Lists that were pushed, counted as shown once a client of the user was handed them.

use homeostat_logic::activity::List;
use homeostat_logic::experiments::CountPushed;
use homeostat_logic::push::update::Update;

use super::Users;
use crate::push::Shown;

impl Shown for Users {
    fn shown(&self, user: &str, update: &Update) {
        let settings = &self.model.statistics.settings;
        if settings.count_pushed != CountPushed::Delivered {
            return;
        }
        // Others may write updates of their own, which are no lists of ours.
        if let Ok(list) = serde_json::from_str::<List>(&update.body)
            && list.user_id == user
        {
            self.count_served(&list, self.pushed_max);
        }
    }
}
