//! The newest activities of a user, in the order in which they came, in 20 bytes each as long as they name up to three items and
//! have no context.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clock_text::format_time;
use crate::ledger::record::Millis;
use crate::raw_json::RawJson;
use crate::recommend::names::Names;

/// Place of a name in [`Ids`].
pub type Slot = u32;

/// Activities of a user that are kept (SPEC §5); the oldest leave.
pub const ACTIVITIES_MAX: usize = 100;
/// Items that an activity holds without further memory.
const INLINE: usize = 3;
/// Types of interactions that are kept by name. Beyond it a type becomes "other".
const KINDS_MAX: usize = 255;
/// Where types beyond the bound are.
const OTHER: &str = "other";

/// Names of items and genres, each kept once for all users of a shard and as long as one of them needs it.
#[derive(Clone)]
pub struct Ids {
    names: Names,
    held: Vec<u32>,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Ids").field(&self.len()).finish()
    }
}

impl Ids {
    /// None yet. The seed only protects from names made to collide.
    pub fn new(seed: u64) -> Self {
        Self {
            names: Names::new(seed),
            held: Vec::new(),
        }
    }

    /// The slot of a name, to be given back with [`Self::release`]. An empty name has none.
    pub(super) fn hold(&mut self, name: &str) -> Option<Slot> {
        let known = self.names.find(name);
        let slot = known.map_or_else(|| self.names.add(name), Some)?;
        let place = usize::try_from(slot).ok()?;
        if self.held.len() <= place {
            self.held.resize(place + 1, 0);
        }
        let held = self.held.get_mut(place)?;
        *held += 1;
        Some(slot)
    }

    /// Gives a slot back; the name goes with the last one.
    pub(super) fn release(&mut self, slot: Slot) {
        let held = usize::try_from(slot)
            .ok()
            .and_then(|place| self.held.get_mut(place));
        let Some(held) = held.filter(|held| **held > 0) else {
            return;
        };
        *held -= 1;
        if *held == 0 {
            self.names.remove(slot);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Slot> {
        self.names.find(name)
    }

    pub(super) fn name(&self, slot: Slot) -> &str {
        self.names.name(slot)
    }

    /// Names kept.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.names.bytes() + self.held.capacity() * size_of::<u32>()
    }
}

/// Types of interactions by number.
#[derive(Clone, Debug, Default)]
pub struct Kinds(Vec<Box<str>>);

impl Kinds {
    fn number(&mut self, kind: &str) -> u8 {
        let known = self.0.iter().position(|one| &**one == kind);
        if known.is_none() && self.0.len() < KINDS_MAX {
            self.0.push(kind.into());
            return u8::try_from(self.0.len() - 1).unwrap_or(u8::MAX);
        }
        known
            .and_then(|place| u8::try_from(place).ok())
            .unwrap_or(u8::MAX)
    }

    fn name(&self, number: u8) -> &str {
        self.0.get(usize::from(number)).map_or(OTHER, |kind| kind)
    }
}

/// One activity as the API shows it (SPEC §5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Activity {
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// What was done, such as `view`.
    pub interaction_type: String,
    /// With which items.
    pub item_ids: Vec<String>,
    /// What the event said beside; an object, absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub context: Option<RawJson>,
}

/// The newest activities of one user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    acts: VecDeque<Act>,
    extras: Vec<Extra>,
    /// Number of the oldest act: acts are counted from 0, and wrap around.
    first: u32,
}

/// 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Act {
    /// Second since 1970.
    at: u32,
    millis: u16,
    kind: u8,
    /// Items in `items`.
    count: u8,
    items: [Slot; INLINE],
}

/// What does not fit into an [`Act`].
#[derive(Clone, Debug, PartialEq)]
struct Extra {
    /// Number of the act.
    act: u32,
    /// Further items.
    items: Box<[Slot]>,
    /// As it was written.
    context: Option<Box<str>>,
}

/// Names that the streams of a shard share.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// Items and genres.
    pub ids: Ids,
    /// Types of interactions.
    pub kinds: Kinds,
}

impl Vocabulary {
    /// An empty one.
    pub fn new(seed: u64) -> Self {
        Self {
            ids: Ids::new(seed),
            kinds: Kinds::default(),
        }
    }
}

impl Stream {
    /// Appends an activity; the oldest leaves at [`ACTIVITIES_MAX`].
    pub fn push<'a>(
        &mut self,
        at: Millis,
        kind: &str,
        items: impl IntoIterator<Item = &'a str>,
        context: Option<&str>,
        words: &mut Vocabulary,
    ) {
        if self.acts.len() >= ACTIVITIES_MAX {
            self.drop_oldest(&mut words.ids);
        }
        self.make_room();
        let mut slots = items.into_iter().filter_map(|item| words.ids.hold(item));
        let mut act = Act {
            at: u32::try_from(at.div_euclid(1_000).max(0)).unwrap_or(u32::MAX),
            millis: u16::try_from(at.rem_euclid(1_000)).unwrap_or(0),
            kind: 0,
            count: 0,
            items: [0; INLINE],
        };
        for (place, slot) in act.items.iter_mut().zip(slots.by_ref()) {
            *place = slot;
            act.count += 1;
        }
        let further: Box<[Slot]> = slots.collect();
        act.kind = words.kinds.number(kind);
        if !further.is_empty() || context.is_some() {
            let length = u32::try_from(self.acts.len()).unwrap_or(0);
            self.extras.push(Extra {
                act: self.first.wrapping_add(length),
                items: further,
                context: context.map(Into::into),
            });
        }
        self.acts.push_back(act);
    }

    /// Appends an activity that was read from the store. One without a readable time counts as of 1970.
    pub fn append(&mut self, activity: &Activity, words: &mut Vocabulary) {
        let at = chrono::DateTime::parse_from_rfc3339(&activity.timestamp);
        let at = at.map_or(0, |at| at.timestamp_millis());
        let items = activity.item_ids.iter().map(String::as_str);
        let context = activity.context.as_ref().map(|context| context.0.get());
        self.push(at, &activity.interaction_type, items, context, words);
    }

    /// Grows by few at a time, so that most users take little: 4, 8, 16, 32, 64, 100.
    fn make_room(&mut self) {
        if self.acts.len() == self.acts.capacity() {
            let more = (self.acts.len() * 2).clamp(4, ACTIVITIES_MAX);
            self.acts.reserve_exact(more - self.acts.len());
        }
    }

    fn drop_oldest(&mut self, ids: &mut Ids) {
        let Some(act) = self.acts.pop_front() else {
            return;
        };
        act.slots().for_each(|slot| ids.release(slot));
        if self
            .extras
            .first()
            .is_some_and(|extra| extra.act == self.first)
        {
            let extra = self.extras.remove(0);
            extra.items.iter().for_each(|slot| ids.release(*slot));
        }
        self.first = self.first.wrapping_add(1);
    }

    /// Forgets all, and gives the names back.
    pub fn clear(&mut self, ids: &mut Ids) {
        while !self.acts.is_empty() {
            self.drop_oldest(ids);
        }
        *self = Self::default();
    }

    /// Activities, the oldest first.
    pub fn activities(&self, words: &Vocabulary) -> Vec<Activity> {
        let mut extras = self.extras.iter().peekable();
        let acts = (0_u32..).zip(&self.acts);
        let activity = |(place, act): (u32, &Act)| {
            let number = self.first.wrapping_add(place);
            let extra = extras.next_if(|extra| extra.act == number);
            let further = extra.iter().flat_map(|extra| extra.items.iter().copied());
            let context = extra.and_then(|extra| extra.context.as_deref());
            let context = context.and_then(|text| serde_json::from_str(text).ok());
            Activity {
                timestamp: format_time(act.time()),
                interaction_type: words.kinds.name(act.kind).to_owned(),
                item_ids: act
                    .slots()
                    .chain(further)
                    .map(|slot| words.ids.name(slot).to_owned())
                    .collect(),
                context: context.map(RawJson),
            }
        };
        acts.map(activity).collect()
    }

    /// Number of activities.
    pub fn len(&self) -> usize {
        self.acts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    /// Bytes on the heap, without names.
    pub fn bytes(&self) -> usize {
        let extras = self.extras.iter().map(|extra| {
            let context = extra.context.as_ref().map_or(0, |context| context.len());
            extra.items.len() * size_of::<Slot>() + context
        });
        self.acts.capacity() * size_of::<Act>()
            + self.extras.capacity() * size_of::<Extra>()
            + extras.sum::<usize>()
    }
}

impl Act {
    fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        self.items.into_iter().take(usize::from(self.count))
    }

    fn time(&self) -> Millis {
        Millis::from(self.at) * 1_000 + Millis::from(self.millis)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> Vocabulary {
        Vocabulary::new(1)
    }

    #[test]
    fn a_full_stream_takes_at_most_2_3_kilobytes() {
        let (mut stream, mut words) = (Stream::default(), words());
        for act in 0..1_000 {
            let items = [act.to_string(), "b".to_owned(), "c".to_owned()];
            let items = items.iter().map(String::as_str);
            stream.push(act * 1_001, "view", items, None, &mut words);
        }
        assert_eq!(size_of::<Act>(), 20);
        assert_eq!(stream.len(), ACTIVITIES_MAX);
        let whole = stream.bytes() + size_of::<Stream>();
        assert!(whole <= 2_300, "{whole}");
        let activities = stream.activities(&words);
        assert_eq!(activities[0].item_ids, ["900", "b", "c"]);
        assert_eq!(activities[99].timestamp, "1970-01-01T00:16:39.999Z");
        assert_eq!(words.ids.len(), 102);
    }

    #[test]
    fn types_beyond_the_bound_become_other() {
        let (mut stream, mut words) = (Stream::default(), words());
        for kind in 0..300 {
            stream.push(0, &format!("k{kind}"), [], None, &mut words);
        }
        let kinds: Vec<_> = stream.activities(&words);
        assert_eq!(kinds[0].interaction_type, "k200");
        assert_eq!(kinds[54].interaction_type, "k254");
        assert_eq!(kinds[55].interaction_type, OTHER);
        assert_eq!(kinds[99].interaction_type, OTHER);
    }

    proptest! {
        /// The stream is the list of the latest hundred, and holds no name that is not in it.
        #[test]
        fn the_newest_are_kept_in_order(
            acts in prop::collection::vec((0_i64..4_000_000_000_000, 0..4_u8, prop::collection::vec(0..20_u8, 0..8), any::<bool>()), 0..250)
        ) {
            let (mut stream, mut words) = (Stream::default(), words());
            let mut all = Vec::new();
            for (at, kind, items, has_context) in acts {
                let (kind, items) = (format!("k{kind}"), items.iter().map(u8::to_string).collect::<Vec<_>>());
                let context = has_context.then_some(r#"{"a": 1}"#);
                stream.push(at, &kind, items.iter().map(String::as_str), context, &mut words);
                all.push(Activity {
                    timestamp: format_time(at),
                    interaction_type: kind,
                    item_ids: items,
                    context: context.map(|text| RawJson(serde_json::from_str(text).unwrap())),
                });
            }
            let newest = all.get(all.len().saturating_sub(ACTIVITIES_MAX)..).unwrap();
            prop_assert_eq!(stream.activities(&words), newest);
            let names: std::collections::BTreeSet<_> = newest.iter().flat_map(|act| &act.item_ids).collect();
            prop_assert_eq!(words.ids.len(), names.len());
            stream.clear(&mut words.ids);
            prop_assert!(words.ids.is_empty() && stream.is_empty());
        }
    }
}
