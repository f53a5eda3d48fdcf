//! Further answers of the service behind the API.

use homeostat::http::{CatalogItems, Stopped};
use homeostat_logic::catalog::CatalogItem;

use super::Answers;

impl Stopped for Answers {
    fn resume_stopped(&self, topic: Option<&str>) -> Vec<String> {
        let stopped = ["data.ingested/0", "system.health/1"].into_iter();
        let wanted = |one: &&str| topic.is_none_or(|topic| one.starts_with(topic));
        stopped.filter(wanted).map(str::to_owned).collect()
    }
}

impl CatalogItems for Answers {
    fn item(&self, id: &str) -> Option<CatalogItem> {
        (id == "7").then(|| CatalogItem {
            item_id: id.to_owned(),
            title: Some("Heat".to_owned()),
            genres: vec!["Crime".to_owned()],
            available: true,
            fields: None,
        })
    }
}
