//! Lists of recommendations as they are cached, pushed and answered: one form everywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock_text::format_time;
use crate::ledger::record::Millis;
use crate::recommend::{Reason, Recommendation};

/// Recommendations for one user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct List {
    /// Id of the user.
    pub user_id: String,
    /// Id of this list, to be sent along with clicks on it, as `list` in their context.
    pub list: String,
    /// Best first.
    pub recommendations: Vec<Recommended>,
    /// What made it: `homeostat`, or the name of an external model.
    pub model: String,
    /// Arms of the experiments that the user takes part in, by experiment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arms: BTreeMap<String, String>,
    /// When it was computed, RFC 3339 in UTC.
    pub timestamp: String,
    /// Milliseconds that it took to make, in steps of 1/128: the scores, and the answer of an external model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
}

/// A recommended item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Recommended {
    /// Id of the item.
    pub item_id: String,
    /// Larger is better; comparable within one list only.
    pub score: f32,
    /// Why.
    pub reason: Why,
}

/// Why an item is recommended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Why {
    /// The user chose this item, which contributes most.
    Chose {
        /// Id of the item.
        item_id: String,
    },
    /// Many choose it lately.
    #[default]
    Trending,
    /// Many choose it.
    Popular,
    /// It goes with this item, which the user looks at.
    Context {
        /// Id of the item.
        item_id: String,
    },
    /// An external model says so.
    Model,
}

impl From<Reason<'_>> for Why {
    fn from(reason: Reason<'_>) -> Self {
        match reason {
            Reason::Chose(item) => Self::Chose {
                item_id: item.to_owned(),
            },
            Reason::Trending => Self::Trending,
            Reason::Popular => Self::Popular,
        }
    }
}

impl From<&Recommendation<'_>> for Recommended {
    fn from(recommendation: &Recommendation<'_>) -> Self {
        Self {
            item_id: recommendation.item.to_owned(),
            score: recommendation.score,
            reason: recommendation.reason.into(),
        }
    }
}

/// What is pushed when a user's recommendations change (SPEC §5), but for what publishing adds to every event.
#[derive(Clone, Debug, Serialize)]
pub struct Update<'a> {
    /// Always `recommendations_update`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The list.
    #[serde(flatten)]
    pub list: &'a List,
}

impl List {
    /// A list of our own model.
    pub fn of(user: &str, list: String, best: &[Recommendation<'_>], now: Millis) -> Self {
        Self {
            user_id: user.to_owned(),
            list,
            recommendations: best.iter().map(Recommended::from).collect(),
            model: OWN_MODEL.to_owned(),
            arms: BTreeMap::new(),
            timestamp: format_time(now),
            took_ms: None,
        }
    }

    /// Making it took so long, and longer than was known so far.
    pub fn took(&mut self, more: Duration) {
        let ms = more.as_secs_f64() * 1_000.0 + self.took_ms.unwrap_or_default();
        self.took_ms = Some((ms.min(TOOK_MS_MAX) * TOOK_STEPS).round() / TOOK_STEPS);
    }

    /// The same with at most this many recommendations.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let mut list = self.clone();
        list.recommendations.truncate(count);
        list
    }

    /// What a context contributed was not chosen by the user.
    pub fn explain_by(&mut self, context: &[String]) {
        for one in &mut self.recommendations {
            if let Why::Chose { item_id } = &one.reason
                && context.contains(item_id)
            {
                let item_id = item_id.clone();
                one.reason = Why::Context { item_id };
            }
        }
    }

    /// Leaves out what is not allowed, and fills up with `others`, which are.
    pub fn narrow(&mut self, others: &[Recommended], count: usize, allow: impl Fn(&str) -> bool) {
        let list = &mut self.recommendations;
        list.retain(|one| allow(&one.item_id));
        for other in others {
            if list.len() >= count {
                break;
            }
            if list.iter().all(|one| one.item_id != other.item_id) {
                list.push(other.clone());
            }
        }
    }

    /// The event for those who are connected.
    pub const fn update(&self) -> Update<'_> {
        Update {
            kind: "recommendations_update",
            list: self,
        }
    }
}

/// Steps of a measured millisecond. Sums of them are exact, in whatever order instances add them up.
const TOOK_STEPS: f64 = 128.0;
/// What took longer counts as this.
const TOOK_MS_MAX: f64 = 60_000.0;

/// The name of the model of this service.
pub const OWN_MODEL: &str = "homeostat";

/// What follows a click on an item (SPEC §5), but for what publishing adds to every event.
#[derive(Clone, Debug, Serialize)]
pub struct Boosted<'a> {
    /// Id of the user.
    pub user_id: &'a str,
    /// Always `similar_item_click`.
    pub trigger: &'static str,
    /// The item clicked.
    pub source_item: &'a str,
    /// Items that count more from now on.
    pub boosted_items: &'a [String],
}

impl<'a> Boosted<'a> {
    /// The event for a click.
    pub const fn by_click(user: &'a str, source: &'a str, boosted: &'a [String]) -> Self {
        Self {
            user_id: user,
            trigger: "similar_item_click",
            source_item: source,
            boosted_items: boosted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recommended(item: &str) -> Recommended {
        Recommended {
            item_id: item.to_owned(),
            reason: Why::Chose {
                item_id: item.to_uppercase(),
            },
            ..Recommended::default()
        }
    }

    fn items(list: &List) -> String {
        let items = list.recommendations.iter();
        items.map(|one| one.item_id.as_str()).collect()
    }

    #[test]
    fn a_list_is_narrowed_and_filled_up_with_what_it_lacks() {
        let list = |items: &str| List {
            recommendations: items
                .split("")
                .filter(|one| !one.is_empty())
                .map(recommended)
                .collect(),
            ..List::default()
        };
        for (items_of, others, count, expected) in [
            ("abcd", "", 9, "abd"),
            ("abcd", "dbef", 5, "abdef"),
            ("abd", "ef", 3, "abd"),
            ("c", "c", 3, "c"),
            ("", "ab", 1, "a"),
        ] {
            let mut narrowed = list(items_of);
            narrowed.narrow(&list(others).recommendations, count, |item| item != "c");
            assert_eq!(items(&narrowed), expected, "{items_of} {others} {count}");
        }
    }

    #[test]
    fn the_time_that_a_list_took_adds_up_in_exact_steps() {
        let mut list = List::default();
        list.took(Duration::from_micros(1_005));
        assert_eq!(list.took_ms, Some(1.007_812_5));
        list.took(Duration::from_millis(2));
        assert_eq!(list.took_ms, Some(3.007_812_5));
        list.took(Duration::from_hours(1));
        assert_eq!(list.took_ms, Some(60_000.0));
    }

    #[test]
    fn what_a_context_contributed_was_not_chosen() {
        let mut list = List {
            recommendations: vec![recommended("a"), recommended("b")],
            ..List::default()
        };
        list.explain_by(&["B".to_owned()]);
        let reasons: Vec<&Why> = list.recommendations.iter().map(|one| &one.reason).collect();
        let (chose, context) = (
            Why::Chose {
                item_id: "A".to_owned(),
            },
            Why::Context {
                item_id: "B".to_owned(),
            },
        );
        assert_eq!(reasons, [&chose, &context]);
    }
}
