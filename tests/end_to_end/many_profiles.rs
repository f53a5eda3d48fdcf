//! A start with many profiles in the store: they are read as their users act, and the newest in the background. `PROFILES=1000000` is the full size.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use homeostat::configuration::load;
use homeostat_actors::ports::user_store::{Change, Entry, Key, UserStore};
use serde_json::json;

use crate::redis::Server;
use crate::support::client::run;
use crate::support::service::Launch;
use crate::support::wait_until;
use crate::users::interactions;

/// In the ordinary run.
const PROFILES: u64 = 3_000;
/// Users who are brought in after a start.
const WARM: &str = "RECOMMENDATIONS__WARM_USERS_MAX";
const WARMED: u64 = 1_500;
/// Profiles of one call.
const BATCH: u64 = 2_000;

fn store(data: &Path, redis: Option<&Server>) -> Arc<dyn UserStore> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.toml");
    let section = redis.map_or_else(String::new, |redis| {
        format!("[store]\nredis_url = \"{}\"\n", redis.url())
    });
    std::fs::write(
        &file,
        format!("data_dir = \"{}\"\n{section}", data.display()),
    )
    .unwrap();
    let settings = load(&[file], Vec::new()).unwrap().settings;
    homeostat::store::open(&settings.user_store, &settings.data_dir).unwrap()
}

/// Who has seen some twenty items, as one who comes now and then.
fn profile(dice: &mut fastrand::Rng, user: u64) -> Change {
    let mut items: Vec<String> = (0..24)
        .map(|_| dice.u64(0..1_000_000).to_string())
        .collect();
    items.sort_unstable();
    items.dedup();
    let seen = items.len();
    let recent: Vec<(usize, usize, f32)> = (0..seen)
        .map(|place| (place, (seen - place) * 3_600, 0.5))
        .collect();
    let preferences: std::collections::BTreeMap<String, f32> = (0..6)
        .map(|_| (format!("genre {}", dice.u8(0..40)), dice.f32()))
        .collect();
    let taste = json!({"items": items, "seen": seen, "newest": 1_790_000_000, "recent": recent});
    let rest = json!({
        "user_id": user.to_string(), "preferences": preferences, "interactions": seen,
        "updated_at": "2026-11-01T00:00:00Z", "taste": taste,
    });
    let value = rest.to_string().replacen('{', "{\"position\":0,", 1);
    Change::Put {
        key: Key::new(Entry::Profile, user.to_string()),
        position: 0,
        value,
    }
}

/// Bytes that a process holds in memory.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

fn start_with_many(redis: Option<&Server>) {
    let profiles = std::env::var("PROFILES").map_or(PROFILES, |count| count.parse().unwrap());
    let mut launch = Launch::new().with(WARM, "0");
    if let Some(redis) = redis {
        launch = launch.with("STORE__REDIS_URL", &redis.url());
    }
    let mut dice = fastrand::Rng::with_seed(7);
    let began = Instant::now();
    let filled = store(&launch.folder().join("data"), redis);
    for first in (0..profiles).step_by(usize::try_from(BATCH).unwrap()) {
        let last = (first + BATCH).min(profiles);
        let changes: Vec<Change> = (first..last).map(|user| profile(&mut dice, user)).collect();
        run(async {
            while let Err(error) = filled.change(changes.clone()).await {
                eprintln!("{error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        });
    }
    drop(filled);
    let took = began.elapsed();
    eprintln!("{profiles} profiles written in {took:?}");
    let began = Instant::now();
    let service = launch.start();
    let (took, bytes) = (began.elapsed(), resident(service.pid()) >> 20);
    eprintln!("ready after {took:?} with {bytes} MiB");
    let metrics = service.get("/metrics").text;
    assert!(
        metrics.contains("homeostat_model_users 0\n"),
        "no profile is read at the start"
    );
    let before = interactions(&service, profiles - 1);
    assert!(before > 0, "{before}");
    let event = json!({"user_id": profiles - 1, "interaction_type": "view", "item_ids": [1]});
    service.publish("business.user.interaction", &event);
    wait_until("the profile goes on", || {
        interactions(&service, profiles - 1) == before + 1
    });
    let metrics = service.get("/metrics").text;
    assert!(
        metrics.contains("homeostat_model_users 1\n"),
        "the profile of who acts is read, and no other"
    );
    service.stop();
    if redis.is_some() {
        // A partition of a shared store is brought in once it has an event.
        return;
    }
    let (launch, began) = (launch.with(WARM, &WARMED.to_string()), Instant::now());
    let service = launch.start();
    eprintln!("ready after {:?}, with users to bring in", began.elapsed());
    let all = format!("homeostat_model_users {}\n", profiles.min(WARMED));
    wait_until("the newest are in memory", || {
        service.get("/metrics").text.contains(&all)
    });
    eprintln!("they are in memory after {:?}", began.elapsed());
    service.stop();
}

#[test]
fn a_start_reads_no_profile_of_an_embedded_store() {
    start_with_many(None);
}

#[test]
fn a_start_reads_no_profile_of_a_redis() {
    if let Some(redis) = Server::start(&[]) {
        start_with_many(Some(&redis));
    }
}
