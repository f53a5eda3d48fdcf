//! What is kept of a user in the store: two JSON objects, whose first member is the position of the last event in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stream::Activity;
use crate::experiments::Viewer;
use crate::ledger::record::Millis;
use crate::recommend::Taste;

/// The stream, under `user_activity_stream:{user}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredStream {
    /// Of the last event in it.
    pub position: i64,
    /// Id of the user.
    pub user_id: String,
    /// The oldest first.
    pub activities: Vec<Activity>,
}

/// The profile, under `user_profile:{user}`; of an erased user, only the position is left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredProfile {
    /// Of the last event in it.
    pub position: i64,
    /// Whether the user was erased at that position.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// Id of the user; empty if erased.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    /// Weights by genre, from 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub preferences: BTreeMap<String, f32>,
    /// Interactions in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interactions: u64,
    /// When the last of them was, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub updated_at: String,
    /// What the model knows of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taste: Option<Taste>,
    /// What was shown to the user lately, so that clicks can be joined to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Box<Viewer>>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Both, as they are in the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredUser {
    /// `None`: nothing within the last hour.
    pub stream: Option<StoredStream>,
    /// `None`: a new user.
    pub profile: Option<StoredProfile>,
}

/// When the user of a stored profile was active last, without reading all of it. `None`: nothing of the user is known, or it
/// cannot be read.
pub fn last_active(profile: &str) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Touched {
        #[serde(default)]
        updated_at: String,
        #[serde(default)]
        interactions: u64,
    }
    let touched: Touched = serde_json::from_str(profile).ok()?;
    let at = chrono::DateTime::parse_from_rfc3339(&touched.updated_at).ok()?;
    (touched.interactions > 0).then(|| at.timestamp_millis())
}

impl StoredUser {
    /// Reads what the store has.
    ///
    /// # Errors
    /// One of them is not what was written.
    pub fn read(stream: Option<&str>, profile: Option<&str>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            stream: stream.map(serde_json::from_str).transpose()?,
            profile: profile.map(serde_json::from_str).transpose()?,
        })
    }
}

impl StoredStream {
    /// Its text, of at most `bytes_max` bytes: activities with many long ids are too large together for one value of the store,
    /// and the older half leaves until the rest fits.
    ///
    /// # Errors
    /// Never, as far as serde goes.
    pub fn to_json(mut self, bytes_max: usize) -> Result<String, serde_json::Error> {
        loop {
            let text = serde_json::to_string(&self)?;
            if text.len() <= bytes_max || self.activities.is_empty() {
                return Ok(text);
            }
            let leaving = self.activities.len().div_ceil(2);
            self.activities.drain(..leaving);
        }
    }
}

impl StoredProfile {
    /// Of a new user: before the first position.
    pub fn none() -> Self {
        Self {
            position: -1,
            ..Self::default()
        }
    }

    /// Its text, of at most `bytes_max` bytes, the largest value of the store. Of one that is larger, by many long ids, the older half
    /// of the items leaves until the rest fits, then lists that were shown, then the weaker half of the genres.
    ///
    /// # Errors
    /// Never, as far as serde goes.
    pub fn to_json(mut self, bytes_max: usize) -> Result<String, serde_json::Error> {
        loop {
            let text = serde_json::to_string(&self)?;
            if text.len() <= bytes_max || !self.shrink() {
                return Ok(text);
            }
        }
    }

    /// `false`: nothing is left to leave out.
    fn shrink(&mut self) -> bool {
        if self.taste.as_mut().is_some_and(Taste::forget_older_half) {
            return true;
        }
        if self.shown.take().is_some() {
            return true;
        }
        let mut genres: Vec<(String, f32)> =
            std::mem::take(&mut self.preferences).into_iter().collect();
        genres.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let stay = genres.len() / 2;
        let shrinks = stay < genres.len();
        genres.truncate(stay);
        self.preferences = genres.into_iter().collect();
        shrinks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_activities_of_a_stream_that_is_too_large_are_kept() {
        let activity = |number: usize| Activity {
            interaction_type: number.to_string(),
            item_ids: vec!["i".repeat(250); 100],
            ..Activity::default()
        };
        let stream = StoredStream {
            position: 7,
            user_id: "u".to_owned(),
            activities: (0..100).map(activity).collect(),
        };
        let text = stream.to_json(1 << 20).unwrap();
        assert!(text.len() <= 1 << 20 && text.starts_with(r#"{"position":7,"#));
        let kept: StoredStream = serde_json::from_str(&text).unwrap();
        let kinds = kept
            .activities
            .iter()
            .map(|one| one.interaction_type.as_str());
        let newest: Vec<String> = (75..100).map(|number| number.to_string()).collect();
        assert_eq!(kinds.collect::<Vec<_>>(), newest);
    }

    #[test]
    fn a_profile_that_is_too_large_keeps_what_counts_most() {
        // As long as an id can be, of characters that take six bytes each.
        let long = |number: usize, bytes: usize| format!("{number}{}", "\u{1}".repeat(bytes - 8));
        let items: Vec<String> = (0..2_050).map(|item| long(item, 256)).collect();
        let taste = Taste {
            seen: 2_000,
            unwanted: vec![0, 1_999],
            newest: 1_000,
            recent: (0..30)
                .map(|recent| (1_970 + recent, 29 - recent, 1.0))
                .collect(),
            boosts: (0..50).map(|boost| (2_000 + boost, 5, 0.5)).collect(),
            items,
        };
        let genres = (0..10_000_u16).map(|genre| (long(genre.into(), 128), f32::from(genre) / 1e4));
        let profile = StoredProfile {
            position: 7,
            user_id: long(0, 256),
            preferences: genres.collect(),
            interactions: 5,
            taste: Some(taste),
            ..StoredProfile::default()
        };
        for bytes_max in [1 << 20, 200_000, 2_000] {
            let text = profile.clone().to_json(bytes_max).unwrap();
            assert!(text.len() <= bytes_max, "{}", text.len());
            assert!(text.starts_with(r#"{"position":7,"#));
            let kept: StoredProfile = serde_json::from_str(&text).unwrap();
            assert_eq!((kept.position, kept.interactions), (7, 5));
            let weakest = kept.preferences.values().copied().fold(1.0, f32::min);
            // The strongest genres are those that stay.
            assert!(weakest >= 1.0 - (kept.preferences.len() as f32 + 0.5) / 1e4);
            let mut model =
                crate::recommend::Model::new(crate::recommend::RecommendSettings::default(), 1)
                    .unwrap();
            model.import_user("u", &kept.taste.unwrap()).unwrap();
        }
        // One that fits is as it was.
        let small = StoredProfile {
            preferences: BTreeMap::new(),
            taste: None,
            ..profile
        };
        let text = small.clone().to_json(1 << 20).unwrap();
        assert_eq!(serde_json::from_str::<StoredProfile>(&text).unwrap(), small);
    }
}
