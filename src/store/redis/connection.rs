//! One connection, to a single server or to a cluster: opening it, and running commands over it in their order.

use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisResult, Value, cmd};

use super::access::Access;
use super::commands::{PUT_NEWER, bytes, facts};

/// Commands under way to a cluster at the same time.
const CLUSTER_CONCURRENCY: usize = 256;
/// Tries of a command within the cluster's client: it follows moved keys, and finds new masters.
const CLUSTER_RETRIES: u32 = 4;
/// Longest pause between two of them, in milliseconds.
const CLUSTER_PAUSE_MS: u64 = 250;

/// Limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) response: Duration,
}

/// A connection. Copies are one connection.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A master of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Master {
    /// The first slot that it has, by which it is reached.
    pub(super) slot: u16,
    /// Where it is.
    address: (String, i64),
}

impl Connection {
    /// Connects to the first server that answers and is no replica, and to the whole cluster if that is a node of one. What a
    /// person should know of this Redis is logged.
    pub(super) async fn open(access: &Access, limits: Limits) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits.connect))
            .set_response_timeout(Some(limits.response));
        let mut last = None;
        for (number, server) in access.servers.iter().enumerate() {
            let client = access.client(server)?;
            let connected = client
                .get_multiplexed_async_connection_with_config(&config)
                .await;
            let mut connection = match connected {
                Ok(connection) => connection,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            };
            // A user may not be allowed to ask; then it is taken for a single server.
            let info = cmd("INFO").query_async::<Value>(&mut connection).await;
            let info = info.ok().and_then(bytes).unwrap_or_default();
            let info = String::from_utf8_lossy(&info);
            let facts = facts(&info);
            if facts.get("redis_mode") == Some(&"cluster") {
                return Self::cluster(access, limits).await;
            }
            let is_last = number + 1 == access.servers.len();
            if facts.get("role") == Some(&"slave") && !is_last {
                continue;
            }
            warn_of(&facts, &server.addr().to_string());
            let mut opened = Self::Single(connection);
            opened.load_script().await;
            return Ok(opened);
        }
        Err(last.unwrap_or_else(|| RedisError::from(std::io::Error::other("no server is named"))))
    }

    async fn cluster(access: &Access, limits: Limits) -> RedisResult<Self> {
        let mut client = ClusterClientBuilder::new(access.servers.clone())
            .connection_timeout(limits.connect)
            .response_timeout(limits.response)
            .retries(CLUSTER_RETRIES)
            .max_retry_wait(CLUSTER_PAUSE_MS);
        if let Some(certificates) = &access.certificates {
            client = client.certs(certificates.clone());
        }
        let connection = client.build()?.get_async_connection().await?;
        let mut opened = Self::Cluster(connection);
        opened.load_script().await;
        Ok(opened)
    }

    /// So that no batch has to send the text. Where it is not allowed, the text is sent when its hash is not known.
    async fn load_script(&mut self) {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(PUT_NEWER);
        if let Err(error) = self.query(&load).await {
            tracing::debug!(%error, "user store: the script was not loaded");
        }
    }

    async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Runs commands in their order; one answer each. To a cluster they may run in any order, each on the node that has its key.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(super) async fn run(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.ignore_errors().query_async(connection).await
            }
            Self::Cluster(connection) => {
                // One node that is away does not end the connections to the others.
                let commands = commands.into_iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { command.query_async::<Value>(&mut connection).await }
                });
                let answers = futures_util::stream::iter(commands)
                    .buffered(CLUSTER_CONCURRENCY)
                    .collect()
                    .await;
                Ok(answers)
            }
        }
    }

    /// Runs a command on one master of a cluster; on the server where it is a single one.
    pub(super) async fn run_on(&mut self, command: &Cmd, slot: u16) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let slot = Slot::new(slot)
                    .ok_or_else(|| RedisError::from(std::io::Error::other("no such slot")))?;
                let route = Route::with_slot(slot, SlotAddr::Master);
                let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
                connection
                    .route_command(command.clone(), routing)
                    .await?
                    .extract_error()
            }
        }
    }

    /// The masters of a cluster by their slots; none for a single server.
    pub(super) async fn masters(&mut self) -> RedisResult<Option<Vec<Master>>> {
        let Self::Cluster(connection) = self else {
            return Ok(None);
        };
        let mut ask = cmd("CLUSTER");
        ask.arg("SLOTS");
        let ranges = ask.query_async::<Value>(connection).await?;
        Ok(Some(masters(&ranges)))
    }
}

/// Reads `CLUSTER SLOTS`: ranges of slots, each with its nodes, the master first.
fn masters(ranges: &Value) -> Vec<Master> {
    let items = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    let mut masters: Vec<Master> = Vec::new();
    for range in items(ranges) {
        let range = items(&range);
        let (Some(Value::Int(slot)), Some(node)) = (range.first(), range.get(2)) else {
            continue;
        };
        let node = items(node);
        let (Some(Value::BulkString(host)), Some(Value::Int(port))) = (node.first(), node.get(1))
        else {
            continue;
        };
        let address = (String::from_utf8_lossy(host).into_owned(), *port);
        let Ok(slot) = u16::try_from(*slot) else {
            continue;
        };
        match masters.iter_mut().find(|known| known.address == address) {
            Some(known) => known.slot = known.slot.min(slot),
            None => masters.push(Master { slot, address }),
        }
    }
    masters.sort();
    masters
}

/// Settings of a Redis with which what was acknowledged may go.
fn warn_of(facts: &std::collections::BTreeMap<&str, &str>, server: &str) {
    let policy = facts
        .get("maxmemory_policy")
        .copied()
        .unwrap_or("noeviction");
    let has_limit = facts.get("maxmemory").is_some_and(|bytes| *bytes != "0");
    if has_limit && policy.starts_with("allkeys") {
        tracing::warn!(
            server,
            policy,
            "user store: when it is full, this Redis removes any key, profiles too: set its maxmemory-policy to noeviction or volatile-ttl"
        );
    }
    if facts.get("aof_enabled") == Some(&"0") {
        tracing::warn!(
            server,
            "user store: this Redis keeps no append-only file, so that its restart loses changes that were acknowledged: set its appendonly to yes"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_are_known_by_their_first_slot() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: &str, port| Value::Array(vec![text(host), Value::Int(port), text("id")]);
        let range = |from, to, port| {
            Value::Array(vec![
                Value::Int(from),
                Value::Int(to),
                node("10.0.0.1", port),
                node("10.0.0.9", 1),
            ])
        };
        let ranges = vec![
            range(5461, 10922, 2),
            range(12000, 16383, 1),
            range(0, 5460, 1),
            range(10923, 11999, 3),
            Value::Nil,
        ];
        let slots: Vec<u16> = masters(&Value::Array(ranges))
            .into_iter()
            .map(|master| master.slot)
            .collect();
        assert_eq!(slots, [0, 5461, 10923]);
        assert!(masters(&Value::Nil).is_empty());
    }
}
