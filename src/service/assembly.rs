//! Wiring: from the configuration to the parts, each given what it needs and nothing else.

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use homeostat_actors::dead_letters::DeadLetters;
use homeostat_actors::executor::ExecutorContext;
use homeostat_actors::flight::FlightLimits;
use homeostat_actors::in_force::{InForce, Live};
use homeostat_actors::kinds::{self, Kind, Means, topics_read};
use homeostat_actors::ledger::{LedgerContext, SharedHistory};
use homeostat_actors::ledger_view::LedgerView;
use homeostat_actors::ports::clock::Clock;
use homeostat_actors::ports::log::EventLog;
use homeostat_actors::ports::observer::Observer;
use homeostat_actors::ports::translator::Source;
use homeostat_actors::roster::{Roster, RosterContext, RosterSettings};
use homeostat_actors::roster_settings::RetrySettings;
use homeostat_actors::supervision::{Backoff, GroupSpec, Intensity, StartError};
use homeostat_actors::traffic::Traffic;
use homeostat_logic::dead_letters::breaker::BreakerSettings;
use homeostat_logic::history::History;
use homeostat_logic::push::latest::Keep;
use homeostat_logic::push::places::Limits;
use homeostat_logic::rules::Rules;

use super::connections_now::ConnectionsNow;
use super::observation::Observation;
use super::state::ServiceState;
use super::users::{OtherStore, UserSide};
use super::vitals::{Pushing, Vitals};
use crate::catalog::CatalogNow;
use crate::clock::SystemClock;
use crate::configuration::{Configuration, Settings};
use crate::http::{ACKNOWLEDGE_LIMIT, ApiParts, Control, Health};
use crate::log::embedded::{EmbeddedLog, EmbeddedSettings};
use crate::log::kafka::{KafkaLog, KafkaSettings};
use crate::metrics::Metrics;
use crate::push::tail::{Following, Troubles, follow};
use crate::push::{Hub, HubSettings, Shown};
use crate::random::{fresh_id, seed};

/// Decisions kept in memory (SPEC §4); the ledger keeps them all.
const DECISIONS_MAX: usize = 1_000;
/// Bytes of one partition on their way through the actors. With the records' limit it bounds memory per partition; one
/// event of the largest size still passes.
const IN_FLIGHT_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Opens the configured event log.
///
/// # Errors
/// When the embedded log's folder cannot be used, or the Kafka client refuses its settings.
pub fn open_log(settings: &Settings) -> anyhow::Result<Arc<dyn EventLog>> {
    let Some(bootstrap_servers) = &settings.kafka.bootstrap_servers else {
        let embedded = EmbeddedSettings {
            max_bytes: Some(settings.log.bytes_max),
            ..EmbeddedSettings::new(log_directory(settings))
        };
        return Ok(Arc::new(EmbeddedLog::open(embedded)?));
    };
    let kafka = kafka_settings(settings, bootstrap_servers);
    Ok(Arc::new(KafkaLog::open(kafka)?))
}

/// How these brokers are reached.
pub(super) fn kafka_settings(settings: &Settings, bootstrap_servers: &str) -> KafkaSettings {
    let options = settings.kafka_options.iter();
    KafkaSettings {
        session_timeout: Duration::from_millis(u64::from(settings.kafka.session_timeout_ms)),
        options: options
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect(),
        ..KafkaSettings::new(bootstrap_servers)
    }
}

/// Where the embedded log is.
pub(super) fn log_directory(settings: &Settings) -> PathBuf {
    settings.data_dir.join("log")
}

/// All parts but the running actors.
pub(super) struct Assembly {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    live: Live,
    history: SharedHistory,
    settings: Settings,
    /// Topics that other tools write.
    sources: Arc<[Source]>,
    state: Arc<ServiceState>,
    vitals: Arc<Vitals>,
    /// Requests sent and outcomes not yet written.
    under_way: Arc<AtomicUsize>,
    traffic: Arc<Traffic>,
    /// What is known of users; `None`: recommendations are switched off.
    users: Option<UserSide>,
    /// Users who are connected.
    push: Arc<Hub>,
    push_troubles: Arc<Troubles>,
}

impl Assembly {
    pub(super) fn new(
        configuration: &Configuration,
        log: Arc<dyn EventLog>,
    ) -> anyhow::Result<Self> {
        let settings = configuration.settings.clone();
        let rules = Rules::new(&configuration.rules)
            .map_err(|errors| {
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ")
            })
            .map_err(anyhow::Error::msg)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let types = rules.event_types().map(str::to_owned);
        let metrics = Metrics::new(types, clock.now()).context("the metrics are inconsistent")?;
        let sources = crate::ingest::sources(&settings);
        metrics.label_further_topics(ingested(&sources));
        let connections = crate::connectors::with_log(&settings.connections, &log);
        let history = Arc::new(RwLock::new(History::new(DECISIONS_MAX)));
        let views = (0..settings.ledger.partitions)
            .map(LedgerView::new)
            .collect();
        let longest = Duration::from_millis(settings.supervision.stall_max_ms);
        let state = ServiceState::new(Arc::clone(&clock), Arc::clone(&history), views)
            .holding(CatalogNow::new(settings.catalog.bounds(), seed()))
            .on(Arc::clone(&log))
            .tells_of_held_beyond(longest);
        let (state, under_way) = (Arc::new(state), Arc::default());
        let live = InForce::begin(rules, connections);
        let traffic = Traffic::new(Arc::clone(&clock));
        let connections = ConnectionsNow::new(Arc::clone(&traffic), Arc::clone(&live));
        let metrics = Arc::new(metrics);
        let push = Hub::new(
            hub_settings(&settings),
            Arc::clone(&clock),
            Arc::clone(&metrics),
        );
        let push_troubles = Arc::<Troubles>::default();
        let pushing = Pushing::new(Arc::clone(&push), Arc::clone(&push_troubles));
        let users = UserSide::open(&settings, &log, &clock, state.catalog().shared())?;
        if let Some(users) = &users {
            push.counted_by(Arc::clone(&users.users) as Arc<dyn Shown>);
        }
        let vitals = Arc::new(Vitals::of(
            &state,
            &under_way,
            connections,
            pushing,
            settings.external_models.clone(),
            users.as_ref().map(|users| Arc::clone(&users.users)),
        ));
        Ok(Self {
            log,
            clock,
            metrics,
            live,
            history,
            settings,
            sources,
            state,
            vitals,
            under_way,
            traffic,
            users,
            push,
            push_troubles,
        })
    }

    pub(super) fn state(&self) -> Arc<ServiceState> {
        Arc::clone(&self.state)
    }

    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) const fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Users who are connected.
    pub(super) fn push(&self) -> Arc<Hub> {
        Arc::clone(&self.push)
    }

    /// Hands updates to connected users from now on.
    pub(super) fn follow_updates(&self) -> std::io::Result<Following> {
        let (log, troubles) = (Arc::clone(&self.log), Arc::clone(&self.push_troubles));
        follow(log, self.push(), troubles)
    }

    pub(super) fn api(&self) -> ApiParts {
        ApiParts {
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
            decisions: self.state(),
            cooldowns: self.state(),
            catalog: self.state(),
            health: Arc::clone(&self.vitals) as Arc<dyn Health>,
            tree: self.state(),
            stopped: self.state(),
            traffic: Arc::clone(&self.traffic),
            control: Control {
                views: self.state.views().to_vec(),
                live: Arc::clone(&self.live),
                read_back_limit: ACKNOWLEDGE_LIMIT,
            },
            operator_token: self.settings.operator_token.clone(),
            inbound: self.settings.inbound_secrets.clone(),
            push: self.push(),
            user_secret: self.settings.user_secret.clone(),
            users: self.users.as_ref().map(|users| Arc::clone(&users.users)),
            acknowledge_limit: ACKNOWLEDGE_LIMIT,
            ingested: self.ingested(),
            allowed_hosts: self.settings.http.allowed_hosts.clone(),
        }
    }

    /// Topics of other tools that it reads.
    pub(super) fn ingested(&self) -> Vec<&'static str> {
        ingested(&self.sources)
    }

    /// Resolves when what instances know in common of users is read here.
    ///
    /// # Errors
    /// Another store has the users.
    pub(super) async fn users_read(&self) -> Result<(), OtherStore> {
        match &self.users {
            Some(users) => users.read(&self.settings).await,
            None => Ok(()),
        }
    }

    /// Topics that the service reads.
    pub(super) fn consumed_topics(&self) -> Vec<String> {
        let consumed = topics_read(&self.kinds()).into_iter();
        consumed.map(|topic| topic.name.to_owned()).collect()
    }

    fn kinds(&self) -> Vec<Kind> {
        let users = self.users.as_ref().map(|users| &users.kinds);
        kinds::all_with(&self.sources, users)
    }

    pub(super) fn start_actors(&self) -> Result<Roster, StartError> {
        let observer: Arc<dyn Observer> = Arc::new(Observation(Arc::clone(&self.metrics)));
        let ledger_partitions = self.state.views().len();
        let means = Means {
            live: Arc::clone(&self.live),
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            observer: Arc::clone(&observer),
            topic_generation: self.settings.kafka.topic_generation,
            ledger_partitions,
        };
        let owner: Arc<str> = format!("{}@{}", std::process::id(), uuid::Uuid::new_v4()).into();
        let under_way = Arc::clone(&self.under_way);
        let ledger = self.state.views().iter().map(|view| {
            let cooldown = LedgerContext {
                log: Arc::clone(&self.log),
                clock: Arc::clone(&self.clock),
                observer: Arc::clone(&observer),
                history: Arc::clone(&self.history),
                view: Arc::clone(view),
                keep_ms: self.settings.ledger.keep_ms(),
                partitions: ledger_partitions,
                executor: Arc::new(OnceLock::new()),
            };
            let executor = ExecutorContext {
                log: Arc::clone(&self.log),
                clock: Arc::clone(&self.clock),
                observer: Arc::clone(&observer),
                view: Arc::clone(view),
                live: Arc::clone(&self.live),
                fresh_id,
                owner: Arc::clone(&owner),
                traffic: Arc::clone(&self.traffic),
                under_way: Arc::clone(&under_way),
            };
            (cooldown, executor)
        });
        let context = RosterContext {
            kinds: self.kinds(),
            means,
            decode: homeostat_logic::envelope::decode_record,
            ledger: ledger.collect(),
            dead_letters: DeadLetters::new(Arc::clone(&self.log), env!("CARGO_PKG_VERSION")),
            observer: Arc::clone(&observer),
        };
        Roster::start(context, roster_settings(&self.settings))
    }
}

/// Those of these topics that are not the platform's.
fn ingested(sources: &[Source]) -> Vec<&'static str> {
    let further = sources.iter().filter(|source| !source.is_own);
    further.map(|source| source.topic.name).collect()
}

/// How the actors are supervised and bounded.
pub fn roster_settings(settings: &Settings) -> RosterSettings {
    let (supervision, consumer) = (&settings.supervision, &settings.consumer);
    let window = Duration::from_millis(supervision.restart_window_ms);
    RosterSettings {
        intensity: Intensity::new(supervision.restarts_max, window),
        backoff: Backoff {
            first: Duration::from_millis(supervision.backoff_first_ms),
            max: Duration::from_millis(supervision.backoff_max_ms),
            ..Backoff::default()
        },
        group_intensity: GroupSpec::INTENSITY,
        group_backoff: Backoff {
            first: GroupSpec::BACKOFF_FIRST,
            ..Backoff::default()
        },
        mailbox_messages_max: supervision.mailbox_messages_max as u64,
        handling_max: Duration::from_millis(supervision.handling_max_ms),
        batch_events_max: consumer.batch_events_max,
        flight: FlightLimits {
            records_max: consumer.in_flight_records_max,
            bytes_max: IN_FLIGHT_BYTES_MAX,
            breaker: BreakerSettings::new(
                settings.dead_letters.stop_after,
                settings.dead_letters.stop_share,
            ),
        },
        retry: RetrySettings {
            attempts_max: consumer.attempts_max,
            first: Duration::from_millis(consumer.retry_first_ms),
            max: Duration::from_millis(consumer.retry_max_ms),
        },
    }
}

/// How connections of users are held.
fn hub_settings(settings: &Settings) -> HubSettings {
    let push = &settings.recommendations.push;
    HubSettings {
        limits: Limits {
            per_user: push.per_user_max,
            total: push.total_max,
        },
        heartbeat: Duration::from_secs(push.heartbeat_seconds),
        patience: Duration::from_secs(push.unread_seconds),
        keep: Keep::DEFAULT,
    }
}
