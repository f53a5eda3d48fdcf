//! A real cluster of three masters on this machine: the whole suite, keys on all nodes, and a node that is killed.

use std::process::Command;
use std::time::{Duration, Instant};

use homeostat_actors::ports::user_store::{Entry, StoreError};

use crate::server::Server;
use crate::world::{World, position, put, until};

/// Three masters that have found each other.
fn cluster() -> Option<Vec<Server>> {
    let arguments = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "1000",
        "--cluster-require-full-coverage",
        "no",
    ];
    let servers: Option<Vec<Server>> = (0..3).map(|_| Server::start(&arguments)).collect();
    let servers = servers?;
    let addresses = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()));
    let output = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(addresses)
        .args(["--cluster-replicas", "0", "--cluster-yes"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let begun = Instant::now();
    for server in &servers {
        while !server
            .cli(&["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
        {
            assert!(begun.elapsed() < Duration::from_mins(1), "{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Some(servers)
}

#[tokio::test]
async fn the_suite_passes_on_a_cluster() {
    let Some(servers) = cluster() else {
        return;
    };
    let url = servers[0].url();
    crate::on_cluster(|name| {
        World::of(
            &format!("redis_url = \"{url}\"\nkey_prefix = \"{name}/\""),
            None,
        )
    })
    .await;
    for server in &servers {
        let keys: usize = server.cli(&["DBSIZE"]).parse().unwrap();
        assert!(keys > 1_000, "{keys}");
    }
}

#[tokio::test]
async fn a_node_that_is_killed_takes_its_keys_with_it_and_brings_them_back() {
    let Some(mut servers) = cluster() else {
        return;
    };
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let section = format!(
        "redis_url = \"{}\"\nresponse_timeout_ms = 500",
        urls.join(",")
    );
    let world = World::of(&section, None);
    let store = world.store();
    let users: Vec<String> = (0..60).map(|user| user.to_string()).collect();
    let all = users.iter().map(|user| put(Entry::Profile, user, 1));
    store.change(all.collect()).await.unwrap();
    servers[1].kill();
    let mut away = 0;
    for user in &users {
        match store.change(vec![put(Entry::Profile, user, 2)]).await {
            Ok(()) => {}
            Err(StoreError::Unavailable(_)) => away += 1,
            Err(StoreError::Refused(why)) => panic!("{why}"),
        }
    }
    assert!(away > 5 && away < 50, "{away} of {}", users.len());
    servers[1].restart(&[]);
    for user in &users {
        until(|| store.change(vec![put(Entry::Profile, user, 3)])).await;
        assert_eq!(position(&*store, Entry::Profile, user).await, Some(3));
    }
}
