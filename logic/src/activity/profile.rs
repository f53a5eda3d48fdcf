//! What a user prefers: a weight by genre (SPEC §5), at most 1, in a few bytes.

use std::collections::BTreeMap;

use super::stream::{Ids, Slot};

/// Genres of a profile. Beyond it the one with the smallest weight leaves.
const GENRES_MAX: usize = 256;
/// What an interaction of weight 1 adds to each genre of its items.
const STEP: f32 = 0.1;
/// Largest weight of a genre.
const MOST: f32 = 1.0;

/// A profile; names of genres are kept in the [`Ids`] of its shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    preferences: Vec<(Slot, f32)>,
    /// Interactions in it.
    pub interactions: u64,
}

impl Profile {
    /// Adds what an interaction of this weight says about one genre; below zero, it takes away.
    pub fn prefer(&mut self, genre: &str, weight: f64, ids: &mut Ids) {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a weight is a small number"
        )]
        let by = weight as f32 * STEP;
        let Some(slot) = ids.find(genre) else {
            if by > 0.0 {
                self.set(genre, by.min(MOST), ids);
            }
            return;
        };
        let present = self.preferences.iter_mut().find(|(one, _)| *one == slot);
        match present {
            Some((_, weight)) => *weight = (*weight + by).clamp(0.0, MOST),
            None if by > 0.0 => self.set(genre, by.min(MOST), ids),
            None => {}
        }
    }

    fn set(&mut self, genre: &str, weight: f32, ids: &mut Ids) {
        let Some(slot) = ids.hold(genre) else { return };
        self.preferences.push((slot, weight));
        if self.preferences.len() > GENRES_MAX {
            let least = self.preferences.iter().enumerate();
            let least = least.min_by(|one, other| one.1.1.total_cmp(&other.1.1));
            if let Some((place, _)) = least {
                let (gone, _) = self.preferences.swap_remove(place);
                ids.release(gone);
            }
        }
    }

    /// Weights by genre.
    pub fn preferences(&self, ids: &Ids) -> BTreeMap<String, f32> {
        let preferences = self.preferences.iter();
        preferences
            .map(|(slot, weight)| (ids.name(*slot).to_owned(), *weight))
            .collect()
    }

    /// The profile of these weights.
    pub fn of(preferences: &BTreeMap<String, f32>, interactions: u64, ids: &mut Ids) -> Self {
        let mut profile = Self {
            preferences: Vec::new(),
            interactions,
        };
        for (genre, weight) in preferences {
            profile.set(genre, weight.clamp(0.0, MOST), ids);
        }
        profile
    }

    /// Gives the names back.
    pub fn release(&mut self, ids: &mut Ids) {
        for (slot, _) in self.preferences.drain(..) {
            ids.release(slot);
        }
    }

    /// Bytes on the heap.
    pub const fn bytes(&self) -> usize {
        self.preferences.capacity() * size_of::<(Slot, f32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interaction_adds_a_tenth_of_its_weight_up_to_one() {
        let (mut profile, mut ids) = (Profile::default(), Ids::new(1));
        for (weight, expected) in [
            (0.1, 0.01),
            (1.0, 0.11),
            (1.2, 0.23),
            (-1.0, 0.13),
            (100.0, 1.0),
            (0.7, 1.0),
            (-1000.0, 0.0),
        ] {
            profile.prefer("drama", weight, &mut ids);
            let weight = profile.preferences(&ids)["drama"];
            assert!((weight - expected).abs() < 1e-6, "{weight} {expected}");
        }
    }

    #[test]
    fn at_the_bound_the_weakest_genre_leaves_and_its_name_is_given_back() {
        let (mut profile, mut ids) = (Profile::default(), Ids::new(1));
        profile.prefer("weak", 0.1, &mut ids);
        for genre in 0..GENRES_MAX {
            profile.prefer(&format!("g{genre}"), 1.0, &mut ids);
        }
        let preferences = profile.preferences(&ids);
        assert_eq!(preferences.len(), GENRES_MAX);
        assert!(!preferences.contains_key("weak"));
        assert_eq!((ids.find("weak"), ids.len()), (None, GENRES_MAX));
        let mut again = Profile::of(&preferences, 5, &mut ids);
        assert_eq!(again.preferences(&ids), preferences);
        profile.release(&mut ids);
        again.release(&mut ids);
        assert_eq!(ids.len(), 0);
    }

    #[test]
    fn what_is_not_wanted_is_no_preference() {
        let (mut profile, mut ids) = (Profile::default(), Ids::new(1));
        profile.prefer("horror", -1.0, &mut ids);
        assert!(profile.preferences(&ids).is_empty());
        assert_eq!(ids.len(), 0);
    }
}
