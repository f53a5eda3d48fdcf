//! What the command line needs of the service: configuration to run, to check, and to open logs with.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homeostat_actors::ports::clock::Clock as _;
use homeostat_actors::ports::log::EventLog;
use homeostat_logic::rules::Rules;
use homeostat_logic::target::Target;

use super::assembly::{kafka_settings, log_directory};
use super::{exit, open_log, run, topics};
use crate::catalog::{self, FileError};
use crate::clock::SystemClock;
use crate::command::{Checked, ConfiguredLog, Decides, IfMissing, OpenError, Wiring};
use crate::configuration::{
    Configuration, PREFIX, Settings, brokers, effective, examine, load, load_untried, nearest,
    of_process,
};
use crate::connectors::{self, Examined};
use crate::log::embedded;
use crate::log::kafka::KafkaLog;
use crate::secrets::Secret;
use crate::store;

/// Exit code of usage and configuration errors.
const USAGE: u8 = 2;

/// The real service.
#[derive(Clone, Copy, Debug)]
pub struct Service;

impl Wiring for Service {
    fn run(&self, files: &[PathBuf], dry_run: bool) -> ExitCode {
        match with_rules(load(files, with_option(dry_run))) {
            Ok(configuration) => {
                crate::log_output::start(&configuration.settings.log_output);
                run(configuration)
            }
            Err(faults) => {
                crate::command::complain(&faults.join("\n"));
                ExitCode::from(USAGE)
            }
        }
    }

    fn decides(&self, files: &[PathBuf]) -> Result<Decides, Vec<String>> {
        let configuration = with_rules(load_untried(files, of_process()))?;
        let rules = Rules::new(&configuration.rules).map_err(|errors| {
            let errors = errors.iter().map(ToString::to_string);
            errors.collect::<Vec<_>>()
        })?;
        let origins = configuration.provenance.into_iter();
        Ok(Decides {
            rules,
            settings: configuration.rules,
            connections: configuration.settings.connections,
            origins: origins
                .map(|(key, origin)| (key, origin.to_string()))
                .collect(),
            now: SystemClock.now(),
        })
    }

    fn user_secret(&self, files: &[PathBuf]) -> Result<Option<Secret>, Vec<String>> {
        configured(files).map(|configuration| configuration.settings.user_secret.current())
    }

    fn rewrite_users(&self, files: &[PathBuf]) -> Result<u64, OpenError> {
        let configuration = configured(files).map_err(OpenError::Configuration)?;
        let settings = &configuration.settings;
        if settings.user_store.redis.is_some() {
            let problem = "users are in a Redis (store.redis_url), which keeps no old values; to leave none in its append-only file, run BGREWRITEAOF there";
            return Err(OpenError::Configuration(vec![problem.to_owned()]));
        }
        match store::rewrite(&settings.data_dir) {
            Ok(rewritten) => Ok(rewritten.profiles),
            Err(error @ store::embedded::OpenError::InUse { .. }) => Err(OpenError::InUse {
                problem: error.to_string(),
                url: format!("http://{}", settings.http.listen),
            }),
            Err(error) => Err(OpenError::Unusable(error.to_string())),
        }
    }

    fn check(&self, files: &[PathBuf]) -> Checked {
        let examined = examine(files, of_process());
        let warnings = examined.warnings.iter().map(ToString::to_string).collect();
        let configuration = with_rules(examined.configuration).and_then(|configuration| {
            let files = catalog::check(&configuration.settings.catalog);
            let lines = |faults: Vec<FileError>| faults.iter().map(ToString::to_string).collect();
            files.map(|()| configuration).map_err(lines)
        });
        Checked {
            effective: configuration.map(|configuration| effective(&configuration)),
            warnings,
        }
    }

    fn examine<'a>(
        &self,
        files: &[PathBuf],
        name: &'a str,
        target: Option<&'a Target>,
    ) -> Result<BoxFuture<'a, Vec<Examined>>, Vec<String>> {
        let configuration = configured(files)?;
        let connections = configuration.settings.connections.clone();
        let written = configuration
            .provenance
            .keys()
            .filter_map(|key| key.strip_prefix("connections.")?.strip_suffix(".kind"));
        let names: Vec<&str> = written.chain([connectors::log::NAME]).collect();
        if !names.contains(&name) {
            let meant = nearest(name, &names);
            let meant = meant.map_or_else(
                || format!("connections: {}", names.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            return Err(vec![format!("unknown connection `{name}`; {meant}")]);
        }
        let rules = Rules::new(&configuration.rules);
        let rules =
            rules.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let now = SystemClock.now();
        // An embedded log belongs to the running service.
        let settings = &configuration.settings;
        let connections = if connectors::needs_log(&connections, name)
            && settings.kafka.bootstrap_servers.is_some()
        {
            let log = open_log(settings).map_err(|error| vec![exit::in_full(&error)])?;
            connectors::with_log(&connections, &log)
        } else {
            connections
        };
        Ok(
            async move { connectors::examine(&connections, &rules, name, target, now).await }
                .boxed(),
        )
    }

    fn open_log(
        &self,
        files: &[PathBuf],
        if_missing: IfMissing,
    ) -> Result<ConfiguredLog, OpenError> {
        let configuration = configured(files).map_err(OpenError::Configuration)?;
        let settings = &configuration.settings;
        if if_missing == IfMissing::Leave && is_missing(settings) {
            let directory = log_directory(settings);
            return Err(OpenError::Missing { directory });
        }
        let log = open_log(settings).map_err(|error| open_error(&error, settings))?;
        Ok(ConfiguredLog {
            log,
            topics: topics(settings),
        })
    }

    fn open_kafka(
        &self,
        files: &[PathBuf],
        bootstrap_servers: &str,
    ) -> Result<Arc<dyn EventLog>, OpenError> {
        if bootstrap_servers.trim().is_empty() {
            let problem = "--bootstrap-servers: is empty; give HOST:PORT".to_owned();
            return Err(OpenError::Configuration(vec![problem]));
        }
        let problems = brokers::problems(bootstrap_servers).into_iter();
        let problems: Vec<String> = problems
            .map(|(problem, remedy)| format!("--bootstrap-servers: {problem}; {remedy}"))
            .collect();
        if !problems.is_empty() {
            return Err(OpenError::Configuration(problems));
        }
        let configuration = configured(files).map_err(OpenError::Configuration)?;
        let log = KafkaLog::open(kafka_settings(&configuration.settings, bootstrap_servers));
        let log = log.map_err(|error| OpenError::Log(error.to_string()))?;
        Ok(Arc::new(log))
    }
}

/// Whether the configured log is an embedded one of which nothing is there yet. What cannot be looked at is there.
fn is_missing(settings: &Settings) -> bool {
    if settings.kafka.bootstrap_servers.is_some() {
        return false;
    }
    match std::fs::read_dir(log_directory(settings)) {
        Ok(mut files) => files.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn open_error(error: &anyhow::Error, settings: &Settings) -> OpenError {
    let problem = exit::in_full(error);
    match error.downcast_ref() {
        Some(embedded::OpenError::InUse { .. }) => OpenError::InUse {
            problem,
            url: format!("http://{}", settings.http.listen),
        },
        Some(embedded::OpenError::Damaged { .. } | embedded::OpenError::Store { .. }) => {
            OpenError::Unusable(problem)
        }
        None => OpenError::Log(problem),
    }
}

/// The configuration, or every fault of it: those of the text and, if there are none, those of the rules.
/// The environment, with the option `--dry-run` as its key.
fn with_option(dry_run: bool) -> Vec<(String, String)> {
    let option = dry_run.then(|| (format!("{PREFIX}DRY_RUN"), "true".to_owned()));
    let of_process = of_process();
    of_process
        .filter(|(name, _)| option.as_ref().is_none_or(|(option, _)| name != option))
        .chain(option.clone())
        .collect()
}

fn configured(files: &[PathBuf]) -> Result<Configuration, Vec<String>> {
    with_rules(load(files, of_process()))
}

fn with_rules(
    configuration: Result<Configuration, Vec<crate::configuration::Fault>>,
) -> Result<Configuration, Vec<String>> {
    let lines = |faults: Vec<crate::configuration::Fault>| {
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let configuration = configuration.map_err(lines)?;
    match Rules::new(&configuration.rules) {
        Ok(_) => Ok(configuration),
        Err(errors) => {
            let place = |key: &str| configuration.provenance.get(key).map(ToString::to_string);
            let line = |error: &homeostat_logic::rules::RuleError| match place(&error.key) {
                Some(place) => format!("{place}: {error}"),
                None => error.to_string(),
            };
            Err(errors.iter().map(line).collect())
        }
    }
}
