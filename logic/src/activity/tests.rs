//! A shard as a whole: whatever is redelivered, lost in a crash or loaded again, users end up as after one run.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::event::Interaction;
use super::shard::Around;
use super::stored::{StoredProfile, StoredStream, StoredUser};
use super::*;
use crate::catalog::{Catalog, CatalogSettings, Item};
use crate::ledger::record::Millis;
use crate::recommend::{Model, RecommendSettings};

const START: Millis = 1_796_010_120_000;
const HOUR: Millis = 3_600_000;

/// What outlives a crash.
#[derive(Clone, Default, PartialEq, Debug)]
struct Store {
    profiles: BTreeMap<String, StoredProfile>,
    streams: BTreeMap<String, StoredStream>,
    origins: serde_json::Value,
}

struct World {
    shard: Shard,
    model: Model,
    catalog: Catalog,
}

impl World {
    fn begin(store: &Store) -> Self {
        let settings = ShardSettings {
            stream_ttl_ms: HOUR,
            users_max: 1_000,
        };
        let mut catalog = Catalog::new(CatalogSettings::default(), 3);
        for item in 0..20 {
            let mut genres = vec![format!("g{}", item % 3), format!("g{}", item % 5)];
            genres.dedup();
            let item_of = Item {
                genres,
                ..Item::default()
            };
            catalog.put(&item.to_string(), &item_of);
        }
        let model = Model::new(RecommendSettings::default(), 1).unwrap();
        let mut shard = Shard::new(settings, 2);
        shard.origins = Origins::from_json(&store.origins).unwrap_or_default();
        Self {
            shard,
            model,
            catalog,
        }
    }

    fn apply(&mut self, event: &UserEvent, position: i64, store: &Store) -> Option<Change> {
        let logged = START + position;
        if self.shard.lacks(&event.user, &self.model) {
            let stored = StoredUser {
                stream: store.streams.get(&event.user).cloned(),
                profile: store.profiles.get(&event.user).cloned(),
            };
            self.shard
                .put(&event.user, stored, &mut self.model, logged)
                .unwrap();
        }
        let mut around = Around {
            model: &mut self.model,
            catalog: &self.catalog,
            now: logged,
        };
        self.shard.apply(event, position, logged, &mut around)
    }

    fn write_profile(&self, user: &str, store: &mut Store) {
        let (profile, _) = self.shard.stored(user, &self.model).unwrap();
        let json = profile.clone().to_json(usize::MAX).unwrap();
        assert!(
            json.starts_with(&format!("{{\"position\":{}", profile.position)),
            "{json}"
        );
        let profile: StoredProfile = serde_json::from_str(&json).unwrap();
        let newer = store
            .profiles
            .get(user)
            .is_none_or(|old| old.position < profile.position);
        if newer {
            store.profiles.insert(user.to_owned(), profile);
        }
    }

    fn write_stream(&self, user: &str, store: &mut Store) {
        let (_, stream) = self.shard.stored(user, &self.model).unwrap();
        let json = stream.clone().to_json(usize::MAX).unwrap();
        assert!(
            json.starts_with(&format!("{{\"position\":{}", stream.position)),
            "{json}"
        );
        let stream: StoredStream = serde_json::from_str(&json).unwrap();
        let newer = store
            .streams
            .get(user)
            .is_none_or(|old| old.position < stream.position);
        if newer {
            store.streams.insert(user.to_owned(), stream);
        }
    }
}

fn event(user: u8, kind: &str, items: &[u8], place: i64) -> UserEvent {
    UserEvent {
        user: user.to_string(),
        at: START + place,
        origin: Some(Origin::new("business.user.interaction", 0, place, 1)),
        did: Did::Interact(Interaction {
            kind: kind.to_owned(),
            items: items.iter().map(u8::to_string).collect(),
            ..Interaction::default()
        }),
    }
}

fn run(log: &[UserEvent], cuts: &[(usize, u8)]) -> Store {
    let mut store = Store::default();
    let mut world = World::begin(&store);
    // Everything before it was settled.
    let mut settled = 0;
    let mut cuts = cuts.iter();
    let mut cut = cuts.next();
    let mut place = 0;
    while let Some(event) = log.get(place) {
        world.apply(event, i64::try_from(place).unwrap(), &store);
        let crash = cut.filter(|(at, _)| *at == place).map(|(_, step)| *step);
        if crash.is_some() {
            cut = cuts.next();
        }
        // A crash before the writes, between them, and before the settlement.
        let steps = crash.unwrap_or(u8::MAX);
        if steps > 0 {
            world.write_stream(&event.user, &mut store);
        }
        if steps > 1 {
            world.write_profile(&event.user, &mut store);
        }
        if steps > 2 {
            store.origins = world.shard.origins.to_json();
        }
        if crash.is_some() {
            world = World::begin(&store);
            place = settled;
        } else {
            place += 1;
            settled = place;
        }
    }
    store
}

fn log() -> impl Strategy<Value = Vec<UserEvent>> {
    let kinds = prop::sample::select(vec!["view", "like", "purchase", "high_rating", "dislike"]);
    let one = (0..4_u8, kinds, prop::collection::vec(0..20_u8, 0..5));
    prop::collection::vec(one, 1..60).prop_map(|all| {
        let all = all.iter().zip(0..);
        all.map(|((user, kind, items), place)| event(*user, kind, items, place))
            .collect()
    })
}

proptest! {
    /// Crashes at any place and between any two writes leave the users as one run without any leaves them.
    #[test]
    fn a_crash_changes_nothing(log in log(), crashes in prop::collection::btree_map(0..60_usize, 0..4_u8, 0..6)) {
        let once = run(&log, &[]);
        let crashes: Vec<(usize, u8)> = crashes.into_iter().collect();
        prop_assert_eq!(run(&log, &crashes), once);
    }

    /// An event that was written to the topic twice counts once, wherever the second copy is.
    #[test]
    fn a_second_copy_of_an_event_changes_nothing(log in log(), copies in prop::collection::vec((0..60_usize, 0..60_usize), 0..10)) {
        let once = run(&log, &[]);
        let mut twice = log.clone();
        for (of, at) in copies {
            if let Some(copy) = log.get(of).cloned() {
                // Behind its first copy.
                let first = twice.iter().position(|event| *event == copy).unwrap();
                let at = (first + 1 + at).min(twice.len());
                twice.insert(at, copy);
            }
        }
        let mut found = run(&twice, &[]);
        for (user, profile) in &mut found.profiles {
            let expected = &once.profiles[user];
            (profile.position, profile.updated_at) = (expected.position, expected.updated_at.clone());
        }
        for (user, stream) in &mut found.streams {
            stream.position = once.streams[user].position;
        }
        prop_assert_eq!((found.profiles, found.streams), (once.profiles, once.streams));
    }
}

#[test]
fn what_follows_from_an_interaction_is_by_its_type() {
    let store = Store::default();
    let mut world = World::begin(&store);
    for (place, kind, refresh) in [
        (0, "view", false),
        (1, "like", true),
        (2, "click", true),
        (3, "purchase", true),
        (4, "add_to_cart", true),
        (5, "high_rating", false),
        (6, "anything", false),
    ] {
        let change = world
            .apply(&event(1, kind, &[1], place), place, &store)
            .unwrap();
        assert_eq!(
            (change.refresh, change.invalidate),
            (refresh, true),
            "{kind}"
        );
    }
    let again = event(1, "like", &[1], 1);
    assert_eq!(
        world.apply(&again, 9, &store),
        None,
        "an origin that came already"
    );
}

#[test]
fn a_profile_prefers_the_genres_of_its_items() {
    let store = Store::default();
    let mut world = World::begin(&store);
    world.apply(&event(1, "purchase", &[4], 0), 0, &store);
    world.apply(&event(1, "like", &[1, 250], 1), 1, &store);
    let (profile, _) = world.shard.stored("1", &world.model).unwrap();
    let weights = profile.preferences.iter();
    let weights: Vec<(&str, String)> = weights
        .map(|(genre, weight)| (&**genre, format!("{weight:.4}")))
        .collect();
    // Item 4 is of g1 and g4, item 1 of g1 alone; item 250 is unknown, which is harmless.
    assert_eq!(
        weights,
        [("g1", "0.1700".to_owned()), ("g4", "0.1000".to_owned())]
    );
    assert_eq!(profile.interactions, 2);
}

#[test]
fn a_stream_ends_an_hour_after_its_last_activity() {
    let store = Store::default();
    let mut world = World::begin(&store);
    world.apply(&event(1, "view", &[1], 0), 0, &store);
    world.apply(&event(1, "view", &[2], 1), HOUR - 1, &store);
    assert_eq!(world.shard.activities("1").unwrap().len(), 2);
    world.apply(&event(1, "view", &[3], 2), 2 * HOUR, &store);
    let activities = world.shard.activities("1").unwrap();
    assert_eq!((activities.len(), &*activities[0].item_ids[0]), (1, "3"));
    for _ in 0..64 {
        world.shard.sweep(START + 4 * HOUR, |user| user == "1");
    }
    assert_eq!(world.shard.len(), 1, "not in the store yet");
    for _ in 0..64 {
        world.shard.sweep(START + 4 * HOUR, |_| false);
    }
    assert!(world.shard.is_empty());
}

#[test]
fn what_is_erased_leaves_a_tombstone_and_nothing_else() {
    let mut store = Store::default();
    let mut world = World::begin(&store);
    world.apply(&event(7, "purchase", &[1, 2, 3], 0), 0, &store);
    world.apply(&event(8, "purchase", &[1, 2, 3], 1), 1, &store);
    let erase = UserEvent {
        origin: None,
        did: Did::Erase,
        ..event(7, "", &[], 2)
    };
    let change = world.apply(&erase, 2, &store).unwrap();
    assert!(change.erase && !change.refresh);
    world.write_profile("7", &mut store);
    assert_eq!(
        store.profiles["7"].clone().to_json(usize::MAX).unwrap(),
        r#"{"position":2,"erased":true}"#
    );
    assert!(world.shard.activities("7").unwrap().is_empty());
    assert!(!world.model.knows("7", "1"));
    // An owner that is late writes the stream as it was.
    let (_, stream) = World::begin(&Store::default()).late_stream();
    store.streams.insert("7".to_owned(), stream);
    let mut world = World::begin(&store);
    world.apply(&event(7, "view", &[9], 3), 3, &store);
    assert_eq!(world.shard.activities("7").unwrap().len(), 1);
    let (profile, _) = world.shard.stored("7", &world.model).unwrap();
    assert_eq!((profile.erased, profile.interactions), (false, 1));
}

impl World {
    fn late_stream(mut self) -> (StoredProfile, StoredStream) {
        let store = Store::default();
        self.apply(&event(7, "purchase", &[1, 2, 3], 0), 0, &store);
        self.shard.stored("7", &self.model).unwrap()
    }
}

#[test]
fn at_the_bound_those_who_are_quiet_for_longest_leave() {
    let mut world = World::begin(&Store::default());
    world.shard = Shard::new(
        ShardSettings {
            stream_ttl_ms: 100 * HOUR,
            users_max: 80,
        },
        5,
    );
    let store = Store::default();
    for user in 0..=100_u8 {
        world.apply(&event(user, "view", &[1], user.into()), user.into(), &store);
    }
    let mut all_unkept = world.shard.clone();
    all_unkept.sweep(START, |_| true);
    assert_eq!(all_unkept.len(), 101);
    // What user 3 did is not in the store yet.
    world.shard.sweep(START, |user| user == "3");
    assert_eq!(world.shard.len(), 80);
    let is_in = |user| world.shard.activities(user).is_some();
    assert!(is_in("3") && !is_in("21") && is_in("22"));
}

#[test]
fn a_click_counts_once_for_the_list_shown_and_again_after_a_crash_for_the_user_alone() {
    let settings = crate::experiments::StatisticsSettings::default();
    let mut store = Store::default();
    let mut world = World::begin(&store);
    let list = List {
        user_id: "1".to_owned(),
        list: "0-0".to_owned(),
        recommendations: (3..6)
            .map(|item| super::list::Recommended {
                item_id: item.to_string(),
                ..Default::default()
            })
            .collect(),
        model: "homeostat".to_owned(),
        ..List::default()
    };
    let click = |place| UserEvent {
        did: Did::Click(Interaction {
            kind: "click".to_owned(),
            items: vec!["4".to_owned()],
            context: Some(r#"{"list":"0-0"}"#.to_owned()),
            ..Interaction::default()
        }),
        ..event(1, "", &[], place)
    };
    world.apply(&event(1, "like", &[1], 0), 0, &store);
    let shown = list.impression(Vec::new(), 3, START);
    world.shard.pushed("1", 0, shown, START);
    world.write_profile("1", &mut store);
    // The same list is served; then it is clicked twice.
    let served = UserEvent {
        origin: None,
        did: Did::Served(list.served(10)),
        ..event(1, "", &[], 1)
    };
    let log = [served, click(2), click(3)];
    let apply = |world: &mut World, store: &Store| {
        for (event, position) in log.iter().zip(1..) {
            world.apply(event, position, store);
        }
    };
    apply(&mut world, &store);
    let delta = world.shard.tally.take(0, 7, 3).unwrap();
    assert_eq!((delta.from, delta.to), (-1, 3));
    let mut all = crate::experiments::AllCounts::new(&settings);
    all.apply(&delta);
    let report = |all: &crate::experiments::AllCounts| {
        let watch = crate::experiments::Watch::default();
        let settings = crate::experiments::StatisticsSettings::default();
        let stats =
            crate::experiments::RecommendationStats::of(all.total(), &[], &watch, &settings, START);
        (stats.total.impressions, stats.total.clicks, stats.left_out)
    };
    let (impressions, clicks, left_out) = report(&all);
    assert_eq!((impressions, clicks), (3, 1));
    assert_eq!(
        (left_out.repeated_lists, left_out.repeated_reactions),
        (1, 1)
    );
    // The delta is durable, and the user is not: the events come again.
    let mut again = World::begin(&store);
    again.shard.tally = Tally::behind(3, &settings, std::sync::Arc::default());
    apply(&mut again, &store);
    assert_eq!(
        again.shard.tally.take(0, 8, 3),
        None,
        "all of it is counted"
    );
    let state = |world: &World| world.shard.stored("1", &world.model).unwrap().0;
    assert_eq!(state(&again).shown, state(&world).shown);
}
