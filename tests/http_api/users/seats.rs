//! What a connection is sent next, on a clock that the tests move.

use std::sync::Arc;
use std::time::Duration;

use homeostat::metrics::Metrics;
use homeostat::push::{Event, Full, Hub, HubSettings, Seat, Wanted};
use homeostat_logic::push::ending::{Channel, End};
use homeostat_logic::push::places::Limits;
use tokio::time::{Instant, advance, timeout};

use crate::outside::users::{hub, update};

fn made(settings: HubSettings) -> (Arc<Hub>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new([], 0).unwrap());
    (hub(&metrics, settings), metrics)
}

fn wanted(user: &str) -> Wanted<'_> {
    Wanted {
        user,
        channel: Channel::Sse,
        socket: None,
        last: None,
        is_preview: false,
        lasts: None,
    }
}

fn take(hub: &Arc<Hub>, user: &str) -> Seat {
    Seat::take(hub, wanted(user)).unwrap()
}

async fn is_idle(seat: &mut Seat) -> bool {
    timeout(Duration::from_secs(5), seat.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_gets_the_latest_update_unless_it_has_it() {
    let (hub, _) = made(HubSettings::default());
    assert!(
        is_idle(&mut take(&hub, "u")).await,
        "nothing was pushed yet"
    );
    hub.deliver("u", &update(1, 1));
    hub.deliver("u", &update(2, 1));
    hub.deliver("other", &update(3, 1));
    for (last, expected) in [
        (None, Some("0-2")),
        (Some("0-1"), Some("0-2")),
        (Some("nonsense"), Some("0-2")),
        // A client that was ahead at another instance, or whose topic was created again.
        (Some("0-9"), Some("0-2")),
        (Some("0-2"), None),
    ] {
        let last = last.map(str::to_owned);
        let mut seat = Seat::take(
            &hub,
            Wanted {
                last,
                ..wanted("u")
            },
        )
        .unwrap();
        match expected {
            Some(_) => assert_eq!(seat.next().await, Event::Update(update(2, 1))),
            None => assert!(is_idle(&mut seat).await),
        }
        hub.deliver("u", &update(2, 1));
        assert!(is_idle(&mut seat).await, "the same update is sent once");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_takes_the_place_of_one_that_was_not_read() {
    let (hub, metrics) = made(HubSettings::default());
    let (mut reads, mut waits) = (take(&hub, "u"), take(&hub, "u"));
    for number in 1..=100 {
        hub.deliver("u", &update(number, 1));
        if number % 40 == 0 {
            assert_eq!(reads.next().await, Event::Update(update(number, 1)));
        }
    }
    assert_eq!(reads.next().await, Event::Update(update(100, 1)));
    assert_eq!(waits.next().await, Event::Update(update(100, 1)));
    assert!(is_idle(&mut reads).await && is_idle(&mut waits).await);
    let text = metrics.render().unwrap();
    assert!(
        text.contains("push_updates_total{channel=\"sse\"} 4\n"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_come_at_their_time_whatever_else_is_sent() {
    let (hub, _) = made(HubSettings::default());
    let (began, mut seat) = (Instant::now(), take(&hub, "u"));
    let mut beats = Vec::new();
    for number in 0.. {
        match timeout(Duration::from_secs(4), seat.next()).await {
            Ok(Event::Heartbeat) => beats.push(began.elapsed().as_secs()),
            Ok(Event::Update(_)) | Err(_) => {
                advance(Duration::from_millis(100)).await;
                hub.deliver("u", &update(number, 1));
            }
            Ok(Event::End(end)) => panic!("{end:?}"),
        }
        if beats.len() == 3 {
            break;
        }
    }
    assert_eq!(beats, [15, 30, 45]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token() {
    let (hub, metrics) = made(HubSettings::default());
    let lasts = Some(Duration::from_secs(7));
    let mut seat = Seat::take(
        &hub,
        Wanted {
            lasts,
            ..wanted("u")
        },
    )
    .unwrap();
    hub.deliver("u", &update(1, 1));
    assert_eq!(seat.next().await, Event::Update(update(1, 1)));
    let began = Instant::now();
    assert_eq!(seat.next().await, Event::End(End::Expired));
    assert_eq!(began.elapsed().as_secs(), 7);
    drop(seat);
    assert_eq!(hub.open(), 0);
    let closed = "push_closed_total{channel=\"sse\",reason=\"expired\"} 1\n";
    assert!(metrics.render().unwrap().contains(closed));
}

#[tokio::test(start_paused = true)]
async fn a_users_oldest_connection_gives_way_and_beyond_the_total_a_new_one_is_refused() {
    let limits = Limits {
        per_user: 2,
        total: 4,
    };
    let (hub, metrics) = made(HubSettings {
        limits,
        ..HubSettings::default()
    });
    let mut seats = [take(&hub, "u"), take(&hub, "u"), take(&hub, "u")];
    assert_eq!(seats[0].next().await, Event::End(End::Replaced));
    assert!(is_idle(&mut seats[1]).await && is_idle(&mut seats[2]).await);
    let other = take(&hub, "other");
    // The one that was replaced is not gone yet.
    let full = Seat::take(&hub, wanted("third")).err();
    assert_eq!(full, Some(Full::Total(4)));
    drop(seats);
    let again = take(&hub, "third");
    assert_eq!(hub.open(), 2);
    drop((other, again));
    hub.show();
    let text = metrics.render().unwrap();
    for line in [
        "push_users 0\n",
        "push_connections{channel=\"sse\"} 0\n",
        "push_refused_total{reason=\"full\"} 1\n",
        "push_closed_total{channel=\"sse\",reason=\"replaced\"} 1\n",
        "push_closed_total{channel=\"sse\",reason=\"left\"} 4\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_dropped_and_one_that_waits_is_not() {
    let (hub, _) = made(HubSettings::default());
    let (mut slow, mut reads) = (take(&hub, "u"), take(&hub, "u"));
    hub.deliver("u", &update(1, 1));
    assert_eq!(slow.next().await, Event::Update(update(1, 1)));
    assert_eq!(reads.next().await, Event::Update(update(1, 1)));
    assert!(is_idle(&mut reads).await);
    advance(Duration::from_secs(24)).await;
    hub.look();
    // `slow` was not asked for more since.
    advance(Duration::from_secs(2)).await;
    hub.look();
    assert_eq!(slow.next().await, Event::End(End::Slow));
    assert_eq!(reads.next().await, Event::Heartbeat);
    assert!(is_idle(&mut reads).await);
}

#[tokio::test(start_paused = true)]
async fn of_an_erased_user_nothing_is_kept_and_his_connections_end() {
    let (hub, _) = made(HubSettings::default());
    hub.deliver("u", &update(1, 1));
    let mut seat = take(&hub, "u");
    assert_eq!(seat.next().await, Event::Update(update(1, 1)));
    hub.forget("u");
    assert_eq!(seat.next().await, Event::End(End::Erased));
    assert!(is_idle(&mut take(&hub, "u")).await);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_everyone_gets_the_last_update_and_a_reason_and_no_one_is_let_in() {
    let (hub, _) = made(HubSettings::default());
    let mut seat = take(&hub, "u");
    hub.deliver("u", &update(1, 1));
    hub.end();
    assert_eq!(seat.next().await, Event::Update(update(1, 1)));
    assert_eq!(seat.next().await, Event::End(End::Stopped));
    assert_eq!(Seat::take(&hub, wanted("u")).err(), Some(Full::Ending));
}
