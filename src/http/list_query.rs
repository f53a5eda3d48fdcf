//! The query of routes that name items or users: how many, of which genres, and what is looked at.

use homeostat_logic::recommend::ID_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::parameters;
use crate::users::Asked;

/// How many unless asked otherwise, and at most.
const COUNT: usize = 10;
const COUNT_MAX: usize = 500;
/// Items of a context, and genres, at most.
const PARTS_MAX: usize = 20;

/// How many.
#[derive(Deserialize, JsonSchema)]
pub(super) struct CountQuery {
    /// How many, 1 to 500.
    #[serde(default, deserialize_with = "count")]
    #[schemars(with = "Option<u32>", range(min = 1, max = COUNT_MAX))]
    k: Option<usize>,
}

/// How many, of which genres.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ItemsQuery {
    /// How many, 1 to 500.
    #[serde(default, deserialize_with = "count")]
    #[schemars(with = "Option<u32>", range(min = 1, max = COUNT_MAX))]
    k: Option<usize>,
    /// Only items of this genre by the catalog, or of one of several with commas between them, at most 20; upper and lower case
    /// are the same.
    #[serde(default, deserialize_with = "parts")]
    #[schemars(with = "Option<String>")]
    genre: Vec<String>,
}

/// How many, of which genres, by which context.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ListQuery {
    /// How many, 1 to 500.
    #[serde(default, deserialize_with = "count")]
    #[schemars(with = "Option<u32>", range(min = 1, max = COUNT_MAX))]
    k: Option<usize>,
    /// What the user looks at: ids of items with commas between them, at most 20. For this answer they count as the newest ones
    /// of the history, and are not recommended. Nothing is learned from them; unknown ones change nothing.
    #[serde(default, deserialize_with = "parts")]
    #[schemars(with = "Option<String>")]
    context: Vec<String>,
    /// Only items of this genre by the catalog, or of one of several with commas between them, at most 20; upper and lower case
    /// are the same.
    #[serde(default, deserialize_with = "parts")]
    #[schemars(with = "Option<String>")]
    genre: Vec<String>,
    /// Whether a person only looks at the list: then it does not count as shown to the user.
    #[serde(default, deserialize_with = "parameters::flag")]
    #[schemars(with = "Option<bool>")]
    preview: bool,
}

impl CountQuery {
    pub(super) fn count(&self) -> usize {
        self.k.unwrap_or(COUNT)
    }
}

impl From<ItemsQuery> for Asked {
    fn from(query: ItemsQuery) -> Self {
        Self {
            count: query.k.unwrap_or(COUNT),
            context: Vec::new(),
            genres: query.genre,
            is_preview: false,
        }
    }
}

impl From<ListQuery> for Asked {
    fn from(query: ListQuery) -> Self {
        Self {
            count: query.k.unwrap_or(COUNT),
            context: query.context,
            genres: query.genre,
            is_preview: query.preview,
        }
    }
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let wanted = format!("a whole number from 1 to {COUNT_MAX}");
    parameters::text(deserializer, &wanted, |text| {
        let number = text.parse().ok();
        number
            .filter(|count| (1..=COUNT_MAX).contains(count))
            .map(Some)
    })
}

/// Texts with commas between them; empty ones and repetitions do not count.
fn parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let wanted = format!(
        "at most {PARTS_MAX} texts of at most {ID_BYTES_MAX} bytes, with commas between them"
    );
    parameters::text(deserializer, &wanted, |text| {
        let mut parts: Vec<String> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            if part.len() > ID_BYTES_MAX {
                return None;
            }
            if !parts.iter().any(|one| one == part) {
                parts.push(part.to_owned());
            }
        }
        (parts.len() <= PARTS_MAX).then_some(parts)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;

    use super::*;

    #[test]
    fn a_context_is_ids_with_commas_each_once_and_bounded() {
        let many = |count: usize| {
            let ids: Vec<String> = (0..count).map(|id| id.to_string()).collect();
            format!("context={}", ids.join(","))
        };
        let long = format!("context={}", "x".repeat(ID_BYTES_MAX + 1));
        for (text, expected) in [
            ("", Some(0)),
            ("context=", Some(0)),
            ("context=a", Some(1)),
            ("context=a,%20b%20,,a", Some(2)),
            (&many(PARTS_MAX), Some(PARTS_MAX)),
            (&many(PARTS_MAX + 1), None),
            (&long, None),
        ] {
            let read = Query::<ListQuery>::from_query(text).ok();
            let read = read.map(|query| Asked::from(query.into_inner()).context.len());
            assert_eq!(read, expected, "{text}");
        }
    }
}
