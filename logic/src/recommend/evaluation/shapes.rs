//! Seeded data of shapes that users bring: with structure, with none, sparse, tiny, drifting, repeated.

#![allow(
    clippy::cast_possible_wrap,
    clippy::too_many_lines,
    reason = "small numbers, and one shape after the other"
)]

use super::random::Random;

/// One event: user, item, second, type.
pub(super) type Act = (u32, u32, i64, &'static str);

/// The next item, by the user, the time and the user's item before.
type Choose<'a> = dyn FnMut(&mut Random, u32, i64, Option<u32>) -> u32 + 'a;

/// Data of one shape.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) recommend_seen: bool,
    pub(super) acts: Vec<Act>,
}

const START: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

/// Draws items by how popular they are: the share of the item at rank `r` falls as `1 / (r + 1)^power`.
struct Popular(Vec<f64>);

impl Popular {
    fn new(items: u32, power: f64) -> Self {
        let mut sum = 0.0;
        let shares = (0..items).map(|rank| {
            sum += (f64::from(rank) + 1.0).powf(-power);
            sum
        });
        Self(shares.collect())
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let whole = self.0.last().copied().unwrap_or(0.0);
        let at = unit(random) * whole;
        self.0.partition_point(|sum| *sum <= at) as u32
    }
}

/// From 0 to 1.
fn unit(random: &mut Random) -> f64 {
    random.below(1 << 40) as f64 / (1_u64 << 40) as f64
}

fn chance(random: &mut Random, share: f64) -> bool {
    unit(random) < share
}

fn below(random: &mut Random, end: u32) -> u32 {
    random.below(end as usize) as u32
}

fn shape(name: &'static str, mut acts: Vec<Act>) -> Shape {
    acts.sort_by_key(|act| act.2);
    Shape {
        name,
        recommend_seen: false,
        acts,
    }
}

/// Users who come for sessions of some items.
fn visits(
    seed: u64,
    users: u32,
    sessions: u32,
    session: u32,
    days: i64,
    choose: &mut Choose<'_>,
) -> Vec<Act> {
    let mut random = Random::new(seed);
    let mut acts = Vec::new();
    for user in 0..users {
        let mut starts: Vec<i64> = (0..sessions)
            .map(|_| START + random.below((days * DAY) as usize) as i64)
            .collect();
        starts.sort_unstable();
        for mut second in starts {
            let mut before = None;
            for _ in 0..session {
                let item = choose(&mut random, user, second, before);
                acts.push((user, item, second, ""));
                before = Some(item);
                second += 20 + random.below(60) as i64;
            }
        }
    }
    acts
}

fn independent(items: u32, power: f64) -> impl FnMut(&mut Random, u32, i64, Option<u32>) -> u32 {
    let popular = Popular::new(items, power);
    move |random, _, _, _| popular.draw(random)
}

/// Items drawn by popularity alone, whatever the user did before.
pub(super) fn without_structure(size: u32) -> Vec<Shape> {
    let users = |many: u32| (many * size / 100).max(2);
    let draw = independent;
    vec![
        shape(
            "no structure, no sessions",
            visits(1, users(500), 40, 1, 200, &mut draw(1_000, 1.0)),
        ),
        shape(
            "no structure, sessions of ten",
            visits(2, users(500), 4, 10, 60, &mut draw(1_000, 1.0)),
        ),
        shape(
            "no structure, most events on a few items",
            visits(3, users(500), 20, 1, 100, &mut draw(400, 1.8)),
        ),
        shape(
            "no structure, two events a user",
            visits(4, users(6_000), 1, 2, 60, &mut draw(1_000, 1.2)),
        ),
        shape(
            "no structure, two events a user, days apart",
            visits(5, users(6_000), 2, 1, 300, &mut draw(1_000, 1.2)),
        ),
        shape(
            "no structure, three events a user, 100,000 items",
            visits(6, users(5_000), 1, 3, 60, &mut draw(100_000, 0.9)),
        ),
        shape(
            "no structure, all items as frequent",
            visits(7, users(600), 4, 5, 60, &mut draw(300, 0.0)),
        ),
        shape(
            "no structure, few events over two years",
            visits(8, users(200), 10, 1, 730, &mut draw(200, 1.0)),
        ),
        shape(
            "no structure, all in one second",
            visits(9, users(500), 1, 15, 1, &mut draw(500, 1.0))
                .into_iter()
                .map(|(user, item, _, kind)| (user, item, START, kind))
                .collect(),
        ),
        shape(
            "no structure, 50 events",
            visits(10, 12, 1, 4, 7, &mut draw(30, 1.0)),
        ),
        shape("no structure, funnels", funnels(11, users(800), None)),
        Shape {
            recommend_seen: true,
            ..shape(
                "no structure, seen items recommended",
                visits(12, users(400), 4, 10, 60, &mut draw(500, 1.0)),
            )
        },
    ]
}

/// What users did before says what they do next, or the time does.
pub(super) fn with_structure(size: u32) -> Vec<Shape> {
    let users = |many: u32| (many * size / 100).max(2);
    let mut shapes = Vec::new();
    let taste = |user: u32, slot: u32| (user * 7 + slot * 5 + user / 20 * 3) % 20;
    let in_genre = Popular::new(50, 0.7);
    let mut genres = |random: &mut Random, user: u32, _: i64, _: Option<u32>| {
        let genre = taste(user, below(random, 3));
        genre * 50 + in_genre.draw(random)
    };
    shapes.push(shape(
        "three of twenty genres a user, no sessions",
        visits(21, users(600), 30, 1, 200, &mut genres),
    ));
    let in_group = Popular::new(25, 0.7);
    let mut groups = |random: &mut Random, _: u32, _: i64, before: Option<u32>| {
        let group = before.map_or_else(|| below(random, 40), |item| item / 25);
        group * 25 + in_group.draw(random)
    };
    shapes.push(shape(
        "sessions within one of forty groups",
        visits(22, users(500), 6, 6, 60, &mut groups),
    ));
    let fresh = Popular::new(30, 0.5);
    let mut living = |random: &mut Random, _: u32, second: i64, _: Option<u32>| {
        let day = (second - START).div_euclid(DAY) as u32;
        (day / 3) * 30 + fresh.draw(random)
    };
    shapes.push(shape(
        "items that live three days",
        visits(23, users(600), 10, 2, 60, &mut living),
    ));
    shapes.push(Shape {
        recommend_seen: true,
        ..shape("baskets bought again and again", baskets(24, users(200)))
    });
    let plain = Popular::new(500, 1.0);
    let mut markov = |random: &mut Random, _: u32, _: i64, before: Option<u32>| match before {
        Some(item) if chance(random, 0.5) => (item * 31 + 7 * below(random, 3) + 1) % 500,
        _ => plain.draw(random),
    };
    shapes.push(shape(
        "each item has three likely next ones",
        visits(25, users(600), 3, 10, 60, &mut markov),
    ));
    let plain = Popular::new(500, 1.0);
    let mut weekly = |random: &mut Random, _: u32, second: i64, _: Option<u32>| {
        let week = (second - START).div_euclid(7 * DAY) as u32;
        (plain.draw(random) * 167 + week * 61) % 500
    };
    shapes.push(shape(
        "what is popular changes every week",
        visits(26, users(700), 10, 3, 90, &mut weekly),
    ));
    let young = Popular::new(60, 1.0);
    let mut launches = |random: &mut Random, _: u32, second: i64, _: Option<u32>| {
        let newest = (second - START).div_euclid(DAY / 4) as u32 + 60;
        newest - young.draw(random)
    };
    shapes.push(shape(
        "new items all the time, popular when new",
        visits(27, users(700), 10, 2, 90, &mut launches),
    ));
    shapes.push(shape(
        "funnels with structure",
        funnels(28, users(800), Some(20)),
    ));
    let (plain, in_half) = (Popular::new(600, 1.0), Popular::new(30, 0.5));
    let mut half = |random: &mut Random, user: u32, _: i64, before: Option<u32>| {
        if user.is_multiple_of(2) {
            return plain.draw(random);
        }
        let group = before.map_or_else(|| below(random, 20), |item| item / 30);
        group * 30 + in_half.draw(random)
    };
    shapes.push(shape(
        "half of the users without structure",
        visits(29, users(600), 5, 6, 60, &mut half),
    ));
    let pairs = Popular::new(5_000, 0.9);
    let mut twos = |random: &mut Random, _: u32, _: i64, before: Option<u32>| match before {
        Some(item) if chance(random, 0.6) => item ^ 1,
        _ => pairs.draw(random),
    };
    shapes.push(shape(
        "two events a user, often of one pair",
        visits(30, users(6_000), 1, 2, 60, &mut twos),
    ));
    shapes.push(shape(
        "20 users, 30 items, 150 events, three groups",
        small(31),
    ));
    let plain = Popular::new(300, 1.0);
    let mut weak = |random: &mut Random, user: u32, _: i64, _: Option<u32>| {
        if chance(random, 0.15) {
            return (user % 10) * 30 + below(random, 30);
        }
        plain.draw(random)
    };
    shapes.push(shape(
        "a little structure",
        visits(32, users(600), 4, 8, 60, &mut weak),
    ));
    shapes
}

/// Views, some of which become carts, some of which become purchases.
fn funnels(seed: u64, users: u32, groups: Option<u32>) -> Vec<Act> {
    let mut random = Random::new(seed);
    let popular = Popular::new(600, 1.0);
    let mut acts = Vec::new();
    for user in 0..users {
        for _ in 0..3 {
            let mut second = START + random.below((60 * DAY) as usize) as i64;
            let group = groups.map(|groups| below(&mut random, groups));
            for _ in 0..=random.below(8) {
                let drawn = popular.draw(&mut random);
                let item = match (group, groups) {
                    (Some(group), Some(groups)) => drawn / groups * groups + group,
                    _ => drawn,
                };
                second += 15 + random.below(90) as i64;
                acts.push((user, item, second, "view"));
                if chance(&mut random, 0.15) {
                    acts.push((user, item, second + 5, "add_to_cart"));
                    if chance(&mut random, 0.4) {
                        acts.push((user, item, second + 9, "purchase"));
                    }
                }
            }
        }
    }
    acts
}

/// Each user has fifteen items, of which each visit takes some.
fn baskets(seed: u64, users: u32) -> Vec<Act> {
    let popular = Popular::new(600, 0.8);
    let mut own: Vec<u32> = Vec::new();
    let mut of = None;
    let mut choose = |random: &mut Random, user: u32, _: i64, _: Option<u32>| {
        if of != Some(user) {
            own = (0..15).map(|_| popular.draw(random)).collect();
            of = Some(user);
        }
        if chance(random, 0.1) {
            return popular.draw(random);
        }
        own.get(random.below(15)).copied().unwrap_or(0)
    };
    visits(seed, users, 10, 6, 90, &mut choose)
}

fn small(seed: u64) -> Vec<Act> {
    let popular = Popular::new(10, 0.5);
    let mut choose = |random: &mut Random, user: u32, _: i64, _: Option<u32>| {
        user % 3 * 10 + popular.draw(random)
    };
    let mut acts = visits(seed, 20, 2, 4, 14, &mut choose);
    acts.truncate(150);
    acts
}
