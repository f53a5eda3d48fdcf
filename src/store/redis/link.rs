//! The connection as calls use it: there or not, made again with growing pauses, with bounded pipelines and bounded calls.

use std::time::{Duration, Instant};

use homeostat_actors::ports::user_store::StoreError;
use parking_lot::Mutex;
use redis::{Arg, Cmd, RedisError, RedisResult, Value, cmd};
use tokio::sync::Semaphore;

use super::RedisSettings;
use super::connection::{Connection, Limits, Master};
use super::fault::{Fault, judge};

/// Commands and bytes of one pipeline at most; a single command may be larger.
const PIPELINE_COMMANDS: usize = 512;
const PIPELINE_BYTES: usize = 4 * 1024 * 1024;
/// Pipelines under way at most; further ones wait, as long as for an answer.
const PIPELINES: usize = 64;
/// Pauses between two attempts to connect.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a connection is looked after, and how long it may be silent.
const WATCH: Duration = Duration::from_millis(500);
const SILENT: Duration = Duration::from_secs(5);
/// A cluster's connections are mended by its client; after so long without any answer all of them are made again.
const CLUSTER_SILENT: Duration = Duration::from_secs(15);

/// The way to Redis.
pub(super) struct Link {
    settings: RedisSettings,
    state: Mutex<State>,
    /// Held by the one that connects.
    connecting: tokio::sync::Mutex<()>,
    places: Semaphore,
}

#[derive(Default)]
struct State {
    connection: Option<(u64, Connection)>,
    /// Connections so far.
    serial: u64,
    /// Attempts that failed since the last connection.
    failures: u32,
    retry_at: Option<Instant>,
    answered_at: Option<Instant>,
    trouble: Option<Trouble>,
}

struct Trouble {
    text: String,
    of_writes: bool,
}

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            places: Semaphore::new(PIPELINES),
        }
    }

    /// Why calls fail now, if they do.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        state.trouble.as_ref().map(|trouble| trouble.text.clone())
    }

    /// Connects, and connects again, also while there are no calls. Never ends.
    pub(super) async fn watch(&self) {
        loop {
            let silent = {
                let state = self.state.lock();
                let answered = state.answered_at.map(|at| at.elapsed());
                state.connection.is_some() && answered.is_none_or(|elapsed| elapsed > SILENT)
            };
            let looked = if silent {
                self.run(vec![cmd("PING")], false).await.map(drop)
            } else {
                self.connection().await.map(drop)
            };
            if let Err(error) = looked {
                tracing::trace!(%error, "user store: Redis is away");
            }
            tokio::time::sleep(WATCH).await;
        }
    }

    /// Runs commands, one answer each. Their errors have been looked at for what concerns the connection.
    pub(super) async fn run(
        &self,
        commands: Vec<Cmd>,
        writes: bool,
    ) -> Result<Vec<RedisResult<Value>>, StoreError> {
        let mut answers = Vec::with_capacity(commands.len());
        for pipeline in pipelines(commands) {
            let _place = self.place().await?;
            let (serial, mut connection) = self.connection().await?;
            let answered = connection.run(pipeline).await;
            let answered = answered.map_err(|error| self.lost(serial, &error))?;
            self.note(serial, &answered, writes);
            answers.extend(answered);
        }
        Ok(answers)
    }

    /// Runs a command on a master of a cluster.
    pub(super) async fn run_on(&self, command: &Cmd, slot: u16) -> Result<Value, StoreError> {
        let _place = self.place().await?;
        let (serial, mut connection) = self.connection().await?;
        let answered = connection.run_on(command, slot).await;
        self.single(serial, answered)
    }

    /// The masters of a cluster; `None` for a single server.
    pub(super) async fn masters(&self) -> Result<Option<Vec<Master>>, StoreError> {
        let (serial, mut connection) = self.connection().await?;
        let answered = connection.masters().await;
        self.single(serial, answered)
    }

    fn single<T>(&self, serial: u64, answered: RedisResult<T>) -> Result<T, StoreError> {
        answered.map_err(|error| {
            let fault = judge(&error, &self.server());
            self.fail(serial, &fault);
            fault.error
        })
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, StoreError> {
        let limit = self.settings.response_timeout;
        let place = tokio::time::timeout(limit, self.places.acquire()).await;
        let busy = || {
            let server = self.server();
            StoreError::Unavailable(format!("{server}: too many calls wait for it"))
        };
        place.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Judges an error of one key.
    pub(super) fn judge(&self, error: &RedisError, key: &impl std::fmt::Display) -> Fault {
        if error.code() == Some("WRONGTYPE") {
            let prefix = &self.settings.key_prefix;
            judge(error, &format!("{}: the key {prefix}{key}", self.server()))
        } else {
            judge(error, &self.server())
        }
    }

    fn server(&self) -> String {
        format!("Redis {}", self.settings.access.current().shown())
    }

    /// The connection of now, or a new one; at once an error while it is away.
    async fn connection(&self) -> Result<(u64, Connection), StoreError> {
        if let Some(found) = self.found()? {
            return Ok(found);
        }
        let is_away = self.state.lock().trouble.is_some();
        let _connecting = if is_away {
            // One call tries, the others do not wait for it.
            let Ok(guard) = self.connecting.try_lock() else {
                let why = self.trouble().unwrap_or_default();
                return Err(StoreError::Unavailable(why));
            };
            guard
        } else {
            self.connecting.lock().await
        };
        // Another call may have connected meanwhile, or failed to.
        if let Some(found) = self.found()? {
            return Ok(found);
        }
        let limits = Limits {
            connect: self.settings.connect_timeout,
            response: self.settings.response_timeout,
        };
        let access = self.settings.access.current();
        match Connection::open(&access, limits).await {
            Ok(connection) => Ok(self.connected(connection)),
            Err(error) => {
                let fault = judge(&error, &self.server());
                let mut state = self.state.lock();
                state.retry(true);
                state.troubled(&fault);
                Err(fault.error)
            }
        }
    }

    fn found(&self) -> Result<Option<(u64, Connection)>, StoreError> {
        let state = self.state.lock();
        if let Some(found) = &state.connection {
            return Ok(Some(found.clone()));
        }
        let waits = state.retry_at.is_some_and(|at| Instant::now() < at);
        match &state.trouble {
            Some(trouble) if waits => Err(StoreError::Unavailable(trouble.text.clone())),
            _ => Ok(None),
        }
    }

    fn connected(&self, connection: Connection) -> (u64, Connection) {
        let mut state = self.state.lock();
        state.serial += 1;
        let found = (state.serial, connection);
        state.connection = Some(found.clone());
        state.failures = 0;
        state.retry_at = None;
        state.answered(false);
        let (server, number) = (self.server(), state.serial);
        drop(state);
        let kind = match found.1 {
            Connection::Single(_) => "a single server",
            Connection::Cluster(_) => "a cluster",
        };
        tracing::info!(server, kind, number, "user store: connected");
        found
    }

    fn lost(&self, serial: u64, error: &RedisError) -> StoreError {
        let fault = Fault {
            ends_connection: true,
            ..judge(error, &self.server())
        };
        self.fail(serial, &fault);
        fault.error
    }

    /// Notes what answers say of the connection, once for all of them.
    fn note(&self, serial: u64, answers: &[RedisResult<Value>], writes: bool) {
        let faults = answers.iter().filter_map(|answer| answer.as_ref().err());
        let of_redis = faults.filter(|error| {
            let code = error.code();
            code != Some("NOSCRIPT") && code != Some("WRONGTYPE")
        });
        let fault = of_redis.map(|error| judge(error, &self.server())).next();
        if answers.iter().any(Result::is_ok) {
            self.state.lock().answered_at = Some(Instant::now());
        }
        match fault {
            Some(fault) => self.fail(serial, &fault),
            None => self.state.lock().answered(writes),
        }
    }

    fn fail(&self, serial: u64, fault: &Fault) {
        let mut state = self.state.lock();
        state.troubled(fault);
        let silent = state
            .answered_at
            .is_none_or(|at| at.elapsed() > CLUSTER_SILENT);
        let ends = match &state.connection {
            Some((number, Connection::Single(_))) => *number == serial,
            Some((number, Connection::Cluster(_))) => *number == serial && silent,
            None => false,
        };
        if fault.ends_connection && ends {
            state.connection = None;
            state.retry(false);
        }
    }
}

impl State {
    /// The next attempt, after a pause that doubles; a part of it is chance, so that instances do not come together.
    fn retry(&mut self, has_failed: bool) {
        let doubled = PAUSE_FIRST.saturating_mul(1 << self.failures.min(10));
        if has_failed {
            self.failures = self.failures.saturating_add(1);
        }
        let [chance, ..] = uuid::Uuid::new_v4().into_bytes();
        let pause = doubled
            .min(PAUSE_MAX)
            .mul_f64(0.75 + f64::from(chance) / 512.0);
        self.retry_at = Some(Instant::now() + pause);
    }

    fn answered(&mut self, writes: bool) {
        self.answered_at = Some(Instant::now());
        let is_over = self
            .trouble
            .as_ref()
            .is_some_and(|trouble| writes || !trouble.of_writes);
        if is_over {
            self.trouble = None;
            tracing::info!("user store: Redis answers again");
        }
    }

    fn troubled(&mut self, fault: &Fault) {
        let StoreError::Unavailable(text) = &fault.error else {
            return;
        };
        if self.trouble.is_none() {
            tracing::warn!(
                problem = text,
                "user store: Redis cannot be used; calls are tried again"
            );
        }
        self.trouble = Some(Trouble {
            text: text.clone(),
            of_writes: fault.of_writes,
        });
    }
}

/// Commands in pipelines of bounded size.
fn pipelines(commands: Vec<Cmd>) -> Vec<Vec<Cmd>> {
    let mut pipelines: Vec<Vec<Cmd>> = Vec::new();
    let mut bytes = 0;
    for command in commands {
        let size: usize = command
            .args_iter()
            .map(|argument| match argument {
                Arg::Simple(text) => text.len(),
                _ => 0,
            })
            .sum();
        bytes += size;
        match pipelines.last_mut() {
            Some(last) if last.len() < PIPELINE_COMMANDS && bytes <= PIPELINE_BYTES => {
                last.push(command);
            }
            _ => {
                pipelines.push(vec![command]);
                bytes = size;
            }
        }
    }
    pipelines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_are_bounded_by_commands_and_by_bytes() {
        let set = |size: usize| {
            let mut set = cmd("SET");
            set.arg("key").arg(vec![0_u8; size]);
            set
        };
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            let commands = sizes.iter().map(|size| set(*size)).collect();
            pipelines(commands).iter().map(Vec::len).collect()
        };
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[1; PIPELINE_COMMANDS]), [PIPELINE_COMMANDS]);
        assert_eq!(lengths(&[1; PIPELINE_COMMANDS + 1]), [PIPELINE_COMMANDS, 1]);
        let large = PIPELINE_BYTES / 2;
        assert_eq!(lengths(&[large, large, large, 1]), [1, 1, 2]);
        assert_eq!(lengths(&[2 * PIPELINE_BYTES, 1]), [1, 1]);
    }
}
