//! The records that events about users were read from, and which of them came already.
//!
//! An event is written to `homeostat.users` at least once: after a crash, the records that were not settled are read again.
//! Each event names the record that it was read from, and the second of two that name the same one changes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

/// Offsets below the highest one that are remembered, of one partition. What is older counts as known: one gatherer writes
/// the records of a partition in order, a batch at a time, and a batch is smaller.
const WINDOW: usize = 16_384;
const WORDS: usize = WINDOW / 64;
/// Of these, those that are kept in any case: more than are read of a partition before they are settled.
const WINDOW_MIN: usize = 2_048;
/// Bytes of all places as text, about: less than the store takes in one value.
const BYTES_MAX: usize = (1 << 20) - 1_024;
/// Bytes of a place beside its name and its bits.
const PLACE_BYTES: usize = 32;
/// Source partitions that are remembered. Beyond it the one with the smallest name leaves; there are as many as the platform's
/// topics have.
const PLACES_MAX: usize = 4_096;

/// Place of a record: topic, partition, offset, and the configured generation of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    topic: String,
    partition: i32,
    offset: i64,
    generation: u32,
}

impl Origin {
    /// The place of a record.
    pub fn new(topic: impl Into<String>, partition: i32, offset: i64, generation: u32) -> Self {
        Self {
            topic: topic.into(),
            partition,
            offset,
            generation,
        }
    }

    /// The same place in another generation of the topic.
    #[must_use]
    pub fn in_generation(&self, generation: u32) -> Self {
        Self {
            generation,
            ..self.clone()
        }
    }

    /// The place without the offset.
    fn place(&self) -> String {
        format!("{}/{}@{}", self.topic, self.partition, self.generation)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            offset,
            generation,
        } = self;
        write!(formatter, "{topic}/{partition}/{offset}@{generation}")
    }
}

/// The text is not the place of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not TOPIC/PARTITION/OFFSET@GENERATION")]
pub struct NoOrigin(String);

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let read = || {
            let (place, generation) = text.rsplit_once('@')?;
            let (place, offset) = place.rsplit_once('/')?;
            let (topic, partition) = place.rsplit_once('/')?;
            Some(Self {
                topic: topic.to_owned(),
                partition: partition.parse().ok()?,
                offset: offset.parse().ok().filter(|offset| *offset >= 0)?,
                generation: generation.parse().ok()?,
            })
        };
        read().ok_or_else(|| NoOrigin(text.to_owned()))
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The records that came already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    places: BTreeMap<String, Seen>,
}

/// Of one source partition: the highest offset, and which of the ones before it came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    highest: i64,
    /// Bit `offset % WINDOW`, of the offsets in (highest - WINDOW, highest].
    bits: Box<[u64; WORDS]>,
}

impl Origins {
    /// Notes a record; says whether it came for the first time.
    pub fn note(&mut self, origin: &Origin) -> bool {
        let place = origin.place();
        if let Some(seen) = self.places.get_mut(&place) {
            return seen.note(origin.offset);
        }
        if self.places.len() >= PLACES_MAX {
            self.places.pop_first();
        }
        let mut seen = Seen {
            highest: origin.offset,
            bits: Box::new([0; WORDS]),
        };
        seen.set(origin.offset);
        self.places.insert(place, seen);
        true
    }

    /// The newest record that came of a source partition: the generation of its topic and its offset. `None`: none came.
    pub fn reached(&self, topic: &str, partition: i32) -> Option<(u32, i64)> {
        let prefix = format!("{topic}/{partition}@");
        let places = self.places.range(prefix.clone()..);
        let places = places.map_while(|(place, seen)| Some((place.strip_prefix(&prefix)?, seen)));
        let reached =
            places.filter_map(|(generation, seen)| Some((generation.parse().ok()?, seen.highest)));
        reached.max()
    }

    /// As text, by place, in less than `BYTES_MAX`: of many places less is kept of what came long ago, and never less than
    /// can be read again after a crash.
    pub fn to_json(&self) -> serde_json::Value {
        let mut window = WINDOW;
        loop {
            let texts: Vec<String> = self.places.values().map(|seen| seen.text(window)).collect();
            let names = self.places.keys().map(|place| place.len() + PLACE_BYTES);
            let bytes: usize = names.chain(texts.iter().map(String::len)).sum();
            if bytes <= BYTES_MAX || window <= WINDOW_MIN {
                let places = self.places.iter().zip(texts);
                let places = places.map(|((place, seen), bits)| {
                    (place.clone(), serde_json::json!([seen.highest, bits]))
                });
                return serde_json::Value::Object(places.collect());
            }
            window /= 2;
        }
    }

    /// Reads what [`Self::to_json`] wrote; `None` if it did not.
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        let places = json.as_object()?.iter().map(|(place, seen)| {
            let highest = seen.get(0)?.as_i64()?;
            let bytes = lengthened(&STANDARD_NO_PAD.decode(seen.get(1)?.as_str()?).ok()?)?;
            let mut bits = Box::new([0; WORDS]);
            for (word, bytes) in bits.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            Some((place.clone(), Seen { highest, bits }))
        });
        Some(Self {
            places: places.collect::<Option<_>>()?,
        })
    }
}

impl Seen {
    fn note(&mut self, offset: i64) -> bool {
        let ahead = offset.saturating_sub(self.highest);
        if ahead > 0 {
            if usize::try_from(ahead).is_ok_and(|ahead| ahead < WINDOW) {
                (self.highest + 1..offset).for_each(|between| self.clear(between));
            } else {
                self.bits.fill(0);
            }
            self.highest = offset;
            self.set(offset);
            return true;
        }
        let is_in_window = usize::try_from(-ahead).is_ok_and(|behind| behind < WINDOW);
        if !is_in_window || self.has(offset) {
            return false;
        }
        self.set(offset);
        true
    }

    /// The bits of the newest offsets.
    fn text(&self, window: usize) -> String {
        let mut kept = self.clone();
        let newest = i64::try_from(window).unwrap_or(i64::MAX);
        let all = i64::try_from(WINDOW).unwrap_or(i64::MAX);
        let after = self.highest.saturating_sub(all);
        (after + 1..=self.highest.saturating_sub(newest)).for_each(|old| kept.clear(old));
        let bytes: Vec<u8> = kept
            .bits
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        STANDARD_NO_PAD.encode(shortened(&bytes))
    }

    fn bit(offset: i64) -> (usize, u64) {
        // The window is a power of two, so the sign does not matter.
        let bit = usize::try_from(offset.cast_unsigned() % WINDOW as u64).unwrap_or(0);
        (bit / 64, 1 << (bit % 64))
    }

    fn has(&self, offset: i64) -> bool {
        let (word, bit) = Self::bit(offset);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    fn set(&mut self, offset: i64) {
        let (word, bit) = Self::bit(offset);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
    }

    fn clear(&mut self, offset: i64) {
        let (word, bit) = Self::bit(offset);
        if let Some(word) = self.bits.get_mut(word) {
            *word &= !bit;
        }
    }
}

/// Runs of zero bytes as a zero and their length: most of a window is empty in a quiet partition.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let mut short = Vec::new();
    let mut rest = bytes;
    while let Some((byte, _)) = rest.split_first() {
        let zeros = rest.iter().take(255).take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            short.push(*byte);
            rest = rest.get(1..).unwrap_or_default();
        } else {
            short.extend([0, u8::try_from(zeros).unwrap_or(u8::MAX)]);
            rest = rest.get(zeros..).unwrap_or_default();
        }
    }
    short
}

/// The whole window; `None` if it has another length.
fn lengthened(short: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(WORDS * 8);
    let mut rest = short.iter();
    while let Some(byte) = rest.next() {
        if *byte == 0 {
            let zeros = usize::from(*rest.next()?);
            bytes.resize(bytes.len() + zeros, 0);
        } else {
            bytes.push(*byte);
        }
        if bytes.len() > WORDS * 8 {
            return None;
        }
    }
    (bytes.len() == WORDS * 8).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(partition: i32, offset: i64) -> Origin {
        Origin::new("business.user.interaction", partition, offset, 1)
    }

    #[test]
    fn an_origin_is_read_as_it_was_written() {
        let origin = Origin::new("a/b@c", 3, 77, 2);
        assert_eq!(origin.to_string(), "a/b@c/3/77@2");
        assert_eq!("a/b@c/3/77@2".parse(), Ok(origin));
        for text in ["", "a", "a/1/2", "a/1/-2@1", "a/x/2@1", "a/1/2@x"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_record_comes_for_the_first_time_once() {
        let mut origins = Origins::default();
        for (origin, first) in [
            (at(0, 100), true),
            (at(0, 102), true),
            (at(0, 100), false),
            (at(0, 101), true),
            (at(1, 100), true),
            (at(0, 102), false),
            (Origin::new("business.user.interaction", 0, 100, 2), true),
            (at(0, 102 + 16_384), true),
            (at(0, 102), false),
            (at(0, 103), true),
            (at(0, i64::MAX), true),
        ] {
            assert_eq!(origins.note(&origin), first, "{origin}");
        }
    }

    #[test]
    fn the_newest_generation_says_how_far_a_partition_was_read() {
        let mut origins = Origins::default();
        for (topic, partition, offset, generation) in [
            ("t", 0, 9, 1),
            ("t", 0, 7, 1),
            ("t", 0, 3, 2),
            ("t", 10, 40, 10),
            ("t", 1, 50, 9),
            ("tt", 0, 60, 8),
        ] {
            origins.note(&Origin::new(topic, partition, offset, generation));
        }
        for (topic, partition, reached) in [
            ("t", 0, Some((2, 3))),
            ("t", 1, Some((9, 50))),
            ("t", 10, Some((10, 40))),
            ("t", 2, None),
            ("", 0, None),
        ] {
            assert_eq!(
                origins.reached(topic, partition),
                reached,
                "{topic}/{partition}"
            );
        }
    }

    #[test]
    fn many_places_fit_into_one_value_and_what_can_come_again_is_known() {
        let mut origins = Origins::default();
        for partition in 0..1_500 {
            for offset in (0..20_000).step_by(3) {
                origins.note(&at(partition, offset));
            }
        }
        let json = origins.to_json();
        let bytes = json.to_string().len();
        assert!(bytes <= 1 << 20, "{bytes}");
        let mut kept = Origins::from_json(&json).unwrap();
        for partition in [0, 1_499] {
            for offset in 20_000 - 2_000..20_000 {
                assert_eq!(
                    kept.note(&at(partition, offset)),
                    offset % 3 != 0,
                    "{offset}"
                );
            }
        }
    }

    proptest! {
        /// Within the window, a record is new exactly once, also after the state went through its text.
        #[test]
        fn each_record_counts_once(offsets in prop::collection::vec((0_i32..3, 0_i64..12_000), 0..300)) {
            let (mut origins, mut seen) = (Origins::default(), BTreeSet::new());
            for (partition, offset) in offsets {
                prop_assert_eq!(origins.note(&at(partition, offset)), seen.insert((partition, offset)));
                if offset % 7 == 0 {
                    let read = Origins::from_json(&origins.to_json()).unwrap();
                    prop_assert_eq!(&read, &origins);
                    origins = read;
                }
            }
        }
    }
}
